"""Claims on the alignment phase: drift, where every weight goes, and when, with proved bounds on the times."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from paper_repro.zhang2025.claims.measured_training import FloatArray, TwoClasses, caps, linear_blocks, train
from paper_repro.zhang2025.claims.recursion import OURS
from spec.claims import AtMost, Claim, Mutant, Sample
from theory.reweighting import phases
from theory.reweighting import recursion as theory

N, STEPS = 24, 400
NEVER = 10.0 * STEPS  # stands for a time that does not come


class Setting(NamedTuple):
    """A problem with its constants, rates, and the weight at the start."""

    problem: TwoClasses
    separation: phases.Separation
    beta: float
    eta: float
    w: float


def settings(sample: Sample, *, s: float, outliers: int = 0) -> list[Setting]:
    """Noise rates on both sides of one half, weights that arrive after 20 to 100 steps, outputs that drift by 10 %.

    One rate from each sixth of the range, so that every draw has problems whose labels nearly all agree: there the
    outputs drift almost as fast as they can, and a wrong bound shows.
    """
    rng, found = np.random.default_rng(sample.seed), []
    for p in 0.2 + 0.1 * (np.arange(6) + rng.uniform(size=6)):
        problem = caps(rng, n=N, m=6, d=12, s=s, p=p, outliers=outliers)
        k = theory.signed_blocks(linear_blocks(problem), problem.y, problem.y_clean)
        separation, w = phases.separation(k), rng.uniform(0.3, 0.7)
        steps = rng.uniform(20, 100)
        beta = max(w, 1 - w) / (np.median(np.abs(separation.row_mean)) * steps)
        found.append(Setting(problem, separation, beta, rng.uniform(0.02, 0.1) / (separation.drift * steps), w))
    return found


def _simulated(case: Setting, **wrong: Any) -> theory.State:
    return train(case.problem, **({"beta": case.beta, "eta": case.eta, "steps": STEPS, "w": case.w} | wrong))


def _drifts(cases: list[Setting], *, eta: float = 1.0) -> FloatArray:
    """The largest |rho - 1| at steps 1 to 12, which are large, with weights that start at one; one row.

    Nothing moves outputs faster: with a noise rate of 0.2 to 0.3 they drift at 0.4 to 0.6 of the bound at first, so
    that a bound for a quarter of the step breaks in every draw.
    """
    found = []
    for case in cases:
        path, problem = _simulated(case._replace(eta=eta * 0.3 / case.separation.drift, w=1.0)), case.problem
        rho = [1 - problem.y * (path.r + problem.t), 1 - problem.y_clean * (path.r_clean + problem.y_clean)]
        found.append(np.max(np.abs(np.concatenate(rho, axis=1) - 1), axis=1)[1:13])
    return np.concatenate(found)[None]


def _drift_bounds(cases: list[Setting], *, constant: float = 1.0) -> FloatArray:
    bounds = []
    for case in cases:
        scaled = case.separation._replace(drift=constant * case.separation.drift)
        bounds.append(phases.drift_bound(scaled, 0.3 / case.separation.drift, 12)[1:])
    return np.concatenate(bounds)


DRIFT = Claim(
    id="zhang2025.drift",
    origin="derived",
    source=OURS,
    statement="No output moves further than (1 + eta S)^t - 1 in t steps, whatever the weights do.",
    regime="outputs zero at the start, weights in [0, 1], S the largest absolute row sum of the kernel",
    tolerance=AtMost(),
    setup=partial(settings, s=0.8),
    predicted=_drift_bounds,
    measured=_drifts,
    mutants=(
        Mutant("row sum over n", predicted=partial(_drift_bounds, constant=1 / N)),
        Mutant("four times the step", measured=partial(_drifts, eta=4.0)),
    ),
    theory="theory.reweighting.phases.drift_bound",
)


class _Timed(NamedTuple):
    """Cases, and which of their weights surely arrive within STEPS, one after another."""

    cases: list[Setting]
    known: NDArray[np.bool_]


def _timed(sample: Sample, **caps: Any) -> _Timed:
    cases = settings(sample, **caps)
    return _Timed(cases, np.concatenate([_arrival(case).latest < STEPS for case in cases]))


def _arrival(case: Setting, faster: float = 1.0) -> phases.Arrival:
    beta = case.beta * faster
    return phases.arrival(case.separation, case.problem.mislabelled, beta=beta, eta=case.eta, w=case.w)


def _time_bounds(timed: _Timed, *, faster: float = 1.0) -> FloatArray:
    """The latest and minus the earliest steps of arrival."""
    found = [_arrival(case, faster) for case in timed.cases]
    latest, earliest = (np.concatenate([a[i] for a in found])[timed.known] for i in (2, 1))
    return np.clip(np.concatenate([latest, -earliest]), -NEVER, NEVER)


def _times(timed: _Timed, *, right: bool = False, turn: float = 1.0, by_eta: bool = False) -> FloatArray:
    """The simulated steps of arrival, and minus them, in one row.

    right: pretend that every weight goes to its right end. The others change the simulated coupling.
    """
    times = []
    for case in timed.cases:
        path = _simulated(case, beta=turn * case.beta * (case.eta if by_eta else 1.0))
        target = np.where(case.problem.mislabelled, 0.0, 1.0) if right else _arrival(case).target
        times.append(phases.measured_arrival(path.w, target))
    time = np.minimum(np.concatenate(times), NEVER)[timed.known]
    return np.concatenate([time, -time])[None]


_WRONG_TIMES = (
    Mutant("bounds for twice the beta", predicted=partial(_time_bounds, faster=2.0)),
    Mutant("sign of the coupling", measured=partial(_times, turn=-1.0)),
    Mutant("alpha = beta instead of beta/eta", measured=partial(_times, by_eta=True)),
)

ARRIVAL = Claim(
    id="zhang2025.alignment_times",
    origin="derived",
    source=OURS,
    statement="Under strict separation every weight arrives at its right end between two proved times.",
    regime="caps with k_ij > 0 for all pairs, outputs zero at the start, small drift; noise rates 0.2 to 0.8",
    tolerance=AtMost(),
    setup=partial(_timed, s=0.8),
    predicted=_time_bounds,
    measured=_times,
    mutants=_WRONG_TIMES,
    theory="theory.reweighting.phases.arrival",
    figure="zhang2025.phases",
)

WRONG_WAY = Claim(
    id="zhang2025.wrong_way",
    origin="derived",
    source=OURS,
    statement="Without strict separation the row mean decides: where it is negative the weight goes to the wrong end.",
    regime="caps that overlap, and training examples on the cap of the other class",
    tolerance=AtMost(),
    setup=partial(_timed, s=0.5, outliers=4),
    predicted=_time_bounds,
    measured=_times,
    mutants=(*_WRONG_TIMES, Mutant("every weight to its right end", measured=partial(_times, right=True))),
    theory="theory.reweighting.phases.arrival",
    figure="zhang2025.phases",
)


class _Run(NamedTuple):
    """A case at rates at which a closed form holds, and its time."""

    case: Setting
    time: int
    beta: float
    eta: float


def _closed_forms(cases: list[Setting]) -> list[_Run]:
    """Every case with both closed forms, at an eta where they hold."""
    runs = []
    for case in cases:
        for alignment in (phases.strict_alignment, phases.relaxed_alignment):
            beta = case.beta * 3
            time = alignment(case.separation, beta=beta, eta=1e-12, w=case.w).time
            eta = 0.9 * np.log1p(case.separation.row_mean.min() / 8) / (time * case.separation.drift)
            if not alignment(case.separation, beta=beta, eta=eta, w=case.w).holds:
                raise ArithmeticError("the closed form must hold where it is checked")
            runs.append(_Run(case, time, beta, float(eta)))
    return runs


def _last_arrivals(cases: list[Setting], **wrong: Any) -> FloatArray:
    """The step at which all weights are right, in one row."""
    last = []
    for run in _closed_forms(cases):
        path = _simulated(run.case, **({"beta": run.beta, "eta": run.eta} | wrong))
        last.append(phases.measured_arrival(path.w, np.where(run.case.problem.mislabelled, 0.0, 1.0)).max())
    return np.minimum(last, NEVER)[None]


def _closed_times(cases: list[Setting], share: float = 1.0) -> FloatArray:
    return share * np.array([run.time for run in _closed_forms(cases)])


CLOSED_FORM = Claim(
    id="zhang2025.alignment_closed_form",
    origin="derived",
    source=OURS,
    statement="All weights are right by 16 max(w, 1-w)/(9 beta gamma) steps (gamma = min k_ij), or by "
    "4 max(w, 1-w)/(beta gamma) with gamma the smallest row mean.",
    regime="positive gamma and an eta below the stated bound; any noise rate",
    tolerance=AtMost(),
    setup=partial(settings, s=0.85),
    predicted=_closed_times,
    measured=_last_arrivals,
    mutants=(
        Mutant("constants an eighth", predicted=partial(_closed_times, share=1 / 8)),
        Mutant("beta = 0", measured=partial(_last_arrivals, beta=0.0)),
    ),
    theory="theory.reweighting.phases.strict_alignment",
)

CLAIMS = (DRIFT, ARRIVAL, WRONG_WAY, CLOSED_FORM)
