"""Claims on what clean and mislabelled examples receive, in expectation over the mixture. Ours, not the paper's."""

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.baek2024.claims.mixtures import ISOTROPIC, ORTHOGONAL, OURS, Classifiers, classifiers
from paper_repro.shared.logistic_cases import LINEAR, draws, margin_falls
from sims import objectives, per_example
from sims.data.sampling import sample as draw
from sims.observables import scalars
from spec.claims import Asymptotic, Claim, MonteCarlo, Mutant, Ordering, Sample
from spec.problems import SignalNoiseMixture
from spec.rules import Sam
from theory.logistic import mixture

_RHO = 0.25


def _stated_group_norms(c: Classifiers, rho: float = _RHO, swap: bool = False) -> np.ndarray:
    """Expected 1-SAM gradient norm of clean and mislabelled fresh examples, for both noise kinds."""
    return np.array(
        [
            mixture.expected_gradient_norm(law, w, rho, mislabelled=m != swap, rtol=1e-5).value
            for law in (ISOTROPIC, ORTHOGONAL)
            for w in c.w[:3]
            for m in (False, True)
        ]
    )


def _sampled_group_norms(c: Classifiers, rho: float = _RHO) -> np.ndarray:
    columns = []
    for law in (ISOTROPIC, ORTHOGONAL):
        train_split = draws(law, c.sample).train
        for w in c.w[:3]:
            columns += list(_group_norms(train_split, jnp.asarray(w), rho))
    return np.stack([np.asarray(column) for column in columns], axis=1)


@jax.jit
def _group_norms(split: Any, w: Any, rho: Any) -> Any:
    def one(split: Any) -> Any:
        norms, _ = per_example.contributions(Sam(rho), LINEAR, {"w": w}, objectives.Batch(split.x, split.t))
        return scalars.by_group(norms, split)

    return jax.vmap(one)(split)


POPULATION_NORMS = Claim(
    id="baek2024.population_gradient_norms",
    origin="derived",
    source=OURS,
    statement="Mean clean and mislabelled 1-SAM gradient norms are E[sigma(rho||x|| - z)||x||], jointly in z, ||x||.",
    regime="w independent of the examples; finite d, no large-d approximation",
    tolerance=MonteCarlo(),
    setup=classifiers,
    predicted=_stated_group_norms,
    measured=_sampled_group_norms,
    mutants=(
        Mutant("groups exchanged", predicted=partial(_stated_group_norms, swap=True)),
        Mutant("rho doubled", predicted=partial(_stated_group_norms, rho=2 * _RHO)),
        Mutant("SGD instead of 1-SAM", measured=partial(_sampled_group_norms, rho=0.0)),
    ),
    theory="theory.logistic.mixture.expected_gradient_norm",
    figure="baek2024.clean_noisy_ratio",
)


def _ratio_gains(c: Classifiers) -> np.ndarray:
    """log R(rho = 0.4) - log R(rho = 0.05) of the mean example weights on fresh samples, one row for each seed."""
    split = draws(ISOTROPIC, c.sample).train

    @jax.jit
    def log_ratio(w: Any, rho: Any) -> Any:
        def one(split: Any) -> Any:
            _, weight = per_example.contributions(Sam(rho), LINEAR, {"w": w}, objectives.Batch(split.x, split.t))
            clean, noisy = scalars.by_group(weight, split)
            return jnp.log(clean / noisy)

        return jax.vmap(one)(split)

    columns = [log_ratio(jnp.asarray(w), 0.4) - log_ratio(jnp.asarray(w), 0.05) for w in c.w]
    return np.stack([np.asarray(column) for column in columns], axis=1)


POPULATION_SIGN = Claim(
    id="baek2024.population_sign",
    origin="derived",
    source=OURS,
    statement="In population a larger rho raises the clean/mislabelled ratio exactly when w points towards the signal.",
    regime="mixture, w independent of the examples; proved for a common shift C, measured with C = rho||x||",
    tolerance=Ordering(),
    setup=classifiers,
    predicted=lambda c: np.sign([mixture.fixed_shift_ratio_log_slope(ISOTROPIC, w, 1.0) for w in c.w]),
    measured=_ratio_gains,
    mutants=(Mutant("always raises", predicted=lambda c: np.ones(len(c.w))),),
    theory="theory.logistic.mixture.fixed_shift_ratio_log_slope",
    figure="baek2024.clean_noisy_ratio",
)


