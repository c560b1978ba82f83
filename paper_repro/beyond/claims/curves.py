"""Claims on whole trainings: what the limit predicts against samples, for one rule of every kind."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from paper_repro.beyond.claims.wrong import NO_ASCENT_MEMORY, NO_JUMPS, NO_RESPONSE
from paper_repro.beyond.simulated import NAMES, Descent, at_end
from spec.claims import Asymptotic, Claim, MonteCarlo, Mutant, Sample
from spec.clean_subset import CleanSubset
from spec.problems import SignalNoiseMixture
from spec.rules import (
    CompensationSchedule,
    DownWeight,
    JacobianSam,
    MetaReweight,
    NoiseCompensated,
    OracleSelection,
    Rule,
    Sam,
)
from spec.training import Training
from theory.mean_field import prediction
from theory.mean_field.setting import Accuracy, Closure, Start

OURS = "derived; the limit is that of dynamical mean-field theory (docs/mean_field.md)"
REGIME = "n, d -> inf at fixed n/d; signal plus isotropic noise, a fixed number of flips, full batch"
THEORY = "theory.mean_field.prediction.at_end"
PROBLEM = SignalNoiseMixture(n=80, d=100, B=1.5, Delta=0.25)
TRAINING = Training(eta=0.5, epochs=8)
DRAWS = Accuracy(samples=1024, repeats=4, seed="beyond")
RHO, RHO_BATCH = 0.13, 1.0
N_SAM = Sam(RHO_BATCH, "batch")
SCHEDULE = CompensationSchedule(epochs=TRAINING.epochs, steps=1, shape="constant")
CORRECTED = NoiseCompensated(N_SAM, 2.0, SCHEDULE, OracleSelection(0.25, 0.8), sign=-1, project="sphere")


def _stated(descent: Descent, closure: Closure = prediction.EXACT) -> np.ndarray:
    problem, clean = descent.problem, CleanSubset(descent.m) if descent.m else None
    options: dict[str, Any] = {"clean": clean, "accuracy": DRAWS, "closure": closure}
    return prediction.at_end(NAMES, descent.rule, problem, descent.training, Start(descent.scale), **options)


def _whole(name: str, statement: str, descent: Descent, mutants: tuple[Mutant, ...]) -> Claim:
    """A claim on NAMES at the end of one descent; setup adds the sample."""
    return Claim(
        id=f"beyond.{name}",
        origin="derived",
        source=OURS,
        statement=statement,
        regime=REGIME,
        tolerance=MonteCarlo(),
        setup=lambda sample: (sample, descent),
        predicted=lambda case: _stated(case[1]),
        measured=lambda case: at_end(case[1], case[0].seed, case[0].count),
        mutants=mutants,
        theory=THEORY,
        figure="beyond.curves",
    )


def _closed(wrong: str, closure: Closure) -> Mutant:
    return Mutant(wrong, predicted=lambda case: _stated(case[1], closure))


def _of(wrong: str, change: Callable[[Descent], Descent]) -> Mutant:
    return Mutant(wrong, predicted=lambda case: _stated(change(case[1])))


def _ruled(wrong: str, rule: Rule) -> Mutant:
    return _of(wrong, lambda descent: descent._replace(rule=rule))


def _inverted(descent: Descent) -> Descent:
    problem = descent.problem
    return descent._replace(problem=replace(problem, n=round(problem.d**2 / problem.n)))


def _reversed(descent: Descent) -> Descent:
    """The ascent turned into a step down, which no record of a rule would accept."""
    rule = replace(descent.rule)
    object.__setattr__(rule, "rho", -descent.rule.rho)
    return descent._replace(rule=rule)


ONE_SAM = _whole(
    "one_sam",
    "1-SAM with momentum and weight decay: F = -sigma(c - z) with c = rho ||x||, and every example is remembered.",
    Descent(Sam(RHO), PROBLEM, replace(TRAINING, momentum=0.5, weight_decay=0.05)),
    (
        _closed("response dropped", NO_RESPONSE),
        _of("n/d inverted", _inverted),
        _of("ascent reversed", _reversed),
        _ruled("J-SAM, which is descent here", JacobianSam(RHO)),
    ),
)

BATCH_SAM = _whole(
    "n_sam",
    "n-SAM: the ascent is one vector whose length is a number, and it remembers the examples as the weights do.",
    Descent(N_SAM, PROBLEM, TRAINING),
    (
        _closed("response dropped", NO_RESPONSE),
        _closed("memory of the ascent half-step dropped", NO_ASCENT_MEMORY),
        _of("n/d inverted", _inverted),
        _of("ascent reversed", _reversed),
    ),
)

SANER = _whole(
    "saner",
    "SANER: the response of an entrywise rule is E[f eta], its jump at h = g included.",
    Descent(DownWeight(N_SAM, 1.0, "A"), PROBLEM, replace(TRAINING, eta=1.0)),
    (
        _closed("jump of the mask dropped", NO_JUMPS),
        _ruled("another group", DownWeight(N_SAM, 1.0, "B")),
    ),
)

COMPENSATED = _whole(
    "compensated",
    "NCSAM with a selection of given precision: g* is one more sum over examples, with a memory of its own.",
    Descent(CORRECTED, PROBLEM, TRAINING),
    (
        _ruled("sign of the compensation turned", replace(CORRECTED, sign=1)),
        _ruled("precision of a random selection", replace(CORRECTED, selection=OracleSelection(0.25, 0.25))),
        _closed("response dropped", NO_RESPONSE),
    ),
)

REWEIGHTED = _whole(
    "reweighted",
    "Clipped meta-reweighting with as many clean examples as dimensions: two data matrices over the same weights.",
    Descent(MetaReweight(beta=0.5, eta=0.5), PROBLEM, TRAINING, m=PROBLEM.d),
    (
        _of("a tenth of the clean examples", lambda descent: descent._replace(m=descent.m // 10)),
        _ruled("a fifth of the rate", MetaReweight(beta=0.1, eta=0.5)),
        _closed("response dropped", NO_RESPONSE),
    ),
)

SIZES = (24, 96, 384)
PER_SEED = 8  # trainings for each seed: a slope needs many


def _at_size(d: int) -> Descent:
    problem = replace(PROBLEM, n=round(0.8 * d), d=d)
    return Descent(Sam(1.3 / np.sqrt(d)), problem, TRAINING)


def _rates(sample: Sample) -> np.ndarray:
    place = NAMES.index("noise_norm")
    return np.stack([at_end(_at_size(d), sample.seed + d, PER_SEED * sample.count)[:, place] for d in SIZES], axis=1)


def _limits(sample: Sample, closure: Closure = prediction.EXACT) -> np.ndarray:
    return np.array([_stated(_at_size(d), closure)[NAMES.index("noise_norm")] for d in SIZES])


RATE = Claim(
    id="beyond.rate",
    origin="derived",
    source=OURS,
    statement="One training of size d is off the limit by O(d^-1/2), the mean over trainings by O(1/d).",
    regime=REGIME + "; the norm of the weights after 8 steps of 1-SAM",
    tolerance=Asymptotic(SIZES, -0.5, (0.0, -1.0), mean_exponent=-1.0),
    setup=lambda sample: sample,
    predicted=_limits,
    measured=_rates,
    mutants=(Mutant("response dropped", predicted=partial(_limits, closure=NO_RESPONSE)),),
    theory=THEORY,
    figure="beyond.finite_size",
)

CLAIMS = (ONE_SAM, BATCH_SAM, SANER, COMPENSATED, REWEIGHTED, RATE)
