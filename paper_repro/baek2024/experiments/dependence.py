"""When does SAM help? Its gain over SGD as one condition is changed at a time: data, width, noise, step size.

The protocol is that of the ablation: in every cell each method's rho comes from one grid and maximises the mean over
seeds of the best validation accuracy; test accuracy is read at the epoch that validation chose for each seed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import numpy as np
import xarray as xr

from figures import networks as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.statistics import interval
from paper_repro.trajectories import at_validated_epoch, concatenate, tuned
from sims import simulate
from spec.fields import Among, Checked, Grid, NonNegative, Positive, ProperShare, Seeds, Whole, Width
from spec.networks import Mlp
from spec.observables import Accuracies
from spec.problems import RealData, SymmetricNoise
from spec.rules import JacobianSam, LogitSam, Rule, Sam, Sgd
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training

METHODS: dict[str, Callable[[float], Rule]] = {
    "L-SAM": LogitSam,
    "J-SAM": JacobianSam,
    "1-SAM": Sam,
    "n-SAM": lambda rho: Sam(rho, "batch"),
}
CONDITIONS = {"n_train": "training examples", "width": "hidden width", "Delta": "noise rate Δ", "eta": "step size η"}


class _Cell(NamedTuple):
    condition: str
    value: float
    problem: RealData
    network: Mlp
    training: Training


@dataclass(frozen=True)
class Dependence(Checked):
    """The base problem with one condition changed at a time. All cells pass over as many examples as the base.

    Epochs leave out a remainder smaller than a batch: 125 examples in batches of 50 make 1280 steps instead of 1600.
    """

    problem: RealData = RealData()
    width: Width = 256
    training: Training = Training(eta=0.1, epochs=80, batch=50, momentum=0.9, weight_decay=5e-4, record_every=2)
    n_train: Grid[Annotated[int, Whole(2)]] = (125, 250, 500, 1000)
    widths: Grid[Width] = (16, 64, 256, 1024)
    Delta: Grid[ProperShare] = (0.0, 0.15, 0.3, 0.45, 0.6)
    eta: Grid[Positive] = (0.01, 0.03, 0.1)
    methods: Grid[Annotated[str, Among(tuple(METHODS))]] = ("J-SAM", "1-SAM", "n-SAM")
    rho: Grid[NonNegative] = (0.05, 0.1, 0.2)
    seeds: Seeds = 8


def cells(config: Dependence) -> list[_Cell]:
    """Every condition at every value."""
    problem, network, training = config.problem, Mlp((config.width,)), config.training
    found = [
        # Fewer examples for more epochs, and as many records.
        _Cell("n_train", n, replace(problem, n_train=n), network, _for_as_many(training, problem.n_train / n))
        for n in config.n_train
    ]
    found += [_Cell("width", width, problem, Mlp((width,)), training) for width in config.widths]
    found += [
        _Cell("Delta", rate, replace(problem, noise=SymmetricNoise(rate)), network, training) for rate in config.Delta
    ]
    return found + [_Cell("eta", eta, problem, network, replace(training, eta=eta)) for eta in config.eta]


def _for_as_many(training: Training, factor: float) -> Training:
    every = max(1, round(training.record_every * factor))
    return replace(training, epochs=every * (training.epochs // training.record_every), record_every=every)


def runs(config: Dependence) -> list[TrainingRun]:
    """SGD and every method over the grid in every cell; cells that coincide are computed once each."""
    seeds = named_seeds("baek2024.dependence", config.seeds)
    grid: list[Rule] = [Sgd(), *(METHODS[m](rho) for m in config.methods for rho in config.rho)]
    units = [
        TrainingRun(rule, c.problem, c.network, c.training, (Accuracies(),), seeds)
        for c in cells(config)
        for rule in grid
    ]
    return list(dict.fromkeys(units))


def run(config: Dependence, parts: Parts) -> xr.Dataset:
    """gain of each method over SGD with its interval, (cell, method), and SGD's own accuracy."""
    units = runs(config)
    results = dict(zip(units, parts.map(simulate, units), strict=True))
    rows = []
    for cell in cells(config):
        at = (cell.problem, cell.network, cell.training)
        here = {u.rule: r for u, r in results.items() if (u.problem, u.network, u.training) == at}
        rows.append(_row(list(here), concatenate(_units(units, at), list(here.values())), config.methods))
    dataset = xr.concat(rows, "cell")
    labels = {"condition": [c.condition for c in cells(config)], "value": [float(c.value) for c in cells(config)]}
    return dataset.assign_coords({n: ("cell", v) for n, v in labels.items()} | {"seeds": config.seeds})


