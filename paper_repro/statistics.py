"""Intervals over independent seeds."""

from typing import NamedTuple

import numpy as np
import xarray as xr
from scipy import stats

from spec.validation import require, require_choice


class Interval(NamedTuple):
    """A mean with its two-sided Student interval."""

    mean: float
    low: float
    high: float

    def points(self, *, signed: bool = False) -> str:
        """In percentage points: '+1.2 [0.4, 2.0]'."""
        mean = f"{100 * self.mean:+.1f}" if signed else f"{100 * self.mean:.1f}"
        return f"{mean} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def verdict(gap: Interval, claim: str = "larger") -> str:
    """'larger' is shown when the interval lies above zero; 'close' when it lies within +-2 points."""
    require_choice("claim", claim, ("larger", "close"))
    if claim == "larger":
        return "shown" if gap.low > 0 else "reversed" if gap.high < 0 else "not shown"
    if max(abs(gap.low), abs(gap.high)) < 0.02:
        return "shown (within 2 points)"
    return "larger" if gap.low > 0 else "smaller" if gap.high < 0 else "undecided"


def interval(values: xr.DataArray | np.ndarray, *, level: float = 0.95) -> Interval:
    """Student interval of the mean of independent values (one for each seed); paired when given differences.

    >>> interval([0.1, 0.3, 0.2, 0.4]).points()
    '25.0 [4.5, 45.5]'
    """
    v = np.asarray(values, dtype=float)
    require(v.ndim == 1 and v.size >= 2, "values", v.shape, "a vector of at least two seeds")
    half = stats.t.ppf(0.5 + level / 2, v.size - 1) * v.std(ddof=1) / np.sqrt(v.size)
    return Interval(float(v.mean()), float(v.mean() - half), float(v.mean() + half))
