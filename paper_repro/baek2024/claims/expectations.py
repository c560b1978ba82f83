"""Claims on the margin shifts of a shared ascent step, in expectation over the mixture. Ours, not the paper's."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.baek2024.claims.mixtures import ISOTROPIC, ORTHOGONAL, OURS
from paper_repro.shared.drawn import samples
from paper_repro.shared.logistic_cases import draws, margin_falls
from sims import objectives
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


_SIZES, TOGETHER = (10, 20, 40, 80, 160), 32  # samples held at a time
WIDE = SignalNoiseMixture(n=max(_SIZES), d=2 * max(_SIZES), B=1.3, gamma=0.8, Delta=0.2)
WIDER = SignalNoiseMixture(n=max(_SIZES), d=4 * max(_SIZES), B=0.9, gamma=0.8, Delta=0.3)


def _shifts_of_sizes(law: SignalNoiseMixture, group: int, s: Sample) -> np.ndarray:
    """A group's shift in one sample of every size, (seeds, sizes): parts of samples of the largest size."""
    rng = np.random.default_rng(s.seed)
    blocks = (samples(law, rng, TOGETHER) for _ in range(0, s.count, TOGETHER))
    return np.concatenate([np.asarray(_shifts_of_blocks(law, group, splits)) for splits in blocks])[: s.count]


@partial(jax.jit, static_argnums=(0, 1))
def _shifts_of_blocks(law: SignalNoiseMixture, group: int, splits: Any) -> Any:
    return jax.lax.map(partial(_shifts_of_parts, law, group), splits)


def _shifts_of_parts(law: SignalNoiseMixture, group: int, split: Any) -> Any:
    """Of the first examples of either kind, in the first dimensions: what is left out is zero and moves nothing."""
    noisy = split.mislabelled
    place, counted = jnp.where(noisy, jnp.cumsum(noisy), jnp.cumsum(~noisy)), noisy == bool(group)

    def of_size(n: Any) -> Any:
        kept = place <= jnp.round(jnp.where(noisy, law.Delta, 1 - law.Delta) * n)
        x = jnp.where(kept[:, None] & (jnp.arange(law.d) < law.d * n // law.n)[None], split.x, 0)
        falls = margin_falls(Sam(RHO, "batch"), jnp.zeros(law.d), objectives.Batch(x, split.t))
        return jnp.sum(falls * (kept & counted)) / jnp.sum(kept & counted)

    return jax.vmap(of_size)(jnp.array(_SIZES))


def _stated_limits(law: SignalNoiseMixture, group: int, s: Sample, noise: float = 1.0) -> np.ndarray:
    """The n, d -> inf formula of a group's shift at every size (it depends on (d - 1)/n only)."""
    laws = [replace(law, n=n, d=law.d * n // law.n, gamma=law.gamma * noise) for n in _SIZES]
    return np.array([mixture.batch_shift_at_zero_limit(law, RHO, mislabelled=bool(group)) for law in laws])


def _shift_rate(name: str, law: SignalNoiseMixture, group: int, statement: str, resolution: float) -> Claim:
    """resolution: the smaller a group, the more its mean scatters."""
    return Claim(
        id=f"baek2024.{name}",
        origin="derived",
        source=OURS,
        statement=statement,
        regime=f"w = 0, n and d -> inf with d/n = {law.d / law.n:g}, h^2 = gamma^2 (d-1)/n",
        tolerance=Asymptotic(_SIZES, -0.5, (0.0, -1.0), slope=0.1, mean_exponent=-1.0, resolution=resolution),
        setup=lambda s: Sample(s.seed, 6 * s.count),
        predicted=partial(_stated_limits, law, group),
        measured=partial(_shifts_of_sizes, law, group),
        mutants=(
            Mutant("groups exchanged", predicted=partial(_stated_limits, law, 1 - group)),
            Mutant("noise 20 % too small", predicted=partial(_stated_limits, law, group, noise=0.8)),
        ),
        theory="theory.logistic.mixture.batch_shift_at_zero_limit",
    )


SHIFT_RATE = _shift_rate(
    "batch_shift_rate",
    WIDE,
    0,
    "n-SAM shifts of one sample's clean examples tend to rho(B^2(1-2D) + h^2)/sqrt(B^2(1-2D)^2 + h^2) at rate "
    "n^(-1/2).",
    resolution=0.05,
)
MISLABELLED_SHIFT_RATE = _shift_rate(
    "mislabelled_shift_rate",
    WIDER,
    1,
    "n-SAM shifts of one sample's mislabelled examples tend to rho(h^2 - B^2(1-2D))/sqrt(B^2(1-2D)^2 + h^2) at rate "
    "n^(-1/2).",
    resolution=0.12,
)

CLAIMS = (
    SHIFT_AT_ZERO,
    SHIFT_RATE,
    MISLABELLED_SHIFT_RATE,
)
