"""The claim on SANER's groups: how many coordinates are in each, along its training."""

from dataclasses import replace

import numpy as np

from paper_repro.beyond.claims.curves import N_SAM, OURS, PROBLEM, REGIME, RHO, RHO_BATCH, TRAINING
from paper_repro.beyond.claims.whole import FEW, finer
from paper_repro.beyond.claims.wrong import NO_RESPONSE
from paper_repro.beyond.simulated import GROUPS, Descent, group_shares
from spec.claims import Claim, MonteCarlo, Mutant, Sample
from spec.rules import DownWeight, Sam
from theory.mean_field import prediction
from theory.mean_field.setting import Accuracy, Closure, Start

DESCENT = Descent(DownWeight(N_SAM, 1.0), PROBLEM, replace(TRAINING, eta=0.3))
EPOCHS = (1, 6)
MANY = Accuracy(samples=8192, repeats=4, seed="beyond.groups")  # shares are counts of samples


def _stated(descent: Descent = DESCENT, closure: Closure = prediction.EXACT, seeds: int = FEW) -> np.ndarray:
    """Shares of A and B after EPOCHS; C has the rest."""
    draws = finer(MANY, seeds)

    def after(epochs: int) -> np.ndarray:
        names, training = [f"share_{group}" for group in GROUPS[:2]], replace(descent.training, epochs=epochs)
        start = Start(descent.scale)
        return prediction.at_end(names, descent.rule, descent.problem, training, start, accuracy=draws, closure=closure)

    return np.concatenate([after(epochs) for epochs in EPOCHS])


def _under(base: Sam) -> Descent:
    return DESCENT._replace(rule=DownWeight(base, 1.0))


def _measured(sample: Sample) -> np.ndarray:
    return group_shares(DESCENT, sample.seed, sample.count)[:, EPOCHS, :2].reshape(sample.count, -1)


SHARES = Claim(
    id="beyond.groups",
    origin="derived",
    source=OURS,
    statement="The shares of coordinates in SANER's groups, by n-SAM's ratio, are those of the limit along training.",
    regime=REGIME + "; after one step and after six",
    tolerance=MonteCarlo(),
    setup=lambda sample: sample,
    predicted=lambda sample: _stated(seeds=sample.count),
    measured=_measured,
    mutants=(
        Mutant("four times the radius", predicted=lambda sample: _stated(_under(Sam(4 * RHO_BATCH, "batch")))),
        Mutant("the ratio of 1-SAM", predicted=lambda sample: _stated(_under(Sam(RHO)))),
        Mutant("response dropped", predicted=lambda sample: _stated(closure=NO_RESPONSE)),
    ),
    theory="theory.mean_field.prediction.at_end",
    figure="beyond.groups",
)


CLAIMS = (SHARES,)
