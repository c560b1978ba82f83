"""The linear toy of Section 3: GD, n-SAM and 1-SAM on the signal-plus-noise mixture with flipped labels."""

from dataclasses import dataclass, replace

import numpy as np
import xarray as xr

from figures import logistic as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.statistics import interval
from paper_repro.trajectories import concatenate
from sims import simulate
from spec.fields import Checked, Grid, NoiseRate, NonNegative, Seeds
from spec.networks import Linear
from spec.observables import Accuracies, GradientNorms, Losses, Overlaps
from spec.problems import SignalNoiseMixture
from spec.rules import Rule, Sam, Sgd
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training
from theory.logistic import mixture

MEMORISED = 0.8


@dataclass(frozen=True)
class LinearToy(Checked):
    """Noise rates, rho grids of 1-SAM and n-SAM, and the training; each of `Delta` replaces problem.Delta in turn."""

    problem: SignalNoiseMixture = SignalNoiseMixture(n=500, d=1000, B=2.0, gamma=1.0, noise="orthogonal")
    Delta: Grid[NoiseRate] = (0.2, 0.4)
    rho: Grid[NonNegative] = (0.01, 0.03, 0.1, 0.3)
    rho_batch: Grid[NonNegative] = (0.1, 0.3, 1.0, 3.0)
    network: Linear = Linear()
    training: Training = Training(eta=0.03, epochs=400, record_every=5)
    seeds: Seeds = 8


def runs(config: LinearToy) -> list[TrainingRun]:
    """Every rule at every noise rate."""
    rules: list[Rule] = [Sgd(), *(Sam(r, "batch") for r in config.rho_batch), *(Sam(r) for r in config.rho)]
    seeds = named_seeds("baek2024.linear_toy", config.seeds)
    observe = (Accuracies(), Losses(), GradientNorms(), Overlaps())
    return [
        TrainingRun(rule, replace(config.problem, Delta=Delta), config.network, config.training, observe, seeds)
        for Delta in config.Delta
        for rule in rules
    ]


def run(config: LinearToy, parts: Parts) -> xr.Dataset:
    """Simulated trajectories, with the exact test accuracy and the rho -> inf limit from theory beside them."""
    units = runs(config)
    dataset = concatenate(units, parts.map(simulate, units), Delta=[u.problem.Delta for u in units])  # type: ignore[union-attr]
    return readings(dataset, config.problem)


def readings(dataset: xr.Dataset, problem: SignalNoiseMixture) -> xr.Dataset:
    """Exact test accuracy along each run: best, when MEMORISED of the mislabelled are fitted (or last), and last."""
    overlaps = dataset["signal_overlap"].astype(float), dataset["noise_norm"].astype(float)
    exact = xr.apply_ufunc(lambda a, b: mixture.accuracy_of_overlaps(problem, a, b), *overlaps)
    memorised = (dataset["mislabelled_accuracy"] >= MEMORISED).argmax("epoch")
    reached = (dataset["mislabelled_accuracy"] >= MEMORISED).any("epoch")
    rates = dataset["Delta"].values.tolist()
    limits = {D: mixture.mean_classifier_accuracy(replace(problem, Delta=D)).value for D in set(rates)}
    return dataset.assign(
        exact_test_accuracy=exact,
        best_accuracy=exact.max("epoch"),
        at_memorisation_accuracy=exact.isel(epoch=memorised.where(reached, dataset.sizes["epoch"] - 1)),
        final_accuracy=exact.isel(epoch=-1),
        mean_classifier_accuracy=("run", [limits[D] for D in rates]),
    )


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """Accuracies in percent with 95 % intervals, differences to GD paired by seed, one table for each noise rate."""
    result = []
    for delta in np.unique(dataset["Delta"].values):
        at = dataset.isel(run=(dataset["Delta"] == delta).values)
        plain = at.isel(run=int(np.argmax(at["method"].values == "SGD")))
        rows = []
        for k in range(at.sizes["run"]):
            row = at.isel(run=k)
            gain = (row["best_accuracy"] - plain["best_accuracy"]).values
            accuracies = [interval(row[f"{n}_accuracy"]).points() for n in ("best", "at_memorisation", "final")]
            paired = "" if row["method"] == "SGD" else interval(gain).points(signed=True)
            rows.append((f"{row['method'].item()}", f"{float(row['rho']):g}", *accuracies, paired))
        head = ("rule", "ρ", "best", f"at {MEMORISED:.0%} memorised (or end)", "final", "best − GD, paired")
        limit = f"{100 * float(at['mean_classifier_accuracy'][0]):.1f}"
        result.append(Table(f"Exact test accuracy (%), Δ = {delta:g}; mean classifier {limit}", head, tuple(rows)))
    return tuple(result)


LINEAR_TOY = Experiment(
    id="baek2024.linear_toy",
    title="The linear toy: GD, n-SAM and 1-SAM",
    question="Does SAM fit more clean data before it fits mislabelled data, and how long does the gain last?",
    config={
        "smoke": LinearToy(
            problem=SignalNoiseMixture(n=40, d=80, noise="orthogonal"),
            Delta=(0.2,),
            rho=(0.1, 0.3),
            rho_batch=(1.0,),
            training=Training(eta=0.05, epochs=40, record_every=4),
            seeds=3,
        ),
        # Tested exactly, so that the samples alone differ; a quarter of the data, at the same n/d.
        "standard": LinearToy(problem=SignalNoiseMixture(n=250, d=500, B=2.0, gamma=1.0, noise="orthogonal"), seeds=4),
        "full": LinearToy(
            Delta=(0.1, 0.2, 0.3, 0.4),
            rho=(0.01, 0.03, 0.1, 0.3, 1.0),
            rho_batch=(0.1, 0.3, 1.0, 3.0, 10.0),
            training=Training(eta=0.03, epochs=1200, record_every=5),
        ),
    },
    units=lambda config: len(runs(config)),
    run=run,
    figures=(
        FigureBinding(
            "baek2024.toy_curves",
            "Accuracies and gradient-norm ratio along training",
            "Largest noise rate. Darker is larger ρ; GD in black. Test accuracy: exact (line), sampled (markers). The "
            "gradient-norm ratio decays more slowly with ρ early on; later the curves cross.",
            draw.toy_curves,
        ),
        FigureBinding(
            "baek2024.toy_gain",
            "What early stopping gains, against ρ",
            "Exact test accuracy along the path: best, when 80 % of the mislabelled examples are memorised, and final. "
            "The horizontal line is the exact expected accuracy of the mean classifier, to which 1-SAM tends from the "
            "origin as ρ grows.",
            draw.toy_gain,
        ),
    ),
    tables=tables,
)
