"""Claims on whole trainings: what the limit predicts against samples, for one rule of every kind."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from paper_repro.beyond.claims.whole import FEW, Model, finer
from paper_repro.beyond.claims.wrong import NO_ASCENT_MEMORY, NO_JUMPS, NO_RESPONSE
from paper_repro.beyond.simulated import NAMES, Descent, at_end
from spec.claims import Asymptotic, Claim, Mutant, Sample
from spec.clean_subset import CleanSubset
from spec.problems import SignalNoiseMixture
from spec.rules import (
    CompensationSchedule,
    DownWeight,
    JacobianSam,
    MetaReweight,
    NoiseCompensated,
    OracleSelection,
    Sam,
)
from spec.training import Training
from theory.mean_field import prediction
from theory.mean_field.setting import Accuracy, Closure, Start

OURS = "derived; the limit is that of dynamical mean-field theory (docs/mean_field.md)"
REGIME = "n, d -> inf at fixed n/d; signal plus isotropic noise, a fixed number of flips, full batch"
THEORY = "theory.mean_field.prediction.at_end"
PROBLEM = SignalNoiseMixture(n=192, d=256, B=1.5, Delta=0.25)
TRAINING = Training(eta=0.5, epochs=8)
DRAWS = Accuracy(samples=1024, repeats=4, seed="beyond")
RHO, RHO_BATCH = 0.08, 1.0
N_SAM = Sam(RHO_BATCH, "batch")
SCHEDULE = CompensationSchedule(epochs=TRAINING.epochs, steps=1, shape="constant")
CORRECTED = NoiseCompensated(N_SAM, 2.0, SCHEDULE, OracleSelection(0.25, 0.8), sign=-1, project="sphere")


def _stated(descent: Descent, closure: Closure = prediction.EXACT, seeds: int = FEW) -> np.ndarray:
    draws = finer(DRAWS, seeds)
    options: dict[str, Any] = {"clean": CleanSubset(descent.trusted), "accuracy": draws, "closure": closure}
    return prediction.at_end(NAMES, descent.rule, descent.problem, descent.training, Start(descent.scale), **options)


MODEL = Model(OURS, REGIME, THEORY, "beyond.curves", _stated, at_end)


def inverted(descent: Descent) -> Descent:
    """With d/n for n/d."""
    problem = descent.problem
    return descent._replace(problem=replace(problem, n=round(problem.d**2 / problem.n)))


def _reversed(descent: Descent) -> Descent:
    """The ascent turned into a step down, which no record of a rule would accept."""
    rule = replace(descent.rule)
    object.__setattr__(rule, "rho", -descent.rule.rho)
    return descent._replace(rule=rule)


ONE_SAM = MODEL.whole(
    "one_sam",
    "1-SAM with momentum and weight decay: F = -sigma(c - z) with c = rho ||x||, and every example is remembered.",
    Descent(Sam(RHO), PROBLEM, replace(TRAINING, momentum=0.5, weight_decay=0.05)),
    (
        MODEL.closed("response dropped", NO_RESPONSE),
        MODEL.of("n/d inverted", inverted),
        MODEL.of("ascent reversed", _reversed),
        MODEL.ruled("J-SAM, which is descent here", JacobianSam(RHO)),
    ),
)

BATCH_SAM = MODEL.whole(
    "n_sam",
    "n-SAM: the ascent is one vector whose length is a number, and it remembers the examples as the weights do.",
    Descent(N_SAM, PROBLEM, TRAINING),
    (
        MODEL.closed("response dropped", NO_RESPONSE),
        MODEL.closed("memory of the ascent half-step dropped", NO_ASCENT_MEMORY),
        MODEL.of("n/d inverted", inverted),
        MODEL.of("ascent reversed", _reversed),
    ),
)

SANER = MODEL.whole(
    "saner",
    "SANER: the response of an entrywise rule is E[f eta], its jump at h = g included.",
    Descent(DownWeight(N_SAM, 1.0, "A"), PROBLEM, replace(TRAINING, eta=1.0)),
    (
        MODEL.closed("jump of the mask dropped", NO_JUMPS),
        MODEL.ruled("another group", DownWeight(N_SAM, 1.0, "B")),
    ),
)

COMPENSATED = MODEL.whole(
    "compensated",
    "NCSAM with a selection of given precision: g* is one more sum over examples, with a memory of its own.",
    Descent(CORRECTED, PROBLEM, TRAINING),
    (
        MODEL.ruled("sign of the compensation turned", replace(CORRECTED, sign=1)),
        MODEL.ruled("precision of a random selection", replace(CORRECTED, selection=OracleSelection(0.25, 0.25))),
        MODEL.closed("response dropped", NO_RESPONSE),
    ),
)

REWEIGHTED = MODEL.whole(
    "reweighted",
    "Clipped meta-reweighting with a clean example for four dimensions: two data matrices over the same weights.",
    Descent(MetaReweight(beta=0.5, eta=0.5), PROBLEM, TRAINING),
    (
        MODEL.of("a tenth of the clean examples", lambda descent: descent._replace(m=descent.trusted // 10)),
        MODEL.ruled("a fifth of the rate", MetaReweight(beta=0.1, eta=0.5)),
        MODEL.closed("response dropped", NO_RESPONSE),
    ),
)

SIZES = (16, 64, 256)
PER_SEED = 8  # trainings for each seed: a slope needs many


def _at_size(d: int) -> Descent:
    problem = replace(PROBLEM, n=round(0.75 * d), d=d)
    return Descent(Sam(1.3 / np.sqrt(d)), problem, TRAINING)


def _rates(sample: Sample) -> np.ndarray:
    place = NAMES.index("noise_norm")
    return np.stack([at_end(_at_size(d), sample.seed + d, PER_SEED * sample.count)[:, place] for d in SIZES], axis=1)


def _limits(sample: Sample, closure: Closure = prediction.EXACT) -> np.ndarray:
    limit = _stated(_at_size(SIZES[-1]), closure, sample.count)  # c and n/d are those of every size
    return np.full(len(SIZES), limit[NAMES.index("noise_norm")])


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
