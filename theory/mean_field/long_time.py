r"""The end of training without running it: 1-SAM with weight decay in the proportional limit.

In the linear model 1-SAM with c = rho ||x|| descends the convex objective

    (1/n) sum_i log(1 + e^{c - z_i}) + lambda ||w||^2/2,     z_i = t_i <w, x_i>.

At its minimum the field of an example solves H = prox(s B M + tau g), g ~ N(0, 1), where prox(x) is the root H of
H + kappa l'(H) = x and l(z) = log(1 + e^{c - z}). With F = l'(H), F' its slope in x, D = lambda + gamma^2 E F', and
iota = 1 for noise along the signal, else 0, three numbers close the equations (the stationary form of
theory.mean_field.matrix; convex Gaussian min-max gives the same):

    kappa = gamma^2/(alpha D),   M = -B E[s F]/(lambda + iota gamma^2 E F'),   q^2 = (gamma/D)^2 E F^2/alpha,
    tau^2 = gamma^2 (iota M^2 + q^2).

Ends: c -> inf, or lambda -> inf, F becomes one number for all examples: the mean classifier. lambda -> 0 where the
labels can be separated: the largest margin, whatever c. Everything here is derived.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq, minimize_scalar, root
from scipy.special import expit, ndtr

from spec.problems import SignalNoiseMixture
from spec.validation import InputError, require_real

FloatArray = NDArray[np.float64]
GRID = np.linspace(-9.0, 9.0, 601)  # the trapezoidal rule converges exponentially for such integrands
WEIGHTS = np.exp(-(GRID**2) / 2) / np.sqrt(2 * np.pi) * (GRID[1] - GRID[0])


class Minimum(NamedTuple):
    """The overlap M, the noise norm q, kappa, and what follows: accuracies of the test and of both groups."""

    overlap: float
    noise_norm: float
    kappa: float
    test_accuracy: float
    clean_accuracy: float
    mislabelled_accuracy: float


class _Law(NamedTuple):
    alpha: float
    B: float
    gamma: float
    Delta: float
    iota: float


def _law(problem: SignalNoiseMixture) -> _Law:
    if problem.flips != "stratified":
        raise InputError(f"flips must be 'stratified', as the limit has a fixed share of them, got {problem.flips!r}")
    iota = float(problem.noise == "isotropic")
    return _Law(problem.n / (problem.d - 1), problem.B, problem.gamma, problem.Delta, iota)


def prox(x: FloatArray, kappa: float, c: float) -> FloatArray:
    """H with H - kappa sigma(c - H) = x, which lies in [x, x + kappa]: bisection to 3e-4, then Newton's steps."""
    low, high = x, x + kappa
    for _ in range(int(np.log2(1 + kappa / 3e-4)) + 1):
        middle = (low + high) / 2
        above = middle - kappa * expit(c - middle) > x
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    H = (low + high) / 2
    for _ in range(3):
        s = expit(c - H)
        H = H - (H - kappa * s - x) / (1 + kappa * s * (1 - s))
    return H


def minimum(problem: SignalNoiseMixture, c: float, weight_decay: float) -> Minimum:
    """The limit t -> inf of 1-SAM with c = rho ||x|| >= 0 and weight decay > 0.

    Raises ArithmeticError where the three equations are not solved to 1e-9.

    Checked by `beyond.end`, `beyond.shift_and_decay`.
    """
    require_real("c", c, low=0.0)
    require_real("weight_decay", weight_decay, low=0.0, low_open=True)
    law = _law(problem)

    def updated(logs: FloatArray) -> FloatArray:
        return np.log(_update(law, c, weight_decay, *np.exp(logs)))

    # Strong weight decay is nearly linear, and solved at once: from there down to the one asked for.
    logs = np.log(_update(law, c, 10.0, 0.1, 0.1, 0.1))
    for strength in np.geomspace(10.0, weight_decay, max(2, int(4 * abs(np.log10(weight_decay / 10))))):
        logs = root(lambda x, s=strength: x - np.log(_update(law, c, s, *np.exp(x))), logs, tol=1e-12).x
    if not np.max(np.abs(updated(logs) - logs)) < 1e-9:
        raise ArithmeticError(f"the equations at c={c!r}, weight_decay={weight_decay!r} are not solved")
    M, tau, kappa = np.exp(logs)
    q = np.sqrt(tau**2 / law.gamma**2 - law.iota * M**2)
    fits = [float(WEIGHTS @ (prox(s * law.B * M + tau * GRID, kappa, c) > 0)) for s in (1, -1)]
    return Minimum(M, q, kappa, _accuracy(law, M, q), *fits)


def _update(law: _Law, c: float, decay: float, M: float, tau: float, kappa: float) -> FloatArray:
    """The right-hand sides (M, tau, kappa)."""
    sF = F2 = slope = 0.0
    for s, p in ((1, 1 - law.Delta), (-1, law.Delta)):
        F = -expit(c - prox(s * law.B * M + tau * GRID, kappa, c))
        curvature = -F * (1 + F)
        sF += p * s * float(WEIGHTS @ F)
        F2 += p * float(WEIGHTS @ F**2)
        slope += p * float(WEIGHTS @ (curvature / (1 + kappa * curvature)))
    D = decay + law.gamma**2 * slope
    overlap = -law.B * sF / (decay + law.iota * law.gamma**2 * slope)
    q2 = (law.gamma / D) ** 2 * F2 / law.alpha
    return np.array([overlap, law.gamma * np.sqrt(law.iota * overlap**2 + q2), law.gamma**2 / (law.alpha * D)])


def _accuracy(law: _Law, M: float, q: float) -> float:
    return float(ndtr(law.B * M / (law.gamma * np.sqrt(law.iota * M**2 + q**2))))


def largest_margin(problem: SignalNoiseMixture) -> tuple[float, float]:
    r"""(largest margin of unit weights, its test accuracy): the limit of weight decay -> 0 for every c.

    Unit weights with overlap m reach margin delta iff  E (delta - s B m - tau g)_+^2 <= gamma^2 (1 - m^2)/alpha  with
    tau^2 = gamma^2 (iota m^2 + 1 - m^2) (Gordon's comparison). Raises InputError where labels cannot be separated.
    """
    law = _law(problem)

    def margin(m: float) -> float:
        tau = law.gamma * np.sqrt(law.iota * m**2 + 1 - m**2)

        def excess(delta: float) -> float:
            total = sum(
                p * float(WEIGHTS @ np.maximum(delta - s * law.B * m - tau * GRID, 0) ** 2)
                for s, p in ((1, 1 - law.Delta), (-1, law.Delta))
            )
            return total - law.gamma**2 * (1 - m**2) / law.alpha

        return float(brentq(excess, -50 * law.gamma - law.B, 50 * law.gamma / min(law.alpha, 1) + law.B, xtol=1e-12))

    found = minimize_scalar(lambda m: -margin(m), bounds=(0.0, 1 - 1e-9), method="bounded", options={"xatol": 1e-10})
    m, delta = float(found.x), -float(found.fun)
    if delta <= 0:
        raise InputError(f"problem must have labels that can be separated, got a largest margin of {delta:.3g}")
    return delta, _accuracy(law, m, float(np.sqrt(1 - m**2)))
