r"""Shares of coordinates in the groups A, B, C when the features are normal, given the weights of the examples.

Let the entries z_j of a coordinate be independent standard normals, independent of the weights: s_j of the plain and
s'_j of the perturbed gradient. Then (c, c') = sum_clean (s_j, s'_j) z_j and (n, n') = sum_mislabelled (s_j, s'_j) z_j
are independent normal pairs with the second moments  S_c = sum_clean [[s^2, s s'], [s s', s'^2]]  and S_n likewise, and

    P(noise-dominated)      = 2 P(-c > 0, c + n > 0)
    P(noise-dominated, A)   = 2 P(-c > 0, c + n > 0, c' + n' - c - n >= 0)
    P(noise-dominated, C)   = 2 P(-c > 0, c + n > 0, -(c' + n') >= 0)

(the factor 2 is the reflection z -> -z; n > 0 follows). Clean-dominated exchanges c and n, agreement has c > 0, n > 0.
Each is the probability that three normal variables are positive, an arcsine sum (`orthant`): closed form, exact at any
n. It depends on the weights through S_c and S_n alone and not on their scale.
Derived here; the arcsine sums are classical (Sheppard 1899; David 1953).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

FloatArray = NDArray[np.float64]
ROWS, COLUMNS = ("noise", "clean", "agree"), ("A", "B", "C")


def orthant(covariance: FloatArray) -> FloatArray:
    r"""P(all of 2 or 3 centred normal variables are >= 0), for covariances (..., k, k).

    k = 2: 1/4 + arcsin(rho_12)/(2 pi);  k = 3: 1/8 + (arcsin rho_12 + arcsin rho_13 + arcsin rho_23)/(4 pi).
    A variable without variance is zero, hence >= 0.

    >>> import numpy as np
    >>> round(float(orthant(np.array([[1.0, 0.5], [0.5, 1.0]]))), 4)
    0.3333
    """
    covariance = np.asarray(covariance, dtype=float)
    k = covariance.shape[-1]
    deviation = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    certain = deviation <= 1e-12 * deviation.max(axis=-1, keepdims=True)
    scale = np.where(certain, 1.0, deviation)
    correlation = np.clip(covariance / (scale[..., :, None] * scale[..., None, :]), -1, 1)
    angles = sum(np.arcsin(correlation[..., i, j]) for i in range(k) for j in range(i))
    probability = 2.0**-k + angles / (2.0 ** (k - 1) * np.pi)
    if k == 2:
        return probability
    # Without the last variable it is the probability of the other two.
    return np.where(certain[..., -1], orthant(covariance[..., :-1, :-1]), probability)


def fractions(clean: FloatArray, noisy: FloatArray) -> FloatArray:
    r"""The shares of coordinates in every row of ROWS and column of COLUMNS, (..., 3, 3); they sum to 1.

    clean, noisy: second moments S_c and S_n as (sum s^2, sum s s', sum s'^2), shape (..., 3).
    """
    zero = np.zeros_like(np.asarray(clean, dtype=float)[..., 0])

    def block(moments: Any) -> list[list[Any]]:
        ss, sp, pp = np.moveaxis(np.asarray(moments, dtype=float), -1, 0)
        return [[ss, sp], [sp, pp]]

    C, N = block(clean), block(noisy)
    entries = [[*C[0], zero, zero], [*C[1], zero, zero], [zero, zero, *N[0]], [zero, zero, *N[1]]]
    covariance = np.moveaxis(np.array(entries), (0, 1), (-2, -1))  # of (c, c', n, n')

    def twice(*rows: tuple[int, int, int, int]) -> FloatArray:
        forms = np.array(rows, dtype=float)
        return 2 * orthant(forms @ covariance @ forms.T)

    total, raised, turned = (1, 0, 1, 0), (-1, 1, -1, 1), (0, -1, 0, -1)
    minor_c, minor_n = (-1, 0, 0, 0), (0, 0, -1, 0)
    result = []
    for first, second in ((minor_c, total), (minor_n, total), ((1, 0, 0, 0), (0, 0, 1, 0))):
        whole, a, c = twice(first, second), twice(first, second, raised), twice(first, second, turned)
        result.append(np.stack([a, whole - a - c, c], axis=-1))
    return np.stack(result, axis=-2)


def sample_fractions(plain: FloatArray, perturbed: FloatArray, mislabelled: NDArray[np.bool_]) -> FloatArray:
    """fractions for given example weights s and s', (n,): exact for a noise coordinate independent of them, (3, 3)."""
    products = np.stack([plain**2, plain * perturbed, perturbed**2], axis=-1)
    noisy = np.asarray(mislabelled, dtype=bool)
    return fractions(products[~noisy].sum(axis=0), products[noisy].sum(axis=0))


def shifted_fractions(mean: FloatArray, clean: FloatArray, noisy: FloatArray, *, nodes: int = 24) -> FloatArray:
    r"""fractions of a coordinate whose parts (c, c', n, n') have a mean (4,); clean, noisy (3,) are now covariances.

    A two-dimensional integral over (c, n), in polar coordinates over the six sectors between the lines c = 0, n = 0 and
    c + n = 0: given (c, n) the perturbed sum is normal, with a mean linear in them. `nodes` Gauss-Legendre nodes for
    every sector, twice as many along the radius. Needs positive variances of c, of n, and of c' + n' given them.
    """
    (c_0, c_1, n_0, n_1), C, N = (np.asarray(a, dtype=float) for a in (mean, clean, noisy))
    deviation_c, deviation_n, slope_c, slope_n = np.sqrt(C[0]), np.sqrt(N[0]), C[1] / C[0], N[1] / N[0]
    left = np.sqrt(C[2] - slope_c * C[1] + N[2] - slope_n * N[1])
    # c = deviation_c R cos(angle), n = deviation_n R sin(angle); c + n = 0 at `cancel` and half a turn later.
    cancel = np.pi - np.arctan2(deviation_c, deviation_n)
    edges = np.array([0, np.pi / 2, cancel, np.pi, 3 * np.pi / 2, np.pi + cancel, 2 * np.pi])
    shift_c, shift_n = c_0 / deviation_c, n_0 / deviation_n
    furthest = np.hypot(shift_c, shift_n) + 9
    (x, weight_x), (y, weight_y) = (np.polynomial.legendre.leggauss(k) for k in (nodes, 2 * nodes))
    half = np.diff(edges)[:, None] / 2
    angle = ((edges[:-1] + edges[1:])[:, None] / 2 + half * x)[:, :, None]
    radius = (y + 1) / 2 * furthest
    a, b = radius * np.cos(angle), radius * np.sin(angle)
    measure = radius * weight_y * furthest / 2 * (half * weight_x)[:, :, None]
    density = measure * np.exp(-((a - shift_c) ** 2 + (b - shift_n) ** 2) / 2) / (2 * np.pi)
    c, n = deviation_c * a, deviation_n * b
    moved = c_1 + slope_c * (c - c_0) + n_1 + slope_n * (n - n_0)
    sign = np.sign(c + n)
    raised, turned = ndtr(sign * (moved - c - n) / left), ndtr(-sign * moved / left)
    sectors = np.stack([(p * density).sum(axis=(1, 2)) for p in (raised, 1 - raised - turned, turned)], axis=1)
    # In turn: both parts positive, noise dominates, clean dominates, both negative, noise, clean.
    agree, noise, clean_dominated = (sectors[k] + sectors[k + 3] for k in range(3))
    return np.stack([noise, clean_dominated, agree])
