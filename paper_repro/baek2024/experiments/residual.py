"""The ablation in a residual network: the paper has a ResNet18 on CIFAR-10, this a small one on 8 x 8 digits.

Group normalisation stands for batch normalisation (spec.networks.ResNet): statistics of a batch leave no gradient of
one example, and so no 1-SAM, L-SAM or J-SAM. One radius for all; the protocol is paper_repro.shared.comparison.
"""

from dataclasses import dataclass
from typing import Annotated

import xarray as xr

from figures import comparison as draw
from paper_repro.baek2024.experiments.dependence import METHODS
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.shared import comparison
from paper_repro.shared.comparison import Entry
from paper_repro.statistics import decision, interval
from spec.fields import Among, Checked, Grid, NonNegative, Seeds
from spec.networks import ResNet
from spec.observables import Accuracies
from spec.problems import RealData
from spec.rules import Rule, Sgd
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training

BLOCK = "residual network"
ORDER = (("L-SAM", "SGD", "close"), ("J-SAM", "L-SAM", "larger"), ("1-SAM", "J-SAM", "close"),
         ("1-SAM", "SGD", "larger"), ("1-SAM", "n-SAM", "larger"))  # fmt: skip


@dataclass(frozen=True)
class Residual(Checked):
    """SGD and methods at one rho. The image of the network must be that of the problem."""

    problem: RealData = RealData()
    network: ResNet = ResNet((8, 8, 1))
    training: Training = Training(eta=0.1, epochs=40, batch=50, momentum=0.9, weight_decay=5e-4, record_every=8)
    rho: NonNegative = 0.05
    methods: Grid[Annotated[str, Among(tuple(METHODS))]] = tuple(METHODS)
    seeds: Seeds = 4


def entries(config: Residual) -> list[Entry]:
    """SGD first, then every method."""
    rules: dict[str, Rule] = {"SGD": Sgd()} | {name: METHODS[name](config.rho) for name in config.methods}
    seeds = named_seeds("baek2024.residual", config.seeds)
    return [
        Entry(BLOCK, name, TrainingRun(rule, config.problem, config.network, config.training, (Accuracies(),), seeds))
        for name, rule in rules.items()
    ]


def run(config: Residual, parts: Parts) -> xr.Dataset:
    """Readings of every entry."""
    return comparison.compare(entries(config), parts)


def order(dataset: xr.Dataset) -> Table:
    """The paper's order SGD <~ L-SAM << J-SAM ~ 1-SAM, each step a paired interval with a decision."""
    rows, there = [], set(dataset["label"].values)
    for high, low, claim in ORDER:
        if {high, low} <= there:
            gaps = [interval(comparison.difference(dataset, BLOCK, high, low, r)) for r in ("selected", "final")]
            rows.append((f"{high} − {low}", claim, *(f"{g.points(signed=True)}: {decision(g, claim)}" for g in gaps)))
    caption = "The paper's order SGD ≲ L-SAM ≪ J-SAM ≈ 1-SAM in paired differences (points), one ρ for all"
    return Table(caption, ("difference", "expected", "at the validated epoch", "final epoch"), tuple(rows))


RESIDUAL = Experiment(
    id="baek2024.residual",
    title="The ablation in a residual network",
    question="Does the order of SGD, L-SAM, J-SAM and 1-SAM hold in a network of convolutions and residual blocks?",
    config={
        "smoke": Residual(
            RealData(n_train=200, n_validation=300),
            ResNet((8, 8, 1), channels=(2,), groups=1),
            Training(eta=0.1, epochs=2, batch=50, momentum=0.9),
            methods=("1-SAM",),
            seeds=2,
        ),
        "standard": Residual(
            RealData(n_train=500),
            training=Training(eta=0.1, epochs=8, batch=50, momentum=0.9, weight_decay=5e-4, record_every=4),
            methods=("J-SAM", "1-SAM"),
        ),
        "full": Residual(),
    },
    units=lambda config: len(comparison.units(entries(config))),
    run=run,
    figures=(
        FigureBinding(
            "baek2024.residual",
            "The ablation in a residual network with group normalisation",
            "Differences to SGD in points, paired over seeds: test accuracy at the validated epoch, and mislabelled "
            "training examples fitted at the end. One ρ for all methods.",
            draw.differences,
        ),
    ),
    tables=lambda dataset: (order(dataset), comparison.table(dataset, "Residual network: all readings")),
)
