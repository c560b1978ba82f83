"""Claims on the alignment phase: drift, where every weight goes, and when, with proved bounds on the times."""

from functools import partial
from typing import Any, NamedTuple

import numpy as np

from paper_repro.zhang2025.claims.measured_training import FloatArray, TwoClasses, caps, linear_blocks, train
from paper_repro.zhang2025.claims.recursion import OURS
from spec.claims import Claim, Mutant, Ordering, Sample
from theory.reweighting import phases
from theory.reweighting import recursion as theory

N, STEPS = 24, 400
FAR = 1e3  # stands for an infinite slack, either way


class Setting(NamedTuple):
    """A problem with its constants, rates, and the weight at the start."""

    problem: TwoClasses
    separation: phases.Separation
    beta: float
    eta: float
    w: float


def settings(sample: Sample, *, s: float, outliers: int = 0) -> list[Setting]:
    """Noise rates on both sides of one half, weights that arrive after 20 to 100 steps, outputs that drift by 10 %."""
    rng, found = np.random.default_rng(sample.seed), []
    for p in rng.uniform(0.2, 0.8, 6):
        problem = caps(rng, n=N, m=6, d=12, s=s, p=p, outliers=outliers)
        k = theory.signed_blocks(linear_blocks(problem), problem.y, problem.y_clean)
        separation, w = phases.separation(k), rng.uniform(0.3, 0.7)
        steps = rng.uniform(20, 100)
        beta = max(w, 1 - w) / (np.median(np.abs(separation.row_mean)) * steps)
        found.append(Setting(problem, separation, beta, rng.uniform(0.02, 0.1) / (separation.drift * steps), w))
    return found


def _simulated(case: Setting, **wrong: Any) -> theory.State:
    return train(case.problem, **({"beta": case.beta, "eta": case.eta, "steps": STEPS, "w": case.w} | wrong))


def _drift_slack(cases: list[Setting], *, constant: float = 1.0, eta: float = 1.0) -> FloatArray:
    """Bound minus the largest |rho - 1| at every step after the first; large steps, so that rounding plays no part."""
    slack = []
    for case in cases:
        large = case._replace(eta=eta * 0.3 / case.separation.drift)
        path = _simulated(large)
        problem = case.problem
        rho = [1 - problem.y * (path.r + problem.t), 1 - problem.y_clean * (path.r_clean + problem.y_clean)]
        found = np.max(np.abs(np.concatenate(rho, axis=1) - 1), axis=1)
        scaled = case.separation._replace(drift=constant * case.separation.drift)
        bound = phases.drift_bound(scaled, 0.3 / case.separation.drift, 12)
        slack.append(bound[1:] - found[1:13])
    return np.concatenate(slack)[None]


DRIFT = Claim(
    id="zhang2025.drift",
    origin="derived",
    source=OURS,
    statement="No output moves further than (1 + eta S)^t - 1 in t steps, whatever the weights do.",
    regime="outputs zero at the start, weights in [0, 1], S the largest absolute row sum of the kernel",
    tolerance=Ordering(),
    setup=partial(settings, s=0.8),
    predicted=lambda c: 1.0,
    measured=_drift_slack,
    mutants=(
        Mutant("row sum over n", measured=partial(_drift_slack, constant=1 / N)),
        Mutant("four times the step", measured=partial(_drift_slack, eta=4.0)),
    ),
    theory="theory.reweighting.phases.drift_bound",
)


def _bracket_slack(
    cases: list[Setting], *, right: bool = False, faster: float = 1.0, turn: float = 1.0, by_eta: bool = False
) -> FloatArray:
    """Half a step plus the distance of the measured time from both bounds, for every weight with a finite last time.

    right: pretend that every weight goes to its right end. The others change the simulated coupling.
    """
    slack = []
    for case in cases:
        noisy = case.problem.mislabelled
        found = phases.arrival(case.separation, noisy, beta=case.beta * faster, eta=case.eta, w=case.w)
        path = _simulated(case, beta=turn * case.beta * (case.eta if by_eta else 1.0))
        measured = phases.measured_arrival(path.w, np.where(noisy, 0.0, 1.0) if right else found.target)
        known = found.latest < STEPS
        slack += [measured[known] - found.earliest[known] + 0.5, found.latest[known] - measured[known] + 0.5]
    return np.clip(np.concatenate(slack), -FAR, FAR)[None]


_WRONG_TIMES = (
    Mutant("bounds for twice the beta", measured=partial(_bracket_slack, faster=2.0)),
    Mutant("sign of the coupling", measured=partial(_bracket_slack, turn=-1.0)),
    Mutant("alpha = beta instead of beta/eta", measured=partial(_bracket_slack, by_eta=True)),
)

ARRIVAL = Claim(
    id="zhang2025.alignment_times",
    origin="derived",
    source=OURS,
    statement="Under strict separation every weight arrives at its right end between two proved times.",
    regime="caps with k_ij > 0 for all pairs, outputs zero at the start, small drift; noise rates 0.2 to 0.8",
    tolerance=Ordering(),
    setup=partial(settings, s=0.8),
    predicted=lambda c: 1.0,
    measured=_bracket_slack,
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
    tolerance=Ordering(),
    setup=partial(settings, s=0.5, outliers=4),
    predicted=lambda c: 1.0,
    measured=_bracket_slack,
    mutants=(*_WRONG_TIMES, Mutant("every weight to its right end", measured=partial(_bracket_slack, right=True))),
    theory="theory.reweighting.phases.arrival",
    figure="zhang2025.phases",
)


def _closed_form_slack(cases: list[Setting], *, share: float = 1.0, **wrong: Any) -> FloatArray:
    """Steps between the last arrival and the two closed forms (share of them), at an eta where both hold."""
    slack = []
    for case in cases:
        for alignment in (phases.strict_alignment, phases.relaxed_alignment):
            beta = case.beta * 3
            time = alignment(case.separation, beta=beta, eta=1e-12, w=case.w).time
            eta = 0.9 * np.log1p(case.separation.row_mean.min() / 8) / (time * case.separation.drift)
            if not alignment(case.separation, beta=beta, eta=eta, w=case.w).holds:
                raise ArithmeticError("the closed form must hold where it is checked")
            rates: dict[str, Any] = {"beta": beta, "eta": eta} | wrong
            last = phases.measured_arrival(_simulated(case, **rates).w, np.where(case.problem.mislabelled, 0.0, 1.0))
            slack.append(share * time - last.max() + 0.5)
    return np.clip(slack, -FAR, FAR)[None]


CLOSED_FORM = Claim(
    id="zhang2025.alignment_closed_form",
    origin="derived",
    source=OURS,
    statement="All weights are right by 16 max(w, 1-w)/(9 beta gamma) steps (gamma = min k_ij), or by "
    "4 max(w, 1-w)/(beta gamma) with gamma the smallest row mean.",
    regime="positive gamma and an eta below the stated bound; any noise rate",
    tolerance=Ordering(),
    setup=partial(settings, s=0.85),
    predicted=lambda c: 1.0,
    measured=_closed_form_slack,
    mutants=(
        Mutant("constants an eighth", measured=partial(_closed_form_slack, share=1 / 8)),
        Mutant("beta = 0", measured=partial(_closed_form_slack, beta=0.0)),
    ),
    theory="theory.reweighting.phases.strict_alignment",
)

CLAIMS = (DRIFT, ARRIVAL, WRONG_WAY, CLOSED_FORM)
