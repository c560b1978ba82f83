"""Finite networks against the kernel recursion: how far, and what fails in narrow ones."""

from dataclasses import dataclass
from typing import Annotated

import jax
import numpy as np
import xarray as xr

from figures import reweighting as draw
from paper_repro.registry import Experiment, FigureBinding, Table
from paper_repro.statistics import interval
from paper_repro.zhang2025.claims.finite_width import Networks, limit_weights, weights_of_networks
from paper_repro.zhang2025.claims.measured_training import FloatArray, TwoClasses, caps
from spec.fields import Checked, Grid, Seeds, Steps, Whole, Width
from spec.seeds import named_seed


@dataclass(frozen=True)
class FiniteWidth(Checked):
    """Two-layer ReLU networks of several widths, `seeds` of each; n training and m clean inputs of size d."""

    widths: Grid[Width] = (8, 32, 128, 512, 2048)
    n: Annotated[int, Whole(2, 10**4)] = 40
    m: Annotated[int, Whole(1, 10**4)] = 8
    d: Annotated[int, Whole(2, 10**5)] = 8
    steps: Steps = 120
    seeds: Seeds = 16


def run_width(config: FiniteWidth) -> xr.Dataset:
    """Distance of weight trajectories from the limit kernel's, and how many mislabelled examples are filtered."""
    case = caps(
        np.random.default_rng(named_seed("zhang2025.finite_width")), n=config.n, m=config.m, d=config.d, s=0.8, p=0.4
    )
    case = case._replace(x=np.sqrt(config.d) * case.x, x_clean=np.sqrt(config.d) * case.x_clean)
    rates = {"beta": 0.2, "eta": 0.003}
    limit = limit_weights(case, **rates, steps=config.steps)  # type: ignore[arg-type]
    keys = jax.random.split(jax.random.key(named_seed("zhang2025.finite_width/networks")), config.seeds)
    networks, found = Networks([case], keys), []
    for zero in (True, False):
        of_widths = weights_of_networks(networks, config.widths, (*rates.values(), 1.0, 0.5), config.steps, zero=zero)
        found.append(xr.concat([_of_networks(case, w, limit) for w in of_widths], dim="width"))
    result = xr.concat(found, dim="outputs")
    result["limit"] = (("step", "example"), limit)
    result["mislabelled"] = ("example", case.mislabelled)
    return result.assign_coords(width=list(config.widths), outputs=["start at zero", "start at random"])


def _of_networks(case: TwoClasses, w: FloatArray, limit: FloatArray) -> xr.Dataset:
    noisy = case.mislabelled
    distance = np.sqrt(np.mean((w - limit) ** 2, axis=2)).max(axis=1)
    return xr.Dataset(
        {
            "distance": ("seed", distance),
            "unfiltered": ("seed", np.mean(w[:, -1, noisy] > 0.5, axis=1)),
            "lost": ("seed", np.mean(w[:, -1, ~noisy] < 0.5, axis=1)),
            "mean_mislabelled": (("seed", "step"), w[:, :, noisy].mean(axis=2)),
            "mean_clean": (("seed", "step"), w[:, :, ~noisy].mean(axis=2)),
        }
    )


def _width_table(dataset: xr.Dataset) -> Table:
    rows = []
    for outputs in dataset["outputs"].values:
        for width in dataset["width"].values:
            one = dataset.sel(outputs=outputs, width=width)
            rows.append((str(outputs), str(width), *(f"{v.mean:.3f} [{v.low:.3f}, {v.high:.3f}]" for v in (
                interval(one["distance"]), interval(one["unfiltered"]), interval(one["lost"])))))  # fmt: skip
    head = ("outputs", "width", "largest distance of the weights", "mislabelled left above 1/2", "clean below 1/2")
    return Table("Finite networks against the limit kernel: means with 95 % intervals", head, tuple(rows))


FINITE_WIDTH = Experiment(
    id="zhang2025.finite_width",
    title="Finite networks and the kernel recursion",
    question="How wide must a network be for its weights to follow the kernel, and what fails in narrow ones?",
    config={
        "smoke": FiniteWidth(widths=(8, 32), n=12, m=4, steps=10, seeds=3),
        "standard": FiniteWidth(seeds=8),
        "full": FiniteWidth(widths=(8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096), seeds=32),
    },
    run=lambda config, parts: parts.map(run_width, [config])[0],
    figures=(
        FigureBinding(
            "zhang2025.finite_width",
            "Weights of finite networks against the kernel recursion",
            "Line: width^(-1/2) from the widest. With random first outputs a residual need not have its label's sign.",
            draw.finite_width,
        ),
    ),
    tables=lambda dataset: (_width_table(dataset),),
)
