r"""Exact expectations for logistic regression on the signal-plus-noise mixture and on the noisy linear teacher.

For the mixture x = y (B e_1 + gamma z) let w = (w_1, w_perp) and gamma_1 = gamma for isotropic noise, 0 for orthogonal
noise: the noise along the signal. A fresh example has, with independent standard normals g, a and a chi variable r of
d - 2 degrees of freedom, label sign e = +1 (clean) or -1 (mislabelled),

    signal coordinate u = B + gamma_1 g,    margin z = e (w_1 u + gamma ||w_perp|| a),
    ||x||^2 = u^2 + gamma^2 (a^2 + r^2).

All results here are derived, not the paper's. They are exact at finite n and d up to the stated quadrature error.
"""

from collections.abc import Callable
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit, ndtr

from spec.problems import NoisyLinearTeacher, SignalNoiseMixture
from spec.validation import InputError, require_integer, require_real
from theory.gaussian import Estimate, Variable, chi, distance, expectation, normal

FloatArray = NDArray[np.float64]


def _gamma_1(problem: SignalNoiseMixture) -> float:
    return problem.gamma if problem.noise == "isotropic" else 0.0


def _variables_along_signal(problem: SignalNoiseMixture) -> list[Variable]:
    """The normal g of the noise along the signal: only isotropic noise has one."""
    return [normal()] if problem.noise == "isotropic" else []


def _along_signal(problem: SignalNoiseMixture, g: tuple[FloatArray, ...]) -> Any:
    return problem.gamma * g[0] if g else 0.0


@singledispatch
def accuracy(problem: Any, w: FloatArray) -> FloatArray:
    r"""Exact accuracy on clean test labels of the classifier sign(<w, x>); w has shape (..., d), the result (...).

    Mixture:  Phi( B w_1 / sqrt(gamma_1^2 w_1^2 + gamma^2 ||w_perp||^2) ).
    Teacher:  1 - arccos(w_1 / ||w||) / pi.
    w = 0 gives 1/2: its prediction is a coin.

    Checked by `baek2024.exact_test_accuracy`, `baek2024.toy_final_gain`.

    >>> import numpy as np
    >>> from spec.problems import SignalNoiseMixture
    >>> problem = SignalNoiseMixture(n=100, d=3, B=2.0, Delta=0.2)
    >>> round(float(accuracy(problem, np.array([1.0, 0.5, 0.5]))), 4)
    0.9488
    """
    raise TypeError(f"no exact test accuracy for {problem!r}")


@accuracy.register
def _(problem: SignalNoiseMixture, w: FloatArray) -> FloatArray:
    w = np.asarray(w, dtype=float)
    return accuracy_of_overlaps(problem, w[..., 0], np.linalg.norm(w[..., 1:], axis=-1))


@accuracy.register
def _(problem: NoisyLinearTeacher, w: FloatArray) -> FloatArray:
    w = np.asarray(w, dtype=float)
    # arctan2 keeps full precision for small angles, where arccos loses half of the digits.
    angle = np.arctan2(np.linalg.norm(w[..., 1:], axis=-1), w[..., 0])
    return np.where(np.any(w != 0, axis=-1), 1 - angle / np.pi, 0.5)


def accuracy_of_overlaps(problem: SignalNoiseMixture, w_1: Any, w_perp: Any) -> FloatArray:
    """accuracy from the signal overlap w_1 and the noise norm w_perp = ||w_{2:}|| alone.

    Checked by `baek2024.toy_gain`.

    >>> from spec.problems import SignalNoiseMixture
    >>> round(float(accuracy_of_overlaps(SignalNoiseMixture(n=100, d=50, B=2.0, Delta=0.2), 1.0, 2.0)), 4)
    0.8145
    """
    w_1, w_perp = np.asarray(w_1, dtype=float), np.asarray(w_perp, dtype=float)
    std = np.hypot(_gamma_1(problem) * w_1, problem.gamma * w_perp)
    mean = problem.B * w_1
    return np.where(std > 0, ndtr(mean / np.where(std > 0, std, 1.0)), 0.5 * (1 + np.sign(mean)))


def mean_classifier_accuracy(problem: SignalNoiseMixture) -> Estimate:
    r"""Exact expected test accuracy of w = mean_i t_i x_i, the direction of 1-SAM as rho -> inf.

    t_i x_i = e_i (B e_1 + gamma z_i), so with k flipped labels, delta = k/n, g standard normal and r chi of d - 1:
    w_1 = (1 - 2 delta) B + gamma_1 g / sqrt(n) and ||w_perp|| = gamma r / sqrt(n). Bernoulli flips average over k.

    Checked by `baek2024.mean_classifier`, `baek2024.toy_from_zero`.

    >>> from spec.problems import SignalNoiseMixture
    >>> round(float(mean_classifier_accuracy(SignalNoiseMixture(n=100, d=50, B=1.0, Delta=0.2)).value), 4)
    0.7408
    """
    flipped, weights = _flip_law(problem)
    root_n = np.sqrt(problem.n)

    def given_noise(r: FloatArray, *g: FloatArray) -> FloatArray:
        a = _along_signal(problem, g) / root_n
        w_1 = (1 - 2 * flipped / problem.n) * problem.B + np.reshape(a, (-1, 1))
        return accuracy_of_overlaps(problem, w_1, problem.gamma * r[:, None] / root_n) @ weights

    return expectation(given_noise, chi(problem.d - 1), *_variables_along_signal(problem))


