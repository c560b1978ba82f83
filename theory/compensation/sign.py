r"""When does adding a little of the gradient under flipped labels turn a batch's perturbation towards the clean one?

g_y, g_t: gradients of a batch under true and under observed labels. g*: the gradient of a selection of its examples
under other labels. d cos(g_t + gamma g*, g_y)/d gamma at gamma = 0 has the sign of

    D(g*) = <g*, g_y> ||g_t||^2 - <g_t, g_y> <g*, g_t>                                      (Theorem 1)

for any vectors with g_t, g_y != 0. D is linear in g*. Let the selection have a share pi of examples whose given label
is the true one ('right'), the others 'wrong', each drawn from its kind whatever its input. Then in the mean over
selections D = pi D_right + (1 - pi) D_wrong: if D_right > D_wrong,

    adding helps  iff  pi > pi* = -D_wrong/(D_right - D_wrong)                               (Theorem 2)

and subtracting helps below. pi* may lie outside [0, 1]. For b independent examples every product has the mean

    E<a, g> = [own + (b - 1) pair]/b,   own = E<a_i, g_i>,   pair = <E a_i, E g_i>           (Theorem 3)

so the threshold moves with b, with the geometry of the inputs, and with the fit: from 1 - Delta (b >> d, weights that
do not depend on the flips: `theory.compensation.correction.helpful_sign`) to Delta (labels memorised to a common
residual: `memorised_threshold`). With means for products it is a statement on the ratio of expectations; the cosine of
single batches follows it where the products vary little over batches.

All of this is derived here; Xu et al. (2026) add g* always (equation 12).
Products: arrays (..., 1 + kinds, 2). Row 0 is g_t, rows 1, 2, ... the mean gradient of a kind of selected example (here
right, wrong); column 0 is the product with g_y, column 1 with g_t.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from spec.problems import SignalNoiseMixture
from spec.validation import require, require_integer, require_real
from theory.compensation import angle
from theory.logistic import mixture

FloatArray = NDArray[np.float64]


class Terms(NamedTuple):
    """The two parts of the products of a batch, each an array (..., 1 + kinds, 2)."""

    own: FloatArray
    pair: FloatArray

    def of_batch(self, batch: int) -> FloatArray:
        """[own + (batch - 1) pair]/batch (Theorem 3)."""
        require_integer("batch", batch, at_least=1)
        return (self.own + (batch - 1) * self.pair) / batch


def slopes(products: ArrayLike) -> FloatArray:
    """D of every kind, (..., kinds): products[k, 0] ||g_t||^2 - <g_t, g_y> products[k, 1]."""
    p = np.asarray(products, dtype=float)
    return p[..., 1:, 0] * p[..., :1, 1] - p[..., :1, 0] * p[..., 1:, 1]


def cosine_slope(products: ArrayLike, shares: ArrayLike, clean_square: ArrayLike) -> FloatArray:
    r"""d cos(g_t + gamma g*, g_y)/d gamma at 0 for g* = sum_k shares_k g_k, (...,):

        sum_k shares_k D_k / (||g_t||^3 ||g_y||),   clean_square = ||g_y||^2.

    nan where g_t or g_y is zero.
    """
    p = np.asarray(products, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.sum(np.multiply(shares, slopes(p)), axis=-1) / np.sqrt(p[..., 0, 1] ** 3 * clean_square)


def turn(products: ArrayLike, shares: ArrayLike, star_square: ArrayLike, gamma: ArrayLike) -> FloatArray:
    r"""||g_y|| times the change of the cosine with g_y from g_t to g_t + gamma g*, at any gamma:

        (<g_t, g_y> + gamma <g*, g_y>)/||g_t + gamma g*|| - <g_t, g_y>/||g_t||,   star_square = ||g*||^2.

    Where <g_t, g_y> > 0 and D > 0, gamma overshoots and turns the perturbation away beyond
    2 <g_t, g_y> D/(<g_t, g_y>^2 ||g*||^2 - <g*, g_y>^2 ||g_t||^2), if that is positive.
    """
    p = np.asarray(products, dtype=float)
    star = np.einsum("...k,...kc->...c", np.asarray(shares, dtype=float), p[..., 1:, :])
    gamma = np.asarray(gamma, dtype=float)
    length = np.sqrt(p[..., 0, 1] + 2 * gamma * star[..., 1] + np.square(gamma) * star_square)
    return (p[..., 0, 0] + gamma * star[..., 0]) / length - p[..., 0, 0] / np.sqrt(p[..., 0, 1])


def threshold(products: ArrayLike) -> FloatArray:
    """pi* = -D_wrong/(D_right - D_wrong), (...,), for the two kinds right, wrong (Theorem 2).

    nan where D_right <= D_wrong: there no share of right labels helps more than a smaller one.

    Checked by `xu2026.sign_threshold`, `xu2026.reversal_direction`.
    """
    right, wrong = np.moveaxis(slopes(products), -1, 0)
    rises = right > wrong
    return np.where(rises, -wrong / np.where(rises, right - wrong, 1.0), np.nan)


def merged(products: ArrayLike, shares: ArrayLike) -> FloatArray:
    """The products with two kinds, right and wrong, from those of the kinds right, missed, clean, ...: the wrong kinds
    as they stand in a selection with the given shares (kinds,), or each alike where it has none of them.
    """
    p, wrong = np.asarray(products, dtype=float), np.asarray(shares, dtype=float)[1:]
    wrong = wrong / wrong.sum() if wrong.sum() > 0 else np.full(len(wrong), 1 / len(wrong))
    return np.concatenate([p[..., :2, :], np.einsum("k,...kc->...c", wrong, p[..., 2:, :])[..., None, :]], axis=-2)


def sample_terms(kernel: ArrayLike, clean: ArrayLike, noisy: ArrayLike, starred: ArrayLike, right: ArrayLike) -> Terms:
    r"""The terms of a sample, for any model: kernel (n, n), residuals (n, C) under y, t and the labels of g*.

    The gradient of example i under labels l is J_i^T r_i(l); with C = 1, or where the kernel is the same for every
    output, <J_i^T r, J_j^T s> = K_ij <r, s>. right (n,): whether the label of g* is the true one. own: means over the
    examples of a kind, pair: means over pairs of one of a kind and another example. The products of the batch that is
    the sample itself, with every example of a kind selected, are exactly Terms.of_batch(n).
    Raises InputError where a kind has no example.
    """
    K, right = np.asarray(kernel, dtype=float), np.asarray(right, dtype=bool)
    require(bool(right.any() and not right.all()), "right", right, "both kinds of example")
    y, t, star = (np.asarray(r, dtype=float).reshape(len(K), -1) for r in (clean, noisy, starred))
    kinds = ((t, np.ones(len(K), bool)), (star, right), (star, ~right))
    own, pair = np.empty((3, 2)), np.empty((3, 2))
    for row, (r, kind) in enumerate(kinds):
        for column, s in enumerate((y, t)):
            each = K * (r @ s.T)
            own[row, column] = np.diag(each)[kind].mean()
            pair[row, column] = (each.sum(axis=1) - np.diag(each))[kind].mean() / (len(K) - 1)
    return Terms(own, pair)


def mixture_terms(problem: SignalNoiseMixture, w: FloatArray) -> Terms:
    r"""Exact terms of logistic regression for independent examples, flips at random and w independent of them.

    With s = sigma(-y f), g_0 and m = E[y x] of theory.compensation.angle, Delta = problem.Delta:

              own, with g_y                              own, with g_t                                pair: mean of
        g_t   E||x||^2 ((1 - Delta) s^2 - Delta s (1-s)) E||x||^2 ((1 - Delta) s^2 + Delta (1-s)^2)   g_0 + Delta m
        right E||x||^2 s^2                               -E||x||^2 s (1-s)                            g_0
        wrong -E||x||^2 s (1-s)                          -E||x||^2 s (1-s)                            g_0 + m

    Checked by `xu2026.sign_moments`.
    """

    def squares(z: FloatArray, norm: FloatArray) -> FloatArray:
        s = expit(-z)
        return np.stack([s**2, s * (1 - s), (1 - s) ** 2], axis=-1) * norm[:, None] ** 2

    same, crossed, flipped = mixture.example_expectation(problem, w, squares, mislabelled=False).value
    g, Delta = angle.clean_gradient(problem, w), problem.Delta
    h = angle.noisy_gradient(problem, w)
    wrong = g + angle.mean_example(problem) * np.eye(1, problem.d)[0]
    return Terms(
        _own(same, crossed, flipped, Delta, clean=(same, crossed)), np.stack([h, g, wrong]) @ np.stack([g, h]).T
    )


def _own(same: float, crossed: float, flipped: float, Delta: float, clean: tuple[float, float]) -> FloatArray:
    """Own terms of two labels from the mean squares of residuals: s^2, s (1 - s), (1 - s)^2 of mislabelled examples
    under their true label, and s^2, s (1 - s) of rightly labelled ones.
    """
    s_squared, s_crossed = clean
    return np.array(
        [
            [(1 - Delta) * s_squared - Delta * crossed, (1 - Delta) * s_squared + Delta * flipped],
            [same, -crossed],
            [-s_crossed, -s_crossed],
        ]
    )


def orthogonal_products(clean: float, mislabelled: float, Delta: float) -> FloatArray:
    r"""Products for orthogonal inputs of equal norm (d >= b; the limit d >> b of the mixture), up to a factor.

    clean, mislabelled: the residual sigma(-y f) under the *true* label, common to each group. Two labels.

    Checked by `xu2026.sign_orthogonal`.
    """
    for name, value in (("clean", clean), ("mislabelled", mislabelled), ("Delta", Delta)):
        require_real(name, value, low=0.0, high=1.0)
    a, c = clean, mislabelled
    return _own(c**2, c * (1 - c), (1 - c) ** 2, Delta, clean=(a**2, a * (1 - a)))


def orthogonal_threshold(clean: float, mislabelled: float, Delta: float) -> float:
    r"""pi* of orthogonal_products. Its two cases in closed form:

    a common residual s on *true* labels (clean = mislabelled = s):
        1 - s - s (1 - s)(s - Delta)/((1 - Delta) s^2 + Delta (1 - s)^2),   near 1 where labels are fitted truly;
    a common residual s on *observed* labels (clean = s = 1 - mislabelled): Delta.
    """
    return float(threshold(orthogonal_products(clean, mislabelled, Delta)))


def memorised_threshold(Delta: float) -> float:
    r"""Delta: the threshold for two labels once every observed label is fitted to one residual s, in any model.

    A flip turns each gradient round, g_i(-t_i) = -((1 - s)/s) g_i(t_i), whatever the inputs, the kernel, d and b. A
    selection with the batch's own share Delta of mislabelled examples so has a mean g* that is a negative multiple of
    g_t, which changes no direction; above that share adding helps, where D_right > D_wrong. At w = 0 s = 1/2: the
    threshold is Delta at the start as well.

    Checked by `xu2026.sign_memorised`.
    """
    require_real("Delta", Delta, low=0.0, high=1.0)
    return Delta


def uniform_threshold(Delta: float, classes: int) -> float:
    r"""Delta/(C - 1): C classes, orthogonal inputs of equal norm, uniform softmax (initialisation).

    pi counts right labels, precision times hit. Two classes: Delta.
    """
    return float(threshold(class_products(1 / classes, 1 / classes, 1 / classes, Delta, classes)))


def memorised_class_threshold(Delta: float, classes: int) -> float:
    r"""Delta C/(2 (C - 1)): C classes, orthogonal inputs, every observed label fitted, the rest spread evenly: s -> 0.

    With q_t = 1 - s and the other classes at s/(C - 1), residuals are q - e_t = -s (e_t - v), v uniform over the
    others; g* and g_y see e_t - e_target + O(s). Two classes: Delta.
    """
    require_integer("classes", classes, at_least=2)
    return Delta * classes / (2 * (classes - 1))


def class_products(observed: float, true: float, target: float, Delta: float, classes: int) -> FloatArray:
    r"""Products for orthogonal inputs of equal norm and softmax outputs q common to all examples, up to a factor.

    Residuals are q - e_label and <q - e_a, q - e_b> = ||q||^2 - q_a - q_b + [a = b]. observed: q_t; true: q_y of a
    mislabelled example; target: q of the label that g* gives a rightly labelled one; the mass of the other classes is
    spread evenly. right: mislabelled examples under y; wrong: rightly labelled ones under target.

    Checked by `xu2026.sign_classes`.
    """
    require_integer("classes", classes, at_least=2)
    require_real("Delta", Delta, low=0.0, high=1.0)
    t, y = observed, true

    def square(named: float) -> float:
        """||q||^2 with q_t, one named class, and the others even."""
        rest = 1 - t - named
        return t**2 + named**2 + (rest**2 / (classes - 2) if classes > 2 else 0.0)

    clean, noisy = square(target), square(y)
    fitted = (1 - Delta) * (clean - 2 * t + 1)
    return np.array(
        [
            [fitted + Delta * (noisy - t - y), fitted + Delta * (noisy - 2 * t + 1)],
            [noisy - 2 * y + 1, noisy - t - y],
            [clean - t - target, clean - t - target],
        ]
    )
