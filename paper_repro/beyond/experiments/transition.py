"""The groups of the signal's coordinate along training: the limit against the theory of the transition."""

from dataclasses import dataclass
from itertools import groupby

import numpy as np
import xarray as xr

from figures import mean_field as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from spec.fields import Checked, Count, Grid, NoiseRate, Positive, Seeds
from spec.networks import Linear
from spec.problems import SignalNoiseMixture
from spec.rules import DownWeight, Sam
from spec.training import Training
from theory.down_weighting import transition
from theory.mean_field import Accuracy, prediction

N = 200  # only n/d counts
GROUPS = np.array(list("ABC"))


@dataclass(frozen=True)
class Transition(Checked):
    """1-SAM from zero with shift delta of every margin; kappa: speed of a memory over that of the signal.

    alpha: n/d; the signal B = 1/sqrt(alpha kappa (1 - Delta)) grows as it falls, and other examples' noise matters
    less. pace: what a step adds to the margin of an example by itself. samples, seeds: draws and their repetitions.
    """

    alpha: Grid[Positive] = (0.8, 0.2, 0.05)
    kappa: Positive = 0.1
    delta: Positive = 1.5
    Delta: NoiseRate = 0.3
    pace: Positive = 0.5
    steps: Count = 100
    samples: Count = 512
    seeds: Seeds = 2


@dataclass(frozen=True)
class Unit:
    """One aspect ratio."""

    config: Transition
    alpha: float

    @property
    def problem(self) -> SignalNoiseMixture:
        """Its mixture, without noise along the signal."""
        B = float(1 / np.sqrt(self.alpha * self.config.kappa * (1 - self.config.Delta)))
        return SignalNoiseMixture(n=N, d=round(N / self.alpha), B=B, Delta=self.config.Delta, noise="orthogonal")


def predict(unit: Unit) -> xr.Dataset:
    """The margin that the signal gives, and its ratio h/g, before every step: in the limit, and by the transition."""
    config, problem = unit.config, unit.problem
    rho, eta = config.delta / float(np.hypot(problem.B, problem.d**0.5)), config.pace * unit.alpha
    curve = prediction.curves(
        DownWeight(Sam(rho), 0.0),
        problem,
        Training(eta, config.steps),
        Linear(0.0),
        accuracy=Accuracy(config.samples, config.seeds, "beyond.transition"),
    )
    model = transition.SignalMemory(N, problem.B, float(np.sqrt(problem.d - 1)), config.Delta)
    path = transition.descend(model, rho, eta=eta, steps=config.steps)
    stated = np.argmax(transition.signal_groups(model, path, rho)[:, None] == GROUPS, axis=1)
    margins = {"margin": problem.B * curve["signal_overlap"].values, "stated_margin": problem.B * path[:, 0]}
    groups = {"group": _groups(curve["signal_ratio"].values), "stated_group": stated}
    return xr.Dataset({name: ("epoch", v) for name, v in (margins | groups).items()}, {"epoch": curve["epoch"].values})


def _groups(ratio: np.ndarray) -> np.ndarray:
    """0, 1, 2 for A [1, inf), B (0, 1), C (-inf, 0]."""
    return np.where(ratio >= 1, 0, np.where(ratio > 0, 1, 2))


def run(config: Transition, parts: Parts) -> xr.Dataset:
    """Both, (alpha, epoch)."""
    found = parts.map(predict, [Unit(config, alpha) for alpha in config.alpha])
    return xr.concat(found, dim="alpha").assign_coords(alpha=list(config.alpha))


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """How much of training the signal is in the group that the transition has, the order of groups, and the margin."""
    rows = []
    for alpha in dataset["alpha"].values:
        at = dataset.sel(alpha=alpha)
        agree = float((at["group"] == at["stated_group"]).mean())
        orders = ["".join(str(g) for g, _ in groupby(GROUPS[at[name].values])) for name in ("group", "stated_group")]
        last = at.isel(epoch=-1)
        margins = [f"{float(last[name]):.2f}" for name in ("margin", "stated_margin")]
        rows.append((f"{alpha:g}", f"{100 * agree:.0f} %", *orders, *margins))
    head = (
        "n/d",
        "steps in the same group",
        "order",
        "order of the transition",
        "margin at the end",
        "of the transition",
    )
    return (Table("The signal's coordinate under 1-SAM, in the limit and by the transition theory", head, tuple(rows)),)


TRANSITION = Experiment(
    id="beyond.transition",
    title="The transition in high dimension",
    question="Does the signal pass through the groups in the order of the transition theory, which ignores that "
    "examples are correlated?",
    config={
        "smoke": Transition(alpha=(0.8, 0.05), steps=8, samples=128),
        "standard": Transition(),
        "full": Transition(alpha=(0.8, 0.4, 0.2, 0.1, 0.05, 0.02), steps=400, samples=4096, seeds=4),
    },
    units=lambda config: len(config.alpha),
    run=run,
    figures=(
        FigureBinding(
            "beyond.transition",
            "The signal's coordinate along 1-SAM",
            "Left: the margin that the signal gives. Right: the group of its ratio. Lines: the limit, darker for "
            "smaller n/d; dotted: the transition theory, of examples whose noise is orthogonal.",
            draw.transition,
        ),
    ),
    tables=tables,
)
