r"""Expected shares of coordinates in the groups A, B, C under 1-SAM, for the signal-plus-noise mixture.

Let w = (w_1, w_perp) be fixed and u_i = w_i/||w_perp|| for a coordinate i >= 2 (zero when w_perp is zero). With
independent standard normals a and g, and r chi of d - 2 degrees of freedom, an example has

    signal u = B + gamma_1 g,   margin m = +-(w_1 u + gamma ||w_perp|| a) (- when mislabelled),
    ||x||^2 = u^2 + gamma^2 (a^2 + r^2),   s = sigma(-m),   s' = sigma(rho ||x|| - m),
    z_i = u_i a + v_i with E[v_i^2 | a, g, r] = (1 - u_i^2) r^2/(d - 2),

so that, up to one factor for all, c_i = sum_clean s_j z_ji and n_i = -sum_mislabelled s_j z_ji, and alike with s'.
Given the sums  M = (sum s a, sum s' a)  and  S = (sum s^2, sum s s', sum s'^2) r^2/(d - 2)  of both groups, the parts
have mean u_i M and covariance (1 - u_i^2) S. Were they normal, theory.down_weighting.shares would give F(u_i; M, S).
But v_i/sqrt(1 - u_i^2) is a coordinate of a point on a sphere of radius r in d - 2 dimensions, with fourth cumulant
-6 r^4/((d - 2)^2 d). A Gram-Charlier term for it is (s d_c + s' d_c')^4 F/24, which the heat equation turns into second
derivatives by S: with q = (s^2, s s', s'^2) r^2/(d - 2) of an example it is -(1/d) F''[q, q]. So

    E F = F(E M, E S) + (1/2) tr(F'' K) + O(n^-2),   K = Cov(M, S) over the sample - (2/d) E sum q q^T for S,

at any d >= 3; with normal parts (without the second term of K) the error is O(n^-2) + O(1/(n d)). E M, E S and K are
Gaussian expectations of one example. Derived here.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from spec.problems import SignalNoiseMixture
from spec.validation import InputError, require_real
from theory.down_weighting import shares
from theory.gaussian import chi, expectation, normal

FloatArray = NDArray[np.float64]
SUMS = 5  # of each group: s a, s' a, s^2, s s', s'^2
DEGREE = 5  # of the interpolation in u^2
STEP = 0.02  # of the second differences, in standard deviations


def expected_fractions(problem: SignalNoiseMixture, w: FloatArray, rho: float, *, rtol: float = 1e-5) -> FloatArray:
    """Expected shares, (3, 3): rows group_fractions.ROWS, columns group_fractions.COLUMNS; they sum to 1.

    Over the coordinates i >= 2 with |w_i| <= ||w_perp||/2 (all of them unless w is sparse), for a w that does not
    depend on the sample. Raises InputError when no coordinate is left, w does not fit, or nothing is mislabelled.

    Checked by `luong2026.expected_shares`, `luong2026.shares_in_few_dimensions`.
    """
    require_real("rho", rho, low=0.0, low_open=True)
    w = np.asarray(w, dtype=float)
    if w.shape != (problem.d,):
        raise InputError(f"w must have shape ({problem.d},), got {w.shape}")
    if problem.Delta == 0:
        raise InputError("Delta must be positive: without mislabelled examples there is nothing to dominate, got 0")
    length = np.linalg.norm(w[1:])
    u = abs(w[1:]) / (length if length > 0 else 1.0)
    u = u[u <= 0.5]
    if u.size == 0:
        raise InputError("w must leave a coordinate with |w_i| <= ||w_perp||/2, got none")
    mean, covariance, squares = sums(problem, w, rho, rtol=rtol)
    covariance = covariance - 2 / problem.d * squares
    largest = float(np.max(u) ** 2)
    if largest == 0:
        return second_order(mean, covariance, 0.0)
    nodes = largest * (1 + np.cos(np.pi * np.arange(DEGREE + 1) / DEGREE)) / 2  # of Chebyshev, ends included
    values = np.stack([second_order(mean, covariance, float(np.sqrt(v))) for v in nodes]).reshape(DEGREE + 1, 9)
    fit = np.polynomial.chebyshev.chebfit(2 * nodes / largest - 1, values, DEGREE)
    return np.polynomial.chebyshev.chebval(2 * u**2 / largest - 1, fit).mean(axis=-1).reshape(3, 3)


class Sums(NamedTuple):
    """Of M and S of the clean, then of the mislabelled examples: mean (10,), covariance over the sample (10, 10), and
    E sum q q^T (10, 10), which is zero outside of the blocks of S.
    """

    mean: FloatArray
    covariance: FloatArray
    squares: FloatArray


def sums(problem: SignalNoiseMixture, w: FloatArray, rho: float, *, rtol: float = 1e-5) -> Sums:
    """The moments of the sums of a sample, for a w that does not depend on it."""
    n, stratified = problem.n, problem.flips == "stratified"
    flipped = round(problem.Delta * n) / n if stratified else problem.Delta
    mean, covariance, squares = np.zeros(2 * SUMS), *np.zeros((2, 2 * SUMS, 2 * SUMS))
    for k, share in enumerate((1 - flipped, flipped)):
        q, qq = _example_moments(problem, w, rho, mislabelled=k == 1, rtol=rtol)
        at, of_squares = slice(SUMS * k, SUMS * (k + 1)), slice(SUMS * k + 2, SUMS * (k + 1))
        mean[at] = n * share * q
        covariance[at, at] = n * share * (qq - np.outer(q, q) * stratified)
        squares[of_squares, of_squares] = n * share * qq[2:, 2:]
    # With Bernoulli flips an example is in one of the groups; with stratified ones both groups have a fixed size.
    return Sums(mean, covariance if stratified else covariance - np.outer(mean, mean) / n, squares)


def _example_moments(
    problem: SignalNoiseMixture, w: FloatArray, rho: float, *, mislabelled: bool, rtol: float
) -> tuple[FloatArray, FloatArray]:
    """E q (5,) and E q q^T (5, 5) of q = +-(s a, s' a), (s^2, s s', s'^2) r^2/(d - 2) of one example."""
    sign, w_perp = (-1.0 if mislabelled else 1.0), np.linalg.norm(w[1:])

    def products(a: FloatArray, r: FloatArray, *g: FloatArray) -> FloatArray:
        u = problem.B + (problem.gamma * g[0] if g else 0.0)
        m = sign * (w[0] * u + problem.gamma * w_perp * a)
        s, moved = expit(-m), expit(rho * np.sqrt(u**2 + problem.gamma**2 * (a**2 + r**2)) - m)
        residual = r**2 / (problem.d - 2)
        q = np.stack(
            [sign * s * a, sign * moved * a, s**2 * residual, s * moved * residual, moved**2 * residual], axis=1
        )
        return np.concatenate([q, (q[:, :, None] * q[:, None, :]).reshape(len(q), -1)], axis=1)

    along = [normal()] if problem.noise == "isotropic" else []
    values: Any = expectation(products, normal(), chi(problem.d - 2), *along, rtol=rtol, atol=1e-9).value
    return values[:SUMS], values[SUMS:].reshape(SUMS, SUMS)


def second_order(mean: FloatArray, covariance: FloatArray, u: float) -> FloatArray:
    """F(mean) + (1/2) tr(F'' covariance) at u, (3, 3), by central differences along the covariance's principal axes.

    The covariance may be indefinite: an axis of negative variance counts against the others.
    """

    def F(sums: FloatArray) -> FloatArray:
        (M_c, S_c), (M_n, S_n) = (np.split(part, [2]) for part in np.split(sums, 2))
        if u == 0:
            return shares.fractions(S_c, S_n)
        return shares.shifted_fractions(u * np.concatenate([M_c, M_n]), (1 - u**2) * S_c, (1 - u**2) * S_n)

    values, axes = np.linalg.eigh(covariance)
    centre = F(mean)
    total = centre.copy()
    for value, axis in zip(values, axes.T, strict=True):
        h = STEP * np.sqrt(abs(value)) * axis
        total += np.sign(value) * (F(mean + h) + F(mean - h) - 2 * centre) / (2 * STEP**2)
    return total