def mean_classifier_accuracy_limit(problem: SignalNoiseMixture) -> float:
    r"""Phi( B w_1 / sqrt(gamma_1^2 w_1^2 + gamma^4 (d-1)/n) ) with w_1 = B (1 - 2 Delta): n, d -> inf at fixed d/n."""
    w_1 = problem.B * (1 - 2 * problem.Delta)
    return float(accuracy_of_overlaps(problem, w_1, problem.gamma * np.sqrt((problem.d - 1) / problem.n)))


def _flip_law(problem: SignalNoiseMixture) -> tuple[FloatArray, FloatArray]:
    """The possible numbers of flipped labels and their probabilities."""
    if problem.flips == "stratified":
        return np.array([float(round(problem.Delta * problem.n))]), np.ones(1)
    k = np.arange(problem.n + 1.0)
    return k, stats.binom.pmf(k, problem.n, problem.Delta)


def batch_shift_at_zero(problem: SignalNoiseMixture, rho: float, *, mislabelled: bool) -> Estimate:
    r"""Expected mean fall of the margins of one group under the n-SAM ascent step at w = 0, exactly.

    At w = 0 the step is -rho m/||m|| with m = mean_j t_j x_j. Given m, the group's mean of t x has expectation
    m + (e - (1 - 2 delta)) B e_1, hence with a = gamma_1 g / sqrt(n), h = gamma r / sqrt(n), r chi of d - 1

        rho E[ ((e B + a)((1 - 2 delta) B + a) + h^2) / sqrt(((1 - 2 delta) B + a)^2 + h^2) ].

    Holds for stratified flips (a fixed number of flipped labels). Raises InputError otherwise, or for an empty group.

    Checked by `baek2024.batch_shift_at_zero`.
    """
    require_real("rho", rho, low=0.0)
    if problem.flips != "stratified":
        raise InputError(f"flips must be 'stratified' for the margin shifts at w = 0, got {problem.flips!r}")
    delta = round(problem.Delta * problem.n) / problem.n
    if mislabelled and delta == 0:
        raise InputError(f"Delta must be positive for the shift of mislabelled examples, got {problem.Delta!r}")
    return _shift_at_zero(problem, rho, problem.n, np.array([delta]), np.ones(1), mislabelled)


def shard_shift_at_zero(problem: SignalNoiseMixture, rho: float, m: int, *, mislabelled: bool) -> float:
    r"""Expected fall of the margin of an example under m-SAM at w = 0, flips at random, exactly; any n >= m.

    The same with m for n, in expectation over the labels of the m - 1 others of its shard. m = 1: rho E||x||, for both
    groups; m -> inf: rho (+-B^2 (1 - 2 Delta))/(B (1 - 2 Delta)) = +-rho B, - for mislabelled examples: the larger the
    shard, the more their margins rise where those of clean ones fall.

    Checked by `baek2024.shard_shifts`.
    """
    require_real("rho", rho, low=0.0)
    require_integer("m", m, at_least=1)
    others = np.arange(m)
    chances = stats.binom.pmf(others, m - 1, problem.Delta)
    return float(_shift_at_zero(problem, rho, m, (others + mislabelled) / m, chances, mislabelled).value)


def _shift_at_zero(
    problem: SignalNoiseMixture, rho: float, n: int, delta: FloatArray, chances: FloatArray, mislabelled: bool
) -> Estimate:
    """Of a group in a shard of n that has each of the shares delta of flipped labels by chance."""
    sign = -1.0 if mislabelled else 1.0

    def shift(r: FloatArray, *g: FloatArray) -> FloatArray:
        a, h = _along_signal(problem, g) / np.sqrt(n) + 0 * r, problem.gamma * r / np.sqrt(n)
        w_1 = (1 - 2 * delta) * problem.B + a[:, None]
        falls = ((sign * problem.B + a)[:, None] * w_1 + h[:, None] ** 2) / np.hypot(w_1, h[:, None])
        return rho * falls @ chances

    return expectation(shift, chi(problem.d - 1), *_variables_along_signal(problem))