def _measured_shifts(law: SignalNoiseMixture, s: Sample, own: bool = False) -> np.ndarray:
    """Group means (clean, mislabelled) of the margin falls at w = 0, one row for each seed; own: under 1-SAM."""

    def one(split: Any) -> Any:
        falls = margin_falls(Sam(0.7, "batch"), jnp.zeros(law.d), objectives.Batch(split.x, split.t))
        return jnp.stack(scalars.by_group(falls, split))

    def one_by_one(split: Any) -> Any:
        fall = jax.vmap(lambda x, t: margin_falls(Sam(0.7), jnp.zeros(law.d), objectives.Batch(x[None], t[None]))[0])
        return jnp.stack(scalars.by_group(fall(split.x, split.t), split))

    def draw_and_measure(key: Any) -> Any:
        return (one_by_one if own else one)(draw(law, key, dtype=jnp.float64, n_test=1).train)

    keys = jax.random.split(jax.random.key(s.seed), s.count)
    return np.asarray(jax.jit(partial(jax.lax.map, draw_and_measure, batch_size=8))(keys))  # large n: few at a time


def _stated_shifts(s: Sample, swap: bool = False, laws: tuple[Any, ...] = (ISOTROPIC, ORTHOGONAL)) -> np.ndarray:
    groups = (True, False) if swap else (False, True)
    return np.array([mixture.batch_shift_at_zero(law, 0.7, mislabelled=m).value for law in laws for m in groups])


SHIFT_AT_ZERO = Claim(
    id="baek2024.batch_shift_at_zero",
    origin="derived",
    source=OURS,
    statement="Expected n-SAM margin shifts of clean and mislabelled examples at w = 0, as one expectation, exactly.",
    regime="stratified flips, any n and d, both noise kinds",
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=_stated_shifts,
    measured=lambda s: np.concatenate([_measured_shifts(law, s) for law in (ISOTROPIC, ORTHOGONAL)], axis=1),
    mutants=(
        Mutant("groups exchanged", predicted=partial(_stated_shifts, swap=True)),
        Mutant(
            "hardly any label noise",
            predicted=lambda s: _stated_shifts(
                s, laws=tuple(replace(law, Delta=0.025) for law in (ISOTROPIC, ORTHOGONAL))
            ),
        ),
        Mutant(
            "1-SAM's shifts rho||x||",
            measured=lambda s: np.concatenate(
                [_measured_shifts(law, s, own=True) for law in (ISOTROPIC, ORTHOGONAL)], 1
            ),
        ),
    ),
    theory="theory.logistic.mixture.batch_shift_at_zero",
)


_SIZES = (10, 20, 40, 80, 160)


def _law_of_size(n: int) -> SignalNoiseMixture:
    return SignalNoiseMixture(n=n, d=2 * n, B=1.3, gamma=0.8, Delta=0.2)


def _stated_limits(s: Sample, swap: bool = False, noise: float = 1.0) -> np.ndarray:
    """The n, d -> inf formula of the clean shift at every size (it depends on (d - 1)/n only)."""
    laws = [_law_of_size(n) for n in _SIZES]
    quieter = [replace(law, gamma=law.gamma * noise) for law in laws]
    return np.array([mixture.batch_shift_at_zero_limit(law, 0.7, mislabelled=swap) for law in quieter])


SHIFT_RATE = Claim(
    id="baek2024.batch_shift_rate",
    origin="derived",
    source=OURS,
    statement="n-SAM shifts of one sample tend to rho(B^2(1-2D) + h^2)/sqrt(B^2(1-2D)^2 + h^2) at rate n^(-1/2).",
    regime="w = 0, n and d -> inf with d/n = 2, h^2 = gamma^2 (d-1)/n",
    tolerance=Asymptotic(sizes=_SIZES, exponent=-0.5, wrong_exponents=(0.0, -1.0), slope=0.1, mean_exponent=-1.0),
    setup=lambda s: Sample(s.seed, 6 * s.count),
    predicted=_stated_limits,
    measured=lambda s: np.stack([_measured_shifts(_law_of_size(n), s)[:, 0] for n in _SIZES], axis=1),
    mutants=(
        Mutant("groups exchanged", predicted=partial(_stated_limits, swap=True)),
        Mutant("noise 20 % too small", predicted=partial(_stated_limits, noise=0.8)),
    ),
    theory="theory.logistic.mixture.batch_shift_at_zero_limit",
)

CLAIMS = (
    POPULATION_NORMS,
    POPULATION_SIGN,
    SHIFT_AT_ZERO,
    SHIFT_RATE,
)
