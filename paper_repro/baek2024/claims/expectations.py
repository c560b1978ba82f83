"""Claims on the margin shifts of a shared ascent step, in expectation over the mixture. Ours, not the paper's."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.baek2024.claims.mixtures import ISOTROPIC, ORTHOGONAL, OURS
from paper_repro.shared.logistic_cases import draws, margin_falls
from sims import objectives
from sims.data.sampling import sample as draw
from sims.observables import scalars
from spec.claims import Asymptotic, Claim, MonteCarlo, Mutant, Sample
from spec.problems import SignalNoiseMixture
from spec.rules import Sam
from theory.logistic import mixture

LAWS, RHO = (ISOTROPIC, ORTHOGONAL), 0.7


@partial(jax.jit, static_argnums=1)
def _falls(splits: Any, own: bool) -> Any:
    """Group means (clean, mislabelled) of the margin falls at w = 0, (seeds, 2); own: under 1-SAM."""

    def one(split: Any) -> Any:
        at = partial(margin_falls, Sam(RHO, "example" if own else "batch"), jnp.zeros(split.x.shape[1]))
        if own:
            shards = objectives.Batch(split.x[:, None], split.t[:, None])
            return jnp.stack(scalars.by_group(jax.vmap(at)(shards)[:, 0], split))
        return jnp.stack(scalars.by_group(at(objectives.Batch(split.x, split.t)), split))

    return jax.vmap(one)(splits)


def _measured_shifts(s: Sample, own: bool = False) -> np.ndarray:
    return np.concatenate([np.asarray(_falls(draws(law, s), own)) for law in LAWS], axis=1)


def _stated_shifts(s: Sample, swap: bool = False, laws: tuple[Any, ...] = LAWS) -> np.ndarray:
    groups = (True, False) if swap else (False, True)
    return np.array([mixture.batch_shift_at_zero(law, RHO, mislabelled=m).value for law in laws for m in groups])


SHIFT_AT_ZERO = Claim(
    id="baek2024.batch_shift_at_zero",
    origin="derived",
    source=OURS,
    statement="Expected n-SAM margin shifts of clean and mislabelled examples at w = 0, as one expectation, exactly.",
    regime="stratified flips, any n and d, both noise kinds",
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=_stated_shifts,
    measured=_measured_shifts,
    mutants=(
        Mutant("groups exchanged", predicted=partial(_stated_shifts, swap=True)),
        Mutant(
            "hardly any label noise",
            predicted=partial(_stated_shifts, laws=tuple(replace(law, Delta=0.025) for law in LAWS)),
        ),
        Mutant("1-SAM's shifts rho||x||", measured=partial(_measured_shifts, own=True)),
    ),
    theory="theory.logistic.mixture.batch_shift_at_zero",
)


_SIZES = (10, 20, 40, 80, 160)


def _law_of_size(n: int) -> SignalNoiseMixture:
    return SignalNoiseMixture(n=n, d=2 * n, B=1.3, gamma=0.8, Delta=0.2)


def _shifts_of_sizes(s: Sample) -> np.ndarray:
    """The clean shift of one sample of every size, (seeds, sizes): parts of samples of the largest size."""
    keys = jax.random.split(jax.random.key(s.seed), s.count)
    return np.asarray(jax.jit(partial(jax.lax.map, _shifts_of_parts))(keys))


def _shifts_of_parts(key: Any) -> Any:
    """Of the first examples of either kind, in the first dimensions: what is left out is zero and moves nothing."""
    law = _law_of_size(max(_SIZES))
    split = draw(law, key, dtype=jnp.float64, n_test=1).train
    noisy = split.mislabelled
    place = jnp.where(noisy, jnp.cumsum(noisy), jnp.cumsum(~noisy))

    def of_size(n: Any) -> Any:
        kept = place <= jnp.round(jnp.where(noisy, law.Delta, 1 - law.Delta) * n)
        x = jnp.where(kept[:, None] & (jnp.arange(law.d) < 2 * n), split.x, 0)
        falls = margin_falls(Sam(RHO, "batch"), jnp.zeros(law.d), objectives.Batch(x, split.t))
        return jnp.sum(falls * (kept & ~noisy)) / jnp.sum(kept & ~noisy)

    return jax.vmap(of_size)(jnp.array(_SIZES))


def _stated_limits(s: Sample, swap: bool = False, noise: float = 1.0) -> np.ndarray:
    """The n, d -> inf formula of the clean shift at every size (it depends on (d - 1)/n only)."""
    laws = [_law_of_size(n) for n in _SIZES]
    quieter = [replace(law, gamma=law.gamma * noise) for law in laws]
    return np.array([mixture.batch_shift_at_zero_limit(law, RHO, mislabelled=swap) for law in quieter])


SHIFT_RATE = Claim(
    id="baek2024.batch_shift_rate",
    origin="derived",
    source=OURS,
    statement="n-SAM shifts of one sample tend to rho(B^2(1-2D) + h^2)/sqrt(B^2(1-2D)^2 + h^2) at rate n^(-1/2).",
    regime="w = 0, n and d -> inf with d/n = 2, h^2 = gamma^2 (d-1)/n",
    tolerance=Asymptotic(sizes=_SIZES, exponent=-0.5, wrong_exponents=(0.0, -1.0), slope=0.1, mean_exponent=-1.0),
    setup=lambda s: Sample(s.seed, 6 * s.count),
    predicted=_stated_limits,
    measured=_shifts_of_sizes,
    mutants=(
        Mutant("groups exchanged", predicted=partial(_stated_limits, swap=True)),
        Mutant("noise 20 % too small", predicted=partial(_stated_limits, noise=0.8)),
    ),
    theory="theory.logistic.mixture.batch_shift_at_zero_limit",
)

CLAIMS = (
    SHIFT_AT_ZERO,
    SHIFT_RATE,
)
