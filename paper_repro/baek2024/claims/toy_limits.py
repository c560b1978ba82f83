"""Claims on where the gain of 1-SAM on the linear toy ends: at a start from zero, and at the end of the training."""

from dataclasses import replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.shared.logistic_cases import LINEAR, draws
from sims import objectives, rules
from spec.claims import Claim, MonteCarlo, Mutant, Ordering, Sample
from spec.problems import SignalNoiseMixture
from spec.rules import Sam
from spec.seeds import named_seed
from theory.logistic import mixture

TOY = SignalNoiseMixture(n=60, d=120, B=2.0, gamma=1.0, Delta=0.3, noise="orthogonal")
LARGE = replace(TOY, n=120, d=60)
ETA, STEPS = 0.1, 160
SOURCE = "Baek et al. (2024), Section 3 (linear experiment); derived here"


def _accuracies(law: SignalNoiseMixture, sample: Sample, scale: float, rho: float) -> np.ndarray:
    """Exact test accuracy after every step, (seeds, STEPS)."""
    return mixture.accuracy(law, _weights(law, sample, scale, rho))


@cache
def _weights(law: SignalNoiseMixture, sample: Sample, scale: float, rho: float) -> np.ndarray:
    """Weights after every step of full-batch 1-SAM (rho = 0: GD) from N(0, scale^2/d), (seeds, STEPS, d)."""
    start = scale * np.random.default_rng(sample.seed).normal(size=(sample.count, law.d)) / np.sqrt(law.d)
    train = draws(law, sample)
    return np.asarray(_paths(start, train.x, train.t, jnp.asarray(rho)))


@jax.jit
def _paths(start: Any, x: Any, t: Any, rho: Any) -> Any:
    def one(w: Any, x: Any, t: Any) -> Any:
        def step(w: Any, _: Any) -> Any:
            w = w - ETA * rules.gradient(Sam(rho), (), LINEAR, {"w": w}, objectives.Batch(x, t))[0]["w"]
            return w, w

        return jax.lax.scan(step, w, None, length=STEPS)[1]

    return jax.vmap(one)(start, x, t)


RADII = (0.0, 0.3, 3.0)


def _best(sample: Sample, scale: float = 0.0) -> np.ndarray:
    return np.stack([_accuracies(TOY, sample, scale, rho).max(axis=1) for rho in RADII], axis=1)


FROM_ZERO = Claim(
    id="baek2024.toy_from_zero",
    origin="derived",
    source=SOURCE,
    statement="From w = 0 the gain of 1-SAM vanishes: at any rho the best accuracy along the path is that of mean t x, "
    "the direction of the first step.",
    regime="n = 60, d = 120, B = 2, Delta = .3; rho = 0, .3, 3; up to the spread of the norms",
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=lambda s: np.full(len(RADII), mixture.mean_classifier_accuracy(TOY).value),
    measured=_best,
    mutants=(
        Mutant("from a random start", measured=lambda s: _best(s, 1.0)),
        Mutant("label noise ignored", predicted=lambda s: np.full(
            len(RADII), mixture.mean_classifier_accuracy(replace(TOY, Delta=0.0)).value)),
    ),
    theory="theory.logistic.mixture.mean_classifier_accuracy",
    figure="baek2024.toy_gain",
)  # fmt: skip

PLACES = ((TOY, 0.3), (TOY, 3.0), (LARGE, 3.0))


def _final_gains(sample: Sample) -> np.ndarray:
    """Accuracy of 1-SAM less that of GD after the last step, paired, (three times as many seeds, places)."""
    samples = [Sample(named_seed(f"{sample.seed}/{i}"), sample.count) for i in range(3)]  # the smallest of them is .01
    return np.concatenate([[_final_gain(law, s, rho) for law, rho in PLACES] for s in samples], axis=1).T


def _final_gain(law: SignalNoiseMixture, sample: Sample, rho: float) -> np.ndarray:
    sam, gd = (_accuracies(law, sample, 1.0, r)[:, -1] for r in (rho, 0.0))
    return sam - gd


FINAL = Claim(
    id="baek2024.toy_final_gain",
    origin="derived",
    source=SOURCE,
    statement="At the end of the training the gain is gone where d > n and rho is small, and it lasts where rho is "
    "large, at n > d as at d > n.",
    regime="n = 60, d = 120 at rho = .3 and 3, and n = 120, d = 60 at rho = 3; 160 steps of .1 from a random start",
    tolerance=Ordering(),
    setup=lambda s: s,
    predicted=lambda s: np.array([-1.0, 1.0, 1.0]),
    measured=_final_gains,
    mutants=(
        Mutant("transient at any rho", predicted=lambda s: -np.ones(3)),
        Mutant("lasting at any rho", predicted=lambda s: np.ones(3)),
    ),
    theory="theory.logistic.mixture.accuracy",
    figure="baek2024.toy_gain",
)

CLAIMS = (FROM_ZERO, FINAL)
