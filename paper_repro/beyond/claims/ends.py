"""Claims on the end of training: 1-SAM with weight decay."""

from dataclasses import replace
from typing import Any

import numpy as np

from paper_repro.beyond.claims.curves import OURS, PROBLEM, REGIME
from paper_repro.beyond.simulated import Descent, at_end
from spec.claims import Claim, MonteCarlo, Mutant, Ordering, Sample
from spec.rules import Sam
from spec.training import Training
from theory.logistic import mixture
from theory.mean_field import long_time

DECAY = 0.2
DESCENT = Descent(Sam(0.13), PROBLEM, Training(eta=1.0, epochs=60, momentum=0.5, weight_decay=DECAY))


def _shift(rho: float) -> float:
    """c = rho ||x||."""
    return float(rho * np.sqrt(PROBLEM.B**2 + PROBLEM.gamma**2 * PROBLEM.d))


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

SHAPES = (50, 400)
SLOW = Training(eta=1.0, epochs=400, momentum=0.9, weight_decay=0.02)
PLAIN, SHIFTED, DECAYED = (0.0, SLOW), (0.4, SLOW), (0.0, replace(SLOW, weight_decay=0.1))  # rho, training


def _measured_gains(sample: Sample) -> np.ndarray:
    """Test accuracy at the end with the shift, and with more decay, minus without, (seeds, 2 shapes)."""

    def accuracy(n: int, way: tuple[float, Training]) -> np.ndarray:
        descent = Descent(Sam(way[0]), replace(PROBLEM, n=n), way[1])
        end = at_end(descent, sample.seed + n, sample.count)
        return mixture.accuracy_of_overlaps(PROBLEM, end[:, 0], end[:, 3])

    return np.stack([accuracy(n, way) - accuracy(n, PLAIN) for way in (SHIFTED, DECAYED) for n in SHAPES], axis=1)


def _stated_gains(sample: Sample) -> np.ndarray:
    def accuracy(n: int, way: tuple[float, Training]) -> float:
        return long_time.minimum(replace(PROBLEM, n=n), _shift(way[0]), way[1].weight_decay).test_accuracy

    return np.array([accuracy(n, way) - accuracy(n, PLAIN) for way in (SHIFTED, DECAYED) for n in SHAPES])


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
