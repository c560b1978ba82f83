r"""SAM on logistic regression f(w, x) = <w, x>, in closed form.

With observed labels t in {-1, 1}, the loss of example i is log(1 + exp(-z_i)) with margin z_i = t_i <w, x_i>, and every
rule has the gradient  -(1/n) sum_i s_i t_i x_i : rules differ in the example weights s_i only.

    SGD, J-SAM     s_i = sigma(-z_i)                       (the Jacobian x_i does not depend on w)
    1-SAM, L-SAM   s_i = sigma(-z_i + rho ||x_i||)
    n-SAM, m-SAM   s_i = sigma(-z_i + rho t_i <x_i, u>),   u = sum_j sigma(-z_j) t_j x_j / ||.|| over the shard of i

An adaptive ascent (ASAM) replaces every x_i of the shift by T x_i with T = |w| + 0.01 (derived): in the coordinates
w / T it is the plain ascent.
Source: Baek et al. (2024), Section 3 and Lemma 3.1; items marked (derived) are ours.
Arrays: w (d,), x (n, d), t (n,), z (n,), mislabelled (n,) of bool. All float64.
"""

from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit

from spec.rules import ADAPTIVE_OFFSET, JacobianSam, LogitSam, Sam, SamFamily, Sgd
from spec.validation import InputError, require_real

FloatArray = NDArray[np.float64]


def margins(w: FloatArray, x: FloatArray, t: FloatArray) -> FloatArray:
    """z_i = t_i <w, x_i>, shape (n,).

    >>> import numpy as np
    >>> margins(np.array([0.5, -1.0]), np.array([[1.0, 0.0], [2.0, 2.0]]), np.array([1.0, -1.0]))
    array([0.5, 1. ])
    """
    return t * (x @ w)


@singledispatch
def example_weights(rule: Any, w: FloatArray, x: FloatArray, t: FloatArray) -> FloatArray:
    """The weights s_i of a rule (table above), shape (n,), each in (0, 1).

    Checked by `baek2024.linear_split`.

    >>> import numpy as np
    >>> from spec.rules import Sam
    >>> w, x, t = np.array([0.5, -1.0]), np.array([[1.0, 0.0], [2.0, 2.0]]), np.array([1.0, -1.0])
    >>> example_weights(Sam(0.1), w, x, t).round(4)
    array([0.4013, 0.328 ])
    """
    raise TypeError(f"no closed form for {rule!r} on logistic regression")


@example_weights.register(Sgd)
@example_weights.register(JacobianSam)
def _(rule: Sgd | JacobianSam, w: FloatArray, x: FloatArray, t: FloatArray) -> FloatArray:
    return expit(-margins(w, x, t))


@example_weights.register(Sam)
@example_weights.register(LogitSam)
def _(rule: Sam | LogitSam, w: FloatArray, x: FloatArray, t: FloatArray) -> FloatArray:
    z = margins(w, x, t)
    T = np.abs(w) + ADAPTIVE_OFFSET if rule.ascent == "adaptive" else np.ones(len(w))
    if rule.sharpness == "example":
        return expit(-z + rule.rho * np.linalg.norm(T * x, axis=1))
    size = len(t) if rule.sharpness == "batch" else int(rule.sharpness)
    if len(t) % size:
        raise InputError(f"sharpness must divide the number of examples, got {size} with n={len(t)}")
    # w / T leaves the margins as they are, since <w / T, T x_i> = <w, x_i>.
    parts = [slice(i, i + size) for i in range(0, len(t), size)]
    return expit(-z + np.concatenate([shared_margin_shift(w / T, T * x[i], t[i], rule.rho) for i in parts]))


def shared_margin_shift(w: FloatArray, x: FloatArray, t: FloatArray, rho: float) -> FloatArray:
    r"""How much each margin of a shard falls under the shard's common ascent step (derived), shape (n,).

    z_i(w) - z_i(w + eps) = rho t_i <x_i, u>,  u = sum_j sigma(-z_j) t_j x_j / ||.||;  zero where the sum is zero.

    Checked by `baek2024.batch_shifts`.
    """
    require_real("rho", rho, low=0.0)
    # Only the direction counts: weights relative to the largest cannot underflow together at large margins.
    log_weights = log_expit(-margins(w, x, t))
    descent = (np.exp(log_weights - log_weights.max()) * t) @ x
    length = np.linalg.norm(descent)
    return np.zeros(len(t)) if length == 0 else rho * t * (x @ descent) / length


