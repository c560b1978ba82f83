"""SGD, L-SAM, J-SAM, 1-SAM and n-SAM on real data with injected label noise: ablation and Fig. 1 at our scale.

Protocol, the same for every method: rho comes from one common grid and maximises the mean over seeds of the best
validation accuracy over epochs. Test accuracy is read (a) at the epoch that validation chose, for each seed, (b) at the
best epoch on test, as papers often report, (c) at the final epoch. Validation and test labels are clean; the test split
plays no part in choosing.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from figures import networks as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.statistics import Interval, interval
from paper_repro.training_runs import TrainingRun, concatenate, simulate
from spec.networks import Mlp, Network
from spec.problems import RealData
from spec.rules import JacobianSam, LogitSam, Rule, Sam, Sgd
from spec.seeds import named_seeds
from spec.training import Training
from spec.validation import require_reals

READINGS = {"selected": "at the validated epoch", "best": "best on test", "final": "final epoch"}

# ResNet18 with LayerNorm on CIFAR-10, 30 % label noise, best test accuracy in percent. From one secondary source.
REPORTED = {"SGD": 52.48, "L-SAM": 54.13, "J-SAM": 69.17, "1-SAM": 69.47}


@dataclass(frozen=True)
class Ablation:
    """Every method at every rho of one grid, paired over seeds."""

    problem: RealData = RealData()
    network: Network = Mlp((256,))
    training: Training = Training(eta=0.1, epochs=80, batch=50, momentum=0.9, weight_decay=5e-4, record_every=2)
    rho: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)
    seeds: int = 8

    def __post_init__(self) -> None:
        require_reals("rho", self.rho, low=0.0)


def runs(config: Ablation) -> list[TrainingRun]:
    """SGD once, then each method over the grid."""
    grid: list[Rule] = [Sam(r, "batch") for r in config.rho]
    grid += [kind(r) for kind in (LogitSam, JacobianSam, Sam) for r in config.rho]
    seeds = named_seeds("baek2024.digits", config.seeds)
    observe = ("accuracies", "losses", "layer_norms")
    return [
        TrainingRun(rule, config.problem, config.network, config.training, observe, seeds) for rule in [Sgd(), *grid]
    ]


def run(config: Ablation, parts: Parts) -> xr.Dataset:
    """All trajectories, the three readings of test accuracy, and which run validation chose for each method."""
    units = runs(config)
    dataset = concatenate(units, parts.map(simulate, units))
    epoch = dataset["validation_accuracy"].argmax("epoch")
    dataset = dataset.assign(
        validation_score=dataset["validation_accuracy"].max("epoch"),
        selected_epoch=dataset["epoch"][epoch].drop_vars("epoch"),
        selected_test_accuracy=dataset["test_accuracy"].isel(epoch=epoch).drop_vars("epoch"),
        best_test_accuracy=dataset["test_accuracy"].max("epoch"),
        final_test_accuracy=dataset["test_accuracy"].isel(epoch=-1, drop=True),
    )
    return dataset.assign_coords(chosen=("run", _chosen(dataset)))


def _chosen(dataset: xr.Dataset) -> np.ndarray:
    """For each method, the rho with the largest mean validation score (the smallest such rho)."""
    score, methods = dataset["validation_score"].mean("seed").values, dataset["method"].values
    best = {m: int(np.flatnonzero(methods == m)[np.argmax(score[methods == m])]) for m in dict.fromkeys(methods)}
    return np.isin(np.arange(len(methods)), list(best.values()))


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
    final = runs.assign({n: runs[n].isel(epoch=-1) for n in ("activation_norm", "last_layer_norm")})
    values = {
        n: (("run", "reading"), [[getattr(i, f) for i in row] for row in differences])
        for n, f in (("difference", "mean"), ("low", "low"), ("high", "high"))
    }
    return final.assign(values).assign_coords(reading=list(READINGS.values()))


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """The ablation beside the paper's, and the paper's order as paired differences: rho tuned, and one rho for all."""
    tuned = dataset.isel(run=dataset["chosen"].values)
    rho = float(tuned["rho"].values[tuned["method"].values == "1-SAM"][0])
    common = dataset.isel(run=(dataset["method"].values == "SGD") | (dataset["rho"].values == rho))
    return (
        _ablation_table("Test accuracy (%), ρ tuned for each method; mean and 95 % interval over seeds", tuned),
        _order_table("The paper's order SGD ≲ L-SAM ≪ J-SAM ≈ 1-SAM in paired differences (points), ρ tuned", tuned),
        _ablation_table(f"The same at one ρ = {rho:g} for all, the one tuned for 1-SAM", common),
        _order_table(f"The paper's order at one ρ = {rho:g} for all", common),
    )


def _ablation_table(caption: str, runs: xr.Dataset) -> Table:
    rows = []
    for k in range(runs.sizes["run"]):
        row = runs.isel(run=k)
        method = str(row["method"].values)
        readings = [interval(row[f"{r}_test_accuracy"]).points() for r in READINGS]
        final = row.isel(epoch=-1)
        fit = [f"{100 * float(final[f'{g}_accuracy'].mean()):.0f}" for g in ("clean", "mislabelled")]
        norms = [f"{float(final[n].mean()):.1f}" for n in ("activation_norm", "last_layer_norm")]
        rho = "" if method == "SGD" else f"{float(row['rho']):g}"
        reported = f"{REPORTED[method]:.2f}" if method in REPORTED else "not reported"
        rows.append((method, rho, *readings, " / ".join(fit), " / ".join(norms), reported))
    head = ("method", "ρ", *(f"test, {v}" for v in READINGS.values()), "final clean / mislabelled fit",
            "final ‖activations‖ / ‖last layer‖", "paper (CIFAR-10, ResNet18)")  # fmt: skip
    return Table(caption, head, tuple(rows))


def _order_table(caption: str, runs: xr.Dataset) -> Table:
    """The paper's order SGD <~ L-SAM << J-SAM ~ 1-SAM, each step as a paired interval with a verdict; and n-SAM."""
    by_method = {str(m): runs.isel(run=k) for k, m in enumerate(runs["method"].values)}
    steps = (("L-SAM", "SGD", "close"), ("J-SAM", "L-SAM", "larger"), ("1-SAM", "J-SAM", "close"),
             ("1-SAM", "SGD", "larger"), ("n-SAM", "SGD", "larger"), ("1-SAM", "n-SAM", "larger"))  # fmt: skip
    rows = []
    for high, low, claim in steps:
        gaps = [
            interval((by_method[high][f"{r}_test_accuracy"] - by_method[low][f"{r}_test_accuracy"]).values)
            for r in READINGS
        ]
        rows.append((f"{high} − {low}", claim, *(f"{g.points(signed=True)}: {verdict(g, claim)}" for g in gaps)))
    return Table(caption, ("difference", "expected", *READINGS.values()), tuple(rows))


