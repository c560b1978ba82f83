"""Claims on the collapse of the last layer: on which side of the predicted shift it grows again, and on which not."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from paper_repro.beyond.claims.networks import OURS, PROBLEM, REGIME
from paper_repro.beyond.simulated_networks import Descent, trace
from spec.claims import Claim, Mutant, Ordering, Sample
from spec.rules import JacobianSam, Rule, Sam
from spec.training import Training
from theory.mean_field.networks import TwoLayer, collapse
from theory.mean_field.networks.units import Unit

TRAINING = Training(eta=0.25, epochs=50)
Case = tuple[Sample, TwoLayer, tuple[float, ...]]


def network(unit: Unit) -> TwoLayer:
    """A small last layer, which learns at half of the other's rate."""
    return TwoLayer((0.3, 0.24, -0.18), unit, second=0.5)


def _case(shifts: tuple[float, ...], unit: Unit, sample: Sample) -> Case:
    return sample, network(unit), shifts


def _stated(case: Case, factor: float = 1.0, second: float = 0.5) -> np.ndarray:
    _, net, shifts = case
    return np.sign(factor * collapse.threshold(PROBLEM, replace(net, second=second)) - np.array(shifts))


def _measured(rule: Callable[[float], Rule], case: Case) -> np.ndarray:
    """log ||v|| over that of the start, after training, (seeds, shifts)."""
    sample, net, shifts = case
    length = float(np.hypot(PROBLEM.B, PROBLEM.gamma * PROBLEM.d**0.5))
    descents = (Descent(rule(c / length), PROBLEM, TRAINING, net) for c in shifts)
    ends = [trace([one], sample.seed, sample.count).last_norm[0, :, -1] for one in descents]
    return np.log(np.stack(ends, axis=1) / np.linalg.norm(net.v))


def _collapse(name: str, rule: Callable[[float], Rule], unit: Unit, shifts: tuple[float, ...]) -> Claim:
    return Claim(
        id=f"beyond.{name}",
        origin="derived",
        source=OURS,
        statement=f"The last layer of {unit} units collapses under {rule(1.0).name} from c* on and grows again below.",
        regime=REGIME + "; ||v|| = .4 at the start; c about a quarter below and a third above",
        tolerance=Ordering(),
        setup=partial(_case, shifts, unit),
        predicted=_stated,
        measured=partial(_measured, rule),
        mutants=(
            Mutant("pull doubled", predicted=partial(_stated, factor=0.5)),
            Mutant("layers of one step size", predicted=partial(_stated, second=1.0)),
        ),
        theory="theory.mean_field.networks.collapse.threshold",
        figure="beyond.networks",
    )


CLAIMS = (
    _collapse("network_collapse", JacobianSam, "tanh", (0.56, 1.0)),
    _collapse("network_collapse_relu", Sam, "relu", (0.54, 1.0)),
)
