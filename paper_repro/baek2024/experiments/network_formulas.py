"""Experiments that put the theory of two-layer linear networks beside its simulation, whole runs at a time."""

from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from figures import linear_network as draw
from paper_repro.baek2024.claims.measured_networks import (
    NetworkCase,
    network_gradients,
    observed,
    random_networks,
    shaped,
    trained,
)
from paper_repro.baek2024.claims.network_margins import own_velocities
from paper_repro.registry import Experiment, FigureBinding, Table
from paper_repro.shared.at_rho import FamilyAt, n_sam, sgd
from paper_repro.shared.logistic_cases import draws
from spec.claims import Sample
from spec.fields import Checked, Count, Grid, NonNegative, Positive, Seeds, Whole, Width
from spec.problems import SignalNoiseMixture
from spec.rules import JacobianSam, LogitSam, Sam
from spec.seeds import named_seed
from spec.training import Training
from spec.validation import require
from theory.linear_networks import margins
from theory.linear_networks import signal_noise as groups


@dataclass(frozen=True)
class NetworkDynamics(Checked):
    """Networks of `width` from W = 0 and ||v|| = 1, full batches, every rule at one rho; noise length fixed as d grows.

    problem.gamma is the length of a noise vector over sqrt(d - 1).
    """

    problem: SignalNoiseMixture = SignalNoiseMixture(16, 800, 1.0, 2 / 799**0.5, 0.25, "orthogonal")
    rho: NonNegative = 0.2
    width: Width = 8
    training: Training = Training(eta=0.1, epochs=400, record_every=4)
    seeds: Seeds = 16

    def __post_init__(self) -> None:
        super().__post_init__()
        law, t = self.problem, self.training
        require(law.noise == "orthogonal", "problem.noise", law.noise, "'orthogonal', as the theory supposes")
        require(law.Delta > 0, "problem.Delta", law.Delta, "above 0: margins of mislabelled examples are drawn")
        plain = Training(t.eta, t.epochs, record_every=t.record_every)
        require(t == plain, "training", t, "full batches, constant eta, no momentum, no decay, as the theory supposes")


RULES: tuple[FamilyAt, ...] = (sgd, n_sam, LogitSam, JacobianSam, Sam)


def network_dynamics(config: NetworkDynamics) -> xr.Dataset:
    """Summaries of simulated networks with Gaussian noise beside the four numbers of theory, for every rule."""
    seed = named_seed("baek2024.network_dynamics")
    split = draws(config.problem, Sample(seed, config.seeds))
    start = jax.random.normal(jax.random.key(seed), (config.seeds, config.width), jnp.float64)
    v = np.asarray(start / jnp.linalg.norm(start, axis=1, keepdims=True))
    W = np.zeros((config.seeds, config.width, config.problem.d))
    case = NetworkCase(W, v, np.asarray(split.x), np.asarray(split.t), np.full(config.seeds, config.rho))
    rules = [rule(config.rho) for rule in RULES]
    every = config.training.record_every
    stated, simulated = [], []
    for rule_at, rule in zip(RULES, rules, strict=True):
        states = groups.descend(rule, config.problem, r=1.0, eta=config.training.eta, steps=config.training.epochs)
        stated.append(groups.summaries(config.problem, states[::every])._asdict())
        simulated.append(observed(trained(rule_at, case, config.training), np.asarray(split.mislabelled)))
    predicted = {k: (("method", "step"), np.stack([s[k] for s in stated])) for k in stated[0]}
    measured = {f"simulated_{k}": (("method", "seed", "step"), np.stack([s[k] for s in simulated])) for k in stated[0]}
    steps = np.arange(0, config.training.epochs + 1, every)
    return xr.Dataset(predicted | measured, coords={"method": [rule.name for rule in rules], "step": steps})


def _deviations(dataset: xr.Dataset) -> Table:
    rows = []
    names = ("signal_overlap", "last_norm", "clean_margin", "mislabelled_margin", "balance")
    for method in dataset["method"].values:
        row = dataset.sel({"method": method})
        gaps = [np.abs(row[f"simulated_{k}"].mean("seed") - row[k]).max() / np.abs(row[k]).max() for k in names]
        rows.append((str(method), *(f"{100 * float(g):.1f}" for g in gaps)))
    head = ("rule", *(k.replace("_", " ") for k in names))
    return Table(
        "Largest deviation over the run of the mean simulated network, % of the largest value", head, tuple(rows)
    )