def example_gradients(rule: SamFamily, w: FloatArray, x: FloatArray, t: FloatArray) -> FloatArray:
    r"""-s_i t_i x_i, shape (n, d). For 1-SAM: -t sigma(-t<w,x> + rho||x||) x (Baek et al. 2024, Section 3).

    Checked by `baek2024.closed_form`.
    """
    return -(example_weights(rule, w, x, t) * t)[:, None] * x


def gradient(rule: SamFamily, w: FloatArray, x: FloatArray, t: FloatArray) -> FloatArray:
    """The mean of example_gradients, shape (d,).

    >>> import numpy as np
    >>> from spec.rules import Sam
    >>> w, x, t = np.array([0.5, -1.0]), np.array([[1.0, 0.0], [2.0, 2.0]]), np.array([1.0, -1.0])
    >>> gradient(Sam(0.1), w, x, t).round(4)
    array([0.1274, 0.328 ])
    """
    return -(example_weights(rule, w, x, t) * t) @ x / len(t)


def descend(rule: SamFamily, w: FloatArray, x: FloatArray, t: FloatArray, *, eta: float, steps: int) -> FloatArray:
    """The path w_{k+1} = w_k - eta gradient(rule, w_k), shape (steps + 1, d).

    Checked by `baek2024.training_path`.

    >>> import numpy as np
    >>> from spec.rules import Sam
    >>> w, x, t = np.array([0.5, -1.0]), np.array([[1.0, 0.0], [2.0, 2.0]]), np.array([1.0, -1.0])
    >>> descend(Sam(0.1), w, x, t, eta=0.5, steps=2).round(4)
    array([[ 0.5   , -1.    ],
           [ 0.4363, -1.164 ],
           [ 0.4223, -1.2822]])
    """
    path = [np.asarray(w, dtype=float)]
    for _ in range(steps):
        path.append(path[-1] - eta * gradient(rule, path[-1], x, t))
    return np.stack(path)


def robust_loss(w: FloatArray, x: FloatArray, t: FloatArray, rho: float) -> float:
    r"""L_rho(w) = mean_i log(1 + exp(-z_i + rho ||x_i||)), whose exact gradient is the 1-SAM gradient (derived).

    It is the worst case of the loss over ||eps_i|| <= rho, convex, with the same smoothness bound as the loss.

    Checked by `baek2024.robust_loss`.

    >>> import numpy as np
    >>> from spec.rules import Sam
    >>> w, x, t = np.array([0.5, -1.0]), np.array([[1.0, 0.0], [2.0, 2.0]]), np.array([1.0, -1.0])
    >>> round(robust_loss(w, x, t, rho=0.1), 4)
    0.4553
    """
    return float(np.mean(np.logaddexp(0.0, -margins(w, x, t) + rho * np.linalg.norm(x, axis=1))))


def uniform_gradient(x: FloatArray, t: FloatArray) -> FloatArray:
    """-(1/n) sum_i t_i x_i, (d,): the gradient when every weight is one, as under 1-SAM at rho -> inf (derived).

    Checked by `baek2024.uniform_limit`.
    """
    return -t @ x / len(t)


def uniform_error(w: FloatArray, x: FloatArray, t: FloatArray, rho: float) -> FloatArray:
    r"""(1/n) sum_i e^{z_i - rho ||x_i||} t_i x_i, (d,): the 1-SAM gradient less uniform_gradient, to leading order.

    1 - sigma(C - z) = e^{z - C} (1 + O(e^{z - C})): the rate is exponential, and set by the example of least
    rho ||x|| - z (derived).

    Checked by `baek2024.uniform_rate`.
    """
    return (np.exp(margins(w, x, t) - rho * np.linalg.norm(x, axis=1)) * t) @ x / len(t)


