"""Claims on the sign of the compensation in a batch: the threshold of precision, and what moves it."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.shared.logistic_cases import LINEAR
from paper_repro.xu2026.claims.measured_gradients import (
    ISOTROPIC,
    LAWS,
    OURS,
    classifiers,
    cut,
    for_every_seed,
    orthonormal,
    pair,
)
from paper_repro.xu2026.claims.measured_gradients import plain_gradient as gradient
from sims import objectives, per_example
from sims.models import networks
from sims.rules.bound import Labelled
from spec.claims import Claim, Exact, MonteCarlo, Mutant, Ordering, Sample
from spec.problems import SignalNoiseMixture
from theory.compensation import sign as stated
from theory.compensation.correction import helpful_sign

SOURCE = OURS + ", against its equation 12, which always adds"
MOMENT_BATCH = 4


def slope(clean: Any, noisy: Any, star: Any) -> jax.Array:
    """d cos(noisy + gamma star, clean)/d gamma at 0, by automatic differentiation."""

    def cosine(gamma: Any) -> jax.Array:
        g = noisy + gamma * star
        return jnp.vdot(g, clean) / jnp.linalg.norm(g) / jnp.linalg.norm(clean)

    return jax.jvp(cosine, (0.0,), (1.0,))[1]


def starred(objective: Any, params: Any, x: Any, labels: Any, mislabelled: Any, precision: Any) -> Any:
    """The mean of g* over selections of a precision, drawn within each group whatever the inputs."""
    groups = (mislabelled, ~mislabelled)
    weights = [p * g / jnp.maximum(jnp.sum(g), 1) for p, g in zip((precision, 1 - precision), groups, strict=True)]
    return per_example.weighted_gradient(objective, params, objectives.Batch(x, labels), sum(weights))


# ---------------------------------------------------------------- second moments


def _moments(case: Any) -> np.ndarray:
    """Mean over batches of the products of g_t, and of g* of the first example where it is mislabelled and where not.

    The last two come with the probability of their case, as nothing is divided.
    """
    sample, points = case

    def of_batch(w: Any, split: Labelled) -> jax.Array:
        clean, noisy = pair(w, split)
        star, wrong = gradient(w, split.x[:1], -split.t[:1]), split.t[0] != split.y[0]
        products = jnp.stack([noisy, wrong * star, ~wrong * star]) @ jnp.stack([clean, noisy]).T
        return products.ravel()

    def one(key: jax.Array, *splits: Labelled) -> jax.Array:
        rows = []
        for law, w in points[:4:2]:
            batches = cut(splits[LAWS.index(law)], MOMENT_BATCH)
            rows.append(jnp.mean(jax.vmap(partial(of_batch, jnp.asarray(w)))(batches), axis=0))
        return jnp.concatenate(rows)

    return for_every_seed(sample, one, *LAWS[:2])


def _stated_moments(case: Any, batch: int = MOMENT_BATCH, own: float = 1.0, pairs: float = 1.0) -> np.ndarray:
    rows = []
    for law, w in case[1][:4:2]:
        terms = stated.mixture_terms(law, w)
        products = stated.Terms(own * terms.own, pairs * terms.pair).of_batch(batch)
        rows.append(products * np.array([1, law.Delta, 1 - law.Delta])[:, None])
    return np.ravel(rows)


MOMENTS = Claim(
    id="xu2026.sign_moments",
    origin="derived",
    source=OURS,
    statement="The products of g*, kind by kind, and of g_t with the clean and the noisy gradient of a batch of b have "
    "the means [own + (b - 1) pair]/b of theory.",
    regime="mixture, isotropic and orthogonal noise; independent examples and flips, w independent of them, off-origin",
    tolerance=MonteCarlo(),
    setup=classifiers,
    predicted=_stated_moments,
    measured=_moments,
    mutants=(
        Mutant("batch off by one", predicted=partial(_stated_moments, batch=MOMENT_BATCH + 1)),
        Mutant("pair terms alone, as in population", predicted=partial(_stated_moments, own=0.0)),
        Mutant("own terms alone, as for orthogonal inputs", predicted=partial(_stated_moments, pairs=0.0)),
    ),
    theory="theory.compensation.sign.mixture_terms",
)


# ---------------------------------------------------------------- batches between the two extremes

BATCH, SHARES = 20, np.array([0.05, 0.57, 1.0])
W = np.array([0.7, 0.5, -0.2, 0.0, 0.1, 0.3])
DIMENSIONS = (6, 200)
WIDE = tuple(
    SignalNoiseMixture(n=400, d=d, B=ISOTROPIC.B, gamma=ISOTROPIC.gamma, Delta=ISOTROPIC.Delta, flips="bernoulli")
    for d in DIMENSIONS
)


def _padded(d: int) -> np.ndarray:
    return np.concatenate([W, np.zeros(d - len(W))])


def _batch_slopes(sample: Sample) -> np.ndarray:
    """Mean over batches of d cos/d gamma, a column for each dimension and share of right labels."""

    def of_batch(w: Any, split: Labelled) -> jax.Array:
        clean, noisy = pair(w, split)
        wrong = split.t != split.y
        stars = [starred(LINEAR, {"w": w}, split.x, -split.t, wrong, p)["w"] for p in SHARES]
        return jnp.stack([slope(clean, noisy, star) for star in stars])

    def one(key: jax.Array, *splits: Labelled) -> jax.Array:
        rows = []
        for d, split in zip(DIMENSIONS, splits, strict=True):
            slopes = jax.vmap(partial(of_batch, jnp.asarray(_padded(d))))(cut(split, BATCH))
            rows.append(jnp.mean(slopes, axis=0))
        return jnp.concatenate(rows)

    return for_every_seed(sample, one, *WIDE)


def _stated_signs(sample: Sample) -> np.ndarray:
    found = [stated.threshold(stated.mixture_terms(law, _padded(law.d)).of_batch(BATCH)) for law in WIDE]
    return np.sign(SHARES[None] - np.stack(found)[:, None]).ravel()


BATCHES = Claim(
    id="xu2026.sign_threshold",
    origin="derived",
    source=SOURCE,
    statement="In a batch adding helps iff precision > -D_wrong/(D_right - D_wrong), from second moments with own and "
    "pair terms: precision .57 is too little for batches of 20 in 6 dimensions and enough in 200.",
    regime="mixture, Delta = .2; mean over batches of the derivative of the cosine, the threshold from expectations",
    tolerance=Ordering(),
    setup=lambda s: s,
    predicted=_stated_signs,
    measured=_batch_slopes,
    mutants=(
        Mutant(
            "precision > 1 - Delta, as in population",
            predicted=lambda s: np.tile(helpful_sign(ISOTROPIC.Delta, SHARES), 2),
        ),
        Mutant("precision > Delta, as for memorised labels", predicted=lambda s: np.tile(np.sign(SHARES - 0.2), 2)),
        Mutant("adding always helps, as published", predicted=lambda s: np.ones(6)),
    ),
    theory="theory.compensation.sign.threshold",
)


# ---------------------------------------------------------------- orthogonal inputs

RATE = 0.3
PRECISIONS = np.array([0.1, 0.3, 0.5, 0.9])
FITS = (
    (0.05, 0.95),
    (0.05, 0.05),
    (0.5, 0.5),
    (0.7, 0.7),
    (0.1, 0.6),
)  # residuals under true labels: clean, mislabelled


def _flips(y: np.ndarray) -> np.ndarray:
    """The first RATE of the examples."""
    return np.arange(y.shape[-1]) < RATE * y.shape[-1]


def _orthogonal_slopes(case: Any) -> np.ndarray:
    x, y = case
    wrong = _flips(y)

    def one(x: Any, y: Any) -> Any:
        t, found = jnp.where(wrong, -y, y), []
        for clean, mislabelled in FITS:
            w = (y * np.log(1 / np.where(wrong, mislabelled, clean) - 1)) @ x
            g, h = gradient(w, x, y), gradient(w, x, t)
            stars = [starred(LINEAR, {"w": w}, x, -t, wrong, p)["w"] for p in PRECISIONS]
            found.append(jnp.stack([slope(g, h, star) for star in stars]))
        return jnp.stack(found)

    return np.asarray(jax.jit(jax.vmap(one))(x, y))


def _stated_slopes(case: Any, Delta: float = RATE, swap: bool = False, sign: float = 1.0) -> np.ndarray:
    n, rows = case[1].shape[1], []
    for clean, mislabelled in FITS:
        products = stated.orthogonal_products(clean, mislabelled, Delta) / n
        square = ((1 - Delta) * clean**2 + Delta * mislabelled**2) / n
        shares = np.stack([PRECISIONS, 1 - PRECISIONS], axis=1)
        rows.append(sign * stated.cosine_slope(products[None], shares[:, ::-1] if swap else shares, square))
    return np.stack(rows)[None]


ORTHOGONAL = Claim(
    id="xu2026.sign_orthogonal",
    origin="derived",
    source=SOURCE,
    statement="On orthogonal inputs the slope of the cosine is sum of shares times D_k / (||g_t||^3 ||g_y||): it turns "
    "sign at Delta where observed labels are fitted to a common residual, and at .994, .30, .073 for Delta = .3 where "
    "true labels are fitted to .05, .5, .7.",
    regime="orthogonal inputs of equal norm, one residual for clean and one for mislabelled examples, a small gamma",
    tolerance=Exact(),
    setup=orthonormal,
    predicted=_stated_slopes,
    measured=_orthogonal_slopes,
    mutants=(
        Mutant("sign", predicted=partial(_stated_slopes, sign=-1.0)),
        Mutant("1 - Delta for Delta", predicted=partial(_stated_slopes, Delta=1 - RATE)),
        Mutant("precision for 1 - precision", predicted=partial(_stated_slopes, swap=True)),
    ),
    theory="theory.compensation.sign.orthogonal_products",
)


# ---------------------------------------------------------------- memorised labels


def _overlapping(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Inputs of unequal length that overlap, fewer than their dimensions, and true labels."""
    x, y = orthonormal(sample)
    rng = np.random.default_rng([sample.seed, 1])
    mixed = np.einsum("kni,kij->knj", x, rng.normal(size=(sample.count, 24, 24))) + 0.4
    return mixed * rng.uniform(0.3, 3, (*y.shape, 1)), y


