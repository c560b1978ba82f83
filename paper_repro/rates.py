r"""How far measured errors are from a rate and from a limit: the statistics behind the tolerance Asymptotic.

With e_ij the error of seed i at size n_j, m_j = mean_i e_ij^2 and y_j = log(m_j)/2, a law error ~ C n^p has y linear in
x = log n. Two contrasts of y are compared with those of p x: the fitted slope, and the last y minus the mean of the
others. Contrast c is off by (c.x) s where the local slope is off by s, which is the tolerance for finite sizes. By the
delta method y_j has the influence e_ij^2/(2 m_j) of seed i, so that c.y has the standard error of the mean over i of
sum_j c_j e_ij^2/(2 m_j): the tolerance for finite seeds, whatever the correlation between sizes.

The limit: with mean errors b n^q, the weighted least-squares intercept on (1, n^q) is a fixed combination of the
columns. Applied to every seed's errors it gives independent numbers of mean zero, for Student's t.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from paper_repro.statistics import mean_and_error, t_ratio, t_threshold
from spec.claims import Asymptotic

FloatArray = NDArray[np.float64]
TINY = float(np.finfo(float).tiny)


class Distances(NamedTuple):
    """The two contrasts of log errors and of log sizes, and what finite sizes and finite seeds allow, (2,) each.

    slope, last: the fitted slope, and the last log error over the mean of the others.
    """

    errors: FloatArray
    sizes: FloatArray
    bias: FloatArray
    sampling: FloatArray

    @property
    def slope(self) -> float:
        return float(self.errors[0])

    def worst(self, exponent: float) -> float:
        """The larger distance over what is allowed; at most 1 for the right exponent."""
        return float(np.max(self._off(exponent) / (self.bias + self.sampling)))

    def rejection(self, exponent: float) -> float:
        """At least 1 beyond twice what finite sizes allow, and beyond twice what finite seeds allow on top of them."""
        return float(np.max(self._off(exponent) / np.maximum(2 * self.bias, self.bias + 2 * self.sampling)))

    def _off(self, exponent: float) -> FloatArray:
        """|slope - exponent|, and by how much the last error is too large: a small one is no fault. NaN is inf."""
        off = self.errors - exponent * self.sizes
        return np.where(np.isfinite(off), [abs(off[0]), off[1]], np.inf)


def distances(tolerance: Asymptotic, predicted: FloatArray, measured: FloatArray) -> Distances:
    """The contrasts of measured - predicted, (seeds, sizes)."""
    x = np.log(tolerance.sizes)
    centred, others = x - x.mean(), np.full(len(x) - 1, 1 / (len(x) - 1))
    contrasts = np.stack([centred / (centred @ centred), np.append(-others, 1.0)])
    squares = (measured - predicted) ** 2
    mean = np.maximum(squares.mean(axis=0), TINY)
    error = mean_and_error(squares / (2 * mean) @ contrasts.T)[1]
    threshold = t_threshold(tolerance.family_error, _tails(tolerance), len(squares)) if len(squares) > 1 else 0.0
    spread = contrasts @ x
    return Distances(contrasts @ np.log(mean) / 2, spread, tolerance.slope * spread, threshold * error)


def limit(tolerance: Asymptotic, predicted: FloatArray, measured: FloatArray) -> tuple[float, float]:
    """|t|/t* of the extrapolated mean error, and |t| over what rejects a mutant: 2 t* and ten standard errors."""
    left = (measured - predicted) @ intercept(tolerance)
    mean, error, seeds = mean_and_error(left)
    t = float(t_ratio(np.abs(mean), error)[0])
    threshold = t_threshold(tolerance.family_error, _tails(tolerance), seeds)
    return t / threshold, t / max(2 * threshold, 10.0)


def intercept(tolerance: Asymptotic) -> FloatArray:
    """The combination of the columns with weights of sum one that cancels size**mean_exponent, (sizes,).

    Of all such, the one of least variance where the standard deviation falls as size**exponent.
    """
    assert tolerance.mean_exponent is not None
    n = np.asarray(tolerance.sizes, dtype=float)
    design = np.stack([np.ones_like(n), n**tolerance.mean_exponent], axis=1) * (n**-tolerance.exponent)[:, None]
    return np.linalg.pinv(design)[0] * n**-tolerance.exponent


def _tails(tolerance: Asymptotic) -> int:
    """Two of the slope, one of the last error, two of the limit."""
    return 3 if tolerance.mean_exponent is None else 5
