"""The three phases of one problem: weights, clean loss and coupling, with predicted times, against beta and width."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from figures import reweighting as draw
from paper_repro.registry import Experiment, FigureBinding, Table
from paper_repro.zhang2025.claims.measured_training import FloatArray
from paper_repro.zhang2025.experiments import settings
from spec.fields import Checked, Count, Grid, Positive, Steps
from spec.seeds import named_seed
from theory.reweighting import flow as mean_field
from theory.reweighting import phases, regrowth
from theory.reweighting import recursion as theory

SHOWN = 40  # examples whose weights are kept
CLEAN, MISLABELLED = 0, 1  # places of the groups


@dataclass(frozen=True)
class Phases(Checked):
    """Noise rates and where the clean subset is; beta of the trajectories; alpha/n = beta/(eta n) of the times."""

    p: Grid[settings.MislabelledRate] = (0.4, 0.8)
    beta: Positive = 0.5
    steps: Steps = 2000
    ratios: Grid[Positive] = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0, 3000.0)
    seeds: Count = 1


def run_phases(config: Phases) -> xr.Dataset:
    """Trajectories for every noise rate, held out and contained, and times of alignment for every ratio."""
    regimes = [(p, contained) for p in config.p for contained in (False, True)]
    records = np.unique(np.concatenate([[0], np.geomspace(1, config.steps, 120).astype(int)]))
    results = [_trajectory(config, records, p, contained) for p, contained in regimes]
    names = [f"{round(100 * p)} % noise, clean subset {'contained' if c else 'held out'}" for p, c in regimes]
    together = xr.concat(results, dim="regime").assign_coords(regime=names, step=records)
    return together.merge(_times(config))


def _trajectory(config: Phases, records: FloatArray, p: float, contained: bool) -> xr.Dataset:
    case = settings.problem(named_seed("zhang2025.phases"), p, contained=contained)
    K = settings.blocks(case)
    eta = settings.step_size(K)
    path = settings.side_by_side(K, case.start, beta=config.beta, eta=eta, steps=config.steps, every=1)
    states = theory.State(*(a[records] for a in path))
    ahead = theory.look_ahead(K, states, eta)
    c = theory.coupling(K.clean, states.r, ahead)
    separation = phases.separation(theory.signed_blocks(K, case.y, case.y_clean))
    found = phases.arrival(separation, case.mislabelled, beta=config.beta, eta=eta, w=0.5)
    return xr.Dataset(
        {
            **weights(states.w, case.mislabelled, records),
            "clean_loss": ("step", regrowth.clean_loss(states.r_clean)),
            "coupling": ("step", np.sqrt(np.mean(c**2, axis=1))),
            "coupling_bound": (
                "step",
                np.sqrt(np.mean(regrowth.coupling_bound(K.clean, states.r, ahead) ** 2, axis=1)),
            ),
            "energy": ("step", regrowth.energy(states, config.beta / eta)),
            "first_order": float(found.first_order[case.mislabelled].max()),
        }
    )


def weights(w: FloatArray, mislabelled: np.ndarray, steps: np.ndarray) -> dict[str, Any]:
    """Weights (step, example) as shown: SHOWN of them, mean and largest of the groups, and when all are gone."""
    spread = np.linspace(0, len(mislabelled) - 1, min(SHOWN, len(mislabelled))).astype(int)
    shown = np.sort(np.argsort(mislabelled, kind="stable")[spread])  # of both groups
    gone = np.flatnonzero((w[:, mislabelled] == 0).all(axis=1))
    groups = [w[:, ~mislabelled], w[:, mislabelled]]
    return {
        "weight": (("step", "example"), w[:, shown]),
        "mislabelled": ("example", mislabelled[shown]),
        "mean_weight": (("group", "step"), np.stack([g.mean(axis=1) for g in groups])),
        "largest_weight": (("group", "step"), np.stack([g.max(axis=1) for g in groups])),
        "gone": steps[gone[0]] if len(gone) else -1,
    }


def _times(config: Phases) -> xr.Dataset:
    """When the last mislabelled weight is gone, with w0 = 1/2: measured, proved bounds, first order and mean field."""
    case = settings.problem(named_seed("zhang2025.phases"), config.p[0])
    K = settings.blocks(case)
    k = theory.signed_blocks(K, case.y, case.y_clean)
    separation, noisy = phases.separation(k), case.mislabelled
    kbar = float(separation.row_mean.mean())
    horizon, rows = 4000, []
    for ratio in config.ratios:
        beta = 0.02 / kbar  # 25 steps in the fast limit
        eta = min(beta / (ratio * settings.N), settings.step_size(K))
        beta = ratio * settings.N * eta
        found = phases.arrival(separation, noisy, beta=beta, eta=eta, w=0.5)
        w = settings.side_by_side(K, case.start, beta=beta, eta=eta, steps=horizon, every=1).w[:, noisy]
        measured = phases.measured_arrival(w, np.zeros(noisy.sum())).max()
        s = mean_field.solve(np.linspace(0, horizon * beta * kbar, 50), p=config.p[0], Lambda=1 / ratio).filtered
        bounds = [found.earliest[noisy].max(), found.latest[noisy].max(), found.first_order[noisy].max()]
        rows.append([measured, *bounds, s / (beta * kbar)])
    values = np.minimum(np.array(rows), horizon)
    names = ("measured", "earliest", "latest", "first_order_time", "mean_field")
    # A time of `horizon` stands for one that was not reached, or for which nothing is proved.
    arrays = {f"filtered_{name}": ("ratio", values[:, i]) for i, name in enumerate(names)}
    return xr.Dataset(arrays | {"horizon": horizon}, coords={"ratio": list(config.ratios)})


def _phase_table(dataset: xr.Dataset) -> Table:
    rows = []
    for name in dataset["regime"].values:
        one = dataset.sel(regime=name)
        gone = int(one["gone"])
        rise = float(one["clean_loss"].max() / one["clean_loss"][0])
        rows.append(
            (
                str(name),
                f"{float(one['first_order']):.1f}",
                "never" if gone < 0 else str(gone),
                f"{float(one['mean_weight'][CLEAN, -1]):.3f}",
                f"{float(one['largest_weight'][MISLABELLED, -1]):.3f}",
                f"{rise:.3f}",
                f"{float(one['clean_loss'][-1]):.1e}",
            )
        )
    head = ("regime", "first-order time", "all mislabelled at 0 by step", "final clean weight (mean)",
            "final mislabelled weight (max)", "largest / first clean loss", "final clean loss")  # fmt: skip
    return Table("Phases of the exact recursion (recorded steps)", head, tuple(rows))


PHASES = Experiment(
    id="zhang2025.phases",
    title="Three phases of meta-reweighting",
    question="When are weights aligned, when have mislabelled examples lost theirs, and what coupling is left then?",
    config={
        "smoke": Phases(p=(0.4,), steps=60, ratios=(1.0, 300.0)),
        "standard": Phases(),
        "full": Phases(p=(0.2, 0.4, 0.6, 0.8), steps=20000),
    },
    run=lambda config, parts: parts.map(run_phases, [config])[0],
    figures=(
        FigureBinding(
            "zhang2025.phases",
            "Weights, clean loss and coupling through the phases",
            "Exact recursion. Weights of clean (solid) and mislabelled (dashed) examples; vertical line: first-order "
            "time of the last mislabelled one. The coupling vanishes with the clean loss; the energy never rises.",
            draw.phases,
        ),
        FigureBinding(
            "zhang2025.alignment",
            "When the last mislabelled weight is gone",
            "Markers: recursion. Band: proved bounds (ends where nothing is proved). Lines: first order, mean field.",
            draw.alignment,
        ),
    ),
    tables=lambda dataset: (_phase_table(dataset),),
)
