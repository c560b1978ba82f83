"""Does the threshold of the sign theorem, computed without a free parameter, predict the sign of the turn on data?

Compensated rules train on real data; along the training the second moments of some batches give the sign that helps
(theory.compensation.sign), and the turn of the perturbation towards the clean one is measured on others.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import xarray as xr

from figures import noise_compensation as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.statistics import interval
from paper_repro.xu2026.experiments.deciding import TRAINING, selections
from paper_repro.xu2026.experiments.decisions import agreement
from sims import simulate
from spec.fields import Checked, Count, Grid, Positive, ProperShare, Seeds, Share
from spec.networks import Linear, Mlp, Network
from spec.observables import Accuracies, SignTerms
from spec.problems import RealData, SymmetricNoise
from spec.rules import CompensationSchedule, NoiseCompensated, Sam
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training
from spec.validation import require_choice, require_different
from theory.compensation import sign
from theory.compensation.correction import helpful_sign

ROWS, COLUMNS = ("noisy", "right", "missed", "clean"), ("clean", "noisy")
KINDS = ROWS[1:]
NAMES = {Linear: "linear", Mlp: "MLP"}


@dataclass(frozen=True)
class Threshold(Checked):
    """Every problem with every network and selection. Half of the batches give the terms, half the turn."""

    problems: Grid[RealData] = (
        RealData(noise=SymmetricNoise(0.3)),
        RealData(name="mnist1d", noise=SymmetricNoise(0.3)),
    )
    networks: Grid[Network] = (Linear(), Mlp((256,)), Mlp((128, 128)))
    training: Training = replace(TRAINING, epochs=40, record_every=5)
    selections: Grid[str] = ("margin", "random", "precision 0.5", "precision 0.8", "precision 1")
    rho: Positive = 0.05
    strength: Positive = 0.1
    fraction: Share = 0.3
    warmup: ProperShare = 0.25
    batches: Count = 10
    seeds: Seeds = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.selections:
            require_choice("selections", name, tuple(selections(self.fraction)))
        require_different("problems", [problem.name for problem in self.problems])
        require_different("networks", [_name(network) for network in self.networks])


def _name(network: Network) -> str:
    widths = "-".join(map(str, getattr(network, "hidden", ())))
    return f"{NAMES.get(type(network), type(network).__name__)} {widths}".strip()


def entries(config: Threshold) -> Iterator[tuple[str, str, str, TrainingRun]]:
    """(data, network, selection, run) of every run; the rules add, the turn of subtracting is the other one's."""
    seeds = named_seeds("xu2026.threshold", config.seeds)
    training = config.training
    for problem in config.problems:
        batch = training.batch or problem.n_train
        schedule = CompensationSchedule(
            training.epochs, training.steps(problem.n_train), round(config.warmup * training.epochs)
        )
        for network in config.networks:
            for name in config.selections:
                selection = selections(config.fraction)[name]
                rule = NoiseCompensated(Sam(config.rho, "batch"), config.strength, schedule, selection)
                observe = (Accuracies(), SignTerms(batch, config.batches))
                yield problem.name, _name(network), name, TrainingRun(rule, problem, network, training, observe, seeds)


def run(config: Threshold, parts: Parts) -> xr.Dataset:
    """Trajectories of all runs (run, seed, epoch), with coordinates data, network and selection, and the batch."""
    *labels, units = zip(*entries(config), strict=True)
    result = xr.concat(parts.map(simulate, units), "run", combine_attrs="drop")
    names = ("data", "network", "selection")
    result = result.assign_coords({name: ("run", list(values)) for name, values in zip(names, labels, strict=True)})
    result["batch"] = "run", [unit.training.batch or unit.problem.n_train for unit in units]
    return result.assign(strength=config.strength / config.rho)


class Case(NamedTuple):
    """One network, selection and epoch: predicted signs by outcome and rule, and the measured outcomes (seed,).

    at: the predicted threshold of the share of right labels; right: the share that the selection has.
    """

    data: str
    network: str
    selection: str
    epoch: int
    right: float
    at: float
    predicted: dict[str, dict[str, float]]
    measured: dict[str, np.ndarray]


THEOREM, POPULATION = "second moments", "population: right > 1 − Δ"
OUTCOMES = {"slope": "slope of the cosine", "turn": "turn at the rule's own strength"}


Here = Mapping[str, Any]  # the values of one run at one record, over seeds


def _array(here: Here, name: str) -> np.ndarray:
    """Terms (4, 2), as means over seeds."""
    return np.array([[float(here[f"{name}_{row}_{column}"].mean()) for column in COLUMNS] for row in ROWS])


