"""Claims on what fresh clean and mislabelled examples receive, in expectation over the mixture. Ours."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.baek2024.claims.mixtures import FRESH_ISOTROPIC, FRESH_ORTHOGONAL, OURS, Classifiers, classifiers
from paper_repro.shared.logistic_cases import LINEAR, draws
from sims import objectives, per_example
from sims.observables import scalars
from spec.claims import Claim, MonteCarlo, Mutant, Ordering
from spec.rules import Sam
from theory.logistic import mixture, population

LAWS = (FRESH_ISOTROPIC, FRESH_ORTHOGONAL)
RHO = 0.25
RADII = (0.0, 0.05, 0.4, 1.2)


def _simulated(c: Classifiers, rho: float, tilt: Any = 0.0) -> np.ndarray:
    """Group means (seeds, laws, classifiers, 2) of 1-SAM's gradient norms, of the mislabelled ones times e^{tilt z}."""
    tilts = jnp.broadcast_to(jnp.asarray(tilt), (len(LAWS), len(c.w)))
    columns = [_group_norms(draws(law, c.sample), jnp.asarray(c.w), rho, k) for law, k in zip(LAWS, tilts, strict=True)]
    return np.stack([np.asarray(column) for column in columns], axis=1)


@jax.jit
def _group_norms(splits: Any, w: Any, rho: Any, tilts: Any) -> Any:
    def one(split: Any, w: Any, tilt: Any) -> Any:
        norms, _ = per_example.contributions(Sam(rho), LINEAR, {"w": w}, objectives.Batch(split.x, split.t))
        tilted = jnp.where(split.mislabelled, jnp.exp(tilt * split.t * (split.x @ w)), 1.0)
        return jnp.stack(scalars.by_group(norms * tilted, split))

    return jax.vmap(lambda split: jax.vmap(lambda w, tilt: one(split, w, tilt))(w, tilts))(splits)


def _stated_norms(c: Classifiers, rho: float = RHO, groups: tuple[bool, ...] = (False, True)) -> np.ndarray:
    """(laws x classifiers x groups,)."""
    cells = [(law, w, m) for law in LAWS for w in c.w for m in groups]
    found = [mixture.expected_gradient_norm(law, w, rho, mislabelled=m, rtol=1e-5).value for law, w, m in cells]
    return np.array(found)


NORMS = Claim(
    id="baek2024.population_gradient_norms",
    origin="derived",
    source=OURS,
    statement="Mean clean and mislabelled 1-SAM gradient norms are E[sigma(rho||x|| - z)||x||], jointly in z, ||x||.",
    regime="w independent of the examples; finite d, no large-d approximation",
    tolerance=MonteCarlo(),
    setup=classifiers,
    predicted=_stated_norms,
    measured=lambda c: _simulated(c, RHO).reshape(c.sample.count, -1),
    mutants=(
        Mutant("groups exchanged", predicted=partial(_stated_norms, groups=(True, False))),
        Mutant("rho doubled", predicted=partial(_stated_norms, rho=2 * RHO)),
        Mutant("SGD instead of 1-SAM", measured=lambda c: _simulated(c, 0.0).reshape(c.sample.count, -1)),
    ),
    theory="theory.logistic.mixture.expected_gradient_norm",
    figure="baek2024.clean_noisy_ratio",
)


def _stated_clean(c: Classifiers) -> np.ndarray:
    """Of clean examples, with isotropic noise."""
    return _stated_norms(c, groups=(False,))[: len(c.w)]


def _tilted(c: Classifiers, factor: float = 1.0) -> np.ndarray:
    """Mean over the mislabelled examples of gradient norms times the likelihood ratio of their margins."""
    k = [factor * population.margin_likelihood(FRESH_ISOTROPIC, w) for w in c.w]
    return _simulated(c, RHO, np.stack([k, np.zeros(len(k))]))[:, 0, :, 1]


LIKELIHOOD = Claim(
    id="baek2024.margin_likelihood",
    origin="derived",
    source=OURS,
    statement="Given ||x||, a margin z is exp(2 B w_1 z/(gamma^2 ||w||^2)) times as likely for a clean example: means "
    "over clean examples are means over mislabelled ones with that weight.",
    regime="isotropic noise, any w; here for 1-SAM's gradient norms, which depend on z and ||x||",
    tolerance=MonteCarlo(),
    setup=lambda sample: (lambda c: c._replace(w=c.w[:2]))(classifiers(sample)),  # weights of bounded variance
    predicted=_stated_clean,
    measured=_tilted,
    mutants=(
        Mutant("half the exponent", measured=partial(_tilted, factor=0.5)),
        Mutant("sign", measured=partial(_tilted, factor=-1.0)),
    ),
    theory="theory.logistic.population.margin_likelihood",
    figure="baek2024.clean_noisy_ratio",
)


def _log_ratios(c: Classifiers, rho: float) -> np.ndarray:
    """Of clean to mislabelled mean gradient norms, (seeds, laws x classifiers)."""
    clean, noisy = np.moveaxis(_simulated(c, rho), -1, 0)
    return np.log(clean / noisy).reshape(c.sample.count, -1)


def _gains(c: Classifiers) -> np.ndarray:
    """Changes of log R between neighbours of RADII, and how far it is below zero at the last but one."""
    logs = [_log_ratios(c, rho) for rho in RADII]
    return np.concatenate([*np.diff(logs, axis=0), -logs[-2]], axis=1)


def _cells(c: Classifiers) -> list[tuple[Any, np.ndarray, float]]:
    """Law, classifier and radius: between RADII, and at the last but one, where R is below one if it rises to one."""
    middles = [(a + b) / 2 for a, b in zip(RADII[:-1], RADII[1:], strict=True)]
    return [(law, w, rho) for rho in (*middles, RADII[-2]) for law in LAWS for w in c.w]


def _stated_signs(c: Classifiers) -> np.ndarray:
    return np.sign([population.ratio_log_slope(law, w, rho, rtol=1e-4) for law, w, rho in _cells(c)])


SIGN = Claim(
    id="baek2024.population_sign",
    origin="derived",
    source=OURS,
    statement="In population a larger rho raises the clean/mislabelled ratio of gradient norms at every radius where w "
    "points towards the signal, from below one towards one, and lowers it from above where it points away.",
    regime="mixture, w independent of the examples; proved for the shift rho||x||, d >= 4 where noise is orthogonal",
    tolerance=Ordering(),
    setup=classifiers,
    predicted=_stated_signs,
    measured=_gains,
    mutants=(
        Mutant("always raises", predicted=lambda c: np.ones(len(_cells(c)))),
        Mutant("only while rho < w_1", predicted=lambda c: np.sign([w[0] - rho for _, w, rho in _cells(c)])),
    ),
    theory="theory.logistic.population.ratio_log_slope",
    figure="baek2024.clean_noisy_ratio",
)

CLAIMS = (NORMS, LIKELIHOOD, SIGN)
