"""A predicted training against one simulation of the same length with d = 8000 and n = 16000."""

from typing import Any

from benchmarks.timing import Row, ratio
from sims import simulate
from spec.networks import Linear
from spec.observables import Overlaps
from spec.problems import SignalNoiseMixture
from spec.rules import Rule, Sam
from spec.runs import TrainingRun
from spec.training import Training
from theory.mean_field import curves

PROBLEM = SignalNoiseMixture(n=16_000, d=8000, B=1.5, Delta=0.25)
TRAINING = Training(eta=0.3, epochs=10)
RULES: tuple[Rule, ...] = (Sam(0.02), Sam(1.0, "batch"))


def rows() -> list[Row]:
    """1-SAM and n-SAM. Simulations are long, so each is timed once only, the drawing of the sample included."""
    return [_row(rule) for rule in RULES]


def _row(rule: Rule) -> Row:
    run = TrainingRun(rule, PROBLEM, Linear(), TRAINING, (Overlaps(),), seeds=(0,))

    def predicted() -> Any:
        return curves(rule, PROBLEM, TRAINING, Linear())["test_accuracy"].values

    def simulated() -> Any:
        return simulate(run)["signal_overlap"].values

    return ratio("mean field", f"{rule.name} predicted", predicted, "one simulation, d = 8000", simulated, repeats=1)