def predictions(here: Here, shares: np.ndarray) -> dict[str, dict[str, float]]:
    """The sign of slope and turn, by the theorem, by its own terms alone, and by the population rule."""
    terms = sign.Terms(_array(here, "own"), _array(here, "pair"))
    products, kept = terms.of_batch(int(here["batch"])), float(here["kept"].mean())
    gamma = float(here["strength"]) * np.sqrt(products[0, 1])
    slopes = [shares @ sign.slopes(p) for p in (products, terms.own)]
    turn = sign.turn(products, shares, float(here["star_square"].mean()), gamma)
    population = float(helpful_sign(1 - kept, shares[0]))
    small = {THEOREM: float(np.sign(slopes[0])), "own terms alone": float(np.sign(slopes[1])), POPULATION: population}
    return {
        "slope": small,
        "turn": {THEOREM: float(np.sign(turn)), "its slope alone": small[THEOREM], POPULATION: population},
    }


def cases(dataset: xr.Dataset) -> list[Case]:
    """Every run at every record."""
    columns = {str(name): (v.dims, v.values) for name, v in dataset.variables.items()}
    found = []
    for run in range(dataset.sizes["run"]):
        for record, epoch in enumerate(dataset["epoch"].values):
            place: dict[str, Any] = {"run": run, "epoch": record}
            here = {
                n: values[tuple(place.get(str(d), slice(None)) for d in dims)] for n, (dims, values) in columns.items()
            }
            shares = np.array([float(here[f"share_{kind}"].mean()) for kind in KINDS])
            terms = sign.Terms(_array(here, "own"), _array(here, "pair"))
            products = sign.merged(terms.of_batch(int(here["batch"])), shares)
            data, network, selection = (str(here[name]) for name in ("data", "network", "selection"))
            at, measured = float(sign.threshold(products)), {name: here[name] for name in OUTCOMES}
            predicted = predictions(here, shares)
            found.append(Case(data, network, selection, int(epoch), float(shares[0]), at, predicted, measured))
    return found


def _tally(found: list[Case]) -> Table:
    rows = []
    scopes = {"all": found} | {f"{d}, {n}": [c for c in found if (c.data, c.network) == (d, n)]
                               for d, n in dict.fromkeys((c.data, c.network) for c in found)}  # fmt: skip
    for scope, chosen in scopes.items():
        for name, says in OUTCOMES.items():
            for rule in chosen[0].predicted[name]:
                counts = Counter(agreement(interval(c.measured[name]), c.predicted[name][rule]) for c in chosen)
                decided = counts["as predicted"] + counts["against"]
                share = f"{100 * counts['as predicted'] / decided:.0f} %" if decided else "—"
                rows.append((scope, says, rule, f"{counts['as predicted']} of {decided}", share, str(counts["open"])))
    head = ("cases", "measured", "predicted from", "right of decided", "share", "open")
    return Table("Does the threshold predict the sign of the turn on other batches?", head, tuple(rows))


def _thresholds(found: list[Case]) -> Table:
    """The threshold along the training, with the margin selection's share of right labels."""
    rows = []
    for c in found:
        slope = interval(c.measured["slope"])
        cell = f"{slope.points(signed=True)}: {agreement(slope, c.predicted['slope'][THEOREM])}"
        rows.append((c.data, c.network, c.selection, str(c.epoch), f"{c.right:.2f}", f"{c.at:.2f}", cell))
    head = ("data", "network", "selection", "epoch", "labels right", "threshold", "slope (in hundredths)")
    return Table("Predicted threshold and measured slope", head, tuple(rows))


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """How often each rule names the sign, and every case."""
    found = cases(dataset)
    return _tally(found), _thresholds(found)


def _plotted(dataset: xr.Dataset) -> xr.Dataset:
    """Threshold and share of right labels (case), with their labels, for the figure."""
    found = cases(dataset)
    fields = {name: ("case", [getattr(c, name) for c in found]) for name in ("right", "at")}
    labels = {name: ("case", [getattr(c, name) for c in found]) for name in Case._fields[:4]}
    slopes = {"slope": ("case", [float(c.measured["slope"].mean()) for c in found])}
    return xr.Dataset(fields | slopes, coords=labels)


THRESHOLD = Experiment(
    id="xu2026.threshold",
    title="The threshold of precision, along training",
    question="Does the sign theorem say, batch by batch and without a free parameter, when adding helps the direction?",
    config={
        "smoke": Threshold(
            problems=(RealData(n_train=250, n_validation=300),),
            networks=(Mlp((8,)),),
            training=replace(TRAINING, epochs=2, record_every=1),
            selections=("margin",),
            warmup=0.0,
            batches=2,
            seeds=2,
        ),
        "standard": Threshold(
            networks=(Mlp((256,)),),
            training=replace(TRAINING, epochs=40, record_every=10),
            selections=("margin", "precision 0.8"),
            seeds=4,
        ),
        "full": Threshold(),
    },
    units=lambda config: len(list(entries(config))),
    run=run,
    figures=(
        FigureBinding(
            "xu2026.threshold",
            "Predicted threshold against the share of right labels, and the measured sign",
            "Each marker is a network, selection and epoch: filled where adding turned the perturbation of other "
            "batches towards the clean one, open where it turned it away. Above the diagonal the theorem says add.",
            lambda dataset: draw.thresholds(_plotted(dataset)),
        ),
    ),
    tables=tables,
)