def _units(units: Sequence[TrainingRun], at: tuple[object, ...]) -> list[TrainingRun]:
    return [u for u in units if (u.problem, u.network, u.training) == at]


def _row(rules: Sequence[Rule], dataset: xr.Dataset, methods: Sequence[str]) -> xr.Dataset:
    """For each method: the tuned rho, and test accuracy minus SGD's (mean, low, high), paired over seeds."""
    selected = at_validated_epoch(dataset).values
    sgd = selected[[isinstance(rule, Sgd) for rule in rules]][0]
    best = [tuned(dataset)[m] for m in methods]
    gains = np.array([interval(selected[k] - sgd) for k in best])
    variables = {n: ("method", gains[:, j]) for j, n in enumerate(("gain", "low", "high"))}
    return xr.Dataset(
        variables | {"rho": ("method", dataset["rho"].values[best]), "sgd": np.mean(sgd)}, {"method": list(methods)}
    )


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """One row for each condition and value."""
    rows = []
    for k in range(dataset.sizes["cell"]):
        cell = dataset.isel(cell=k)
        gains = []
        for method in map(str, dataset["method"].values):
            g = cell.sel({"method": method})
            mean, low, high = (100 * float(g[n]) for n in ("gain", "low", "high"))
            gains.append(f"{mean:+.1f} [{low:.1f}, {high:.1f}] (ρ {float(g['rho']):g})")
        condition, value = CONDITIONS[str(cell["condition"].values)], f"{float(cell['value']):g}"
        rows.append((condition, value, f"{100 * float(cell['sgd']):.1f}", *gains))
    head = ("changed", "to", "SGD", *(f"{m} − SGD" for m in dataset["method"].values))
    caption = "Test accuracy at the validated epoch (%), and gains over SGD in points (paired 95 %; tuned ρ)"
    return (Table(caption, head, tuple(rows)),)


def _experiment(name: str, title: str, standard: Dependence, full: Dependence) -> Experiment:
    small = replace(full.training, epochs=4, record_every=2)
    tiny = replace(full.problem, n_train=200)
    return Experiment(
        id=f"baek2024.{name}",
        title=title,
        question="How does the gain depend on the number of examples, the width, the noise rate and the step size?",
        config={
            "smoke": Dependence(tiny, 16, small, (200,), (16,), (0.3,), (0.03,), ("1-SAM",), (0.1,), 2),
            "standard": standard,
            "full": full,
        },
        units=lambda config: len(runs(config)),
        run=run,
        figures=(
            FigureBinding(
                f"baek2024.{name}",
                "Gain over SGD as one condition changes",
                "Test accuracy at the validated epoch minus that of SGD, paired over seeds. The paper's Fig. "
                "12 varies the number of examples; its reviewers asked for no noise and for the step size.",
                draw.dependence,
            ),
        ),
        tables=tables,
    )


_FULL = Dependence()
DEPENDENCE = _experiment(
    "dependence",
    "When SAM helps: digits",
    replace(
        _FULL,
        n_train=(125, 1000),
        widths=(16, 256),
        Delta=(0.0, 0.3),
        eta=(0.1,),
        methods=("1-SAM",),
        rho=(0.1,),
        seeds=4,
    ),
    _FULL,
)
_GENERATED = Dependence(
    RealData("mnist1d"),
    n_train=(500, 1000, 2000, 4000),
    widths=(32, 256),
    Delta=(0.0, 0.3, 0.5),
    eta=(0.03, 0.1),
    rho=(0.1, 0.2, 0.4),
)
DEPENDENCE_MNIST1D = _experiment(
    "dependence_mnist1d",
    "When SAM helps: MNIST-1D",
    replace(
        _GENERATED,
        n_train=(1000, 4000),
        widths=(256,),
        Delta=(0.3,),
        eta=(0.1,),
        methods=("1-SAM",),
        rho=(0.2,),
        seeds=4,
    ),
    _GENERATED,
)
