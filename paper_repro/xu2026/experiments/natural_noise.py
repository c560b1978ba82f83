"""Tables III to V of the paper at our scale: symmetric, asymmetric and natural label noise."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import xarray as xr

from figures import comparison as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.shared import comparison
from paper_repro.shared.comparison import Entry
from paper_repro.statistics import decision, interval
from paper_repro.xu2026.experiments.deciding import TRAINING
from paper_repro.xu2026.experiments.printed_settings import RHO
from spec.fields import Among, Checked, Grid, Seeds
from spec.networks import Mlp
from spec.observables import Accuracies
from spec.problems import AsymmetricNoise, InstanceNoise, LabelNoise, RealData, SymmetricNoise
from spec.rules import CompensationSchedule, MarginSelection, NoiseCompensated, Sam, Sgd
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training

NCSAM, SAM, SGD = "NCSAM", "SAM", "SGD"


class Column(NamedTuple):
    """The noise that stands for a column of the paper, its strength, the share of flips, and NCSAM - SAM as reported.

    Natural noise is stood for by noise that depends on the input, at the rates that are known of the data sets.
    """

    noise: LabelNoise
    strength: float
    fraction: float
    reported: str


COLUMNS: dict[str, Column] = {
    "III: symmetric .2": Column(SymmetricNoise(0.2), 0.1, 0.2, "64.59 − 58.48 (Tiny-ImageNet)"),
    "III: asymmetric .45": Column(AsymmetricNoise(0.45), 0.1, 0.4, "46.11 − 39.30 (Tiny-ImageNet)"),
    "IV: instance-dependent .08": Column(InstanceNoise(0.08), 0.05, 0.08, "84.32 − 81.96 (Animals-10N)"),
    "V: instance-dependent .2": Column(InstanceNoise(0.2), 0.1, 0.2, "86.93 − 86.54 (Food-101N)"),
}


@dataclass(frozen=True)
class NaturalNoise(Checked):
    """Columns of the three tables on one data set; SGD for a quarter of the training comes before NCSAM and SAM."""

    columns: Grid[Annotated[str, Among(tuple(COLUMNS))]] = tuple(COLUMNS)
    problem: RealData = RealData()
    network: Mlp = Mlp((256,))
    training: Training = TRAINING
    seeds: Seeds = 8


def entries(config: NaturalNoise) -> list[Entry]:
    """SAM, which is NCSAM of strength zero, then NCSAM and SGD in every column, on the same seeds."""
    return list(_entries(config))


def _entries(config: NaturalNoise) -> Iterator[Entry]:
    training, seeds = config.training, named_seeds("xu2026.natural_noise", config.seeds)
    schedule = CompensationSchedule(training.epochs, training.steps(config.problem.n_train), training.epochs // 4)
    for name in config.columns:
        column = COLUMNS[name]
        ncsam = NoiseCompensated(Sam(RHO, "batch"), column.strength, schedule, MarginSelection(column.fraction))
        problem = replace(config.problem, noise=column.noise)
        for label, rule in ((SAM, replace(ncsam, strength=0.0)), (NCSAM, ncsam), (SGD, Sgd())):
            yield Entry(name, label, TrainingRun(rule, problem, config.network, training, (Accuracies(),), seeds))


def run(config: NaturalNoise, parts: Parts) -> xr.Dataset:
    """Trajectories and readings of all entries (paper_repro.shared.comparison.compare)."""
    return comparison.compare(entries(config), parts)


def verdicts(dataset: xr.Dataset) -> Table:
    """Whether NCSAM tests better than SAM, and SAM than SGD, in every column, beside what the paper reports."""
    rows = []
    for block in dict.fromkeys(map(str, dataset["block"].values)):
        gaps = [
            interval(comparison.difference(dataset, block, *pair, reading))
            for pair in ((NCSAM, SAM), (SAM, SGD))
            for reading in ("selected", "final")
        ]
        rows.append((block, *(f"{gap.points(signed=True)}: {decision(gap)}" for gap in gaps), COLUMNS[block].reported))
    head = ("", "NCSAM − SAM, validated", "NCSAM − SAM, final", "SAM − SGD, validated", "SAM − SGD, final",
            "NCSAM − SAM as reported, one seed")  # fmt: skip
    return Table("Tables III to V: whether NCSAM tests better than SAM (points)", head, tuple(rows))


NATURAL_NOISE = Experiment(
    id="xu2026.natural_noise",
    title="Tables III to V at our scale",
    question="Does NCSAM test better than SAM under symmetric, asymmetric and input-dependent noise?",
    config={
        "smoke": NaturalNoise(
            ("III: symmetric .2",),
            RealData(n_train=250, n_validation=300),
            Mlp((8,)),
            replace(TRAINING, epochs=4, record_every=1),
            seeds=2,
        ),
        "standard": NaturalNoise(
            ("III: symmetric .2", "V: instance-dependent .2"), training=replace(TRAINING, epochs=40), seeds=2
        ),
        "full": NaturalNoise(),
    },
    units=lambda config: len(comparison.units(entries(config))),
    run=run,
    figures=(
        FigureBinding(
            "xu2026.natural_noise",
            "NCSAM and SGD against SAM under the noise of Tables III to V",
            "Differences to SAM in points, paired over seeds: test accuracy at the validated epoch, and "
            "mislabelled training examples fitted at the end.",
            draw.differences,
        ),
    ),
    tables=lambda dataset: (verdicts(dataset), comparison.table(dataset, "Tables III to V: all readings")),
)
