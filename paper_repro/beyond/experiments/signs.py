"""Which sign of NCSAM's correction is the better one, by the precision of its selection and along training."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import xarray as xr

from figures import mean_field as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from spec.fields import Checked, Count, Grid, NoiseRate, NonNegative, Positive, Seeds, Share
from spec.networks import Linear
from spec.problems import SignalNoiseMixture
from spec.rules import CompensationSchedule, NoiseCompensated, OracleSelection, Rule, Sam
from spec.training import Training
from theory.mean_field import Accuracy, prediction

D = 2000  # only n/d counts
SIGNS: tuple[Literal[1, -1], ...] = (1, -1)


@dataclass(frozen=True)
class Signs(Checked):
    """n-SAM of radius rho, corrected by as many examples as are mislabelled; precision: the share of these among them.

    alpha: n/d; scale: norm of the weights at the start; samples, seeds: draws and their repetitions.
    """

    alpha: Positive = 1.0
    B: NonNegative = 1.5
    Delta: NoiseRate = 0.25
    scale: NonNegative = 1.0
    rho: Positive = 1.0
    strength: NonNegative = 1.0
    precision: Grid[Share] = (0.0, 0.25, 0.4, 0.5, 0.6, 0.8, 1.0)
    training: Training = Training(eta=0.3, epochs=40)
    samples: Count = 512
    seeds: Seeds = 2


@dataclass(frozen=True)
class Unit:
    """One rule of the setting."""

    config: Signs
    rule: Rule


def rules(config: Signs) -> list[Rule]:
    """n-SAM, and for every precision the correction of either sign."""
    base, schedule = Sam(config.rho, "batch"), CompensationSchedule(config.training.epochs, 1, shape="constant")
    selections = [OracleSelection(config.Delta, precision) for precision in config.precision]
    corrected: list[Rule] = [
        NoiseCompensated(base, config.strength, schedule, chosen, project="sphere", sign=sign)
        for chosen in selections
        for sign in SIGNS
    ]
    return [base, *corrected]


def predict(unit: Unit) -> xr.Dataset:
    """Its test accuracy along training."""
    config = unit.config
    problem = SignalNoiseMixture(n=round(config.alpha * D), d=D, B=config.B, Delta=config.Delta)
    accuracy = Accuracy(config.samples, config.seeds, "beyond.signs")
    return prediction.curves(unit.rule, problem, config.training, Linear(config.scale), accuracy=accuracy)[
        ["test_accuracy"]
    ]


def run(config: Signs, parts: Parts) -> xr.Dataset:
    """Gains over n-SAM (precision, sign, epoch) after every epoch, and the precision of equal signs (epoch,)."""
    found = parts.map(predict, [Unit(config, rule) for rule in rules(config)])
    paths = np.array([one["test_accuracy"].values[1:] for one in found])
    gains = (paths[1:] - paths[0]).reshape(len(config.precision), len(SIGNS), -1)
    epochs = found[0]["epoch"].values[1:]
    coords = {"precision": list(config.precision), "sign": list(SIGNS), "epoch": epochs}
    result = xr.Dataset({"gain": (("precision", "sign", "epoch"), gains)}, coords)
    return result.assign(threshold=("epoch", thresholds(result)))


def thresholds(dataset: xr.Dataset) -> np.ndarray:
    """The precision at which both signs gain the same, linear in the grid, or its nearer end, (epoch,)."""
    more = (dataset["gain"].sel(sign=1) - dataset["gain"].sel(sign=-1)).transpose("epoch", "precision").values
    return np.array([np.interp(0.0, np.maximum.accumulate(row), dataset["precision"].values) for row in more])


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """Gains over n-SAM after few steps, at the middle and at the end, and the precision at which signs are equal."""
    epochs = dataset["epoch"].values[[min(2, dataset.sizes["epoch"] - 1), dataset.sizes["epoch"] // 2, -1]]
    head = ("precision", *(f"{'+' if sign > 0 else '−'} at step {epoch}" for epoch in epochs for sign in SIGNS))
    rows = [
        (
            f"{precision:g}",
            *(f"{100 * float(at.sel(epoch=epoch, sign=sign)):+.1f}" for epoch in epochs for sign in SIGNS),
        )
        for precision, at in zip(dataset["precision"].values, dataset["gain"], strict=True)
    ]
    equal = [f"{float(dataset['threshold'].sel(epoch=epoch)):.2f}" for epoch in epochs]
    return (
        Table("Gain of NCSAM of either sign over n-SAM, points of test accuracy", head, tuple(rows)),
        Table(
            "Precision above which + is the better sign",
            tuple(f"step {epoch}" for epoch in epochs),
            (tuple(equal),),
        ),
    )


SIGN_CHANGES = Experiment(
    id="beyond.signs",
    title="The sign of NCSAM",
    question="Which sign of the correction is the better one, and does that change along training?",
    config={
        "smoke": Signs(precision=(0.25, 0.8), training=Training(eta=0.3, epochs=5), samples=128),
        "standard": Signs(),
        "full": Signs(precision=tuple(np.linspace(0, 1, 21).round(2).tolist()), samples=4096, seeds=4),
    },
    units=lambda config: len(rules(config)),
    run=run,
    figures=(
        FigureBinding(
            "beyond.signs",
            "Which sign of NCSAM is the better one",
            "Left: test accuracy of + minus that of −, in points, a line for every precision of the selection, darker "
            "is more precise. Right: the precision at which both are equal. A selection at random has the noise rate.",
            draw.signs,
        ),
    ),
    tables=tables,
)
