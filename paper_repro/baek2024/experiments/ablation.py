"""SGD, four kinds of SAM and norm penalties on data with injected label noise: ablation and Fig. 1 at our scale.

Protocol, the same for every method: its strength (rho, or the two coefficients of the penalty) comes from one common
grid and maximises the mean over seeds of the best validation accuracy over epochs. Test accuracy is read (a) at the
epoch that validation chose, for each seed, (b) at the best epoch on test, as papers often report, (c) at the final
epoch. Validation and test labels are clean; the test split plays no part in choosing.
"""

from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import xarray as xr

from figures import networks as draw
from paper_repro.baek2024.experiments.step_cost import Cost, measure
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.statistics import decision, interval
from paper_repro.trajectories import at_validated_epoch, concatenate, tuned
from sims import simulate
from spec.fields import Checked, Grid, NonNegative, Seeds
from spec.networks import Mlp, Network
from spec.observables import Accuracies, LayerNorms, Losses
from spec.problems import RealData
from spec.rules import JacobianSam, LogitSam, Regularised, Rule, Sam, Sgd
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training

NORMS = ("activation_norm", "last_layer_norm")
PENALTIES = ("SGD + norms", "SGD + squared norms")
READINGS = {"selected": "at the validated epoch", "best": "best on test", "final": "final epoch"}

# ResNet18 with LayerNorm on CIFAR-10, 30 % label noise, best test accuracy in percent. From one secondary source.
REPORTED = {"SGD": 52.48, "L-SAM": 54.13, "J-SAM": 69.17, "1-SAM": 69.47, "SGD + norms": 60.8}


@dataclass(frozen=True)
class Ablation(Checked):
    """Every method at every strength of its grid, paired over seeds. penalty: both coefficients take these values."""

    problem: RealData = RealData()
    network: Network = Mlp((256,))
    training: Training = Training(eta=0.1, epochs=80, batch=50, momentum=0.9, weight_decay=5e-4, record_every=2)
    rho: Grid[NonNegative] = (0.05, 0.1, 0.2, 0.4)
    penalty: Grid[NonNegative] = (0.01, 0.03, 0.1)
    seeds: Seeds = 8


def runs(config: Ablation) -> list[TrainingRun]:
    """SGD once, then each method over its grid."""
    grid: list[Rule] = [Sam(r, "batch") for r in config.rho]
    grid += [kind(r) for kind in (LogitSam, JacobianSam, Sam) for r in config.rho]
    pairs = list(product(config.penalty, config.penalty))
    grid += [Regularised(a, v, form) for form in ("norm", "squared") for a, v in pairs]
    seeds = named_seeds("baek2024.digits", config.seeds)
    observe = (Accuracies(), Losses(), LayerNorms())
    return [
        TrainingRun(rule, config.problem, config.network, config.training, observe, seeds) for rule in [Sgd(), *grid]
    ]


def run(config: Ablation, parts: Parts) -> xr.Dataset:
    """All trajectories, the three readings of test accuracy, and which run validation chose for each method."""
    units = runs(config)
    strengths = {n: [getattr(u.rule, n, 0.0) for u in units] for n in ("activation", "last_layer")}
    dataset = concatenate(units, parts.map(simulate, units), **strengths)
    # Afterwards, so that nothing else runs beside the clock.
    (cost,) = parts.map(measure, [Cost(config.problem, config.network, config.training.batch)])
    return xr.merge([readings(dataset), cost])


def readings(dataset: xr.Dataset) -> xr.Dataset:
    """The three readings of test accuracy, and the runs that are chosen (by validation) and matched (by norms)."""
    dataset = dataset.assign(
        validation_score=dataset["validation_accuracy"].max("epoch"),
        selected_epoch=dataset["validation_accuracy"].idxmax("epoch"),
        selected_test_accuracy=at_validated_epoch(dataset),
        best_test_accuracy=dataset["test_accuracy"].max("epoch"),
        final_test_accuracy=dataset["test_accuracy"].isel(epoch=-1, drop=True),
    )
    chosen = _chosen(dataset)
    return dataset.assign_coords(chosen=("run", chosen), matched=("run", _matched(dataset, chosen)))


def _chosen(dataset: xr.Dataset) -> np.ndarray:
    """The tuned run of each method."""
    return np.isin(np.arange(dataset.sizes["run"]), list(tuned(dataset).values()))


