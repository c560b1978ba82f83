"""The claim on flips: a fixed number of them and independent ones have one limit, and other errors at finite size."""

from dataclasses import replace
from typing import Any

import numpy as np

from paper_repro.beyond.claims import curves
from paper_repro.beyond.claims.curves import DRAWS, OURS, TRAINING
from paper_repro.beyond.simulated import Descent, at_end
from spec.claims import Claim, MonteCarlo, Mutant, Sample
from spec.rules import Sam
from theory.logistic import mixture
from theory.mean_field import prediction
from theory.mean_field.setting import Start

PER_SEED, STEP = 80, 0.05
PROBLEM = replace(curves.PROBLEM, n=48, d=64)
DESCENT = Descent(Sam(0.13), PROBLEM, TRAINING)


def _accuracy(Delta: float) -> float:
    problem = replace(PROBLEM, Delta=Delta)
    found = prediction.at_end(("test_accuracy",), DESCENT.rule, problem, TRAINING, Start(DESCENT.scale), accuracy=DRAWS)
    return float(found[0])


def _stated(sample: Any, share: float = 1.0) -> np.ndarray:
    """The variance of the accuracy from the binomial count of flips."""
    slope = (_accuracy(PROBLEM.Delta + STEP) - _accuracy(PROBLEM.Delta - STEP)) / (2 * STEP)
    return np.array([share * prediction.flip_variance(PROBLEM, slope)])


def _squares(sample: Sample, flips: Any, offset: int) -> np.ndarray:
    """Squared distance of the test accuracy from its mean over all trainings, a mean for every seed."""
    descent = DESCENT._replace(problem=replace(PROBLEM, flips=flips))
    end = at_end(descent, sample.seed + offset, PER_SEED * sample.count)
    values = mixture.accuracy_of_overlaps(PROBLEM, end[:, 0], end[:, 3])
    return ((values - values.mean()) ** 2).reshape(sample.count, PER_SEED).mean(axis=1)


def _measured(sample: Sample) -> np.ndarray:
    return (_squares(sample, "bernoulli", 0) - _squares(sample, "stratified", 1))[:, None]


FLIPS = Claim(
    id="beyond.flips",
    origin="derived",
    source=OURS,
    statement="Independent flips add (d accuracy/d Delta)^2 Delta (1 - Delta)/n to the variance of the test accuracy "
    "over trainings: more than all else, which is why a fixed number is flipped.",
    regime="to leading order in 1/n; test accuracy after 8 steps of 1-SAM, n = 48, d = 64",
    tolerance=MonteCarlo(),
    setup=lambda sample: sample,
    predicted=_stated,
    measured=_measured,
    mutants=(
        Mutant("flips cost nothing when they are not counted", predicted=lambda sample: np.zeros(1)),
        Mutant("three times the variance", predicted=lambda sample: _stated(sample, 3.0)),
    ),
    theory="theory.mean_field.prediction.flip_variance",
    figure="beyond.finite_size",
)

CLAIMS = (FLIPS,)