def verdict(gap: Interval, claim: str) -> str:
    """'close' is shown when the interval lies within +-2 points; 'larger' when it lies above zero."""
    if claim == "larger":
        return "shown" if gap.low > 0 else "reversed" if gap.high < 0 else "not shown"
    if max(abs(gap.low), abs(gap.high)) < 0.02:
        return "shown (within 2 points)"
    return "larger" if gap.low > 0 else "smaller" if gap.high < 0 else "undecided"


DIGITS = Experiment(
    id="baek2024.digits",
    title="The ablation on digits with 30 % label noise",
    question="Is it the logit scale or the Jacobian that makes SAM robust in a network?",
    config={
        "smoke": Ablation(
            problem=RealData(n_train=200),
            network=Mlp((16,)),
            training=Training(eta=0.1, epochs=4, batch=50, momentum=0.9, weight_decay=5e-4),
            rho=(0.1,),
            seeds=2,
        ),
        "standard": Ablation(),
        "full": Ablation(rho=(0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.2), seeds=32),
    },
    units=lambda config: len(runs(config)),
    run=run,
    figures=(
        FigureBinding(
            "baek2024.training_curves",
            "Clean and mislabelled training data, and test accuracy",
            "In the manner of the paper's Fig. 1. Mean over seeds, ±1 standard error; each method at its chosen ρ.",
            lambda dataset: draw.training_curves(chosen_runs(dataset)),
        ),
        FigureBinding(
            "baek2024.ablation",
            "The ablation, and the norms behind it",
            "Left: paired differences to SGD. Right: norms of hidden activations and last layer at the end (±1 s.d.).",
            lambda dataset: draw.ablation(chosen_runs(dataset)),
        ),
        FigureBinding(
            "baek2024.rho_tuning",
            "How ρ was tuned",
            "One grid and one rule for every method: the filled marker has the best mean validation accuracy.",
            draw.rho_tuning,
        ),
    ),
    tables=tables,
    seconds={"smoke": 20, "standard": 180, "full": 3600},
)
