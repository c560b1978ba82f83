"""The theory behind sliders: every panel is a formula on a grid, computed here and kept as data that the page shows.

`python -m paper_repro.explorer` computes it anew (about a minute) into pages/explorer.json.
"""

import json
from collections.abc import Callable, Sequence
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from paper_repro.source import ROOT
from spec.networks import Linear
from spec.problems import SignalNoiseMixture
from spec.rules import DownWeight, Rule, Sam, Sgd
from spec.training import Training
from theory.compensation import angle, correction
from theory.down_weighting import two_groups
from theory.logistic import mixture, regression
from theory.mean_field import Accuracy, prediction

FILE = ROOT / "paper_repro" / "pages" / "explorer.json"
D, B = 2000, 1.5  # of the training curves: lengths of vectors are those of this dimension, and the signal
READINGS = {"test": "test accuracy", "clean": "fit of clean examples", "mislabelled": "fit of mislabelled examples"}


class Knob(NamedTuple):
    """What a reader moves: its name, its values (numbers, or words), and where it starts."""

    name: str
    values: Sequence[Any]
    start: int


class Panel(NamedTuple):
    """Lines over x for every place of the knobs: lines(*knobs) has the shape (len(names), len(x))."""

    id: str
    title: str
    says: str
    theory: str
    x: tuple[str, np.ndarray]
    y: str
    names: Sequence[str]
    knobs: Sequence[Knob]
    lines: Callable[..., np.ndarray]
    level: float | None = None


def _numbers(low: float, high: float, count: int) -> list[float]:
    return [round(float(v), 4) for v in np.linspace(low, high, count)]


Z, OFFSET, GAMMA = np.linspace(-8, 8, 65), np.linspace(-3, 6, 73), np.linspace(-0.9, 2, 59)
SHIFT, MARGIN, EPOCHS = np.linspace(0, 8, 33), np.linspace(-6, 6, 73), np.arange(0, 61, 2)


def _amplification(C: float) -> np.ndarray:
    return regression.amplification(Z, C)[None]


def _slope(overlap: float, signal: float) -> np.ndarray:
    problem = SignalNoiseMixture(n=400, d=100, B=signal, Delta=0.3, noise="orthogonal")
    w = np.append(overlap, np.ones(99) / 10)
    return np.array([[mixture.fixed_shift_ratio_log_slope(problem, w, C) for C in SHIFT]])


def _angle(Delta: float, off: float) -> np.ndarray:
    problem = SignalNoiseMixture(n=100, d=3, B=B, Delta=Delta)
    return np.degrees([[angle.perturbation_angle(problem, np.array([a, off, 0.0])) for a in OFFSET]])


def _rate(Delta: float, precision: float) -> np.ndarray:
    return np.stack([correction.effective_rate(Delta, GAMMA, precision), np.full(len(GAMMA), Delta)])


def _ratio(m_c: float, delta: float, beta: float) -> np.ndarray:
    return np.clip(two_groups.two_group_ratio(m_c, MARGIN, delta, beta), -2, 4)[None]


def rules(c: float) -> dict[str, Rule]:
    """Those of the training curves, at 1-SAM's shift c = rho ||x||; the shared ascent has the length c/2."""
    shared = Sam(c / 2, "batch")
    return {
        "SGD": Sgd(),
        "1-SAM": Sam(c / float(np.hypot(B, D**0.5))),
        "n-SAM": shared,
        "SANER": DownWeight(shared, 1.0),
    }


@cache
def training(alpha: float, Delta: float, rule: Rule) -> dict[str, np.ndarray]:
    """Predicted accuracies of one rule at EPOCHS."""
    problem = SignalNoiseMixture(n=round(alpha * D), d=D, B=B, Delta=Delta)
    steps = Training(eta=0.3, epochs=int(EPOCHS[-1]), record_every=2)
    found = prediction.curves(rule, problem, steps, Linear(1.0), accuracy=Accuracy(512, 2, "explorer"))
    return {name: found[f"{name}_accuracy"].values for name in READINGS}


def _curves(alpha: float, Delta: float, c: float, reading: str) -> np.ndarray:
    (name,) = (name for name, says in READINGS.items() if says == reading)
    return np.array([training(alpha, Delta, rule)[name] for rule in rules(c).values()])


