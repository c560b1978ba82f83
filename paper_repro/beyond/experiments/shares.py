"""How much of 1-SAM's gain is L-SAM's and how much J-SAM's, predicted; and how much a norm penalty on v explains."""

from dataclasses import dataclass, replace
from typing import Any

import xarray as xr

from figures import mean_field as draw
from paper_repro.beyond.experiments.networks import Networks, problem, rules
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from spec.fields import Checked, Count, Grid, NoiseRate, NonNegative, Positive, Seeds
from spec.rules import Regularised
from spec.training import Training
from theory.mean_field import Accuracy
from theory.mean_field.networks import TwoLayer, collapse, prediction
from theory.mean_field.networks.units import Unit

D = 4000  # where d counts: in the ascent's share along v
NAMES = ("SGD", "L-SAM", "J-SAM", "1-SAM", "norm")
MATCHINGS = 6  # halvings of the penalty's range


@dataclass(frozen=True)
class Shares(Checked):
    """One setting, and others that differ from it in one thing; units of the network, ratios of its step sizes."""

    base: Networks = Networks(network=TwoLayer(second=0.5))
    unit: Grid[Unit] = ("linear", "erf", "relu")
    c: Grid[NonNegative] = (0.5, 2.0)
    Delta: Grid[NoiseRate] = (0.1, 0.4)
    alpha: Grid[Positive] = (0.3, 3.0)
    B: Grid[NonNegative] = (3.0,)
    second: Grid[Positive] = (0.1,)
    samples: Count = 512
    seeds: Seeds = 2


@dataclass(frozen=True)
class Point:
    """One setting, and what it is called."""

    name: str
    config: Networks
    accuracy: Accuracy


def points(config: Shares) -> list[Point]:
    """The base and its neighbours."""
    base, accuracy = config.base, Accuracy(config.samples, config.seeds, "beyond.shares")
    found = [Point("base", base, accuracy)]
    for name in ("c", "Delta", "alpha", "B"):
        found += [Point(f"{name} = {v:g}", replace(base, **{name: v}), accuracy) for v in getattr(config, name)]
    for name in ("unit", "second"):
        for v in getattr(config, name):
            changed: dict[str, Any] = {name: v}
            found.append(Point(f"{name} = {v}", replace(base, network=replace(base.network, **changed)), accuracy))
    return found


def of_point(point: Point) -> xr.Dataset:
    """Best and last test accuracy, its error, last ||v|| and whether v collapsed, for every rule, (rule,)."""
    config, law = point.config, problem(point.config, D)
    found = [_curve(point, rule) for rule in rules(law, config.c)]
    found.append(_matched(point, float(found[NAMES.index("J-SAM")]["last_norm"][-1])))
    data = {
        "best": [float(curve["test_accuracy"].max()) for curve in found],
        "last": [float(curve["test_accuracy"][-1]) for curve in found],
        "error": [float(curve["test_accuracy_error"].max()) for curve in found],
        "norm": [float(curve["last_norm"][-1]) for curve in found],
        "collapsed": [float(collapse.collapsed(curve) is not None) for curve in found],
    }
    return xr.Dataset({name: ("rule", values) for name, values in data.items()}, coords={"rule": list(NAMES)})


def _curve(point: Point, rule: Any) -> xr.Dataset:
    config = point.config
    return prediction.curves(rule, problem(config, D), config.training, config.network, accuracy=point.accuracy)


def _matched(point: Point, norm: float) -> xr.Dataset:
    """SGD with the penalty of ||v|| that ends at a given norm, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(MATCHINGS):
        middle = (low + high) / 2
        curve = _curve(point, Regularised(0.0, middle))
        low, high = (middle, high) if float(curve["last_norm"][-1]) > norm else (low, middle)
    return curve


def run(config: Shares, parts: Parts) -> xr.Dataset:
    """Accuracies of all settings and gains over SGD in points, (point, rule)."""
    chosen = points(config)
    found = xr.concat(parts.map(of_point, chosen), dim="point")
    whole = found.assign_coords(point=[point.name for point in chosen])
    return whole.assign({f"{reading}_gain": gains(whole, reading) for reading in ("best", "last")})


def gains(dataset: xr.Dataset, reading: str) -> xr.DataArray:
    """Test accuracy over that of SGD, in points; reading: 'best' or 'last'."""
    return 100 * (dataset[reading] - dataset[reading].sel(rule="SGD", drop=True))


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """Gains over SGD at the best stopping and at the end; a cross marks collapse."""
    best, last, rows = dataset["best_gain"], dataset["last_gain"], []
    for k, name in enumerate(dataset["point"].values):
        cells = []
        for rule in NAMES[1:]:
            at = {"point": k, "rule": NAMES.index(rule)}
            mark = " †" if bool(dataset["collapsed"][at]) else ""
            cells.append(f"{float(best[at]):+.1f} / {float(last[at]):+.1f}{mark}")
        norms = [f"{float(dataset['norm'][k, NAMES.index(rule)]):.2f}" for rule in ("J-SAM", "norm")]
        rows.append((str(name), *cells, " / ".join(norms)))
    head = ("setting", *NAMES[1:4], "norm penalty", "‖v‖ of J-SAM / of the penalty")
    caption = "Predicted gains over SGD in points of test accuracy, best stopping / end († v collapsed: no prediction)"
    return (Table(caption, head, tuple(rows)),)


SHARES = Experiment(
    id="beyond.shares",
    title="Whose gain is 1-SAM's?",
    question="Where does the Jacobian make 1-SAM's gain, where the residual, and where would a norm penalty do?",
    config={
        "smoke": Shares(
            base=Networks(training=Training(0.5, 3)),
            unit=("linear",),
            c=(0.5,),
            Delta=(0.1,),
            alpha=(3.0,),
            samples=64,
        ),
        "standard": Shares(),
        "full": Shares(
            c=(0.1, 0.2, 0.5, 2.0, 4.0),
            Delta=(0.05, 0.1, 0.4, 0.45),
            alpha=(0.1, 0.3, 2.0, 4.0),
            B=(0.7, 3.0),
            second=(0.05, 0.1, 0.2, 1.0),
            samples=4096,
            seeds=4,
        ),
    },
    units=lambda config: len(points(config)),
    run=run,
    figures=(
        FigureBinding(
            "beyond.shares",
            "Gains over SGD of L-SAM, J-SAM, 1-SAM and a norm penalty",
            "Predicted test accuracy minus that of SGD at the end and at the best stopping, in points. The penalty of "
            "‖v‖ is such that ‖v‖ ends where J-SAM's does. Hollow: the last layer collapsed, which is no prediction of "
            "single trainings.",
            draw.shares,
        ),
    ),
    tables=tables,
)
