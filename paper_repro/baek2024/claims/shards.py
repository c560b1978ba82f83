"""A claim on m-sharpness: the margin falls of clean and of mislabelled examples as a function of m."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.baek2024.claims.predicted_gradients import OURS
from paper_repro.shared.logistic_cases import draws, margin_falls
from sims import objectives
from sims.observables import scalars
from spec.claims import Claim, MonteCarlo, Mutant, Sample
from spec.problems import SignalNoiseMixture
from spec.rules import Sam
from theory.logistic import mixture

LAW = SignalNoiseMixture(n=512, d=12, B=1.3, gamma=0.8, Delta=0.2, flips="bernoulli")
RHO, SHARDS = 0.7, (1, 2, 4, 32)


def _measured(sample: Sample, rho: float = RHO) -> np.ndarray:
    """Mean falls of the margins of clean and of mislabelled examples at w = 0, (seeds, 2 for every m)."""
    return np.asarray(_falls(draws(LAW, sample), rho))


@jax.jit
def _falls(splits: Any, rho: Any) -> Any:
    def one(split: Any) -> Any:
        columns: list[jax.Array] = []
        for m in SHARDS:
            shards = objectives.Batch(split.x.reshape(-1, m, LAW.d), split.t.reshape(-1, m))
            falls = jax.vmap(partial(margin_falls, Sam(rho, "batch"), jnp.zeros(LAW.d)))(shards)
            columns += scalars.by_group(falls.ravel(), split)
        return jnp.stack(columns)

    return jax.lax.map(one, splits)


def _stated(_: Sample, law: SignalNoiseMixture = LAW, extra: int = 0, swap: bool = False) -> np.ndarray:
    groups = (True, False) if swap else (False, True)
    return np.array([mixture.shard_shift_at_zero(law, RHO, m + extra, mislabelled=g) for m in SHARDS for g in groups])


SHIFTS = Claim(
    id="baek2024.shard_shifts",
    origin="derived",
    source=OURS,
    statement="Under m-SAM at w = 0 the expected falls of the margins run, as functions of m, from rho E||x|| for "
    "every example (m = 1) towards rho B for clean and -rho B for mislabelled ones.",
    regime="mixture, flips at random; exact at any m",
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=_stated,
    measured=_measured,
    mutants=(
        Mutant("m + 1", predicted=partial(_stated, extra=1)),
        Mutant("groups exchanged", predicted=partial(_stated, swap=True)),
        Mutant("no label noise in the shard", predicted=partial(_stated, law=replace(LAW, Delta=0.0))),
    ),
    theory="theory.logistic.mixture.shard_shift_at_zero",
    figure="baek2024.toy_curves",
)

CLAIMS = (SHIFTS,)
