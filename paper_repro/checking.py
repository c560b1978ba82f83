"""Turns a Claim into a Verdict: the same check for the right statement and for every mutant."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from spec.claims import Asymptotic, Claim, Exact, MonteCarlo, MutantVerdict, Ordering, Sample, Verdict
from spec.seeds import named_seed
from spec.validation import require

FloatArray = NDArray[np.float64]
COUNTS = {"smoke": 32, "standard": 64, "full": 256}
MIN_SEEDS = 32


class Outcome(NamedTuple):
    """Accepted when worst <= threshold; rejection >= 1 when a variant is wrong beyond doubt, not only not accepted."""

    worst: float
    threshold: float
    rejection: float
    predicted: float
    measured: float


def check(claim: Claim, preset: str = "standard") -> Verdict:
    """Check a claim at a preset's number of seeds. The draw is fixed by the claim's id (and SEED_SHIFT)."""
    case = claim.setup(Sample(seed=named_seed(claim.id), count=COUNTS[preset]))
    predicted, measured = _values(claim.predicted, case), _values(claim.measured, case)
    judge = _JUDGES[type(claim.tolerance)]
    right = judge(claim.tolerance, predicted, measured)
    mutants = [*_built_in_mutants(claim.tolerance, predicted, measured)]
    for mutant in claim.mutants:
        wrong_predicted = _values(mutant.predicted, case) if mutant.predicted else predicted
        wrong_measured = _values(mutant.measured, case) if mutant.measured else measured
        rejection = judge(claim.tolerance, wrong_predicted, wrong_measured).rejection
        mutants.append(MutantVerdict(mutant.wrong, rejection >= 1, rejection))
    require(len(claim.mutants) > 0, f"mutants of {claim.id}", claim.mutants, "at least one")
    power = min(m.score for m in mutants)
    return Verdict(
        claim=claim.id,
        ok=right.worst <= right.threshold and power >= 1,
        worst=right.worst,
        threshold=right.threshold,
        predicted=right.predicted,
        measured=right.measured,
        power=power,
        mutants=tuple(mutants),
    )


def _values(side: Callable[[Any], Any], case: Any) -> FloatArray:
    return np.atleast_1d(np.asarray(side(case), dtype=float))


def _exact(tolerance: Exact, predicted: FloatArray, measured: FloatArray) -> Outcome:
    """worst: largest error over the largest |predicted|."""
    predicted, measured = np.broadcast_arrays(predicted, measured)
    scale = max(float(np.max(np.abs(predicted))), np.finfo(float).tiny)
    error = np.where(np.isfinite(measured - predicted), np.abs(measured - predicted) / scale, np.inf)
    at = np.unravel_index(np.argmax(error), error.shape)
    worst, limit = float(error[at]), tolerance.relative
    return Outcome(worst, limit, worst / (limit * tolerance.power), float(predicted[at]), float(measured[at]))


def _monte_carlo(tolerance: MonteCarlo, predicted: FloatArray, measured: FloatArray) -> Outcome:
    """worst: largest |t|. A mutant must exceed both 2 t* and ten standard errors."""
    mean, error, seeds = _mean_and_error(measured)
    require(seeds >= MIN_SEEDS, "seeds of a MonteCarlo claim", seeds, f"at least {MIN_SEEDS}")
    predicted = np.broadcast_to(predicted, mean.shape)
    threshold = float(stats.t.isf(tolerance.family_error / (2 * mean.size), seeds - 1))
    statistic = _ratio(np.abs(mean - predicted), error)
    at = int(np.argmax(statistic))
    worst = float(statistic[at])
    return Outcome(worst, threshold, worst / max(2 * threshold, 10.0), float(predicted[at]), float(mean[at]))


def _ordering(tolerance: Ordering, predicted: FloatArray, measured: FloatArray) -> Outcome:
    """worst: minus the smallest signed t (several seeds) or signed value (one row), which must lie below -t* (or 0)."""
    mean, error, seeds = _mean_and_error(measured)
    sign = np.broadcast_to(predicted, mean.shape)
    if seeds == 1:
        at = int(np.argmin(np.where(np.isfinite(mean), sign * mean, -np.inf)))
        worst = float(-sign[at] * mean[at])
        rejection = np.inf if worst > 0 else 0.0
        return Outcome(worst, -float(np.finfo(float).tiny), rejection, float(sign[at]), float(mean[at]))
    require(seeds >= MIN_SEEDS, "seeds of an Ordering claim", seeds, f"at least {MIN_SEEDS} (or one)")
    threshold = float(stats.t.isf(tolerance.family_error / mean.size, seeds - 1))
    statistic = sign * np.sign(mean) * _ratio(np.abs(mean), error)
    at = int(np.argmin(statistic))
    worst = float(-statistic[at])
    return Outcome(worst, -threshold, worst / threshold, float(sign[at]), float(mean[at]))


def _asymptotic(tolerance: Asymptotic, predicted: FloatArray, measured: FloatArray) -> Outcome:
    """worst: the larger of slope error / allowed and excess of the last error over the extrapolated one / allowed."""
    worst = _rate_distance(tolerance, predicted, measured, tolerance.exponent)
    last = np.broadcast_to(predicted, measured.shape[1:])[-1]
    return Outcome(worst, 1.0, worst / 2, float(last), float(measured[:, -1].mean()))


def _rate_distance(tolerance: Asymptotic, predicted: FloatArray, measured: FloatArray, exponent: float) -> float:
    error = np.sqrt(np.mean((measured - predicted) ** 2, axis=0))
    x, y = np.log(tolerance.sizes), np.log(np.maximum(error, np.finfo(float).tiny))
    slope = float(np.polyfit(x, y, 1)[0])
    extrapolated = np.mean(y[:-1] - exponent * x[:-1]) + exponent * x[-1]
    allowed = tolerance.slope * (x[-1] - np.mean(x[:-1]))  # what a slope error within tolerance adds at the last size
    return max(abs(slope - exponent) / tolerance.slope, float(y[-1] - extrapolated) / float(allowed))


def _built_in_mutants(tolerance: Any, predicted: FloatArray, measured: FloatArray) -> list[MutantVerdict]:
    """What every claim of a kind must reject: wrong exponents, the swapped order."""
    if isinstance(tolerance, Asymptotic):
        scores = [(e, _rate_distance(tolerance, predicted, measured, e) / 2) for e in tolerance.wrong_exponents]
        return [MutantVerdict(f"exponent {e:g}", score >= 1, score) for e, score in scores]
    if isinstance(tolerance, Ordering):
        score = _ordering(tolerance, -predicted, measured).rejection
        return [MutantVerdict("swapped order", score >= 1, score)]
    return []


def _mean_and_error(measured: FloatArray) -> tuple[FloatArray, FloatArray, int]:
    measured = measured[:, None] if measured.ndim == 1 else measured
    seeds = len(measured)
    error = measured.std(axis=0, ddof=1) / np.sqrt(seeds) if seeds > 1 else np.zeros(measured.shape[1])
    return measured.mean(axis=0), error, seeds


def _ratio(difference: FloatArray, error: FloatArray) -> FloatArray:
    """difference / error; a difference without any spread counts as infinite, NaN never passes."""
    infinite = np.where(difference > 0, np.inf, 0.0)
    ratio = np.divide(difference, error, out=infinite, where=error > 0)
    return np.where(np.isnan(difference) | np.isnan(error), np.inf, ratio)


_JUDGES: dict[type, Callable[[Any, FloatArray, FloatArray], Outcome]] = {
    Exact: _exact,
    MonteCarlo: _monte_carlo,
    Ordering: _ordering,
    Asymptotic: _asymptotic,
}