def _relative_slopes(case: Any, residual: float = 0.07) -> np.ndarray:
    """Slopes at PRECISIONS over the slope at precision one."""
    x, y = case
    wrong = _flips(y)

    def one(x: Any, y: Any) -> Any:
        t = jnp.where(wrong, -y, y)
        w = jnp.linalg.lstsq(x, t * np.log(1 / residual - 1))[0]
        g, h = gradient(w, x, y), gradient(w, x, t)
        stars = [starred(LINEAR, {"w": w}, x, -t, wrong, p)["w"] for p in (*PRECISIONS, 1.0)]
        slopes = jnp.stack([slope(g, h, star) for star in stars])
        return slopes[:-1] / slopes[-1]

    return np.asarray(jax.jit(jax.vmap(one))(x, y))


def _stated_relative(case: Any, at: Any = None) -> np.ndarray:
    threshold = (at or stated.memorised_threshold)(RATE)
    return ((PRECISIONS - threshold) / (1 - threshold))[None]


MEMORISED = Claim(
    id="xu2026.sign_memorised",
    origin="derived",
    source=SOURCE,
    statement="Once every observed label is fitted to one residual the slope at precision p is (p - Delta)/(1 - Delta) "
    "of that at precision one: the threshold is Delta, on any inputs.",
    regime="two labels, a common residual of observed labels; here overlapping inputs of unequal norm, n < d",
    tolerance=Exact(),
    setup=_overlapping,
    predicted=_stated_relative,
    measured=_relative_slopes,
    mutants=(
        Mutant("threshold 1 - Delta, as in population", predicted=partial(_stated_relative, at=lambda D: 1 - D)),
        Mutant("threshold 1/2", predicted=partial(_stated_relative, at=lambda D: 0.5)),
    ),
    theory="theory.compensation.sign.memorised_threshold",
)


