"""Trainings for sliders: predicted lines at once, then the same with marks of simulated trainings.

Numbers go into the simulation's programs as numbers, so that a program is compiled for each kind of rule and for each
size alone. The dimension of the linear model is small, that marks come soon: they lie O(d^(-1/2)) from the limit.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from figures.row import Panel, row
from paper_repro.beyond import simulated, simulated_networks
from paper_repro.beyond.experiments.networks import exact
from spec.networks import Linear
from spec.problems import SignalNoiseMixture
from spec.rules import Rule
from spec.seeds import named_seed
from spec.training import Training
from theory.logistic import mixture
from theory.mean_field import Accuracy, prediction
from theory.mean_field.networks import TwoLayer
from theory.mean_field.networks import prediction as of_networks

D, SEEDS, MARKS = 200, 8, 10  # of simulations: dimension, trainings, and how many times of one are marked
FEW = Accuracy(128, 2, "paper_repro.live")

Marks = dict[str, tuple[Any, Any]]


def linear(rules: Sequence[Rule], problem: SignalNoiseMixture, training: Training, scale: float) -> Iterator[Figure]:
    """The linear model from weights of norm `scale`: test accuracy and the loss of both groups."""
    found = {rule.name: _predicted(rule, problem, training, scale) for rule in rules}
    steps = np.arange(0, training.epochs + 1, training.record_every)
    test = {name: one["test_accuracy"].values for name, one in found.items()}
    losses = {f"{name}, {g}": one[f"{g}_loss"] for name, one in found.items() for g in ("clean", "mislabelled")}

    def picture(test_marks: Marks, loss_marks: Marks) -> Figure:
        return row(
            Panel(steps, test, "step", "test accuracy", test_marks),
            Panel(steps, losses, "step", "loss on training examples", loss_marks),
        )

    yield picture({}, {})
    places = np.unique(np.linspace(0, training.epochs, MARKS).astype(int))
    test_marks: Marks = {}
    loss_marks: Marks = {}
    for rule in rules:
        seed = named_seed("paper_repro.live")
        path = simulated.path(simulated.Descent(rule, problem, training, scale), seed, SEEDS)[:, places]
        overlap, clean, mislabelled, norm = np.moveaxis(path, -1, 0).astype(float)
        test_marks[rule.name] = places, mixture.accuracy_of_overlaps(problem, overlap, norm)
        loss_marks[f"{rule.name}, clean"] = places, clean
        loss_marks[f"{rule.name}, mislabelled"] = places, mislabelled
    yield picture(test_marks, loss_marks)


@cache
def _predicted(rule: Rule, problem: SignalNoiseMixture, training: Training, scale: float) -> xr.Dataset:
    return prediction.curves(rule, problem, training, Linear(scale), accuracy=FEW)


def network(
    rules: Sequence[Rule], problem: SignalNoiseMixture, training: Training, net: TwoLayer, room: tuple[int, int]
) -> Iterator[Figure]:
    """A network of a few units: test accuracy and the norm of the last layer. room: (n, d) of the simulation."""
    found = {rule.name: of_networks.curves(rule, problem, training, net, accuracy=FEW) for rule in rules}
    steps = np.arange(0, training.epochs + 1, training.record_every)
    names = {"test_accuracy": "test accuracy", "last_norm": "‖v‖"}

    def picture(marks: Mapping[str, Marks]) -> Figure:
        return row(
            *(
                Panel(steps, {rule: one[name].values for rule, one in found.items()}, "step", label, marks[name])
                for name, label in names.items()
            )
        )

    yield picture({name: {} for name in names})
    descents = [simulated_networks.Descent(rule, problem, training, net) for rule in rules]
    trace = simulated_networks.trace(descents, named_seed("paper_repro.live"), SEEDS, room)
    places = np.unique(np.linspace(0, training.epochs, MARKS).astype(int))
    few = simulated_networks.Trace(*(part[:, :, places] for part in trace))
    values = {"test_accuracy": exact(descents[0], few), "last_norm": few.last_norm}
    yield picture({name: {r.name: (places, values[name][k]) for k, r in enumerate(rules)} for name in names})
