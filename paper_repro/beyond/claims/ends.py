"""Claims on the end of training: 1-SAM with weight decay."""

from dataclasses import replace
from typing import Any

import numpy as np

from paper_repro.beyond.claims.curves import OURS, PROBLEM, REGIME
from paper_repro.beyond.simulated import Descent, at_end
from spec.claims import Claim, MonteCarlo, Mutant, Ordering, Sample
from spec.problems import SignalNoiseMixture
from spec.rules import Sam
from spec.training import Training
from theory.logistic import mixture
from theory.mean_field import long_time

DECAY = 0.2
DESCENT = Descent(Sam(0.08), PROBLEM, Training(eta=1.0, epochs=60, momentum=0.5, weight_decay=DECAY))


def _shift(rho: float, problem: SignalNoiseMixture = PROBLEM) -> float:
    """c = rho ||x||."""
    return float(rho * np.sqrt(problem.B**2 + problem.gamma**2 * problem.d))


def _stated(case: Any, *, shift: float = 1.0, decay: float = DECAY, inverted: bool = False) -> np.ndarray:
    problem = replace(PROBLEM, n=round(PROBLEM.d**2 / PROBLEM.n)) if inverted else PROBLEM
    c = shift * _shift(DESCENT.rule.rho)
    end = long_time.minimum(problem, c, decay)
    return np.array([end.overlap, end.noise_norm])


END = Claim(
    id="beyond.end",
    origin="derived",
    source=OURS + "; the end also by convex Gaussian min-max",
    statement="1-SAM with weight decay ends at the minimum of E log(1 + e^{c - z}) + lambda ||w||^2/2: three numbers.",
    regime=REGIME + "; converged",
    tolerance=MonteCarlo(),
    setup=lambda sample: sample,
    predicted=_stated,
    measured=lambda sample: at_end(DESCENT, sample.seed, sample.count)[:, [0, 3]],
    mutants=(
        Mutant("no shift: descent", predicted=lambda case: _stated(case, shift=0.0)),
        Mutant("weight decay halved", predicted=lambda case: _stated(case, decay=DECAY / 2)),
        Mutant("n/d inverted", predicted=lambda case: _stated(case, inverted=True)),
    ),
    theory="theory.mean_field.long_time.minimum",
    figure="beyond.ends",
)

SHAPES = (32, 256)  # of n, at the d of SMALL
SMALL = replace(PROBLEM, d=64)
SLOW = Training(eta=1.0, epochs=160, momentum=0.9, weight_decay=0.02)
WAYS = (0.0, SLOW), (0.5, SLOW), (0.0, replace(SLOW, weight_decay=0.1))  # rho, training: plain, shifted, decayed


def _gains(accuracy: Any) -> np.ndarray:
    """Accuracies with the shift, and with more decay, minus without; of a function of n, rho and training."""
    plain, shifted, decayed = ([accuracy(n, *way) for n in SHAPES] for way in WAYS)
    return np.array([more - less for way in (shifted, decayed) for more, less in zip(way, plain, strict=True)])


def _measured_gains(sample: Sample) -> np.ndarray:
    """Of the test accuracy at the end, (seeds, ways and shapes)."""

    def accuracy(n: int, rho: float, training: Training) -> np.ndarray:
        end = at_end(Descent(Sam(rho), replace(SMALL, n=n), training), sample.seed + n, sample.count)
        return mixture.accuracy_of_overlaps(SMALL, end[:, 0], end[:, 3])

    return _gains(accuracy).T


def _stated_gains(sample: Sample) -> np.ndarray:
    def accuracy(n: int, rho: float, training: Training) -> float:
        return long_time.minimum(replace(SMALL, n=n), _shift(rho, SMALL), training.weight_decay).test_accuracy

    return _gains(accuracy)


TWO_SIGNS = Claim(
    id="beyond.shift_and_decay",
    origin="derived",
    source=OURS + "; Baek et al. (2024) remark that weight decay acts like a scaling of logits",
    statement="At small weight decay a shift c lowers the final accuracy where labels can be separated (n/d = .5), and "
    "raises it where they cannot (n/d = 4); more weight decay raises both.",
    regime=REGIME + "; converged, lambda = .02 or .1, c = 0 or 4, B = 1.5, noise rate .25",
    tolerance=Ordering(),
    setup=lambda sample: sample,
    predicted=_stated_gains,
    measured=_measured_gains,
    mutants=(Mutant("a shift always helps, as weight decay does", predicted=lambda sample: np.ones(4)),),
    theory="theory.mean_field.long_time.minimum",
    figure="beyond.ends",
)

CLAIMS = (END, TWO_SIGNS)