# ---------------------------------------------------------------- classes

CLASSES = 5
OBSERVED = np.array([1 / CLASSES, 0.6, 0.95])  # q_t; the rest is spread evenly
SOFTMAX = objectives.Objective(networks.linear(24, classes=CLASSES), objectives.cross_entropy)


def _class_slopes(case: Any) -> np.ndarray:
    x, y = case
    wrong = _flips(y)
    t = np.arange(y.shape[1]) % CLASSES
    other = (t + 2) % CLASSES
    true = np.where(wrong, other, t)

    def one(x: Any) -> Any:
        found = []
        for q in OBSERVED:
            logits = np.where(np.eye(CLASSES, dtype=bool)[t], np.log(q), np.log((1 - q) / (CLASSES - 1)))
            params = {"w": logits.T @ x}
            half = jnp.full(len(t), 1 / len(t))
            g, h = (
                per_example.weighted_gradient(SOFTMAX, params, objectives.Batch(x, jnp.asarray(u)), half)["w"]
                for u in (true, t)
            )
            stars = [starred(SOFTMAX, params, x, jnp.asarray(other), wrong, p)["w"] for p in PRECISIONS]
            found.append(jnp.stack([slope(g, h, star) for star in stars]))
        return jnp.stack(found)

    return np.asarray(jax.jit(jax.vmap(one))(x))


