"""Claims on what the bound of Theorem 1 is worth: its size, what it rewards, and where it fails."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.shared.logistic_cases import LINEAR
from paper_repro.xu2026.claims.measured_gradients import OURS, for_every_seed
from sims.data.label_noise import flip_classes
from sims.observables import scalars
from spec.claims import AtLeast, Claim, MonteCarlo, Mutant, Ordering, Sample
from spec.problems import SymmetricNoise
from theory.compensation import pac_bayes

REPORTED_SIZE = {"norm": 30.0, "rho": 0.05, "K": 11_170_000, "n": 50_000}
RATES = (0.0, 0.2, 0.4, 0.6)


SAID = np.array([27.0, 42.0])  # at the first and the last of RATES


def _complexity(Delta: float = 0.0, **changes: Any) -> float:
    s = REPORTED_SIZE | changes
    bound = pac_bayes.theorem_1(0.0, s["norm"], rho=s["rho"], K=int(s["K"]), n=s["n"], Delta=Delta)
    return bound.complexity


def _complexities(_: Any, **changes: Any) -> np.ndarray:
    """The complexity term at all RATES, at ||w|| = .01, and from both sides at the ends of RATES; one row."""
    found = np.array([_complexity(Delta, **changes) for Delta in RATES])
    return np.array([[*found, _complexity(norm=0.01), *found[[0, -1]], *-found[[0, -1]]]])


def _least(_: Any) -> np.ndarray:
    """The largest 0-1 loss there is, measured, and what was said, rounded to whole numbers."""
    return np.concatenate([np.full(1 + len(RATES), _every_label_wrong()), SAID - 0.5, -SAID - 0.5])


def _every_label_wrong() -> float:
    """Of predictions that miss every label."""
    y = jnp.arange(100) % CLASSES
    return float(jnp.mean(scalars.predictions(jax.nn.one_hot((y + 1) % CLASSES, CLASSES)) != y))


VACUOUS = Claim(
    id="xu2026.vacuous",
    origin="derived",
    source=OURS,
    statement="For a ResNet-18 on CIFAR-10 the complexity term alone is 27 (Delta = 0) to 42 (Delta = 0.6): vacuous.",
    regime="K = 11.17 million, ||w|| = 30 (assumed), rho = 0.05, n = 50000; at Delta = 0 true for any ||w|| above 0.01",
    tolerance=AtLeast(),
    setup=lambda s: s,
    predicted=_least,
    measured=_complexities,
    mutants=(
        Mutant("a model of 20 parameters", measured=partial(_complexities, K=20, norm=2.0)),
        Mutant("a tenth of the examples", measured=partial(_complexities, n=5000)),
    ),
    theory="theory.compensation.pac_bayes.theorem_1",
    figure="xu2026.bound",
)

ERRORS, NOISE, CLASSES = np.array([0.0, 0.3, 0.8]), 0.4, 5


def _observed_errors(sample: Sample) -> np.ndarray:
    """Disagreement with noisy labels of predictions that are wrong on a given share of the examples; rows are seeds."""

    def one(key: jax.Array) -> jax.Array:
        draw, wrong, where = jax.random.split(key, 3)
        y = jnp.arange(1000) % CLASSES
        t = flip_classes(SymmetricNoise(NOISE, "bernoulli"), jnp.zeros((1000, 1)), y, CLASSES, draw)
        other = (y + jax.random.randint(where, y.shape, 1, CLASSES)) % CLASSES
        miss = jax.random.uniform(wrong, (1, 1000)) < jnp.asarray(ERRORS)[:, None]
        logits = jax.nn.one_hot(jnp.where(miss, other[None], y[None]), CLASSES)
        return jnp.mean(jax.vmap(scalars.predictions)(logits) != t[None], axis=1)

    return for_every_seed(sample, one)


def _stated_errors(sample: Sample, Delta: float = NOISE, classes: int = CLASSES) -> np.ndarray:
    return np.array([pac_bayes.observed_error(e, Delta, classes) for e in ERRORS])


MEMORY = Claim(
    id="xu2026.memorisation",
    origin="derived",
    source=OURS,
    statement="A classifier of error e that does not know the flips disagrees with noisy labels at the rate "
    "Delta + (1 - Delta C/(C - 1)) e: the bound's first term is Delta/(1 - Delta) for a perfect classifier and 0 for "
    "one that has memorised every label.",
    regime="symmetric noise over C classes, errors uniform over the other classes",
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=_stated_errors,
    measured=_observed_errors,
    mutants=(
        Mutant("two classes", predicted=partial(_stated_errors, classes=2)),
        Mutant(
            "1 - Delta for Delta", predicted=lambda s: np.array([pac_bayes.observed_error(e, 0.6, 5) for e in ERRORS])
        ),
        Mutant("noise and error add up", predicted=lambda s: NOISE + ERRORS),
    ),
    theory="theory.compensation.pac_bayes.observed_error",
    figure="xu2026.bound",
)

SHARE, FLIPS, SAMPLES = 0.3, 0.9, 100_000


def _counterexample(sample: Sample, flips: Any = (0.0, FLIPS)) -> np.ndarray:
    """(L - Theorem 1's bound, repaired bound - L) for w = (1, -1) on e_1 and e_2, both of class +1; rows are seeds.

    The 0-1 loss is constant on the ball, so that the perturbed loss is that of w itself. A share SHARE of the examples
    is e_2, on which w errs; flips: noise rates on e_1 and e_2.
    """

    def one(key: jax.Array) -> jax.Array:
        where, flip = jax.random.split(key)
        second = jax.random.bernoulli(where, SHARE, (SAMPLES,))
        x = jax.nn.one_hot(second.astype(int), 2)
        moved = jax.random.uniform(flip, (SAMPLES,)) < jnp.where(second, flips[1], flips[0])
        predicted = scalars.predictions(LINEAR.model.apply({"w": jnp.array([1.0, -1.0])}, x))
        return jnp.stack([jnp.mean(predicted != jnp.where(moved, -1, 1)), jnp.mean(moved)])

    rows, norm = [], float(np.sqrt(2))
    for observed, rate in for_every_seed(sample, one):
        published = pac_bayes.theorem_1(observed, norm, rho=0.05, K=2, n=SAMPLES, Delta=rate)
        general = pac_bayes.repaired(observed, norm, rho=0.05, K=2, n=SAMPLES, largest_rate=max(flips))
        rows.append((SHARE - published.total, general.total - SHARE))
    return np.array(rows)


INSTANCE = Claim(
    id="xu2026.instance_dependent",
    origin="derived",
    source=OURS + "; Theorem 1 is there applied to instance-dependent noise",
    statement="Theorem 1 is false under instance-dependent noise: on two inputs with noise rates 0 and 0.9 a "
    "classifier of error 0.3 has a bound of 0.07. The repaired bound (rate at most p_max) holds, with the error as its "
    "first term.",
    regime="0-1 loss, n = 100000, K = 2; all other assumptions of the theorem hold",
    tolerance=Ordering(),
    setup=lambda s: s,
    predicted=lambda s: np.ones(2),
    measured=_counterexample,
    mutants=(Mutant("the same noise rate on both inputs", measured=partial(_counterexample, flips=(0.27, 0.27))),),
    theory="theory.compensation.pac_bayes.repaired",
    figure="xu2026.bound",
)


CLAIMS = (VACUOUS, MEMORY, INSTANCE)
