r"""The clean/mislabelled ratio of gradient norms between two radii of 1-SAM: what its slope in rho does not say.

theory.logistic.regression has the ratio R(rho) and its slope. The sign of the slope is local: R may rise at rho and be
smaller at a larger radius. Between two radii, with g_j = ||x_j|| sigma(rho ||x_j|| - z_j) and the amplification
a_j = sigma(rho' ||x_j|| - z_j)/sigma(rho ||x_j|| - z_j),

    R(rho')/R(rho) = (sum_clean g a/sum_clean g) / (sum_mislabelled g a/sum_mislabelled g):                      (gain)

the ratio rises from rho to rho' iff the clean examples have the larger g-weighted mean amplification. Let all norms be
equal. Then a rises with z, and

1. if every clean margin is at least as large as every mislabelled one, R rises for all rho (strictly, unless all are
   equal), up to its limit 1: it stays below 1;
2. the same where the margins of clean examples have a likelihood ratio to those of mislabelled ones that rises with z
   (in expectation over a law, as for two Gaussians of one variance): weighting by g keeps that order;
3. whatever the margins, R -> 1, from below iff mean_clean e^z > mean_mislabelled e^z. So a ratio above 1 always falls
   in the end, however it starts.

Derived here. Arrays: z, norms (n,), mislabelled (n,) of bool, both groups non-empty.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit, logsumexp

FloatArray = NDArray[np.float64]


def gain(z: FloatArray, norms: FloatArray, mislabelled: NDArray[np.bool_], rho: float, to: float) -> float:
    """R(to)/R(rho), as the quotient of the groups' weighted mean amplifications.

    Checked by `baek2024.ratio_gain`, `baek2024.ratio_slope_is_local`.

    >>> import numpy as np
    >>> z, noisy = np.array([1.5, -2.0, 0.5, -3.5, 3.9, 3.7]), np.arange(6) >= 3
    >>> [round(gain(z, np.ones(6), noisy, 0.0, to), 2) for to in (2.0, 6.0)]
    [1.33, 0.75]
    """
    z, norms = np.asarray(z, dtype=float), np.asarray(norms, dtype=float)
    logs = [np.log(norms) + log_expit(radius * norms - z) for radius in (rho, to)]
    clean, noisy = (logsumexp(logs[1][g]) - logsumexp(logs[0][g]) for g in (~mislabelled, mislabelled))
    return float(np.exp(clean - noisy))


def approaches_from_below(z: FloatArray, mislabelled: NDArray[np.bool_]) -> bool:
    """Point 3, for equal norms: whether R < 1 for all large rho, mean_clean e^z > mean_mislabelled e^z."""
    e = np.exp(np.asarray(z, dtype=float) - np.max(z))
    return bool(e[~mislabelled].mean() > e[mislabelled].mean())


def separated(z: FloatArray, mislabelled: NDArray[np.bool_]) -> bool:
    """Point 1, for equal norms: whether every clean margin is at least as large as every mislabelled one.

    Checked by `baek2024.ratio_of_separated_margins`.
    """
    z = np.asarray(z, dtype=float)
    return bool(z[~mislabelled].min() >= z[mislabelled].max())
