"""Two experiments that put formulas beside simulations: the plane of margins, and the transition in time."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import xarray as xr

from figures import down_weighting as draw
from paper_repro.luong2026.claims.random_problems import numbers
from paper_repro.luong2026.claims.two_groups import CLEAN, Margins, simulated_ratio
from paper_repro.registry import Experiment, FigureBinding, Table
from spec.fields import Checked, Count, Grid, Positive, RemovedFraction, Steps, Whole, Within
from spec.seeds import named_seed
from theory.down_weighting import transition, two_groups

SHOWN = (-1.0, 3.0)  # the ratios that have colours of their own


@dataclass(frozen=True)
class Regions(Checked):
    """Mislabelled examples for each CLEAN clean ones, the shift, points of the grid and simulated points.

    seeds only names the draw of the simulated points.
    """

    noisy: Grid[Count] = (5, 2)
    delta: Positive = 1.5
    grid: Annotated[int, Whole(2, 10**4)] = 161
    points: Annotated[int, Whole(1, 10**6)] = 250
    seeds: Count = 1


def regions(config: Regions) -> xr.Dataset:
    """r over the plane of margins, boundaries, and simulated coordinates at random margins."""
    m = np.linspace(-5, 5, config.grid)
    rng = np.random.default_rng(named_seed("luong2026.ratio_regions"))
    m_c, m_n = rng.uniform(-5, 5, (2, config.points))
    rows = []
    for noisy in config.noisy:
        beta = noisy / CLEAN
        at = Margins(m_c, m_n, np.full(config.points, config.delta), np.full(config.points, noisy))
        curves = two_groups.boundaries(m, config.delta, beta)
        rows.append(
            xr.Dataset(
                {
                    "ratio": (("m_n", "m_c"), two_groups.two_group_ratio(m, m[:, None], config.delta, beta)),
                    "simulated_ratio": ("point", simulated_ratio(at)),
                    "stated_ratio": ("point", two_groups.two_group_ratio(m_c, m_n, config.delta, beta)),
                    # Curves leave the plane, or end where there is none: drawn only inside.
                    **{name: ("m_n", np.where(abs(v) <= 5, v, 99.0)) for name, v in curves._asdict().items()},
                }
            )
        )
    dataset = xr.concat(rows, dim="beta")
    # Cut as the colours are; 0 on the line where the groups cancel.
    dataset["ratio"] = dataset["ratio"].fillna(0.0).clip(*SHOWN).astype("float32")
    return dataset.assign_coords(
        beta=[noisy / CLEAN for noisy in config.noisy],
        m_n=m,
        m_c=m,
        point_m_c=("point", m_c),
        point_m_n=("point", m_n),
        delta=config.delta,
    )


def _agreement(dataset: xr.Dataset) -> Table:
    rows = []
    for beta in dataset["beta"].values:
        row = dataset.sel(beta=beta)
        stated, simulated = row["stated_ratio"].values, row["simulated_ratio"].values
        shares = [np.mean(v) for v in (simulated >= 1, (simulated > 0) & (simulated < 1), simulated <= 0)]
        error = np.max(abs(np.arctan(stated) - np.arctan(simulated)))
        rows.append((f"{beta:g}", *(f"{100 * s:.0f} %" for s in shares), f"{error:.1e}"))
    head = ("β", "A", "B", "C", "largest error of arctan r")
    return Table("Simulated coordinates at random margins", head, tuple(rows))


RATIO_REGIONS = Experiment(
    id="luong2026.ratio_regions",
    title="Where 1-SAM reduces a coordinate",
    question="In which region of clean and mislabelled margins is a shared coordinate increased, reduced or reversed?",
    config={"smoke": Regions(grid=41, points=40), "standard": Regions(), "full": Regions(points=1000)},
    run=lambda config, parts: parts.map(regions, [config])[0],
    figures=(
        FigureBinding(
            "luong2026.ratio_regions",
            "The ratio over the plane of margins",
            "Colour: r in closed form, cut at −1 and 3. Lines: boundaries in closed form. Markers: simulated "
            "coordinates by their simulated group (A triangle, B circle, C cross). β: mislabelled for each clean one.",
            draw.ratio_regions,
        ),
    ),
    tables=lambda dataset: (_agreement(dataset),),
)


@dataclass(frozen=True)
class SignalMemory(Checked):
    """Orthogonal memory (theory.down_weighting.transition), several rho and fractions alpha; nothing is random."""

    n: Annotated[int, Whole(2)] = 200
    B: Positive = 1.0
    gamma: Positive = 1.5
    Delta: Annotated[float, Within(0.0, 0.5, low_open=True)] = 0.3
    rho: Grid[Positive] = (0.1, 0.3, 0.5)
    alpha: Grid[RemovedFraction] = (0.0, 0.5, 1.0)
    eta: Positive = 0.1
    steps: Steps = 20000
    seeds: Count = 1


def signal_memory(config: SignalMemory) -> xr.Dataset:
    """Signal weight and margins along descent for every rho and alpha, at logarithmically spaced steps; phases."""
    model = transition.SignalMemory(config.n, config.B, config.gamma, config.Delta)
    steps = np.unique(np.concatenate([[0], np.geomspace(1, config.steps, 200).astype(int)]))
    rho = np.array(config.rho)[:, None]
    paths = transition.descend(model, rho, eta=config.eta, steps=config.steps, alpha=np.array(config.alpha))
    groups = transition.signal_groups(model, paths[steps], rho)
    paths = np.moveaxis(paths, 0, -2)
    m_c, m_n = model.margins(paths)
    found = [transition.phases(model, one, end=config.eta * config.steps) for one in config.rho]
    return xr.Dataset(
        {
            "signal": (("rho", "alpha", "time"), paths[..., steps, 0]),
            "m_c": (("rho", "alpha", "time"), m_c[..., steps]),
            "m_n": (("rho", "alpha", "time"), m_n[..., steps]),
            "group": (("rho", "alpha", "time"), np.moveaxis(numbers(groups), 0, -1)),
            "span": (("rho", "group_name"), [time_in_groups(phases) for phases in found]),
            "memorised": (("rho", "alpha"), turned_positive(m_n, config.eta)),
        },
        coords={"rho": list(config.rho), "alpha": list(config.alpha), "time": config.eta * steps,
                "group_name": ["A", "B", "C"]},
    )  # fmt: skip


def turned_positive(margins: np.ndarray, eta: float) -> np.ndarray:
    """eta times the first step (last axis) at which a margin is positive; -1 where none is."""
    positive = margins > 0
    return np.where(positive.any(axis=-1), positive.argmax(axis=-1) * eta, -1.0)


def time_in_groups(phases: Sequence[transition.Phase]) -> list[float]:
    """How long the phases last in group A, B and C."""
    return [sum(p.end - p.start for p in phases if p.group == group) for group in "ABC"]


def _phases(dataset: xr.Dataset) -> Table:
    rows = []
    for rho in dataset["rho"].values:
        row = dataset.sel(rho=rho)
        times = [f"{t:.1f}" if t >= 0 else "not in time" for t in row["memorised"].values]
        rows.append((f"{rho:g}", *(f"{s:.1f}" for s in row["span"].values), *times))
    head = ("ρ", "time in A", "time in B", "time in C", *(f"memorised, α = {a:g}" for a in dataset["alpha"].values))
    return Table("The signal coordinate: time in each group (α = 0), and when mislabelled margins turn positive", head,
                 tuple(rows))  # fmt: skip


SIGNAL_MEMORY = Experiment(
    id="luong2026.signal_memory",
    title="The transitional phase in time",
    question="When is the signal coordinate of a linear model reduced, and what does removing group B change?",
    config={
        "smoke": SignalMemory(n=50, steps=400, rho=(0.3,), alpha=(0.0, 1.0)),
        "standard": SignalMemory(),
        "full": SignalMemory(rho=(0.05, 0.1, 0.2, 0.3, 0.5, 0.8), steps=100000),
    },
    run=lambda config, parts: parts.map(signal_memory, [config])[0],
    figures=(
        FigureBinding(
            "luong2026.signal_memory",
            "Signal and margins along training",
            "1-SAM on one signal and a memory coordinate for each example, largest ρ. Shaded: the signal coordinate is "
            "reversed (C, light) or reduced (B, dark) for α = 0. α: removed fraction of group B.",
            draw.signal_memory,
        ),
    ),
    tables=lambda dataset: (_phases(dataset),),
)
