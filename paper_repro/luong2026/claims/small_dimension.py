"""A claim on the expected shares in few dimensions, where the parts of a coordinate are far from normal."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.luong2026.claims.random_problems import LINEAR_MODEL, OURS
from paper_repro.shared.drawn import samples
from sims import objectives
from sims.data.sampling import Data
from sims.observables.composition import coordinates
from spec.claims import Claim, MonteCarlo, Mutant, Sample
from spec.problems import SignalNoiseMixture
from spec.rules import Sam
from theory.down_weighting import expected_shares

LAW = SignalNoiseMixture(n=12, d=3, B=1.4, gamma=0.9, Delta=0.25, noise="orthogonal")
W, RHO, SAMPLES = np.array([0.8, 1.4, 0.0]), 0.3, 4096  # one coordinate, the last, is left for the shares


def _measured(sample: Sample, swap: bool = False) -> np.ndarray:
    """Shares of the last coordinate over SAMPLES samples for every seed, (count, 9)."""
    splits = samples(LAW, np.random.default_rng(sample.seed), sample.count * SAMPLES)
    c, n, c_moved, n_moved = (np.reshape(part, (-1, SAMPLES)) for part in _parts(splits))
    g, h = c + n, c_moved + n_moved
    r, conflict = g / h if swap else h / g, c * n < 0
    rows = (conflict & (abs(n) > abs(c)), conflict & (abs(c) > abs(n)), ~conflict)
    return np.stack([(row & group).mean(axis=1) for row in rows for group in (r >= 1, (r > 0) & (r < 1), r <= 0)], 1)


@jax.jit
def _parts(splits: Any) -> Any:
    objective = objectives.Objective(LINEAR_MODEL, objectives.logistic)

    def one(split: Any) -> Any:
        return [
            part[-1] for part in coordinates(Sam(RHO), objective, {"w": jnp.asarray(W)}, Data(split, None, split))[:4]
        ]

    return jax.lax.map(one, splits, batch_size=SAMPLES)


def _stated(_: Sample, rho: float = RHO) -> np.ndarray:
    return expected_shares.expected_fractions(LAW, W, rho, rtol=1e-4).ravel()


def _normal_parts(_: Sample, fluctuation: float = 1.0) -> np.ndarray:
    sums = expected_shares.sums(LAW, W, RHO, rtol=1e-4)
    return expected_shares.second_order(sums.mean, fluctuation * sums.covariance, 0.0).ravel()


SPHERE = Claim(
    id="luong2026.shares_in_few_dimensions",
    origin="derived",
    source=OURS,
    statement="In few dimensions expected shares need the parts as coordinates of points on spheres, a correction of "
    "O(1/(n d)) to normal ones.",
    regime="signal-plus-noise mixture, here n = 12 and d = 3, where the correction is 1.6 points; the expansion leaves "
    "O(n^-2), of which nothing is seen",
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=_stated,
    measured=_measured,
    mutants=(
        Mutant("normal parts", predicted=_normal_parts),
        Mutant("the leading order", predicted=partial(_normal_parts, fluctuation=0.0)),
        Mutant("rho doubled", predicted=partial(_stated, rho=2 * RHO)),
        Mutant("ratio to the perturbed gradient", measured=partial(_measured, swap=True)),
    ),
    theory="theory.down_weighting.expected_shares.expected_fractions",
)

CLAIMS = (SPHERE,)
