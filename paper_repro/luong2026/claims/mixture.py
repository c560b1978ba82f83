"""A claim on the expected shares of the groups among coordinates of the mixture."""

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

_LAW = SignalNoiseMixture(n=50, d=40, B=1.4, gamma=0.9, Delta=0.3, noise="orthogonal")


def _classifier() -> np.ndarray:
    """A dense classifier with a signal, the same for every check."""
    w = np.cos(np.arange(_LAW.d)) * 1.4 / np.sqrt(_LAW.d)
    w[0] = 0.8
    return w


def _expected(rho: float) -> np.ndarray:
    return expected_shares.expected_fractions(_LAW, _classifier(), rho, rtol=1e-4)


def _stated_shares(_: Sample, rho: float = 0.3, exchanged: bool = False) -> np.ndarray:
    return (_expected(rho)[[1, 0, 2]] if exchanged else _expected(rho)).ravel()


def _sampled_shares(sample: Sample, rho: float = 0.3, swap: bool = False) -> np.ndarray:
    """Shares over the noise coordinates of 16 samples for every seed, (16 count, 9)."""
    splits = samples(_LAW, np.random.default_rng(sample.seed), 16 * sample.count)
    c, n, c_moved, n_moved = (np.asarray(v)[:, 1:] for v in _sampled(splits, jnp.asarray(_classifier()), rho))
    g, h = c + n, c_moved + n_moved
    r, conflict = g / h if swap else h / g, c * n < 0
    rows = (conflict & (abs(n) > abs(c)), conflict & (abs(c) > abs(n)), ~conflict)
    groups = (r >= 1, (r > 0) & (r < 1), r <= 0)
    return np.stack([(row & group).mean(axis=1) for row in rows for group in groups], axis=1)


@jax.jit
def _sampled(splits: Any, w: Any, rho: Any) -> Any:
    """The four parts of the gradients, without and with the perturbation."""
    objective = objectives.Objective(LINEAR_MODEL, objectives.logistic)

    def one(split: Any) -> Any:
        return coordinates(Sam(rho), objective, {"w": w}, Data(split, None, split))[:4]

    return jax.vmap(one)(splits)


SHARES = Claim(
    id="luong2026.expected_shares",
    origin="derived",
    source=OURS,
    statement="Expected shares of A, B and C among noise-dominated, clean-dominated and other coordinates are sums "
    "over normal orthants, corrected for the fluctuation of the sample.",
    regime="signal-plus-noise mixture at finite n, w fixed and independent of the sample, 1-SAM, noise coordinates",
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=_stated_shares,
    measured=_sampled_shares,
    mutants=(
        Mutant("noise- and clean-dominated exchanged", predicted=partial(_stated_shares, exchanged=True)),
        Mutant("rho doubled", predicted=partial(_stated_shares, rho=0.6)),
        Mutant("ratio to the perturbed gradient", measured=partial(_sampled_shares, swap=True)),
    ),
    theory="theory.down_weighting.expected_shares.expected_fractions",
)

CLAIMS = (SHARES,)