def smoothness(x: FloatArray) -> float:
    """lambda_max(x^T x) / (4 n): bounds the Hessian of the loss and of robust_loss at any rho (derived)."""
    return float(np.linalg.norm(x, ord=2) ** 2 / (4 * len(x)))


def amplification(z: ArrayLike, C: ArrayLike) -> FloatArray:
    r"""f(z) = sigma(-z + C) / sigma(-z) = (1 + e^z) / (1 + e^{z - C}): weight under 1-SAM over weight under SGD.

    C = rho ||x||. Lemma 3.1 (Baek et al. 2024): strictly increasing in z for C > 0.
    Limits (derived): 1 at z -> -inf, 2/(1 + e^{-C}) at z = 0, e^C at z -> inf.

    Checked by `baek2024.amplification`.

    >>> import numpy as np
    >>> amplification([-5.0, 0.0, 5.0], C=1.0).round(3)
    array([1.004, 1.462, 2.687])
    """
    return np.exp(_log_amplification(z, C))


def amplification_limits(C: ArrayLike) -> FloatArray:
    """The amplification at z -> -inf, at z = 0 and at z -> inf: 1, 2/(1 + e^-C), e^C, (..., 3) (derived).

    Checked by `baek2024.amplification_limits`.
    """
    C = np.asarray(C, dtype=float)
    return np.stack([np.ones_like(C), 2 / (1 + np.exp(-C)), np.exp(C)], axis=-1)


def _log_amplification(z: ArrayLike, C: ArrayLike) -> FloatArray:
    z, C = np.asarray(z, dtype=float), np.asarray(C, dtype=float)
    low = np.logaddexp(0, z) - np.logaddexp(0, z - C)
    high = C + np.logaddexp(0, -z) - np.logaddexp(0, C - z)  # the same number without cancellation at large z
    return np.where(z > 0, high, low)


def amplification_slope(z: ArrayLike, C: ArrayLike) -> FloatArray:
    r"""f'(z) = e^z (1 - e^{-C}) / (1 + e^{z-C})^2 = f(z) (sigma(z) - sigma(z - C)) (derived).

    Checked by `baek2024.amplification_slopes`.
    """
    z, C = np.asarray(z, dtype=float), np.asarray(C, dtype=float)
    # (sigma(z) - sigma(z - C)) / (1 - e^{-C}) in logarithms: at large C it underflows where f overflows.
    log_slope = log_expit(z) + log_expit(C - z)
    return np.exp(_log_amplification(z, C) + log_slope) * -np.expm1(-C)


def log_amplification_slope(z: ArrayLike, C: ArrayLike) -> FloatArray:
    r"""d log f / dz = sigma(z) - sigma(z - C), in (0, 1) for C > 0 (derived).

    Checked by `baek2024.lemma_3_1`, `luong2026.shifts_of_both_signs`.
    """
    z, C = np.asarray(z, dtype=float), np.asarray(C, dtype=float)
    # sigma(a) - sigma(b) = sigma(a) sigma(-b) (1 - e^{b - a}): no cancellation in either tail.
    return expit(z) * expit(C - z) * -np.expm1(-C)


def log_amplification_slope_in_C(z: ArrayLike, C: ArrayLike) -> FloatArray:
    r"""d log f / dC = sigma(z - C) (derived)."""
    return expit(np.asarray(z, dtype=float) - np.asarray(C, dtype=float))


def relative_weight(z_i: ArrayLike, z_j: ArrayLike, C: ArrayLike) -> FloatArray:
    r"""s_i / s_j = sigma(C - z_i) / sigma(C - z_j) for two examples of equal norm (derived).

    For z_i > z_j it lies in (0, 1) and rises strictly with C to 1: 1-SAM never reorders examples of equal norm, it
    moves their weights from logistic towards uniform.

    Checked by `baek2024.never_reorders`.

    >>> round(float(relative_weight(2.0, -1.0, C=0.5)), 4)
    0.2231
    """
    z_i, z_j, C = (np.asarray(a, dtype=float) for a in (z_i, z_j, C))
    return np.exp(np.logaddexp(0, z_j - C) - np.logaddexp(0, z_i - C))


