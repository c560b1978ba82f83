"""How much of 1-SAM's gain is L-SAM's and how much J-SAM's, and how much a norm penalty on v explains.

Predicted around one setting, and simulated beside it: rules see the same samples, at the steps where the limit is best
and at the end.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray as xr

from figures import mean_field as draw
from paper_repro.beyond.experiments.networks import Networks, exact, problem, rules
from paper_repro.beyond.simulated_networks import Descent, Trace, trace
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.statistics import decision, interval
from spec.fields import Checked, Count, Grid, NoiseRate, NonNegative, Positive, Seeds
from spec.rules import Regularised, Rule
from spec.seeds import named_seed
from spec.training import Training
from theory.mean_field import Accuracy
from theory.mean_field.networks import TwoLayer, collapse, prediction
from theory.mean_field.networks.units import Unit

NAMES = ("SGD", "L-SAM", "J-SAM", "1-SAM", "norm")
MATCHINGS, GUESS = 4, 0.15  # trainings at most until a penalty's norm is that of J-SAM; the first penalty over c
D = 4000  # of predictions, where d counts in the ascent's share along v


@dataclass(frozen=True)
class Shares(Checked):
    """One setting, and others that differ from it in one thing; a teacher's labels are one more.

    units of the network and their number at the same ||v||, ratios of step sizes; sizes d and seeds of simulations,
    repeats of predictions.
    """

    base: Networks = Networks(network=TwoLayer(second=0.5), training=Training(eta=0.75, epochs=20))
    unit: Grid[Unit] = ("linear", "relu")
    K: Grid[Count] = (1,)
    c: Grid[NonNegative] = (0.5, 2.0)
    Delta: Grid[NoiseRate] = (0.1, 0.4)
    alpha: Grid[Positive] = (0.4, 3.2)
    B: Grid[NonNegative] = (3.0,)
    second: Grid[Positive] = (0.1,)
    samples: Count = 512
    repeats: Seeds = 2
    sizes: Grid[Count] = (500,)
    seeds: Seeds = 4


@dataclass(frozen=True)
class Point:
    """One setting, and what it is called."""

    name: str
    config: Networks
    accuracy: Accuracy


@dataclass(frozen=True)
class Marks:
    """What determines the marks of a point: also the steps at which a training is looked at, and the penalty.

    room: (n, d) of the program, where a smaller n has that of the base.
    """

    point: Point
    steps: tuple[int, ...]
    penalty: float
    d: int
    room: tuple[int, int]
    seeds: int


def points(config: Shares) -> list[Point]:
    """The base and its neighbours."""
    base, net = config.base, config.base.network
    found = {"base": base, "teacher": replace(base, labels="teacher")}
    for name in ("c", "Delta", "alpha", "B"):
        found |= {f"{name} = {v:g}": replace(base, **{name: v}) for v in getattr(config, name)}
    for name in ("unit", "second"):
        found |= {f"{name} = {v}": replace(base, network=replace(net, **{name: v})) for v in getattr(config, name)}
    found |= {f"K = {K}": replace(base, network=replace(net, v=repeated(net.v, K))) for K in config.K}
    accuracy = Accuracy(config.samples, config.repeats, "beyond.shares")
    return [Point(name, one, accuracy) for name, one in found.items()]


def repeated(v: tuple[float, ...], K: int) -> tuple[float, ...]:
    """K entries, those of v again and again, of the same norm."""
    many = np.resize(v, K)
    return tuple(map(float, many * np.linalg.norm(v) / np.linalg.norm(many)))


def of_point(point: Point) -> xr.Dataset:
    """What is predicted for every rule, (rule,): best and last test accuracy, the error, the step of the best one, last

    ||v|| and whether v collapsed; and the penalty that ends where J-SAM does.
    """
    found = [_curve(point, rule) for rule in rules(problem(point.config, D), point.config.c)]
    plain, target = (float(found[NAMES.index(name)]["last_norm"][-1]) for name in ("SGD", "J-SAM"))
    penalty, curve = _matched(point, plain, target)
    found.append(curve)
    data = {
        "best": [float(curve["test_accuracy"].max()) for curve in found],
        "step": [int(np.argmax(curve["test_accuracy"].values)) for curve in found],
        "last": [float(curve["test_accuracy"][-1]) for curve in found],
        "error": [float(curve["test_accuracy_error"].max()) for curve in found],
        "norm": [float(curve["last_norm"][-1]) for curve in found],
        "collapsed": [float(collapse.collapsed(curve) is not None) for curve in found],
    }
    whole = xr.Dataset({name: ("rule", values) for name, values in data.items()}, coords={"rule": list(NAMES)})
    return whole.assign(penalty=penalty)


def _penalised(strength: float) -> Rule:
    return Regularised(0.0, strength)


def _curve(point: Point, rule: Any) -> xr.Dataset:
    config = point.config
    return prediction.curves(rule, problem(config, D), config.training, config.network, accuracy=point.accuracy)


def _matched(point: Point, plain: float, target: float) -> tuple[float, xr.Dataset]:
    """The penalty of ||v|| under which ||v|| ends at the target, by secants, given where it ends without; its curve."""
    before, end_before, strength = 0.0, plain, max(GUESS * point.config.c, 0.01)
    for left in reversed(range(MATCHINGS)):
        curve = _curve(point, _penalised(strength))
        end = float(curve["last_norm"][-1])
        if left == 0 or abs(end - target) <= 0.005 * target or end == end_before:
            break
        ahead = strength + (target - end) * (strength - before) / (end - end_before)
        before, end_before, strength = strength, end, float(np.clip(ahead, 0, 1))
    return strength, curve


def simulated(unit: Marks) -> xr.Dataset:
    """Test accuracy of all rules and seeds at a rule's own step and at the end, and ||v|| at the end, (rule, seed)."""
    config, law = unit.point.config, problem(unit.point.config, unit.d)
    chosen = (*rules(law, config.c), _penalised(unit.penalty))
    descents = [Descent(rule, law, config.training, config.network) for rule in chosen]
    found = trace(descents, named_seed(f"beyond.shares/{unit.d}"), unit.seeds, unit.room)
    steps = np.array([(step, -1) for step in unit.steps])
    seen = exact(descents[0], Trace(*(part[np.arange(len(steps))[:, None], :, steps] for part in found)))
    data = {"best": seen[:, 0], "last": seen[:, 1], "norm": found.last_norm[..., -1]}
    return xr.Dataset({f"simulated_{name}": (("rule", "seed"), values) for name, values in data.items()})


