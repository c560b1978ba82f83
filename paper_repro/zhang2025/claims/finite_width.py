"""The claim on finite width: weights of random networks against the recursion with the limit kernel."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.zhang2025.claims.measured_training import FloatArray, TwoClasses, arrays, caps, path
from sims.models import networks
from sims.models.linearised import from_zero
from spec.claims import Asymptotic, Claim, Mutant, Sample
from spec.seeds import named_seed
from theory import ntk
from theory.reweighting import recursion as theory

WIDTHS = (64, 256, 1024)
WIDE = {"beta": 0.5, "eta": 0.1, "steps": 12}


def wide(sample: Sample) -> tuple[TwoClasses, jax.Array]:
    """One fixed problem, and a key for each of 4 `count` networks: the rate is one over networks."""
    problem = caps(np.random.default_rng(named_seed("zhang2025.finite_width/problem")), n=12, m=4, d=3, s=0.6, p=0.4)
    return problem, jax.random.split(jax.random.key(sample.seed), 4 * sample.count)


def weights_of_networks(
    problem: TwoClasses, keys: jax.Array, width: int, rates: Any, steps: int, *, zero: bool = True
) -> FloatArray:
    """Weights (keys, steps + 1, n) of two-layer ReLU networks; zero: with their first outputs taken off."""
    return np.asarray(_weights_of_networks(width, steps, zero, arrays(problem), keys, jnp.asarray(rates)))


@partial(jax.jit, static_argnums=(0, 1, 2))
def _weights_of_networks(width: int, steps: int, zero: bool, splits: Any, keys: jax.Array, rates: jax.Array) -> Any:
    model = networks.mlp((splits[0].x.shape[1], width, 1), scaling="ntk")

    def run(key: jax.Array) -> Any:
        start = model.init(key, jnp.float64)
        return path(from_zero(model, start) if zero else model, steps, start, splits, rates)[0]

    return jax.lax.map(run, keys)


def limit_weights(problem: TwoClasses, *, beta: float, eta: float, steps: int, hidden: int = 1) -> FloatArray:
    """Weights (steps + 1, n) of the recursion with the limit kernel of the networks."""
    K = theory.blocks(
        lambda a, b: ntk.relu(a, None if a is b else b, hidden=hidden).tangent, problem.x, problem.x_clean
    )
    return theory.trajectory(K, problem.start, beta=beta, eta=eta, steps=steps).w


def _distance(
    case: tuple[TwoClasses, jax.Array], *, hidden: int = 1, ahead: float = 1.0, factor: float = 1.0
) -> FloatArray:
    """Largest distance over time of the weights of a network from those of the limit kernel, (seeds, widths)."""
    problem, keys = case
    expected = limit_weights(problem, **WIDE, hidden=hidden)  # type: ignore[arg-type]
    rates = (factor * WIDE["beta"], WIDE["eta"], ahead, 0.5)
    columns = [weights_of_networks(problem, keys, width, rates, int(WIDE["steps"])) for width in WIDTHS]
    return np.stack([np.sqrt(np.mean((w - expected) ** 2, axis=2)).max(axis=1) for w in columns], axis=1)


WIDTH = Claim(
    id="zhang2025.finite_width",
    origin="derived",
    source="the regime of Zhang et al. (2025); their width bound was not obtainable, the rate is checked here",
    statement="Weight trajectories of a two-layer ReLU network tend to the kernel recursion's at rate width^(-1/2).",
    regime="NTK scaling, first outputs taken off, horizon eta T fixed; width -> inf",
    tolerance=Asymptotic(sizes=WIDTHS, exponent=-0.5, wrong_exponents=(0.0, -1.0)),
    setup=wide,
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