def _stated_class_slopes(case: Any, classes: int = CLASSES, Delta: float = RATE) -> np.ndarray:
    n, rows = case[1].shape[1], []
    for q in OBSERVED:
        rest = (1 - q) / (classes - 1)
        products = stated.class_products(q, rest, rest, Delta, classes) / n
        clean = (q**2 + (1 - q) * rest - 2 * q + 1, q**2 + (1 - q) * rest - 2 * rest + 1)
        square = ((1 - Delta) * clean[0] + Delta * clean[1]) / n
        rows.append(stated.cosine_slope(products[None], np.stack([PRECISIONS, 1 - PRECISIONS], axis=1), square))
    return np.stack(rows)[None]


CLASS_SIGN = Claim(
    id="xu2026.sign_classes",
    origin="derived",
    source=SOURCE,
    statement="With C classes on orthogonal inputs the threshold of the share of right labels runs from Delta/(C - 1) "
    "at uniform softmax to Delta C/(2 (C - 1)) where every observed label is fitted.",
    regime="linear softmax model, orthogonal inputs of equal norm, the same probabilities for every example",
    tolerance=Exact(),
    setup=orthonormal,
    predicted=_stated_class_slopes,
    measured=_class_slopes,
    mutants=(
        Mutant("one class more", predicted=partial(_stated_class_slopes, classes=CLASSES + 1)),
        Mutant("1 - Delta for Delta", predicted=partial(_stated_class_slopes, Delta=1 - RATE)),
    ),
    theory="theory.compensation.sign.class_products",
)


# ---------------------------------------------------------------- the whole batch, small batches

SIZES = (2, 4, 40)


def _direction_gains(sample: Sample) -> np.ndarray:
    """How much subtracting gamma = .02 of the whole batch's mean t x raises the cosine, for each size of batch."""

    def of_batch(split: Labelled) -> jax.Array:
        clean, noisy = pair(W, split)
        turned = noisy - 0.02 * (gradient(W, split.x, -split.t) - noisy)
        return jnp.vdot(
            clean / jnp.linalg.norm(clean), turned / jnp.linalg.norm(turned) - noisy / jnp.linalg.norm(noisy)
        )

    def one(key: jax.Array, split: Labelled) -> jax.Array:
        return jnp.stack([jnp.mean(jax.vmap(of_batch)(cut(split, batch))) for batch in SIZES])

    return for_every_seed(sample, one, ISOTROPIC)


def _subtracting(sample: Sample) -> np.ndarray:
    """+1 where the precision of the whole batch, Delta, lies below the threshold."""
    terms = stated.mixture_terms(ISOTROPIC, W)
    return np.array([np.sign(stated.threshold(terms.of_batch(b)) - ISOTROPIC.Delta) for b in SIZES])


DIRECTION = Claim(
    id="xu2026.reversal_direction",
    origin="derived",
    source=OURS,
    statement="In direction nothing reverses in small batches: subtracting the flipped gradient of the whole batch "
    "turns the perturbation towards the clean one at 2, 4 and 40 examples; below xu2026.reversal_batch adding only "
    "shrinks the gradient, which lowers its squared error and not its angle.",
    regime="random selection, small gamma, the mean cosine of batches; w away from 0, where no sign changes anything",
    tolerance=Ordering(),
    setup=lambda s: s,
    predicted=_subtracting,
    measured=_direction_gains,
    mutants=(Mutant("the reversal of the squared error, at 6.5", predicted=lambda s: np.sign(np.array(SIZES) - 6.5)),),
    theory="theory.compensation.sign.threshold",
)


CLAIMS = (MOMENTS, BATCHES, ORTHOGONAL, MEMORISED, CLASS_SIGN, DIRECTION)