def _marks(config: Shares, point: Point, stated: xr.Dataset, d: int) -> Marks:
    n, base = problem(point.config, d).n, problem(config.base, d).n
    steps, room = tuple(map(int, stated["step"].values)), (base if base % n == 0 else n, d)
    return Marks(point, steps, float(stated["penalty"]), d, room, config.seeds)


def run(config: Shares, parts: Parts) -> xr.Dataset:
    """Accuracies of all settings and gains over SGD in points, (point, rule), and of the simulation (size, seed)."""
    chosen = points(config)
    stated = parts.map(of_point, chosen)
    units = [_marks(config, *pair, d) for d in config.sizes for pair in zip(chosen, stated, strict=True)]
    measured = parts.map(simulated, units)
    rows = [xr.concat(measured[i : i + len(chosen)], dim="point") for i in range(0, len(units), len(chosen))]
    marked = xr.concat(rows, dim="size").assign_coords(size=list(config.sizes))
    whole = xr.merge([xr.concat(stated, dim="point"), marked]).assign_coords(point=[point.name for point in chosen])
    names = ("best", "last", "simulated_best", "simulated_last")
    return whole.assign({f"{reading}_gain": gains(whole, reading) for reading in names})


def gains(dataset: xr.Dataset, reading: str) -> xr.DataArray:
    """Test accuracy over that of SGD, in points; reading: 'best' or 'last', or 'simulated_' and one of them."""
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
    return Table(caption, head, tuple(rows)), _orders(dataset), _distances(dataset)