def batch_shift_at_zero_limit(problem: SignalNoiseMixture, rho: float, *, mislabelled: bool) -> float:
    r"""Its limit at n, d -> inf with d/n fixed:  rho (+-B^2 (1-2 Delta) + h^2) / sqrt(B^2 (1-2 Delta)^2 + h^2), with
    h^2 = gamma^2 (d-1)/n, + for clean and - for mislabelled examples.

    Checked by `baek2024.batch_shift_rate`, `baek2024.mislabelled_shift_rate`.
    """
    w_1, h = problem.B * (1 - 2 * problem.Delta), problem.gamma * np.sqrt((problem.d - 1) / problem.n)
    sign = -1.0 if mislabelled else 1.0
    return float(rho * (sign * problem.B * w_1 + h**2) / np.hypot(w_1, h))


def example_expectation(
    problem: SignalNoiseMixture, w: FloatArray, f: Callable[[Any, Any], Any], *, mislabelled: bool, rtol: float = 1e-8
) -> Estimate:
    """E f(z, ||x||) over a fresh clean or mislabelled example, for a w that does not depend on it.

    Isotropic noise is split along w and across it: z = +-||w|| x_w, and across w lies a part of the signal.
    """
    w = np.asarray(w, dtype=float)
    sign, w_perp, length = -1.0 if mislabelled else 1.0, np.linalg.norm(w[1:]), np.linalg.norm(w)
    along, across = (problem.B * w[0] / length, problem.B * w_perp / length) if length else (problem.B, 0.0)

    def isotropic(a: FloatArray, r: FloatArray) -> Any:
        x_w = along + problem.gamma * a
        return f(sign * length * x_w, np.hypot(x_w, problem.gamma * r))

    def orthogonal(a: FloatArray, r: FloatArray) -> Any:
        norm = np.sqrt(problem.B**2 + problem.gamma**2 * (a**2 + r**2))
        return f(sign * (w[0] * problem.B + problem.gamma * w_perp * a), norm)

    if problem.noise == "isotropic":
        return expectation(isotropic, normal(), distance(problem.d - 1, float(across) / problem.gamma), rtol=rtol)
    return expectation(orthogonal, normal(), chi(problem.d - 2), rtol=rtol)


def expected_gradient_norm(
    problem: SignalNoiseMixture, w: FloatArray, rho: float, *, mislabelled: bool, rtol: float = 1e-8
) -> Estimate:
    r"""E[ sigma(rho ||x|| - z) ||x|| ]: mean per-example 1-SAM gradient norm of a group on fresh examples.

    Checked by `baek2024.population_gradient_norms`.
    """
    require_real("rho", rho, low=0.0)
    return example_expectation(
        problem, w, lambda z, norm: expit(rho * norm - z) * norm, mislabelled=mislabelled, rtol=rtol
    )


def fixed_shift_moments(problem: SignalNoiseMixture, w: FloatArray, C: float, *, mislabelled: bool) -> FloatArray:
    r"""(E s, E s(1 - s)) for s = sigma(C - z) with one common shift C, as one-dimensional Gaussian expectations.

    z ~ N(+-B w_1, gamma_1^2 w_1^2 + gamma^2 ||w_perp||^2), + for clean and - for mislabelled examples.
    Raises ArithmeticError when E s < 1e-12: such a weight comes from tails that the quadrature cuts off.
    """
    w = np.asarray(w, dtype=float)
    mean = problem.B * w[0] * (-1.0 if mislabelled else 1.0)
    std = np.hypot(_gamma_1(problem) * w[0], problem.gamma * np.linalg.norm(w[1:]))

    def moments(a: FloatArray) -> FloatArray:
        s = expit(C - mean - std * a)
        return np.stack([s, s * expit(mean + std * a - C)], axis=1)

    values = np.asarray(expectation(moments, normal(), atol=0.0).value)
    if values[0] < 1e-12:
        raise ArithmeticError(f"E sigma(C - z) = {values[0]:.1e} at C={C:g} is too small to be resolved")
    return values


def fixed_shift_ratio(problem: SignalNoiseMixture, w: FloatArray, C: float) -> float:
    """R(C) = E_clean sigma(C - z) / E_mislabelled sigma(C - z)."""
    clean, noisy = (fixed_shift_moments(problem, w, C, mislabelled=m)[0] for m in (False, True))
    return float(clean / noisy)


def fixed_shift_ratio_log_slope(problem: SignalNoiseMixture, w: FloatArray, C: float) -> float:
    r"""d log R / dC = E_clean s(1-s) / E_clean s - E_noisy s(1-s) / E_noisy s. Its sign is that of w_1, for every C.

    Proof. It equals E_noisy s^2 / E_noisy s - E_clean s^2 / E_clean s. The two margin laws are N(m, v) and N(-m, v)
    with m = B w_1; their likelihood ratio is monotone in z. Weighting both densities by s(z) > 0 keeps that ratio
    monotone, so for m > 0 the weighted clean margin is stochastically larger; s falls strictly with z, hence the clean
    self-weighted mean of s is the smaller one. m < 0 swaps the groups.
    So in population a larger common shift raises the clean share exactly when w points towards the signal.
    """
    clean, noisy = (fixed_shift_moments(problem, w, C, mislabelled=m) for m in (False, True))
    return float(clean[1] / clean[0] - noisy[1] / noisy[0])
