"""Claims on the end of training: 1-SAM with weight decay."""

from dataclasses import replace
from typing import Any

import numpy as np

from paper_repro.beyond.claims.curves import OURS, PROBLEM, REGIME
from paper_repro.beyond.simulated import Descent, at_end
from spec.claims import Claim, MonteCarlo, Mutant
from spec.rules import Sam
from spec.training import Training
from theory.mean_field import long_time

DECAY = 0.2
DESCENT = Descent(Sam(0.13), PROBLEM, Training(eta=1.0, epochs=60, momentum=0.5, weight_decay=DECAY))


def _stated(case: Any, *, shift: float = 1.0, decay: float = DECAY, inverted: bool = False) -> np.ndarray:
    problem = replace(PROBLEM, n=round(PROBLEM.d**2 / PROBLEM.n)) if inverted else PROBLEM
    c = shift * DESCENT.rule.rho * np.sqrt(PROBLEM.B**2 + PROBLEM.gamma**2 * PROBLEM.d)
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

CLAIMS = (END,)