def _matched(dataset: xr.Dataset, chosen: np.ndarray) -> np.ndarray:
    """For each form of the penalty, the run whose final norms are nearest to those of the chosen 1-SAM.

    The distance is that of (log mean activation norm, log mean norm of the last layer). Accuracy plays no part.
    """
    final = np.stack([np.log(dataset[n].isel(epoch=-1).mean("seed").values + 1e-12) for n in NORMS], axis=1)
    methods = dataset["method"].values
    distance = np.linalg.norm(final - final[chosen & (methods == "1-SAM")], axis=1)
    nearest = [np.flatnonzero(methods == m)[np.argmin(distance[methods == m])] for m in PENALTIES]
    return np.isin(np.arange(len(methods)), nearest)


def chosen_runs(dataset: xr.Dataset) -> xr.Dataset:
    """One run for each method, with paired differences to SGD (mean, low, high) for each reading of test accuracy."""
    runs = dataset.isel(run=dataset["chosen"].values)
    differences = [
        [
            interval((runs[f"{r}_test_accuracy"].isel(run=k) - runs[f"{r}_test_accuracy"].isel(run=0)).values)
            for r in READINGS
        ]
        for k in range(runs.sizes["run"])
    ]
    final = runs.assign({f"final_{n}": runs[n].isel(epoch=-1) for n in NORMS})
    values = {
        n: (("run", "reading"), [[getattr(i, f) for i in row] for row in differences])
        for n, f in (("difference", "mean"), ("low", "low"), ("high", "high"))
    }
    return final.assign(values).assign_coords(reading=list(READINGS.values()))


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """The ablation beside the paper's, and the paper's order as paired differences: rho tuned, and one rho for all."""
    chosen = dataset.isel(run=dataset["chosen"].values)
    rho = float(chosen["rho"].values[chosen["method"].values == "1-SAM"][0])
    common = dataset.isel(run=(dataset["method"].values == "SGD") | (dataset["rho"].values == rho))
    return (
        _ablation_table("Test accuracy (%), ρ tuned for each method; mean and 95 % interval over seeds", chosen),
        _order_table("The paper's order SGD ≲ L-SAM ≪ J-SAM ≈ 1-SAM in paired differences (points), ρ tuned", chosen),
        _ablation_table(f"The same at one ρ = {rho:g} for all, the one tuned for 1-SAM", common),
        _order_table(f"The paper's order at one ρ = {rho:g} for all", common),
        _matched_table(dataset),
        _cost_table(dataset),
    )


def _ablation_table(caption: str, runs: xr.Dataset) -> Table:
    rows = []
    for k in range(runs.sizes["run"]):
        row = runs.isel(run=k)
        method = str(row["method"].values)
        readings = [interval(row[f"{r}_test_accuracy"]).points() for r in READINGS]
        final = row.isel(epoch=-1)
        fit = [f"{100 * float(final[f'{g}_accuracy'].mean()):.0f}" for g in ("clean", "mislabelled")]
        norms = [f"{float(final[n].mean()):.1f}" for n in NORMS]
        reported = f"{REPORTED[method]:.2f}" if method in REPORTED else "not reported"
        rows.append((method, strength(row), *readings, " / ".join(fit), " / ".join(norms), reported))
    head = ("method", "ρ or penalties", *(f"test, {v}" for v in READINGS.values()), "final clean / mislabelled fit",
            "final ‖activations‖ / ‖last layer‖", "paper (CIFAR-10, ResNet18)")  # fmt: skip
    return Table(caption, head, tuple(rows))


def _order_table(caption: str, runs: xr.Dataset) -> Table:
    """The paper's order SGD <~ L-SAM << J-SAM ~ 1-SAM, each step as a paired interval with a decision; and n-SAM."""
    by_method = {str(m): runs.isel(run=k) for k, m in enumerate(runs["method"].values)}
    steps = (("L-SAM", "SGD", "close"), ("J-SAM", "L-SAM", "larger"), ("1-SAM", "J-SAM", "close"),
             ("1-SAM", "SGD", "larger"), ("n-SAM", "SGD", "larger"), ("1-SAM", "n-SAM", "larger"),
             ("SGD + norms", "SGD", "larger"), ("1-SAM", "SGD + norms", "larger"))  # fmt: skip
    rows = []
    for high, low, claim in steps:
        if high not in by_method or low not in by_method:
            continue
        gaps = [
            interval((by_method[high][f"{r}_test_accuracy"] - by_method[low][f"{r}_test_accuracy"]).values)
            for r in READINGS
        ]
        rows.append((f"{high} − {low}", claim, *(f"{g.points(signed=True)}: {decision(g, claim)}" for g in gaps)))
    return Table(caption, ("difference", "expected", *READINGS.values()), tuple(rows))


