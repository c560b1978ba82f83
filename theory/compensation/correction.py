r"""What label noise does to the gradient of logistic regression, and what a gradient under flipped labels undoes.

True labels y, observed labels t = -y on the flipped set F, loss l(z) = log(1 + e^{-z}). Since l(-z) = l(z) + z,

    L_t(w) = L_y(w) + <w, c>,   grad L_t = grad L_y + c,   hess L_t = hess L_y,   c = (1/n) sum_{i in F} y_i x_i

on every sample, and c = Delta m with m = E[y x] in population at noise rate Delta: noise tilts the loss of a model that
is linear in its weights, it never bends it. So any combination of gradients under partly wrong labels is g_0 + Delta' m
with an *effective noise rate* Delta', which may leave [0, 1].

A selection of examples has a precision: the share of truly mislabelled examples in it. It is taken to depend on the
labels only, not on x. gamma is the weight of the gradient under flipped labels relative to that of the batch. The paper
adds it (gamma > 0, its equation 12); the sign that lowers the noise rate is `helpful_sign`.

All of this is derived here; Xu et al. (2026) state the decomposition of the batch gradient (equation 3) and the method.
Arrays: x (n, d), y (n,), t (n,), mislabelled (n,) of bool, w (d,). float64.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from spec.rules import Sgd
from spec.validation import require, require_choice, require_integer, require_real
from theory.logistic import regression

FloatArray = NDArray[np.float64]


def tilt(x: FloatArray, y: FloatArray, mislabelled: NDArray[np.bool_]) -> FloatArray:
    """c = (1/n) sum over mislabelled y_i x_i, shape (d,): gradient under observed minus gradient under true labels.

    Checked by `xu2026.tilt`, `xu2026.descent_bias`.
    """
    return (np.asarray(mislabelled) * y) @ x / len(y)


def class_tilt(x: FloatArray, y: NDArray[np.int_], t: NDArray[np.int_], classes: int) -> FloatArray:
    r"""(1/n) sum_i (e_{y_i} - e_{t_i}) x_i^T, shape (classes, d): the same for softmax cross-entropy with logits W x.

    -log softmax(f)_t + log softmax(f)_y = f_y - f_t is linear in the logits, for any network; it is linear in the
    weights, and the Hessian unchanged, only where the logits are.
    """
    unit = np.eye(classes)
    return (unit[y] - unit[t]).T @ x / len(y)


def effective_rate(Delta: ArrayLike, gamma: ArrayLike, precision: ArrayLike, hit: ArrayLike = 1.0) -> FloatArray:
    r"""Delta' = (Delta + gamma (1 - precision hit)) / (1 + gamma) of (g_observed + gamma g_flipped)/(1 + gamma).

    hit: probability that the flipped label of a selected mislabelled example is its true one: 1 for two classes,
    1/(C - 1) for a uniform other label of C classes. With C > 2, exact for symmetric noise and targets that are
    uniform over the wrong classes where they miss; the tilt of rate 1 is then E[(e_y - (1 - e_y)/(C - 1)) x^T].
    Undefined (inf or nan) at gamma = -1.

    Checked by `xu2026.effective_rate`, `xu2026.class_rates`.

    >>> round(float(effective_rate(Delta=0.2, gamma=-0.1, precision=0.5)), 4)
    0.1667
    """
    Delta, gamma = np.asarray(Delta, dtype=float), np.asarray(gamma, dtype=float)
    return (Delta + gamma * (1 - np.multiply(precision, hit))) / (1 + gamma)


def cancelling_gamma(Delta: ArrayLike, precision: ArrayLike, hit: ArrayLike = 1.0) -> FloatArray:
    r"""gamma* = -Delta / (1 - precision hit), at which the effective rate is zero: g_0 exactly.

    It is negative: the flipped gradient must be *subtracted*. Usable only for gamma* > -1, that is for
    precision hit < 1 - Delta; otherwise the combination (1 + gamma*) g_0 points downhill, or gamma* = -inf.

    Checked by `xu2026.cancelling_gamma`.

    >>> float(cancelling_gamma(Delta=0.2, precision=0.5))
    -0.4
    """
    wrong = 1 - np.multiply(precision, hit)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(Delta) == 0, 0.0, -np.divide(Delta, wrong))


def helpful_sign(Delta: ArrayLike, precision: ArrayLike, hit: ArrayLike = 1.0) -> FloatArray:
    r"""The sign of a small gamma that lowers the effective rate: sign(precision hit - (1 - Delta)).

    d Delta'/d gamma = (1 - precision hit - Delta)/(1 + gamma)^2. Adding helps iff the flipped labels of the selection
    are right more often than the observed labels of the batch; then it does so at every gamma > 0, down to the limit
    1 - precision hit. Else subtracting helps, for gamma in (-2 Delta/(1 + Delta - precision hit), 0).
    A statement on expected gradients, at weights independent of the flips: in a batch, and where labels are memorised,
    the threshold is that of theory.compensation.sign.

    Checked by `xu2026.sign_rule`.

    >>> int(helpful_sign(Delta=0.2, precision=0.9)), int(helpful_sign(Delta=0.2, precision=0.5))
    (1, -1)
    """
    return np.sign(np.multiply(precision, hit) - (1 - np.asarray(Delta, dtype=float)))


def difference_rate(Delta: ArrayLike, gamma: ArrayLike, precision: ArrayLike) -> FloatArray:
    r"""Delta' = Delta + gamma (1 - 2 precision) of g_observed + gamma mean_selected(g_flipped - g_observed).

    For two classes the difference is mean_selected t x, whatever w: an estimate of (1 - 2 precision) m.

    Checked by `xu2026.difference_estimator`.
    """
    return np.asarray(Delta, dtype=float) + np.multiply(gamma, 1 - 2 * np.asarray(precision, dtype=float))


def cancelling_difference(Delta: ArrayLike, precision: ArrayLike) -> FloatArray:
    r"""gamma* = Delta / (2 precision - 1), the zero of difference_rate; +-inf at precision 1/2, where it turns sign.

    Random selection: -Delta/(1 - 2 Delta). All mislabelled examples and only they: Delta, which is `tilt` itself.
    """
    with np.errstate(divide="ignore"):
        return np.divide(Delta, 2 * np.asarray(precision, dtype=float) - 1)


def finite_batch_error(
    gamma: ArrayLike, Delta: float, batch: int, *, second_moment: float, mean_square: float
) -> FloatArray:
    r"""E|| g_t - gamma m_t - g_y ||^2 over batches of independent examples, m_t = mean t x, labels flipped at random.

        [ (gamma^2 + 2 Delta gamma + Delta) T + (batch - 1) (Delta - gamma (1 - 2 Delta))^2 M ] / batch,

    T = second_moment = E||x||^2, M = mean_square = ||E[y x]||^2. Adding gamma' flipped gradients of the whole batch,
    g_t + gamma' g_{-t}, is gamma = -gamma'/(1 + gamma') up to a positive factor.

    Checked by `xu2026.finite_batch_error`.
    """
    _require_batch(Delta, batch, second_moment, mean_square)
    gamma = np.asarray(gamma, dtype=float)
    own = (gamma**2 + 2 * Delta * gamma + Delta) * second_moment
    return (own + (batch - 1) * (Delta - gamma * (1 - 2 * Delta)) ** 2 * mean_square) / batch


def finite_batch_optimum(Delta: float, batch: int, *, second_moment: float, mean_square: float) -> float:
    r"""The gamma that minimises finite_batch_error:

        Delta ((1 - 2 Delta)(batch - 1) M - T) / ((1 - 2 Delta)^2 (batch - 1) M + T).

    Tends to Delta/(1 - 2 Delta) (subtract, cancel) for large batches and is negative (add) below `reversal_batch`,
    where subtracting would put in more variance than it takes out bias. Adding there is shrinkage of the gradient: it
    lowers the squared error, not the angle to the clean gradient (theory.compensation.sign), and SAM uses the angle.
    """
    _require_batch(Delta, batch, second_moment, mean_square)
    signal = (1 - 2 * Delta) * (batch - 1) * mean_square
    return Delta * (signal - second_moment) / ((1 - 2 * Delta) * signal + second_moment)


def reversal_batch(Delta: float, *, second_moment: float, mean_square: float) -> float:
    r"""1 + T/((1 - 2 Delta) M): the size of batch at which the sign of finite_batch_optimum turns (shrinkage below).

    Checked by `xu2026.reversal_batch`.
    """
    _require_batch(Delta, 1, second_moment, mean_square)
    return 1 + second_moment / ((1 - 2 * Delta) * mean_square)


def _require_batch(Delta: float, batch: int, second_moment: float, mean_square: float) -> None:
    require_real("Delta", Delta, low=0.0, high=0.5)
    require_integer("batch", batch, at_least=1)
    require_real("mean_square", mean_square, low=0.0, low_open=True)
    require_real("second_moment", second_moment, low=mean_square)


def hessian(w: FloatArray, x: FloatArray, t: FloatArray) -> FloatArray:
    """(1/n) sum_i sigma'(<w, x_i>) x_i x_i^T, shape (d, d): the same for every labelling.

    Checked by `xu2026.curvature`.
    """
    z = regression.margins(w, x, t)
    return (expit(z) * expit(-z) * x.T) @ x / len(t)


def cancelling_shift(w: FloatArray, x: FloatArray, y: FloatArray, mislabelled: NDArray[np.bool_]) -> FloatArray:
    r"""delta = -H(w)^{-1} c, shape (d,): grad L_t(w + delta) = grad L_y(w) + O(||delta||^2).

    A perturbation eps alone never does it: grad L_t(w + eps) = grad L_y(w + eps) + c for every eps, so a step whose eps
    comes from the true labels still descends along c. In population delta = -(Delta/(1 - 2 Delta)) H^{-1} E[t x], and
    E[t x] is the flipped gradient minus the observed one. Raises LinAlgError where H is singular.

    Checked by `xu2026.cancelling_shift`.
    """
    return np.asarray(-np.linalg.solve(hessian(w, x, y), tilt(x, y, mislabelled)), dtype=float)


def compensated_step(
    w: FloatArray,
    x: FloatArray,
    t: FloatArray,
    selected: NDArray[np.bool_],
    *,
    rho: float,
    strength: float,
    sign: int = 1,
    project: str | None = "ball",
) -> FloatArray:
    r"""eps' = P( rho g/||g|| + sign strength g* ), shape (d,): equations 12 and 13 of Xu et al. on logistic regression.

    g = grad L_t over the batch, g* = gradient of the mean loss of the selected examples under -t (zero if none is).
    P: 'ball' v min(1, rho/||v||); 'sphere' rho v/||v||, or 0 at v = 0 (ours: it fixes the length); None: no projection.
    sign = +1 is published.

    Checked by `xu2026.step`.
    """
    require_real("rho", rho, low=0.0)
    require_choice("sign", sign, (1, -1))
    require_choice("project", project, ("ball", "sphere", None))
    require(len(selected) == len(t), "selected", np.shape(selected), f"one bool for each of {len(t)} examples")
    v = _unit(regression.gradient(Sgd(), w, x, t)) * rho
    if np.any(selected):
        v = v + sign * strength * regression.gradient(Sgd(), w, x[selected], -t[selected])
    if project is None or (project == "ball" and np.linalg.norm(v) <= rho):
        return v
    return _unit(v) * rho


def _unit(v: FloatArray) -> FloatArray:
    length = np.linalg.norm(v)
    return v / length if length > 0 else v


def orthonormal_margin_gains(z: FloatArray, selected: NDArray[np.bool_], *, rho: float, strength: float) -> FloatArray:
    r"""How eps' = rho g/||g|| + strength g* moves the margins z_i = t_i <w, x_i> of orthonormal inputs, shape (n,):

        -rho sigma(-z_i)/sqrt(sum_j sigma(-z_j)^2)  +  (strength/m) sigma(z_i) for the m selected examples.

    Without the first term a selected example of margin z has the weight sigma(-z - (strength/m) sigma(z)) instead of
    sigma(-z): a positive strength suppresses it, the more the better its observed label is fitted. That helps iff
    mostly mislabelled examples are selected, and only once they are memorised.

    Checked by `xu2026.suppression`.
    """
    s = expit(-z)
    length = np.linalg.norm(s)
    gains = -rho * s / length if length > 0 else np.zeros_like(s)
    return gains + np.asarray(selected) * strength / max(1, int(np.sum(selected))) * expit(z)