def _orders(dataset: xr.Dataset) -> Table:
    """Whether J-SAM gains more than L-SAM and than the penalty: predicted, and decided by simulation."""
    pairs = [("best", "L-SAM"), ("last", "L-SAM"), ("last", "norm")]
    rows = [
        (str(name), *(_order(dataset.isel(point=k), reading, other) for reading, other in pairs))
        for k, name in enumerate(dataset["point"].values)
    ]
    head = ("setting", "J-SAM over L-SAM, best", "J-SAM over L-SAM, end", "J-SAM over the penalty, end")
    d, seeds = int(dataset["size"].max()), dataset.sizes["seed"]
    caption = f"Differences in points: predicted (simulated at d = {d}, {seeds} seeds, 95 %; whether larger)"
    return Table(caption, head, tuple(rows))


def _order(at: xr.Dataset, reading: str, other: str) -> str:
    stated, measured = (
        at[name].sel(rule="J-SAM") - at[name].sel(rule=other) for name in (reading, f"simulated_{reading}")
    )
    gap = interval(measured.isel(size=int(np.argmax(at["size"].values))))
    return f"{100 * float(stated):+.1f} ({gap.points(signed=True)}; {decision(gap)})"


def _distances(dataset: xr.Dataset) -> Table:
    """How far marks lie from lines, without collapsed settings."""
    dataset = dataset.sel(rule=list(NAMES[1:]))
    rows, kept = [], dataset["collapsed"] == 0
    for d in dataset["size"].values:
        gaps, errors = [], []
        for reading in ("best", "last"):
            marks = dataset[f"simulated_{reading}_gain"].sel(size=d)
            gaps.append(abs(marks.mean("seed") - dataset[f"{reading}_gain"]).where(kept).values)
            errors.append((marks.std("seed", ddof=1) / marks.sizes["seed"] ** 0.5).values)
        gap, error = np.stack(gaps), np.stack(errors)
        known = np.isfinite(gap)
        within = int(np.sum(gap[known] <= 3 * error[known]))
        median = float(np.median(gap[known]))
        rows.append((f"{d}", f"{median:.2f}", f"{float(np.nanmax(gap)):.2f}", f"{within} of {int(np.sum(known))}"))
    head = ("d", "median", "largest", "within three standard errors")
    return Table(
        "Distance of simulated gains from predicted ones in points, without collapsed settings", head, tuple(rows)
    )


SHARES = Experiment(
    id="beyond.shares",
    title="Whose gain is 1-SAM's?",
    question="Where does the Jacobian make 1-SAM's gain, where the residual, and where would a norm penalty do?",
    config={
        "smoke": Shares(
            base=Networks(training=Training(0.5, 3)),
            unit=("tanh",),  # one program for all points
            K=(3,),
            c=(0.5,),
            Delta=(0.1,),
            alpha=(0.4,),
            samples=64,
            sizes=(20,),
            seeds=2,
        ),
        "standard": Shares(),
        "full": Shares(
            unit=("linear", "erf", "relu"),
            K=(1, 2, 6),
            c=(0.1, 0.2, 0.5, 2.0, 4.0),
            Delta=(0.05, 0.1, 0.4, 0.45),
            alpha=(0.1, 0.4, 1.6, 3.2),
            B=(0.7, 3.0),
            second=(0.05, 0.1, 0.2, 1.0),
            samples=4096,
            repeats=4,
            sizes=(500, 2000),
            seeds=8,
        ),
    },
    units=lambda config: len(points(config)) * (1 + len(config.sizes)),
    run=run,
    figures=(
        FigureBinding(
            "beyond.shares",
            "Gains over SGD of L-SAM, J-SAM, 1-SAM and a norm penalty",
            "Predicted test accuracy minus that of SGD at the end and at the best stopping, in points; thin lines: "
            "95 % of simulations at the largest d, on the same samples. The penalty of ‖v‖ is such that ‖v‖ ends where "
            "J-SAM's does. Hollow: the last layer collapsed, which is no prediction of single trainings.",
            draw.shares,
        ),
    ),
    tables=tables,
)