def strength(run: xr.Dataset) -> str:
    """What a run was given: its rho, or the coefficients on activations and on the last layer."""
    if str(run["method"].values) in PENALTIES:
        return f"{float(run['activation']):g}, {float(run['last_layer']):g}"
    return f"{float(run['rho']):g}" if float(run["rho"]) else ""


def _matched_table(dataset: xr.Dataset) -> Table:
    """Does the size of activations and last layer explain the gain? Penalties that reach 1-SAM's norms, against it."""
    method = dataset["method"].values
    sam = dataset.isel(run=dataset["chosen"].values & (method == "1-SAM")).squeeze("run")
    rows = []
    for k in np.flatnonzero((dataset["chosen"].values & (method == "1-SAM")) | dataset["matched"].values):
        run = dataset.isel(run=k)
        norms = [f"{float(run[n].isel(epoch=-1).mean()):.2f}" for n in NORMS]
        gaps = [
            "" if str(method[k]) == "1-SAM" else
            interval((run[f"{r}_test_accuracy"] - sam[f"{r}_test_accuracy"]).values).points(signed=True)
            for r in READINGS
        ]  # fmt: skip
        rows.append((str(method[k]), strength(run), *norms, *gaps))
    caption = (
        "Penalties matched to the final norms of the tuned 1-SAM: test accuracy minus that of 1-SAM (points, paired)"
    )
    head = ("method", "ρ or penalties", "‖activations‖", "‖last layer‖", *READINGS.values())
    return Table(caption, head, tuple(rows))


def _cost_table(dataset: xr.Dataset) -> Table:
    rows = []
    for rule in dataset["rule"].values:
        low, median, high = dataset["cost"].sel(rule=rule).values
        rows.append((str(rule), f"{median:.2f} [{low:.2f}, {high:.2f}]"))
    return Table(
        "Time of a step relative to SGD, median and quartiles, on this machine", ("method", "cost"), tuple(rows)
    )


def _experiment(name: str, title: str, standard: Ablation, full: Ablation) -> Experiment:
    small = replace(standard.training, epochs=4, record_every=1)
    few = replace(standard.problem, n_train=200)
    return Experiment(
        id=f"baek2024.{name}",
        title=title,
        question="Is it the logit scale or the Jacobian that makes SAM robust in a network?",
        config={
            "smoke": Ablation(few, Mlp((16,)), small, rho=(0.1,), penalty=(0.03,), seeds=2),
            "standard": standard,
            "full": full,
        },
        units=lambda config: len(runs(config)) + 1,
        run=run,
        figures=(
            FigureBinding(
                f"baek2024.{name}_curves",
                "Clean and mislabelled training data, and test accuracy",
                "In the manner of the paper's Fig. 1. Mean over seeds; each method at its chosen ρ.",
                lambda dataset: draw.training_curves(chosen_runs(dataset)),
            ),
            FigureBinding(
                f"baek2024.{name}_ablation",
                "The ablation, and the norms behind it",
                "Paired differences to SGD; norms of hidden activations and last layer at the end.",
                lambda dataset: draw.ablation(chosen_runs(dataset)),
            ),
            FigureBinding(
                f"baek2024.{name}_norms",
                "Norms over training",
                "Mean over seeds; each method at its chosen strength.",
                lambda dataset: draw.norms_over_training(chosen_runs(dataset)),
            ),
            FigureBinding(
                f"baek2024.{name}_tuning",
                "How ρ was tuned",
                "One grid and one rule for every method: the filled marker has the best mean validation accuracy.",
                draw.rho_tuning,
            ),
            FigureBinding(
                f"baek2024.{name}_frontier",
                "Accuracy against cost",
                "Test accuracy at the validated epoch against the time of a step (quartiles).",
                lambda dataset: draw.frontier(chosen_runs(dataset)),
            ),
        ),
        tables=tables,
    )


_PENALTIES = (0.003, 0.01, 0.03, 0.1)
_STANDARD = Ablation(rho=(0.1, 0.2), penalty=(0.03,), seeds=4)
DIGITS = _experiment(
    "digits",
    "The ablation on digits with 30 % label noise",
    _STANDARD,
    Ablation(rho=(0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.8), penalty=_PENALTIES),
)
_GENERATED = Ablation(problem=RealData("mnist1d"), rho=(0.1, 0.2), penalty=(0.03,), seeds=4)
MNIST1D = _experiment(
    "mnist1d",
    "The ablation on MNIST-1D with 30 % label noise",
    _GENERATED,
    replace(_GENERATED, rho=(0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2), penalty=_PENALTIES, seeds=8),
)
