"""Claims on gradients under flipped labels: the effective noise rate, its zero, and which sign helps."""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.xu2026.claims.measured_gradients import (
    ISOTROPIC,
    OURS,
    angle,
    flipped_gradient,
    for_every_seed,
    pair,
    record_of,
)
from sims import objectives, rules
from sims.data.label_noise import flip_classes
from sims.models import networks
from sims.rules.bound import Labelled
from sims.rules.compensation import noise_gradient
from spec.claims import Claim, MonteCarlo, Mutant, Ordering, Sample
from spec.problems import SymmetricNoise
from spec.rules import OracleSelection, RandomSelection, Sgd
from theory.compensation import correction as stated

REGIME = "two classes, labels flipped and examples selected independently of x, in population"
W = np.array([0.7, 0.5, -0.2, 0.0, 0.1, 0.3])
DELTA = ISOTROPIC.Delta
CELLS = np.array([(0.6, 0.9), (0.6, DELTA), (-0.3, 0.5), (-0.3, 0.95), (1.5, 0.7)])  # (gamma, precision)


@cache
def _tilts(sample: Sample, precisions: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tilts along the signal, over that of noise rate one, for every seed: of the observed gradient (k,), and of the
    flipped and the observed gradient of selections (k, precisions).
    """

    def one(key: jax.Array, split: Labelled) -> jax.Array:
        clean, noisy = pair(W, split)
        flipped = [flipped_gradient(W, split, key, p) for p in precisions]
        # The same draws with every label exchanged select the same examples, and flip them to what they show.
        exchanged = Labelled(split.x, -split.t, -split.y)
        shown = [flipped_gradient(W, exchanged, key, p) for p in precisions]
        return jnp.stack([noisy, *flipped, *shown])[:, 0] - clean[0]

    tilts = for_every_seed(sample, one, ISOTROPIC) / ISOTROPIC.B
    flipped, shown = np.split(tilts[:, 1:], 2, axis=1)
    return tilts[:, 0], flipped, shown


def _rates(sample: Sample, cells: Any = CELLS) -> np.ndarray:
    """The noise rate that (g_observed + gamma g_flipped)/(1 + gamma) shows, a column for each (gamma, precision)."""
    gamma, precision = np.transpose(cells)
    noisy, flipped, _ = _tilts(sample, tuple(precision.tolist()))
    return (noisy[:, None] + gamma * flipped) / (1 + gamma)


def _effective(sample: Sample, Delta: float = DELTA, gamma: float = 1.0, right: Any = lambda p: p) -> np.ndarray:
    """effective_rate of the cells, with replaceable noise rate, sign and precision."""
    return stated.effective_rate(Delta, gamma * CELLS[:, 0], right(CELLS[:, 1]))


EFFECTIVE = Claim(
    id="xu2026.effective_rate",
    origin="derived",
    source=OURS,
    statement="Adding gamma times the gradient of a selection under flipped labels changes the noise rate of the "
    "gradient from Delta to (Delta + gamma (1 - precision))/(1 + gamma).",
    regime=REGIME,
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=_effective,
    measured=_rates,
    mutants=(
        Mutant("sign of the compensation", predicted=partial(_effective, gamma=-1.0)),
        Mutant("1 - Delta for Delta", predicted=partial(_effective, Delta=1 - DELTA)),
        Mutant("precision for 1 - precision", predicted=partial(_effective, right=lambda p: 1 - p)),
        Mutant("every flip takes a label back", predicted=partial(_effective, right=np.ones_like)),
    ),
    theory="theory.compensation.correction.effective_rate",
    figure="xu2026.rates",
)

PRECISIONS = (DELTA, 0.5, 0.7)


def _cancelling(Delta: float, precision: float) -> float:
    return float(stated.cancelling_gamma(Delta, precision))


def _at_zero(sample: Sample, gamma: Any = _cancelling) -> np.ndarray:
    return _rates(sample, [(float(gamma(DELTA, p)), p) for p in PRECISIONS])


CANCELLING = Claim(
    id="xu2026.cancelling_gamma",
    origin="derived",
    source=OURS,
    statement="The noise cancels at gamma* = -Delta/(1 - precision): the flipped gradient has to be subtracted.",
    regime=REGIME + "; precision < 1 - Delta",
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=lambda s: np.zeros(len(PRECISIONS)),
    measured=_at_zero,
    mutants=(
        Mutant("added, as published", measured=partial(_at_zero, gamma=lambda D, p: -_cancelling(D, p))),
        Mutant("1 - Delta for Delta", measured=partial(_at_zero, gamma=lambda D, p: -0.5 * (1 - D))),
        Mutant("precision for 1 - precision", measured=partial(_at_zero, gamma=lambda D, p: -D / (2 * p))),
    ),
    theory="theory.compensation.correction.cancelling_gamma",
    figure="xu2026.rates",
)

AROUND = np.array([0.2, 0.5, 0.7, 0.9, 1.0])


def _gains(sample: Sample) -> np.ndarray:
    """By how much adding a tenth of the flipped gradient lowers the angle to the clean gradient."""

    def one(key: jax.Array, split: Labelled) -> jax.Array:
        clean, noisy = pair(W, split)
        added = [noisy + 0.1 * flipped_gradient(W, split, key, p) for p in AROUND]
        return angle(noisy, clean) - jnp.stack([angle(a, clean) for a in added])

    return for_every_seed(sample, one, ISOTROPIC)


SIGN = Claim(
    id="xu2026.sign_rule",
    origin="derived",
    source=OURS + ", against its equation 12, which always adds",
    statement="Adding the flipped gradient turns the perturbation towards the clean one iff precision > 1 - Delta; "
    "below that it turns it away, and subtracting helps.",
    regime=REGIME + "; a small gamma, and an angle that grows with the noise rate",
    tolerance=Ordering(),
    setup=lambda s: s,
    predicted=lambda s: stated.helpful_sign(DELTA, AROUND),
    measured=_gains,
    mutants=(
        Mutant("adding always helps, as published", predicted=lambda s: np.ones(5)),
        Mutant("precision > Delta", predicted=lambda s: np.where(AROUND > DELTA, 1.0, -1.0)),
        Mutant("precision > 1/2", predicted=lambda s: np.where(AROUND > 0.5, 1.0, -1.0)),
    ),
    theory="theory.compensation.correction.helpful_sign",
    figure="xu2026.rates",
)


def _differences(sample: Sample, sign: float = 1.0) -> np.ndarray:
    noisy, flipped, shown = _tilts(sample, tuple(CELLS[:, 1].tolist()))
    return noisy[:, None] + sign * CELLS[:, 0] * (flipped - shown)


def _difference_rates(sample: Sample, term: float = 2.0, right: Any = lambda p: p) -> np.ndarray:
    return DELTA + CELLS[:, 0] * (1 - term * right(CELLS[:, 1]))


DIFFERENCE = Claim(
    id="xu2026.difference_estimator",
    origin="derived",
    source=OURS,
    statement="Adding gamma times the *difference* of flipped and observed gradients of the selection gives the rate "
    "Delta + gamma (1 - 2 precision), with its zero at Delta/(2 precision - 1).",
    regime=REGIME,
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=lambda s: stated.difference_rate(DELTA, *CELLS.T),
    measured=_differences,
    mutants=(
        Mutant("sign", measured=partial(_differences, sign=-1.0)),
        Mutant("1 - precision, as without the difference", predicted=partial(_difference_rates, term=1.0)),
        Mutant("precision for 1 - precision", predicted=partial(_difference_rates, right=lambda p: 1 - p)),
    ),
    theory="theory.compensation.correction.difference_rate",
    figure="xu2026.rates",
)

CLASSES, CLASS_RATE = 5, 0.4
MEANS = np.array([[1.0, 0.2, 0.0], [-0.6, 1.1, 0.3], [0.1, -0.9, 0.8], [-1.2, -0.4, -0.5], [0.5, 0.4, -1.3]])
SOFTMAX = objectives.Objective(networks.mlp((3, CLASSES)), objectives.cross_entropy)
SELECTIONS = ((RandomSelection(1.0), CLASS_RATE), (OracleSelection(0.4, 0.8), 0.8))
WEIGHT = 3.0


def _class_rates(sample: Sample, gamma: float = WEIGHT) -> np.ndarray:
    """As _rates for a linear softmax model and uniform other labels: along the tilt of rate one."""
    params = [{"w": jnp.asarray(0.3 * MEANS.T), "b": jnp.zeros(CLASSES)}]
    y = jnp.tile(jnp.arange(CLASSES), 1600)
    tilt = (np.eye(CLASSES) - (1 - np.eye(CLASSES)) / (CLASSES - 1)).T @ MEANS / CLASSES

    def one(key: jax.Array) -> jax.Array:
        inputs, flips, draws = jax.random.split(key, 3)
        x = jnp.asarray(MEANS)[y] + jax.random.normal(inputs, (len(y), 3))
        t = flip_classes(SymmetricNoise(CLASS_RATE), x, y, CLASSES, flips)
        clean, noisy = (rules.gradient(Sgd(), (), SOFTMAX, params, objectives.Batch(x, u))[0][0]["w"] for u in (y, t))
        rates = []
        for selection, _ in SELECTIONS:
            record = record_of(selection, target="uniform")
            flipped = noise_gradient(record, SOFTMAX, params, Labelled(x, t, y), draws)[0]["w"]
            left = (noisy + gamma * flipped) / (1 + gamma) - clean
            rates.append(jnp.sum(left * tilt.T) / np.sum(tilt**2))
        return jnp.stack(rates)

    return for_every_seed(sample, one)


def _stated_class_rates(sample: Sample, hit: float = 1 / (CLASSES - 1)) -> np.ndarray:
    return np.array([stated.effective_rate(CLASS_RATE, WEIGHT, precision, hit) for _, precision in SELECTIONS])


CLASS_RATES = Claim(
    id="xu2026.class_rates",
    origin="derived",
    source=OURS,
    statement="With C classes, symmetric noise and a uniform other label, a flip of a mislabelled example is right "
    "with probability 1/(C - 1): the rate is (Delta + gamma (1 - precision/(C - 1)))/(1 + gamma).",
    regime="linear softmax model, any inputs; adding then helps only for precision > (1 - Delta)(C - 1)",
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=_stated_class_rates,
    measured=_class_rates,
    mutants=(
        Mutant("two classes", predicted=partial(_stated_class_rates, hit=1.0)),
        Mutant("1/C", predicted=partial(_stated_class_rates, hit=1 / CLASSES)),
        Mutant("sign of the compensation", measured=partial(_class_rates, gamma=-0.4)),
    ),
    theory="theory.compensation.correction.effective_rate",
    figure="xu2026.rates",
)


CLAIMS = (EFFECTIVE, CANCELLING, SIGN, DIFFERENCE, CLASS_RATES)
