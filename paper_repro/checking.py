"""Turns a Claim into a Verdict: the same check for the right statement and for every mutant."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from paper_repro import rates
from paper_repro.statistics import mean_and_error, t_ratio, t_threshold
from spec.claims import (
    Asymptotic,
    AtLeast,
    AtMost,
    Claim,
    Exact,
    MonteCarlo,
    MutantVerdict,
    Ordering,
    Sample,
    Verdict,
)
from spec.seeds import named_seed
from spec.validation import require

FloatArray = NDArray[np.float64]
COUNTS = {"smoke": 32, "standard": 64, "full": 256}
MIN_SEEDS = 32
EPS = float(np.finfo(float).eps)
ROUNDINGS = 100  # of an identity, in units of eps
BOUND_ROUNDING = 1e-12  # a bound that is attained is broken by rounding


class Trial(NamedTuple):
    """Both sides of a claim on one case."""

    case: Any
    predicted: FloatArray
    measured: FloatArray


class Outcome(NamedTuple):
    """Accepted when worst <= threshold; rejection >= 1 when a variant is wrong beyond doubt, not only not accepted."""

    worst: float
    threshold: float
    rejection: float
    predicted: float
    measured: float
    summary: str


def check(claim: Claim, preset: str = "standard") -> Verdict:
    """Check a claim at a preset's number of seeds. The draw is fixed by the claim's id (and SEED_SHIFT)."""
    return judged(claim, trial(claim, preset))


def trial(claim: Claim, preset: str = "standard") -> Trial:
    """Draw the case of a claim and compute both sides."""
    case = claim.setup(Sample(seed=named_seed(claim.id), count=COUNTS[preset]))
    return Trial(case, values(claim.predicted, case), values(claim.measured, case))


def values(side: Callable[[Any], Any], case: Any) -> FloatArray:
    """One side of a claim as an array of numbers with at least one axis."""
    return np.atleast_1d(np.asarray(side(case), dtype=float))


def outcome(claim: Claim, at: Trial) -> Outcome:
    """The two sides under the claim's tolerance, without mutants."""
    return _JUDGES[type(claim.tolerance)](claim.tolerance, at)


def judged(claim: Claim, at: Trial) -> Verdict:
    """The verdict on a trial: accepted, with every mutant rejected. A mutant that raises is an error of the claim."""
    require(len(claim.mutants) > 0, f"mutants of {claim.id}", claim.mutants, "at least one")
    right = outcome(claim, at)
    mutants = [*_built_in_mutants(claim.tolerance, at)]
    for mutant in claim.mutants:
        wrong = Trial(
            at.case,
            values(mutant.predicted, at.case) if mutant.predicted else at.predicted,
            values(mutant.measured, at.case) if mutant.measured else at.measured,
        )
        mutants.append(_verdict(mutant.wrong, _rejection(claim, wrong)))
    power = min(m.score for m in mutants)
    return Verdict(
        claim=claim.id,
        ok=bool(right.worst <= right.threshold and power >= 1),
        worst=right.worst,
        threshold=right.threshold,
        predicted=right.predicted,
        measured=right.measured,
        power=power,
        mutants=tuple(mutants),
        summary=right.summary,
    )


def _rejection(claim: Claim, wrong: Trial) -> float:
    """How surely a mutant is rejected. One without numbers says nothing about the check: it is not rejected."""
    finite = np.all(np.isfinite(wrong.predicted)) and np.all(np.isfinite(wrong.measured))
    return outcome(claim, wrong).rejection if finite else 0.0


def _verdict(wrong: str, score: float) -> MutantVerdict:
    return MutantVerdict(wrong, score >= 1, score)


def _built_in_mutants(tolerance: Any, at: Trial) -> list[MutantVerdict]:
    """What every claim of a kind must reject: wrong exponents, a limit that is a little off, the swapped order."""
    if isinstance(tolerance, Ordering):
        return [_verdict("swapped order", _ordering(tolerance, at._replace(predicted=-at.predicted)).rejection)]
    if isinstance(tolerance, Asymptotic):
        found = rates.distances(tolerance, at.predicted, at.measured)
        exponents = [_verdict(f"exponent {e:g}", found.rejection(e)) for e in tolerance.wrong_exponents]
        return exponents + [
            _verdict(f"limit off by {share:+.0%}", rates.limit(tolerance, (1 + share) * at.predicted, at.measured)[1])
            for share in (tolerance.resolution, -tolerance.resolution)
            if tolerance.mean_exponent is not None
        ]
    return []


def _exact(tolerance: Exact, at: Trial) -> Outcome:
    """worst: largest error over the largest |predicted|, at the point where it exceeds most what is allowed there."""
    condition = np.zeros(1) if tolerance.condition is None else values(tolerance.condition, at.case)
    allowed = np.maximum(tolerance.relative, ROUNDINGS * EPS * condition)
    predicted, measured, allowed = np.broadcast_arrays(at.predicted, at.measured, allowed)
    scale = max(float(np.max(np.abs(predicted))), np.finfo(float).tiny)
    with np.errstate(invalid="ignore"):
        error = np.abs(measured - predicted) / scale
    error = np.where(np.isfinite(error), error, np.inf)
    ratio = error / allowed
    i = np.unravel_index(np.argmax(ratio), ratio.shape)
    worst, limit = float(error[i]), float(allowed[i])
    summary = f"relative error {worst:.2g} <= {limit:.2g}"
    return Outcome(worst, limit, float(ratio[i]) / tolerance.power, float(predicted[i]), float(measured[i]), summary)


