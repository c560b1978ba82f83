"""What SAM does to the coordinates of the gradient while SGD, SAM and SANER train: groups, dominance, the premise.

Everything is taken on the whole training split, in evaluation mode, at the recorded epochs, with SAM of one rho as the
probe whatever rule trains.
"""

from dataclasses import dataclass

import xarray as xr

from figures import composition as draw
from paper_repro.luong2026.controls import TRAINING
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.statistics import interval
from paper_repro.training_runs import TrainingRun, concatenate, simulate
from spec.networks import Mlp
from spec.problems import RealData
from spec.rules import DownWeight, Rule, Sam, Sgd
from spec.seeds import named_seeds
from spec.training import Training
from spec.validation import require_real

GROUPS = ("A", "B", "C")


@dataclass(frozen=True)
class Composition:
    """The probe is Sam(rho, 'batch')."""

    problem: RealData = RealData()
    network: Mlp = Mlp((256,))
    training: Training = TRAINING
    rho: float = 0.1
    seeds: int = 4

    def __post_init__(self) -> None:
        require_real("rho", self.rho, low=0.0, low_open=True)


def runs(config: Composition) -> list[TrainingRun]:
    """SGD, SAM and SANER (half of B, no warm-up)."""
    probe = Sam(config.rho, "batch")
    rules: tuple[Rule, ...] = (Sgd(), probe, DownWeight(probe, 0.5))
    seeds = named_seeds("luong2026.composition", config.seeds)
    observe = ("accuracies", "composition")
    return [
        TrainingRun(rule, config.problem, config.network, config.training, observe, seeds, probe=probe)
        for rule in rules
    ]


def run(config: Composition, parts: Parts) -> xr.Dataset:
    """All observables, (run, seed, epoch)."""
    units = runs(config)
    return concatenate(units, parts.map(simulate, units))


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
        rows.append((str(dataset["method"].values[k]), *triples, excess, inside, *premise))
    head = (
        "trained by",
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


COMPOSITION = Experiment(
    id="luong2026.composition",
    title="Which coordinates SAM down-weights",
    question="Is group B that of mislabelled examples, and does the premise of the linear theory hold in a network?",
    config={
        "smoke": Composition(RealData(n_train=200), Mlp((8,)), Training(eta=0.1, epochs=2, batch=50), seeds=2),
        "standard": Composition(seeds=2),
        "full": Composition(seeds=8),
    },
    units=lambda config: len(runs(config)),
    run=run,
    figures=(
        FigureBinding(
            "luong2026.composition",
            "Groups over training",
            "Mean over seeds, ±1 standard error. Left: share of each group among noise- (dashed) and clean-dominated "
            "(solid) coordinates, SAM training. Middle: fit of both groups of examples. Right: the premise.",
            draw.composition,
        ),
    ),
    tables=tables,
    seconds={"smoke": 20, "standard": 40, "full": 120},
)
