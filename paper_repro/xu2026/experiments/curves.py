"""The paper's Fig. 1 as reported, beside the same three methods on our data; and the paper's settings as printed."""

import json
from dataclasses import asdict, dataclass, replace
from importlib import resources

import numpy as np
import xarray as xr

from figures import noise_compensation as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.shared import comparison
from paper_repro.shared.comparison import Entry
from paper_repro.statistics import interval
from paper_repro.xu2026.experiments.deciding import TRAINING
from paper_repro.xu2026.experiments.printed_settings import CONTRADICTIONS, PUBLISHED, RELEASED, RHO
from spec.fields import Checked, NonNegative, Seeds, Share
from spec.networks import Mlp
from spec.observables import Accuracies
from spec.problems import RealData, SymmetricNoise
from spec.rules import CompensationSchedule, MarginSelection, NoiseCompensated, Sam, Sgd
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training

METHODS = ("SGD", "SAM", "NCSAM")


@dataclass(frozen=True)
class Curves(Checked):
    """Fig. 1 at our scale: Algorithm 1 after SGD for a quarter of the training, with its strength on CIFAR-10."""

    problem: RealData = RealData(noise=SymmetricNoise(0.4))
    network: Mlp = Mlp((256,))
    training: Training = TRAINING
    strength: NonNegative = 0.1
    fraction: Share = 0.4
    seeds: Seeds = 8


def entries(config: Curves) -> list[Entry]:
    """SGD, SAM from the first epoch on, and NCSAM."""
    training, problem = config.training, config.problem
    schedule = CompensationSchedule(training.epochs, training.steps(problem.n_train), training.epochs // 4)
    base = Sam(RHO, "batch")
    rules = (Sgd(), base, NoiseCompensated(base, config.strength, schedule, MarginSelection(config.fraction)))
    seeds = named_seeds("xu2026.fig1", config.seeds)
    return [
        Entry("ours", name, TrainingRun(rule, problem, config.network, training, (Accuracies(),), seeds))
        for name, rule in zip(METHODS, rules, strict=True)
    ]


def reported() -> xr.DataArray:
    """The curves of the paper's Fig. 1, (reported_method, reported_epoch); missing points on straight pieces filled."""
    curves = json.loads(resources.files("paper_repro.xu2026").joinpath("fig1.json").read_text("utf-8"))
    epochs = np.arange(1, 201)
    accuracy = [np.interp(epochs, curves[name]["epoch"], curves[name]["acc"]) for name in METHODS]
    coords = {"reported_method": list(METHODS), "reported_epoch": epochs}
    return xr.DataArray(accuracy, coords, ("reported_method", "reported_epoch"))


def run(config: Curves, parts: Parts) -> xr.Dataset:
    """Our trajectories and readings, with the reported curves beside them."""
    ours = comparison.compare(entries(config), parts)
    return ours.assign(reported=reported(), switch=config.training.epochs // 4)


def _curve_table(dataset: xr.Dataset) -> Table:
    rows = []
    for k, name in enumerate(METHODS):
        curve, ours = 100 * dataset["reported"].isel(reported_method=k), dataset.isel(run=k)
        best, last = int(curve["reported_epoch"][curve.argmax("reported_epoch")]), float(curve[-5:].mean())
        peak, end = (interval(ours[n].values).points() for n in ("selected", "final"))
        rows.append((name, f"{float(curve.max()):.2f} (epoch {best})", f"{last:.2f}", peak, end))
    head = ("method", "Fig. 1: best on test", "last 5 epochs", "ours: at the validated epoch", "final epoch")
    caption = (
        "Test accuracy (%): ResNet-18 on CIFAR-10, one seed, as reported; and our network and data, 95 % intervals"
    )
    return Table(caption, head, tuple(rows))


def _gains(dataset: xr.Dataset) -> Table:
    pairs = (("NCSAM", "SAM"), ("NCSAM", "SGD"), ("SAM", "SGD"))
    rows = []
    for a, b in pairs:
        gaps = [interval(comparison.difference(dataset, "ours", a, b, n)) for n in ("selected", "final", "memorised")]
        ends = [float(dataset["reported"].sel(reported_method=n)[-5:].mean()) for n in (a, b)]
        rows.append((f"{a} − {b}", f"{100 * (ends[0] - ends[1]):+.1f}", *(g.points(signed=True) for g in gaps)))
    head = ("difference in points", "Fig. 1, last 5 epochs", "ours: validated epoch", "final epoch", "memorised")
    return Table("The same as differences, paired over seeds", head, tuple(rows))


def _cells() -> Table:
    """The hyper-parameters of every cell that is known."""
    rows = []
    for (data, noise), record in (PUBLISHED | RELEASED).items():
        selection = ", ".join(f"{k} = {v:g}" for k, v in asdict(record.selection).items())
        kind = type(record.selection).__name__.removesuffix("Selection").lower()
        rows.append((data, noise, f"{record.strength:g}", f"{kind}: {selection}", record.target, str(record.project)))
    return Table("Settings of the paper (margin) and of its released code (cluster); ρ = 0.05, added",
                 ("data", "noise", "strength", "selection", "target", "projection"), tuple(rows))  # fmt: skip


def _contradictions() -> Table:
    return Table("Where the paper contradicts itself, or its code", ("what", "one place", "another"), CONTRADICTIONS)


FIG_1 = Experiment(
    id="xu2026.fig1",
    title="Fig. 1: test accuracy over epochs, reported and ours",
    question="Does NCSAM keep its test accuracy late in training where SGD and SAM lose it?",
    config={
        "smoke": Curves(
            RealData(n_train=250, n_validation=300, noise=SymmetricNoise(0.4)),
            Mlp((8,)),
            replace(TRAINING, epochs=4, record_every=1),
            seeds=2,
        ),
        "standard": Curves(seeds=3),
        "full": Curves(),
    },
    units=lambda config: len(comparison.units(entries(config))),
    run=run,
    figures=(
        FigureBinding(
            "xu2026.fig1",
            "Test accuracy over epochs, as reported and ours",
            "Left: read from the vector graphic of the paper (ResNet-18, CIFAR-10, one seed). SGD and NCSAM share the "
            "SGD warm-up (dotted: its end). SAM is above NCSAM until about epoch 140; the gain of NCSAM is that it "
            "does not memorise afterwards. Right: our network and data, mean over seeds.",
            draw.curves,
        ),
    ),
    tables=lambda dataset: (_curve_table(dataset), _gains(dataset), _cells(), _contradictions()),
)