def _monte_carlo(tolerance: MonteCarlo, at: Trial) -> Outcome:
    """worst: largest |t|. A mutant must exceed both 2 t* and ten standard errors."""
    mean, error, seeds = _seeds("MonteCarlo", at.measured)
    require(seeds > 1, "seeds of a claim of kind MonteCarlo", seeds, f"at least {MIN_SEEDS}")
    predicted = np.broadcast_to(at.predicted, mean.shape)
    threshold = t_threshold(tolerance.family_error, 2 * mean.size, seeds)
    statistic = t_ratio(np.abs(mean - predicted), error)
    i = int(np.argmax(statistic))
    worst = float(statistic[i])
    summary = f"|t| {worst:.2g} <= {threshold:.2g} at {_points(mean.size)}, {seeds} seeds"
    return Outcome(worst, threshold, worst / max(2 * threshold, 10.0), float(predicted[i]), float(mean[i]), summary)


def _ordering(tolerance: Ordering, at: Trial) -> Outcome:
    """worst: minus the smallest signed t (several seeds) or signed value (one row), which must lie below -t* (or 0)."""
    mean, error, seeds = _seeds("Ordering", at.measured)
    sign = np.broadcast_to(np.sign(at.predicted), mean.shape)
    if seeds == 1:
        signed, threshold = np.where(np.isfinite(mean), sign * mean, -np.inf), float(np.finfo(float).tiny)
    else:
        threshold = t_threshold(tolerance.family_error, mean.size, seeds)
        signed = sign * np.sign(mean) * t_ratio(np.abs(mean), error)
        signed = np.where(np.isfinite(mean), signed, -np.inf)
    i = int(np.argmin(signed))
    worst = -float(signed[i])
    rejection = worst / threshold if seeds > 1 else np.inf if worst > 0 else 0.0
    agree = f"{int(np.sum(signed >= threshold))} of {mean.size} signs agree" + _by(seeds)
    return Outcome(worst, -threshold, rejection, float(sign[i]), float(mean[i]), agree)


def _at_most(tolerance: AtMost | AtLeast, at: Trial, side: float = 1.0) -> Outcome:
    """worst: the largest excess over the bound: relative to the larger of both (one row), or in standard errors."""
    mean, error, seeds = _seeds(type(tolerance).__name__, at.measured)
    bound = np.broadcast_to(at.predicted, mean.shape)
    with np.errstate(invalid="ignore"):
        excess = side * (mean - bound)
    excess = np.where(np.isfinite(excess), excess, np.inf)
    if seeds == 1:
        scale = np.clip(np.maximum(np.abs(mean), np.abs(bound)), np.finfo(float).tiny, np.finfo(float).max)
        statistic, threshold, needed = excess / scale, BOUND_ROUNDING, 1000 * BOUND_ROUNDING
    else:
        statistic = np.sign(excess) * t_ratio(np.abs(excess), error)
        threshold = t_threshold(tolerance.family_error, mean.size, seeds)
        needed = max(2 * threshold, 10.0)
    i = int(np.argmax(statistic))
    worst = float(statistic[i])
    kept = f"{int(np.sum(statistic <= threshold))} of {_points(mean.size)} within the bound" + _by(seeds)
    return Outcome(worst, threshold, worst / needed, float(bound[i]), float(mean[i]), kept)


def _at_least(tolerance: AtLeast, at: Trial) -> Outcome:
    return _at_most(tolerance, at, side=-1.0)


def _asymptotic(tolerance: Asymptotic, at: Trial) -> Outcome:
    """worst: the largest of the rate's distances and of the extrapolated mean's |t|/t*, each over what is allowed."""
    _seeds("Asymptotic", at.measured)
    found = rates.distances(tolerance, at.predicted, at.measured)
    worst, rejection = found.worst(tolerance.exponent), found.rejection(tolerance.exponent)
    summary = f"slope {found.slope:.2f} for {tolerance.exponent:g}"
    if tolerance.mean_exponent is not None:
        mean, rejected = rates.limit(tolerance, at.predicted, at.measured)
        worst, rejection = max(worst, mean), max(rejection, rejected)
        summary += f", |t|/t* of the limit {mean:.2g}"
    last = np.broadcast_to(at.predicted, at.measured.shape)[:, -1].mean()
    return Outcome(worst, 1.0, rejection, float(last), float(at.measured[:, -1].mean()), summary)


def _seeds(kind: str, measured: FloatArray) -> tuple[FloatArray, FloatArray, int]:
    mean, error, seeds = mean_and_error(measured)
    allowed = seeds == 1 or seeds >= MIN_SEEDS
    require(allowed, f"seeds of a claim of kind {kind}", seeds, f"at least {MIN_SEEDS} (or one row)")
    return mean, error, seeds


def _points(count: int) -> str:
    return f"{count} point{'s' * (count > 1)}"


def _by(seeds: int) -> str:
    return f" over {seeds} seeds" if seeds > 1 else ""


_JUDGES: dict[type, Callable[[Any, Trial], Outcome]] = {
    Exact: _exact,
    MonteCarlo: _monte_carlo,
    Ordering: _ordering,
    AtMost: _at_most,
    AtLeast: _at_least,
    Asymptotic: _asymptotic,
}