def reordering_radius(z_i: ArrayLike, z_j: ArrayLike, norm_i: ArrayLike, norm_j: ArrayLike) -> FloatArray:
    r"""The rho beyond which 1-SAM reorders two examples: (z_i - z_j) / (||x_i|| - ||x_j||) (derived).

    s_i < s_j iff z_i - rho ||x_i|| > z_j - rho ||x_j||. With equal norms, or the larger norm at the smaller margin,
    the order never changes: inf. So "never reorders" needs equal norms; with unequal norms it holds below this radius.

    Checked by `baek2024.reordering_radius`.

    >>> float(reordering_radius(2.0, 1.0, norm_i=3.0, norm_j=1.0))
    0.5
    """
    dz = np.asarray(z_i, dtype=float) - np.asarray(z_j, dtype=float)
    dn = np.asarray(norm_i, dtype=float) - np.asarray(norm_j, dtype=float)
    return np.where(np.sign(dz) * np.sign(dn) > 0, dz / np.where(dn == 0, 1.0, dn), np.inf)


def clean_noisy_ratio(z: FloatArray, norms: FloatArray, mislabelled: NDArray[np.bool_], rho: float) -> float:
    r"""R(rho) = mean_clean sigma(rho ||x|| - z) ||x|| / mean_mislabelled sigma(rho ||x|| - z) ||x|| (derived).

    The ratio of mean per-example gradient norms under 1-SAM. Pass norms = 1 for the ratio of weights with C = rho.
    As rho -> inf it tends to the ratio of mean norms.

    >>> import numpy as np
    >>> z, mislabelled = np.array([1.0, 2.0, -1.0]), np.array([False, False, True])
    >>> round(clean_noisy_ratio(z, np.ones(3), mislabelled, rho=0.5), 4)
    0.3425
    """
    clean, noisy = (
        log_s.max() + np.log(np.mean(np.exp(log_s - log_s.max()) * r))
        for log_s, r in _groups(z, norms, mislabelled, rho)
    )
    return float(np.exp(clean - noisy))


def clean_noisy_ratio_log_slope(z: FloatArray, norms: FloatArray, mislabelled: NDArray[np.bool_], rho: float) -> float:
    r"""d log R / d rho, exactly, at finite n (derived). With g = s ||x||, s = sigma(rho ||x|| - z):

        sum_clean g ||x|| (1 - s) / sum_clean g  -  sum_mislabelled g ||x|| (1 - s) / sum_mislabelled g

    For equal norms c this is c [ sum_mislabelled s^2 / sum_mislabelled s - sum_clean s^2 / sum_clean s ]: at the same w
    the clean share has a positive *derivative* in rho exactly when the mislabelled examples have the larger
    self-weighted weight. It says nothing of a radius far away: theory.logistic.ratio.

    Checked by `baek2024.ratio_slope`.
    """
    clean, noisy = (
        np.average(r * -np.expm1(log_s), weights=np.exp(log_s - log_s.max()) * r)
        for log_s, r in _groups(z, norms, mislabelled, rho)
    )
    return float(clean - noisy)


def self_weighted_gap(z: FloatArray, C: FloatArray, mislabelled: NDArray[np.bool_]) -> float:
    r"""sum_mislabelled s^2/sum_mislabelled s - sum_clean s^2/sum_clean s, s = sigma(C - z) (derived).

    Its sign is that of clean_noisy_ratio_log_slope for equal norms. Raises InputError for a group without examples.

    Checked by `baek2024.ratio_condition`.
    """
    clean, noisy = (
        np.average(np.exp(log_s), weights=np.exp(log_s - log_s.max())) for log_s, _ in _groups(z, C, mislabelled, 1.0)
    )
    return float(noisy - clean)


def _groups(z: Any, norms: Any, mislabelled: Any, rho: float) -> list[tuple[FloatArray, FloatArray]]:
    """(log weights, norms) of the clean and of the mislabelled examples."""
    noisy = np.asarray(mislabelled, dtype=bool)
    if noisy.all() or not noisy.any():
        count = int(noisy.sum())
        raise InputError(f"mislabelled must mark at least one and not all examples, got {count} of {noisy.size}")
    log_s = log_expit(rho * norms - z)
    return [(log_s[group], norms[group]) for group in (~noisy, noisy)]
