"""Whole trainings predicted and simulated: a curve of every rule with marks, and the error against the size."""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from figures import mean_field as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.statistics import t_threshold
from sims import simulate
from spec.fields import Checked, Count, Grid, NoiseRate, NonNegative, Positive, Seeds
from spec.networks import Linear
from spec.observables import Accuracies, Losses, Overlaps
from spec.problems import SignalNoiseMixture
from spec.rules import CompensationSchedule, DownWeight, NoiseCompensated, OracleSelection, Rule, Sam, Sgd
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training
from theory.logistic import mixture
from theory.mean_field import Accuracy, prediction

QUANTITIES = ("test_accuracy", "clean_accuracy", "mislabelled_accuracy", "noise_norm")


@dataclass(frozen=True)
class Curves(Checked):
    """Sizes d with n = alpha d; c = rho ||x|| of 1-SAM, rho of n-SAM; strength of the compensation."""

    sizes: Grid[Count] = (500, 2000)
    alpha: Positive = 0.8
    B: NonNegative = 1.5
    Delta: NoiseRate = 0.25
    scale: NonNegative = 0.5
    c: NonNegative = 1.3
    rho: NonNegative = 1.0
    strength: NonNegative = 1.0
    training: Training = Training(eta=0.5, epochs=30, record_every=2)
    samples: Count = 2048
    seeds: Seeds = 4


@dataclass(frozen=True)
class Predicted:
    """What determines a predicted curve."""

    rule: Rule
    problem: SignalNoiseMixture
    training: Training
    weights: Linear
    accuracy: Accuracy


def predict(unit: Predicted) -> xr.Dataset:
    """Its curve."""
    return prediction.curves(unit.rule, unit.problem, unit.training, unit.weights, accuracy=unit.accuracy)


def problem(config: Curves, d: int) -> SignalNoiseMixture:
    """The mixture of dimension d."""
    return SignalNoiseMixture(n=round(config.alpha * d), d=d, B=config.B, Delta=config.Delta)


def rules(config: Curves, d: int) -> tuple[Rule, ...]:
    """One of every kind. The ascent of 1-SAM shrinks with ||x||, that c stays."""
    batch = Sam(config.rho, "batch")
    schedule = CompensationSchedule(config.training.epochs, 1, shape="constant")
    corrected = NoiseCompensated(batch, config.strength, schedule, OracleSelection(config.Delta, 0.8), project="sphere")
    one = Sam(config.c / float(np.hypot(config.B, d**0.5)))
    return Sgd(), one, batch, DownWeight(batch, 1.0), corrected, replace(corrected, sign=-1)


def runs(config: Curves) -> list[TrainingRun]:
    """Every rule at every size."""
    observe, seeds = (Accuracies(), Losses(), Overlaps()), named_seeds("beyond.curves", config.seeds)
    return [
        TrainingRun(rule, problem(config, d), Linear(config.scale), config.training, observe, seeds)
        for d in config.sizes
        for rule in rules(config, d)
    ]


def run(config: Curves, parts: Parts) -> xr.Dataset:
    """Both sides; dimensions run, epoch and, of the simulation, size and seed."""
    accuracy, largest = Accuracy(config.samples, 4), max(config.sizes)
    units = [
        Predicted(rule, problem(config, largest), config.training, Linear(config.scale), accuracy)
        for rule in rules(config, largest)
    ]
    stated = xr.concat(parts.map(predict, units), dim="run", data_vars="all", coords="minimal", join="outer")
    measured = [exact(d, config) for d in parts.map(simulate, runs(config))]
    count = len(units)
    rows = [xr.concat(measured[i : i + count], dim="run") for i in range(0, len(measured), count)]
    simulated = xr.concat(rows, dim="size").assign_coords(size=list(config.sizes))
    data = {f"predicted_{name}": stated[name] for q in QUANTITIES for name in (q, f"{q}_error")}
    data |= {f"simulated_{name}": simulated[name] for name in QUANTITIES}
    result = xr.Dataset(data).assign_coords(method=("run", [unit.rule.name for unit in units]))
    return result.assign(error=errors(result))


def exact(dataset: xr.Dataset, config: Curves) -> xr.Dataset:
    """The simulation with the exact test accuracy of its weights, without sampling error."""
    values = mixture.accuracy_of_overlaps(
        problem(config, 100), dataset["signal_overlap"].values, dataset["noise_norm"].values
    )
    return dataset[list(QUANTITIES)].assign(test_accuracy=(dataset["noise_norm"].dims, values))


def errors(dataset: xr.Dataset) -> xr.DataArray:
    """Root mean square over seeds, and over epochs, of simulated minus predicted test accuracy: (run, size)."""
    gap = dataset["simulated_test_accuracy"] - dataset["predicted_test_accuracy"]
    return ((gap**2).mean(("seed", "epoch")) ** 0.5).transpose("run", "size")


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """The largest distance of a mean over seeds from the prediction, and the largest half width of its interval."""
    rows = []
    seeds = dataset.sizes["seed"]
    for k, method in enumerate(dataset["method"].values):
        for size in dataset["size"].values:
            row = dataset.isel(run=k).sel(size=size).isel(epoch=slice(1, None))
            cells = []
            for name in QUANTITIES[:3]:
                values = row[f"simulated_{name}"]
                gap = values.mean("seed") - row[f"predicted_{name}"]
                sampled = t_threshold(0.05, 2, seeds) * values.std("seed", ddof=1) / seeds**0.5
                half = np.hypot(sampled, 1.96 * row[f"predicted_{name}_error"])
                cells.append(f"{100 * float(np.abs(gap).max()):.2f} ({100 * float(half.max()):.2f})")
            rows.append((str(method), f"{size}", *cells))
    head = ("rule", "d", "test", "clean", "mislabelled")
    caption = f"Largest distance from the prediction over training, points (half width of 95 %, {seeds} seeds)"
    return (Table(caption, head, tuple(rows)),)


CURVES = Experiment(
    id="beyond.curves",
    title="Whole trainings, predicted",
    question="Does the limit give the curves of every rule, and how large must d be?",
    config={
        "smoke": Curves(sizes=(40,), training=Training(0.5, 6, record_every=2), samples=256, seeds=3),
        "standard": Curves(),
        "full": Curves(sizes=(500, 2000, 8000), samples=8192),
    },
    units=lambda config: len(rules(config, 100)) * (1 + len(config.sizes)),
    run=run,
    figures=(
        FigureBinding(
            "beyond.curves",
            "Accuracies along training: prediction and simulation",
            "Lines: the limit. Marks: means over seeds at the largest d. Test in colour, clean training examples solid "
            "and mislabelled ones dashed in grey. Where n-SAM oscillates, so does its prediction.",
            draw.curves,
        ),
        FigureBinding(
            "beyond.finite_size",
            "Distance of one training from the limit",
            "Root mean square over seeds and training of the test accuracy's error; the grey line falls as d^(−1/2).",
            draw.finite_size,
        ),
    ),
    tables=tables,
)
