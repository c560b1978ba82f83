"""The end of 1-SAM with weight decay over shift and decay: is the one like the other?"""

from dataclasses import dataclass

import numpy as np
import xarray as xr

from figures import mean_field as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from spec.fields import Checked, Grid, NoiseRate, NonNegative, Positive, Seeds
from spec.problems import SignalNoiseMixture
from theory.logistic import mixture
from theory.mean_field import long_time

D = 10_000  # only n/d counts


@dataclass(frozen=True)
class Ends(Checked):
    """Shifts c = rho ||x|| and weight decays, at each n/d and the one noise rate. seeds: unused, nothing is drawn."""

    alpha: Grid[Positive] = (0.5, 4.0)
    Delta: NoiseRate = 0.25
    B: NonNegative = 1.5
    c: Grid[NonNegative] = (0.0, 1.0, 2.0, 4.0, 8.0)
    decay: Grid[Positive] = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
    seeds: Seeds = 2


def run(config: Ends, parts: Parts) -> xr.Dataset:
    """Test accuracy at the end, (alpha, c, decay), and of the mean classifier, (alpha,)."""
    laws = [SignalNoiseMixture(n=round(a * D), d=D, B=config.B, Delta=config.Delta) for a in config.alpha]
    values = [[[long_time.minimum(law, c, w).test_accuracy for w in config.decay] for c in config.c] for law in laws]
    means = [mixture.mean_classifier_accuracy_limit(law) for law in laws]
    return xr.Dataset(
        {"test_accuracy": (("alpha", "c", "decay"), np.array(values)), "mean_classifier": ("alpha", means)},
        coords={"alpha": list(config.alpha), "c": list(config.c), "decay": list(config.decay)},
    )


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """The best end over decays for every shift."""
    rows = []
    for alpha in dataset["alpha"].values:
        for c in dataset["c"].values:
            row = dataset["test_accuracy"].sel(alpha=alpha, c=c)
            best = float(row["decay"][int(np.argmax(row.values))])
            mean = f"{100 * float(dataset['mean_classifier'].sel(alpha=alpha)):.1f}"
            rows.append((f"{alpha:g}", f"{c:g}", f"{100 * float(row.max()):.2f}", f"{best:g}", mean))
    return (Table("Best end over weight decays, test accuracy (%)", ("n/d", "c", "best", "at λ", "mean"), tuple(rows)),)


ENDS = Experiment(
    id="beyond.ends",
    title="The end of 1-SAM with weight decay",
    question="Does weight decay act like the shift of 1-SAM?",
    config={
        "smoke": Ends(alpha=(0.5,), c=(0.0, 2.0), decay=(0.1, 1.0)),
        "standard": Ends(),
        "full": Ends(alpha=(0.2, 0.5, 1.0, 2.0, 4.0)),
    },
    run=run,
    figures=(
        FigureBinding(
            "beyond.ends",
            "Test accuracy at the end of 1-SAM with weight decay",
            "One line for every c = ρ‖x‖, darker is larger. Grey: the mean classifier, to which every line tends.",
            draw.ends,
        ),
    ),
    tables=tables,
    drawn=lambda config: 0,
)