NETWORK_DYNAMICS = Experiment(
    id="baek2024.network_dynamics",
    title="Two-layer linear networks: training in four numbers",
    question="Do overlap, norms, margins and balance follow the reduced dynamics through the whole run of every rule?",
    config={
        "smoke": NetworkDynamics(
            problem=SignalNoiseMixture(8, 200, 1.0, 2 / 199**0.5, 0.25, "orthogonal"),
            training=Training(eta=0.1, epochs=100, record_every=4),
            seeds=4,
        ),
        "standard": NetworkDynamics(),
        "full": NetworkDynamics(
            problem=SignalNoiseMixture(16, 3200, 1.0, 2 / 3199**0.5, 0.25, "orthogonal"),
            training=Training(eta=0.1, epochs=1000, record_every=10),
        ),
    },
    run=lambda config, parts: parts.map(network_dynamics, [config])[0],
    figures=(
        FigureBinding(
            "baek2024.network_dynamics",
            "Reduced dynamics against simulated networks",
            "Lines: four coupled numbers, exact for orthogonal noise. Markers: networks on Gaussian noise, mean over "
            "seeds; their distance from the lines falls as d^(−1/2). SGD and L-SAM conserve the balance up to "
            "the step size; J-SAM and 1-SAM shrink the last layer.",
            draw.dynamics,
        ),
    ),
    tables=lambda dataset: (_deviations(dataset),),
)


@dataclass(frozen=True)
class MarginCeiling(Checked):
    """Sizes J of networks in units of rho||x||, and simulated points for each; seeds only names the draw."""

    J: Grid[Positive] = (0.5, 0.8, 1.2, 2.0)
    points: Annotated[int, Whole(1, 10**4)] = 9
    seeds: Count = 1


def margin_ceiling(config: MarginCeiling) -> xr.Dataset:
    """Own-margin velocity at fixed J against m, and J-SAM over SGD on the balanced line: formulas and autodiff."""
    m, some = np.linspace(-1, 1, 101), np.linspace(-0.95, 0.95, config.points)
    case = random_networks(Sample(named_seed("baek2024.margin_ceiling"), config.points), n=1)
    ratio, few = np.linspace(0.4, 4, 100), np.linspace(0.5, 3.8, config.points)
    bound = np.array(config.J)[:, None] ** 2 / 2  # of the margin, in units where rho = ||x|| = 1
    velocity, plain = (margins.margin_velocity(m * bound, np.sqrt(2 * bound), 1.0, rho) for rho in (1.0, 0.0))
    simulated = [own_velocities(shaped(case, J, some)) for J in config.J]
    factors = []
    for i, value in enumerate(few):
        one = shaped(NetworkCase(*(a[i : i + 1] for a in case)), float(value), 1.0)
        sam, without = (network_gradients(rule, one) for rule in (JacobianSam, sgd))
        factors.append(np.sum(sam * without) / np.sum(without**2))
    return xr.Dataset(
        {
            "velocity": (("J", "m"), velocity / plain),
            "simulated_velocity": (("J", "simulated_m"), simulated),
            "balanced_factor": ("ratio", 1 - 1 / ratio),
            "simulated_factor": ("simulated_ratio", factors),
        },
        coords={"J": list(config.J), "m": m, "simulated_m": some, "ratio": ratio, "simulated_ratio": few},
    )


def _crossings(dataset: xr.Dataset) -> Table:
    rows = []
    for J in dataset["J"].values:
        row = dataset.sel(J=J)
        lowest = float(row["simulated_velocity"].min())
        reached = "reached" if J <= 1 else "out of reach: m ≤ J²/(2‖x‖)"
        rows.append((f"{J:g}", f"{J:g}", reached, f"{lowest:+.3f}"))
    head = ("J over ρ‖x‖", "m* over J²/(2‖x‖)", "ceiling", "smallest simulated velocity")
    return Table("The ceiling is met only by networks with J ≤ ρ‖x‖", head, tuple(rows))


MARGIN_CEILING = Experiment(
    id="baek2024.margin_ceiling",
    title="What J-SAM does to one margin",
    question="Does the penalty of J-SAM hold fit points back, and is its margin ceiling a level at which they rest?",
    config={"smoke": MarginCeiling(points=5), "standard": MarginCeiling(), "full": MarginCeiling(points=25)},
    run=lambda config, parts: parts.map(margin_ceiling, [config])[0],
    figures=(
        FigureBinding(
            "baek2024.margin_ceiling",
            "The margin ceiling, and why it is no resting level",
            "Lines: closed form. Markers: J-SAM gradients of random networks, by autodiff. Left: at fixed J the "
            "penalty slows fit points and speeds misfit ones; only networks with J < ρ‖x‖ reach the ceiling. Right: on "
            "balanced networks J-SAM is (1 − ρ‖x‖/J) times SGD.",
            draw.margin_ceiling,
        ),
    ),
    tables=lambda dataset: (_crossings(dataset),),
)
