r"""Gradient ratios of SAM coordinate by coordinate, in closed form for logistic regression.

For a plain gradient g and a perturbed one h the ratio of coordinate i is r_i = h_i/g_i, undefined where g_i = 0, and

    group A: r_i >= 1 (SAM increases it),   group B: 0 < r_i < 1 (reduces it),   group C: r_i <= 0 (reverses it).

Let c_i and n_i be the parts of g_i that clean and mislabelled examples contribute, g = c + n, and a_c, a_n the factors
by which the perturbation multiplies them (`combined_ratio`: an identity in any network). A coordinate is
noise-dominated where c_i n_i < 0 and |c_i| < |n_i|, clean-dominated where c_i n_i < 0 and |n_i| < |c_i|.

Example j has a factor of its own, theory.logistic.regression.amplification(z_j, C_j) for a margin z_j and a shift C_j:
with 1-SAM C_j = rho ||x_j|| > 0, and it rises with z_j from 1 to e^C; with n-SAM C_j =
theory.logistic.regression.shared_margin_shift has either sign, and for C_j < 0 it falls with z_j from 1 to e^C (d log
A/dz = sigma(z) - sigma(z - C) has the sign of C).

Source of the groups and of noise- and clean-dominated coordinates: released code of Luong et al. (2026). Everything
else here is derived. Arrays as in theory.logistic.regression; all float64.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spec.rules import Sam
from spec.validation import require
from theory.logistic import regression

FloatArray = NDArray[np.float64]
Labels = NDArray[np.str_]
THIRD_DERIVATIVE = 1 / (6 * np.sqrt(3))  # the largest |sigma''|


def ratio(plain: ArrayLike, perturbed: ArrayLike) -> FloatArray:
    """r = perturbed/plain entry by entry; nan where plain is zero.

    >>> ratio([2.0, -1.0, 0.0], [1.0, 1.0, 1.0])
    array([ 0.5, -1. ,  nan])
    """
    g, h = np.asarray(plain, dtype=float), np.asarray(perturbed, dtype=float)
    with np.errstate(over="ignore"):  # a ratio beyond the range of numbers is inf, which is in group A or C
        return np.divide(h, g, out=np.full(np.broadcast(g, h).shape, np.nan), where=np.broadcast_to(g != 0, h.shape))


def groups(r: ArrayLike) -> Labels:
    """'A' where r >= 1, 'B' where 0 < r < 1, 'C' where r <= 0, '' where r is nan.

    Checked by `luong2026.update`.

    >>> groups([1.5, 0.5, -1.0]).tolist()
    ['A', 'B', 'C']
    """
    r = np.asarray(r, dtype=float)
    return np.select([r >= 1, r > 0, r <= 0], ["A", "B", "C"], "")


def dominance(clean: ArrayLike, noisy: ArrayLike) -> Labels:
    """'noise' or 'clean' where the parts conflict and that one is larger; '' where they agree, vanish or cancel.

    >>> dominance(clean=[1.0, -0.5, 1.0], noisy=[-2.0, 0.1, 1.0]).tolist()
    ['noise', 'clean', '']
    """
    c, n = np.asarray(clean, dtype=float), np.asarray(noisy, dtype=float)
    conflict = np.sign(c) * np.sign(n) < 0
    return np.select([conflict & (abs(c) < abs(n)), conflict & (abs(n) < abs(c))], ["noise", "clean"], "")


def combined_ratio(clean: ArrayLike, noisy: ArrayLike, a_clean: ArrayLike, a_noisy: ArrayLike) -> FloatArray:
    """r = (a_c c + a_n n)/(c + n), nan where c + n is zero. With a_c = c'/c, a_n = n'/n exact in any network.

    Checked by `luong2026.ratio_identity`.
    """
    c, n = np.asarray(clean, dtype=float), np.asarray(noisy, dtype=float)
    return ratio(c + n, np.asarray(a_clean) * c + np.asarray(a_noisy) * n)


def conflict_ratio(kappa: ArrayLike, a_minor: ArrayLike, a_major: ArrayLike) -> FloatArray:
    r"""r = (a_major - a_minor kappa)/(1 - kappa) for parts in conflict, kappa = |minor|/|major| in [0, 1).

    'major' is the dominating part. dr/dkappa = (a_major - a_minor)/(1 - kappa)^2: from r = a_major at kappa = 0 it
    falls to -inf when the minor part is amplified more, and rises to inf when it is amplified less (never group C).
    """
    kappa = np.asarray(kappa, dtype=float)
    return (np.asarray(a_major) - np.asarray(a_minor) * kappa) / (1 - kappa)


def conflict_groups(kappa: ArrayLike, a_minor: ArrayLike, a_major: ArrayLike) -> Labels:
    r"""The group of conflict_ratio for 0 <= kappa < 1, without division:

    A iff kappa (a_minor - 1) <= a_major - 1,    C iff kappa a_minor >= a_major,    else B.

    Checked by `luong2026.conflict_regions`.
    """
    kappa, minor, major = (np.asarray(a, dtype=float) for a in (kappa, a_minor, a_major))
    return np.select([kappa * (minor - 1) <= major - 1, kappa * minor >= major], ["A", "C"], "B")


def reduced_interval(a_minor: ArrayLike, a_major: ArrayLike) -> tuple[FloatArray, FloatArray]:
    r"""The ends of the kappa in [0, 1] for which a conflict is in group B, for positive factors; low = high: none.

    a_minor > a_major >= 1 (1-SAM):  (a_major - 1)/(a_minor - 1) < kappa < a_major/a_minor;  below it is A, above it C.
    a_minor > a_major, a_major < 1:  0 <= kappa < a_major/a_minor; below it there is no A.
    a_minor <= a_major < 1:          0 <= kappa < (1 - a_major)/(1 - a_minor); above it is A, never C.
    a_minor <= a_major, a_major >= 1:  none.
    """
    minor, major = np.broadcast_arrays(np.asarray(a_minor, dtype=float), np.asarray(a_major, dtype=float))
    require(bool(np.all(minor > 0) and np.all(major > 0)), "a_minor and a_major", (a_minor, a_major), "positive")
    edge = np.divide(major - 1, minor - 1, out=np.ones(minor.shape), where=minor != 1)
    more, above = minor > major, major >= 1
    low = np.where(more & above, edge, 0.0)
    high = np.select([more, above], [major / minor, low], edge)
    return low, high


class Sides(NamedTuple):
    """For every coordinate (d,): the two signs of contribution as sizes and mean factors weighted by them.

    major is the larger side. A side without contributions has size 0 and factor 1.
    """

    major: FloatArray
    minor: FloatArray
    a_major: FloatArray
    a_minor: FloatArray


def sides(rule: Sam, w: FloatArray, x: FloatArray, t: FloatArray) -> Sides:
    r"""The positive and the negative contributions of examples to every coordinate of the plain gradient.

    Theorem (1-SAM, logistic regression). If r_i < 1, then a_minor > a_major: the dominated side is amplified more.
    Proof. With sizes G+ > G- and factors a+, a- of the major and the minor side, r_i = (a+ G+ - a- G-)/(G+ - G-), so

        r_i < 1   <=>   (a- - 1) G- > (a+ - 1) G+.

    Every factor of 1-SAM is >= 1, because every shift is >= 0, so that the right-hand side is >= (a+ - 1) G-. Hence
    a- - 1 > a+ - 1. (The minor side cannot be empty, since 0 > (a+ - 1) G+ is false.)   []
    With equal ||x_j|| factors rise with the margin, so that some example of the dominated side has a larger margin than
    some example of the dominating one: 1-SAM reduces or reverses a coordinate only in favour of better fitted examples.
    This speaks of signs, not of label noise: where clean examples of both signs meet, a clean-dominated coordinate may
    be in group B although every clean margin exceeds every mislabelled one (tested by example).

    Checked by `luong2026.dominated_side`.
    """
    plain, perturbed = (
        -(s * t)[:, None] * x for s in (regression.example_weights(r, w, x, t) for r in (Sam(0.0), rule))
    )
    positive = plain > 0
    sizes = np.stack([np.where(sign, abs(plain), 0).sum(axis=0) for sign in (positive, ~positive)])
    moved = np.stack([np.where(sign, abs(perturbed), 0).sum(axis=0) for sign in (positive, ~positive)])
    factors = np.divide(moved, sizes, out=np.ones_like(sizes), where=sizes > 0)
    order = np.argsort(-sizes, axis=0, kind="stable")
    (major, minor), (a_major, a_minor) = (np.take_along_axis(v, order, axis=0) for v in (sizes, factors))
    return Sides(major, minor, a_major, a_minor)


def hessian_product(w: FloatArray, x: FloatArray, t: FloatArray, v: FloatArray) -> FloatArray:
    """(1/n) sum_j s_j (1 - s_j) x_j <x_j, v>, s_j = sigma(-z_j): the Hessian of the mean loss times v, (d,)."""
    s = regression.example_weights(Sam(0.0), w, x, t)
    return (s * (1 - s) * (x @ v)) @ x / len(t)


def first_order_ratio(w: FloatArray, x: FloatArray, t: FloatArray, rho: float) -> FloatArray:
    r"""1 + rho (H g/||g||)_i / g_i, to which the ratio of n-SAM tends with an error of order rho^2, (d,).

    So to first order B is g_i (H g)_i < 0 with rho |(H g)_i| < |g_i| ||g||, and C the same with >=. The error of the
    numerator rho (H g/||g||)_i is at most `first_order_error`. Nan where g_i is zero.

    Checked by `luong2026.first_order`.
    """
    g = regression.gradient(Sam(0.0), w, x, t)
    direction = hessian_product(w, x, t, g / np.linalg.norm(g))
    return 1 + rho * ratio(g, direction)


def least_energy(w: FloatArray, x: FloatArray, t: FloatArray) -> float:
    r"""<g, g>, a lower bound of sum_i g_i^2 r_i = <g, h> under n-SAM in any convex problem, at any rho.

    Gradients are monotone: <h - g, (w + rho g/||g||) - w> >= 0. Weighted by energy n-SAM never reduces; in one
    dimension r >= 1. Both fail for 1-SAM, whose perturbed gradient is not the gradient at one point: twins
    (`two_groups.twins_ratio`) have r < 1.

    Checked by `luong2026.energy`, `luong2026.one_dimension`.
    """
    g = regression.gradient(Sam(0.0), w, x, t)
    return float(g @ g)


def first_order_error(w: FloatArray, x: FloatArray, t: FloatArray, rho: float) -> FloatArray:
    r"""A bound on |h_i - g_i - rho (H g/||g||)_i|:  rho^2/2 max|sigma''| (1/n) sum_j |x_ji| <x_j, g/||g||>^2, (d,)."""
    g = regression.gradient(Sam(0.0), w, x, t)
    along = x @ (g / np.linalg.norm(g))
    return rho**2 / 2 * THIRD_DERIVATIVE * (along**2 @ abs(x)) / len(t)
