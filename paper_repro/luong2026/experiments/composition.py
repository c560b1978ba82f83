"""What SAM does to the coordinates of the gradient while SGD, SAM and SANER train: groups, dominance, the premise.

Everything is taken on the whole training split, in evaluation mode, at the recorded epochs, with SAM of one rho as the
probe whatever rule trains.
"""

from dataclasses import dataclass, replace
from typing import Literal

import xarray as xr

from figures import composition as draw
from paper_repro.luong2026.experiments.settings import TRAINING
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.statistics import interval
from paper_repro.trajectories import concatenate
from sims import simulate
from spec import observables
from spec.fields import Checked, Grid, Positive, RemovedFraction, Seeds
from spec.networks import Linear, Mlp
from spec.problems import RealData
from spec.rules import DownWeight, Rule, Sam, Sgd
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training

GROUPS = ("A", "B", "C")


@dataclass(frozen=True)
class Composition(Checked):
    """The probes are Sam(rho, sharpness), each the rule of its own three runs; alpha is SANER's removed fraction."""

    problem: RealData = RealData()
    network: Mlp | Linear = Mlp((256,))
    training: Training = TRAINING
    rho: Positive = 0.1
    sharpness: Grid[Literal["batch", "example"]] = ("batch",)
    alpha: RemovedFraction = 0.5
    seeds: Seeds = 4


def runs(config: Composition) -> list[TrainingRun]:
    """SGD, SAM and SANER (no warm-up) for every probe."""
    seeds = named_seeds("luong2026.composition", config.seeds)
    found = []
    for sharpness in config.sharpness:
        probe = Sam(config.rho, sharpness)
        observe = (observables.Accuracies(), observables.Composition(probe))
        rules: tuple[Rule, ...] = (Sgd(), probe, DownWeight(probe, config.alpha))
        found += [TrainingRun(rule, config.problem, config.network, config.training, observe, seeds) for rule in rules]
    return found


def run(config: Composition, parts: Parts) -> xr.Dataset:
    """All observables, (run, seed, epoch), labelled by the rule that trains and by its probe."""
    units = runs(config)
    looked = [o for unit in units for o in unit.observe if isinstance(o, observables.Composition)]
    return concatenate(units, parts.map(simulate, units), probe=[o.probe.name for o in looked])


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """Means over epochs 1 to the end: shares of the groups, their conditional shares, and the premise of the theory."""
    rows = []
    for k in range(dataset.sizes["run"]):
        mean = dataset.isel(run=k, epoch=slice(1, None)).mean("epoch")
        triples = [
            " / ".join(f"{100 * float(mean[f'{prefix}{g}{suffix}'].mean()):.0f}" for g in GROUPS)
            for prefix, suffix in (("share_", ""), ("", "_given_noise"), ("", "_given_clean"))
        ]
        excess = interval((mean["B_given_noise"] - mean["B_given_clean"]).values).points(signed=True)
        inside = f"{100 * float(mean['noise_given_B'].mean()):.0f} / {100 * float(mean['clean_given_B'].mean()):.0f}"
        premise = [interval(mean[n].values).points() for n in ("clean_more_on_noise", "clean_more_on_noise_B")]
        rows.append(
            (str(dataset["method"].values[k]), str(dataset["probe"].values[k]), *triples, excess, inside, *premise)
        )
    head = (
        "trained by",
        "probe",
        "share of A / B / C (%)",
        "among noise-dominated",
        "among clean-dominated",
        "B: noise- minus clean-dominated",
        "noise- / clean-dominated in B (%)",
        "a_clean > a_noisy where noise dominates",
        "... in B",
    )
    caption = "Composition of the gradient's coordinates, means over training; points with 95 % intervals"
    return (Table(caption, head, tuple(rows)),)


def transition(dataset: xr.Dataset) -> Table:
    """The groups at the recorded epoch in which most noise-dominated coordinates are down-weighted (in B or C)."""
    rows = []
    for k in range(dataset.sizes["run"]):
        run = dataset.isel(run=k).mean("seed")
        at = run.isel(epoch=int((run["B_given_noise"] + run["C_given_noise"]).argmax("epoch")))
        values = [at[n] for n in ("share_noise", *(f"{g}_given_{who}" for who in ("noise", "clean") for g in "BC"))]
        labels = (str(dataset["method"].values[k]), str(dataset["probe"].values[k]), str(int(at["epoch"])))
        rows.append((*labels, *(f"{100 * float(v):.0f}" for v in values)))
    head = (
        "trained by",
        "probe",
        "epoch",
        "noise-dominated (%)",
        "of these in B",
        "in C",
        "clean-dominated in B",
        "in C",
    )
    return Table("Where most noise-dominated coordinates are down-weighted or reversed", head, tuple(rows))


COMPOSITION = Experiment(
    id="luong2026.composition",
    title="Which coordinates SAM down-weights",
    question="Is group B that of mislabelled examples, and does the premise of the linear theory hold in a network?",
    config={
        "smoke": Composition(RealData(n_train=200), Mlp((8,)), Training(eta=0.1, epochs=2, batch=50), seeds=2),
        "standard": Composition(training=replace(TRAINING, record_every=8), seeds=2),
        "full": Composition(seeds=8),
    },
    units=lambda config: len(runs(config)),
    run=run,
    figures=(
        FigureBinding(
            "luong2026.composition",
            "Groups over training",
            "Mean over seeds. Left: share of each group among noise- (dashed) and clean-dominated "
            "(solid) coordinates, SAM training. Middle: fit of both groups of examples. Right: the premise.",
            draw.composition,
        ),
    ),
    tables=tables,
)

# The published settings for MNIST 0 against 1, but for the number of examples, the bias and the second output.
_TWO = RealData(n_train=256, n_validation=50, classes=(0, 1))
_FULL_BATCH = Training(eta=0.1, epochs=500, record_every=10)
LINEAR_DIGITS = Experiment(
    id="luong2026.linear_digits",
    title="The transition on linear digits",
    question="When a linear classifier turns from clean to mislabelled examples, are noise-dominated coordinates in "
    "group B, and clean-dominated ones not?",
    config={
        "smoke": Composition(_TWO, Linear(0.0), replace(_FULL_BATCH, epochs=20), sharpness=("example",), seeds=2),
        "standard": Composition(
            _TWO, Linear(0.0), replace(_FULL_BATCH, record_every=20), sharpness=("batch", "example"), seeds=2
        ),
        "full": Composition(_TWO, Linear(0.0), _FULL_BATCH, sharpness=("batch", "example"), seeds=8),
    },
    units=lambda config: len(runs(config)),
    run=run,
    figures=(
        FigureBinding(
            "luong2026.linear_digits",
            "Digits 0 against 1, a linear model from the origin, whole-batch descent",
            "Shares of the groups among noise- (dashed) and clean-dominated (solid) coordinates; columns: SGD, SAM and "
            "SANER training; rows: the probe, n-SAM as in the paper and 1-SAM as in the linear theory. Mean over "
            "seeds.",
            draw.groups,
        ),
    ),
    tables=lambda dataset: (*tables(dataset), transition(dataset)),
)