PANELS = (
    Panel(
        "training",
        "Whole training in high dimension",
        "Accuracy of a linear model at every step, predicted without training, for one signal of size 1.5 in noise, a "
        "random start of norm one, step size 0.3, and n and d large. Rules need not be compared at equal speed.",
        "theory.mean_field.prediction.curves",
        ("step", EPOCHS),
        "share",
        tuple(rules(1.0)),
        (
            Knob("shown", list(READINGS.values()), 0),
            Knob("n/d", [0.5, 1.0, 2.0, 4.0], 1),
            Knob("noise rate Δ", [0.0, 0.1, 0.2, 0.3, 0.4], 3),
            Knob("c = ρ‖x‖ of 1-SAM", [1.0, 3.0, 6.0], 1),
        ),
        lambda reading, alpha, Delta, c: _curves(alpha, Delta, c, reading),
    ),
    Panel(
        "amplification",
        "How much more an example counts under 1-SAM than under SGD",
        "Weight of an example of margin z over its weight under SGD: 1 for large misfits, e^C for those well fit.",
        "theory.logistic.regression.amplification",
        ("margin z", Z),
        "weight under 1-SAM over weight under SGD",
        ("1-SAM over SGD",),
        (Knob("C = ρ‖x‖", _numbers(0, 3, 25), 8),),
        _amplification,
        level=1.0,
    ),
    Panel(
        "slope",
        "When a larger ρ favours clean examples",
        "Slope in C of the clean over the mislabelled gradient norm, on a logarithmic scale, in population: above zero "
        "clean examples gain. It has the sign of w₁, the overlap of the weights with the signal.",
        "theory.logistic.mixture.fixed_shift_ratio_log_slope",
        ("C = ρ‖x‖", SHIFT),
        "d log R / dC",
        ("slope",),
        (Knob("w₁", _numbers(-1, 1, 21), 15), Knob("signal B", [1.0, 2.0, 3.0], 1)),
        _slope,
        level=0.0,
    ),
    Panel(
        "ratio",
        "Which coordinates SAM increases, reduces or reverses",
        "Ratio r of the 1-SAM to the plain gradient on a coordinate that clean and mislabelled examples share, cut at "
        "−2 and 4: A at 1 and above, B between 0 and 1, C below. β: mislabelled for each clean example.",
        "theory.down_weighting.two_groups.two_group_ratio",
        ("margin of the mislabelled, m_n", MARGIN),
        "r",
        ("r",),
        (
            Knob("margin of the clean, m_c", _numbers(-4, 4, 17), 10),
            Knob("δ = ρ‖x‖", _numbers(0.5, 3, 6), 2),
            Knob("β", [0.2, 0.5, 1.0, 2.0], 1),
        ),
        _ratio,
        level=1.0,
    ),
    Panel(
        "angle",
        "How far wrong labels turn SAM's step",
        "Angle between the step under noisy and under true labels, for weights a along the signal (of size 1.5) and b "
        "beside it. On the axis it is 0° or 180°.",
        "theory.compensation.angle.perturbation_angle",
        ("a, the weights along the signal", OFFSET),
        "degrees",
        ("angle",),
        (Knob("noise rate Δ", _numbers(0.05, 0.45, 9), 5), Knob("b, beside it", _numbers(0, 2, 9), 2)),
        _angle,
    ),
    Panel(
        "rate",
        "Should the simulated noise be added or subtracted?",
        "Effective noise rate when γ times the gradient of selected examples under flipped labels is added (γ < 0: "
        "subtracted), in population. Adding helps where the selection's precision π exceeds 1 − Δ.",
        "theory.compensation.correction.effective_rate",
        ("γ", GAMMA),
        "effective noise rate",
        ("with the correction", "without"),
        (Knob("noise rate Δ", _numbers(0.05, 0.45, 9), 5), Knob("precision π", _numbers(0, 1, 21), 10)),
        _rate,
        level=0.0,
    ),
)


def computed(panel: Panel) -> dict[str, Any]:
    """A panel as plain data: values run over the knobs, the names and x, in this order."""
    values = [panel.lines(*place) for place in product(*(knob.values for knob in panel.knobs))]
    return {
        "id": panel.id,
        "title": panel.title,
        "says": panel.says,
        "theory": panel.theory,
        "x": {"name": panel.x[0], "values": [round(float(v), 4) for v in panel.x[1]]},
        "y": panel.y,
        "names": list(panel.names),
        "knobs": [knob._asdict() for knob in panel.knobs],
        "level": panel.level,
        # JSON has no NaN: where nothing is defined (nobody is mislabelled, the groups cancel) there is no line.
        "values": [float(f"{v:.4g}") if np.isfinite(v) else None for v in np.stack(values).ravel()],
    }


def read() -> list[dict[str, Any]]:
    """The panels as they are kept."""
    return list(json.loads(FILE.read_text("utf-8")))


if __name__ == "__main__":
    FILE.write_text(
        json.dumps([*map(computed, PANELS)], ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"
    )
