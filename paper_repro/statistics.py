"""Student's t over independent seeds: intervals for readers, means and thresholds for the judge."""

from functools import cache
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


def decision(gap: Interval, claim: str = "larger") -> str:
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
    half = t_threshold(1 - level, 2, v.size) * v.std(ddof=1) / np.sqrt(v.size)
    return Interval(float(v.mean()), float(v.mean() - half), float(v.mean() + half))


def mean_and_error(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Mean and standard error of every column over the rows, which are seeds, and their number; error 0 for one row."""
    rows = values[:, None] if values.ndim == 1 else values
    seeds = len(rows)
    error = rows.std(axis=0, ddof=1) / np.sqrt(seeds) if seeds > 1 else np.zeros(rows.shape[1])
    return rows.mean(axis=0), error, seeds


@cache
def t_threshold(family_error: float, tails: int, seeds: int) -> float:
    """t* that one of `tails` Student variables of seeds - 1 degrees exceeds with probability <= family_error."""
    return float(stats.t.isf(family_error / tails, seeds - 1))


def t_ratio(difference: np.ndarray, error: np.ndarray) -> np.ndarray:
    """difference / error; a difference without any spread counts as infinite, and so does NaN, which never passes."""
    infinite = np.where(difference > 0, np.inf, 0.0)
    ratio = np.divide(difference, error, out=infinite, where=error > 0)
    return np.where(np.isnan(difference) | np.isnan(error), np.inf, ratio)
