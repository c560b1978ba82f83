"""The claim on finite width: weights of random networks against the recursion with the limit kernel."""

from collections.abc import Sequence
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.zhang2025.claims.measured_training import FloatArray, TwoClasses, arrays, caps, path
from sims.factors import Dense
from sims.models.networks import Model, mlp, no_head
from spec.claims import Asymptotic, Claim, Mutant, Sample
from spec.seeds import named_seed
from theory import ntk
from theory.reweighting import recursion as theory

WIDTHS = (48, 192, 768)
WIDE = {"beta": 0.5, "eta": 0.1, "steps": 24}
CAPS = ((0.6, 0.4), (0.4, 0.25), (0.8, 0.5), (0.5, 1 / 3))
"""How far apart the classes are, and the noise rate, of every problem."""


class Networks(NamedTuple):
    """Fixed problems, and keys (4 count,) of networks, which take them in turn: the rate is one over networks."""

    problems: list[TwoClasses]
    keys: jax.Array


def wide(sample: Sample) -> Networks:
    """Four problems of unlike separation and noise, and a network on each of them for every seed."""
    rng = np.random.default_rng(named_seed("zhang2025.finite_width/problem"))
    problems = [caps(rng, n=12, m=4, d=3, s=s, p=p) for s, p in CAPS]
    return Networks(problems, jax.random.split(jax.random.key(sample.seed), len(CAPS) * sample.count))


@cache
def _simulated(sample: Sample, ahead: float, factor: float) -> FloatArray:
    """Weights (widths, seeds, problems, steps + 1, n) of the networks."""
    case = wide(sample)
    w = weights_of_networks(case, WIDTHS, (factor * WIDE["beta"], WIDE["eta"], ahead, 0.5), int(WIDE["steps"]))
    return w.reshape(len(WIDTHS), -1, len(CAPS), *w.shape[2:])


def weights_of_networks(
    case: Networks, widths: Sequence[int], rates: Any, steps: int, *, zero: bool = True
) -> FloatArray:
    """Weights (widths, keys, steps + 1, n) of two-layer ReLU networks; zero: with their first outputs taken off."""
    splits = jax.tree.map(lambda *a: np.stack(a), *map(arrays, case.problems))
    return np.asarray(_compiled(max(widths), steps, splits, case.keys, np.asarray(widths), np.asarray((*rates, zero))))


@partial(jax.jit, static_argnums=(0, 1))
def _compiled(widest: int, steps: int, splits: Any, keys: Any, widths: Any, rates: Any) -> jax.Array:
    model = mlp((splits[0].x.shape[2], widest, 1), scaling="ntk")
    every = jnp.tile(keys, len(widths)), jnp.repeat(widths, len(keys)), jnp.arange(len(widths) * len(keys)) % len(keys)

    def run(network: Any) -> jax.Array:
        key, width, place = network
        start = _first_units(model.init(key, jnp.float64), width)
        narrow = _of_width(model, start, jnp.sqrt(widest / width), rates[4])
        problem = jax.tree.map(lambda a: a[place % len(a)], splits)
        return path(narrow, steps, start, problem, rates[:4])[0]

    return jax.lax.map(run, every).reshape(len(widths), len(keys), steps + 1, -1)


def _first_units(start: Any, width: jax.Array) -> Any:
    """The parameters with all hidden units but the first `width` at zero, where ReLU keeps them for good."""
    alive = jnp.arange(start[1]["w"].shape[0]) < width
    return [start[0] | {"w": start[0]["w"] * alive[None]}, start[1] | {"w": start[1]["w"] * alive[:, None]}]


def _of_width(model: Model, start: Any, scale: jax.Array, zero: jax.Array) -> Model:
    """The network whose sum over units, but not its last bias, is `scale` times as large, less zero times its start."""

    def outputs(p: Any, x: jax.Array) -> jax.Array:
        return scale * (model.apply(p, x) - p[1]["b"]) + p[1]["b"]

    def readout(p: Any, x: jax.Array, dense: Dense) -> jax.Array:
        return outputs(p, x) - zero * outputs(start, x)

    return Model(model.init, lambda p, x, dense: x, readout, no_head)


def limit_weights(problem: TwoClasses, *, beta: float, eta: float, steps: int, hidden: int = 1) -> FloatArray:
    """Weights (steps + 1, n) of the recursion with the limit kernel of the networks."""
    K = theory.blocks(
        lambda a, b: ntk.relu(a, None if a is b else b, hidden=hidden).tangent, problem.x, problem.x_clean
    )
    return theory.trajectory(K, problem.start, beta=beta, eta=eta, steps=steps).w


def _distance(sample: Sample, *, hidden: int = 1, ahead: float = 1.0, factor: float = 1.0) -> FloatArray:
    """Largest distance over time of the weights of a network from those of the limit kernel, (seeds, widths).

    Root mean square over the examples, mean over the problems.
    """
    expected = np.stack([limit_weights(p, **WIDE, hidden=hidden) for p in wide(sample).problems])  # type: ignore[arg-type]
    off = _simulated(sample, ahead, factor) - expected
    return np.sqrt(np.mean(off**2, axis=4)).max(axis=3).mean(axis=2).T


WIDTH = Claim(
    id="zhang2025.finite_width",
    origin="derived",
    source="the regime of Zhang et al. (2025); their width bound was not obtainable, the rate is checked here",
    statement="Weight trajectories of a two-layer ReLU network tend to the kernel recursion's at rate width^(-1/2).",
    regime="NTK scaling, first outputs taken off, 24 steps of eta = 0.1; four problems; width -> inf",
    tolerance=Asymptotic(sizes=WIDTHS, exponent=-0.5, wrong_exponents=(0.0, -1.0)),
    setup=lambda s: s,
    predicted=lambda c: np.zeros(len(WIDTHS)),
    measured=_distance,
    mutants=(
        Mutant("kernel of another depth", measured=partial(_distance, hidden=2)),
        Mutant("look-ahead dropped", measured=partial(_distance, ahead=0.0)),
        Mutant("alpha = beta instead of beta/eta", measured=partial(_distance, factor=WIDE["eta"])),
    ),
    theory="theory.ntk.relu",
    figure="zhang2025.finite_width",
)

CLAIMS = (WIDTH,)
