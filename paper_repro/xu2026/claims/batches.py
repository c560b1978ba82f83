"""Claims on batches: the cosine of the two perturbations of a batch, and the best correction of a batch."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.xu2026.claims.measured_gradients import (
    ISOTROPIC,
    LAWS,
    OURS,
    Labelled,
    angle,
    classifiers,
    cut,
    for_every_seed,
    orthonormal,
    pair,
    plain_gradient,
)
from sims import objectives, rules
from sims.models import networks
from spec.claims import Claim, Exact, MonteCarlo, Mutant, Ordering, Sample
from spec.rules import Sgd
from theory.compensation import angle as perturbation_angle
from theory.compensation import correction as stated

MOMENT_BATCH = 5


def _moments(case: Any) -> np.ndarray:
    """Mean over 800 batches of <g_y, g_t>, ||g_y||^2, ||g_t||^2, for the points of the mixtures."""
    sample, points = case

    def one(key: jax.Array, *splits: Labelled) -> jax.Array:
        rows = []
        for law, w in points[:4:2]:
            batches = cut(splits[LAWS.index(law)], MOMENT_BATCH)
            g, h = jax.vmap(partial(pair, w))(batches)
            rows += [jnp.mean(jnp.sum(a * b, axis=1)) for a, b in ((g, h), (g, g), (h, h))]
        return jnp.stack(rows)

    return for_every_seed(sample, one, *LAWS[:2])


def _stated_moments(case: Any, batch: int = MOMENT_BATCH, noiseless: bool = False) -> np.ndarray:
    rows = [perturbation_angle.batch_moments(law, w, batch) for law, w in case[1][:4:2]]
    return np.concatenate([(r.clean, r.clean, r.clean) if noiseless else r for r in rows])


MOMENTS = Claim(
    id="xu2026.batch_moments",
    origin="derived",
    source=OURS,
    statement="The moments of clean and noisy batch gradients, whose ratio is the cosine of the two perturbations of a "
    "batch, have the closed form of theory at any batch size.",
    regime="independent examples and flips; the cosine itself only up to the fluctuations of its three moments",
    tolerance=MonteCarlo(),
    setup=classifiers,
    predicted=_stated_moments,
    measured=_moments,
    mutants=(
        Mutant("batch off by one", predicted=partial(_stated_moments, batch=MOMENT_BATCH + 1)),
        Mutant("population values", predicted=partial(_stated_moments, batch=10**9)),
        Mutant("no noise", predicted=partial(_stated_moments, noiseless=True)),
    ),
    theory="theory.compensation.angle.batch_moments",
    figure="xu2026.residual",
)


RESIDUALS, ORTHOGONAL_RATE = np.array([0.05, 0.2, 0.5, 0.8]), 0.3


def _orthogonal_cosines(case: Any) -> np.ndarray:
    x, y = case
    t = np.where(np.arange(y.shape[1]) < ORTHOGONAL_RATE * y.shape[1], -y, y)

    def one(x: Any, t: Any, y: Any) -> Any:
        fitted = [(y * np.log(1 / s - 1)) @ x for s in RESIDUALS]
        return jnp.stack([jnp.cos(angle(plain_gradient(w, x, y), plain_gradient(w, x, t))) for w in fitted])

    return np.asarray(jax.jit(jax.vmap(one))(x, t, y))


COSINE = Claim(
    id="xu2026.orthogonal_cosine",
    origin="derived",
    source=OURS,
    statement="On orthogonal inputs with clean residual s the perturbations have the cosine "
    "(s - Delta)/sqrt((1 - Delta) s^2 + Delta (1 - s)^2): negative once clean examples are fitted to s < Delta.",
    regime="orthogonal inputs of equal norm and margin; the limit d >> batch of the mixture",
    tolerance=Exact(),
    setup=orthonormal,
    predicted=lambda c: perturbation_angle.orthogonal_cosine(RESIDUALS, ORTHOGONAL_RATE)[None],
    measured=_orthogonal_cosines,
    mutants=(
        Mutant("1 - Delta for Delta", predicted=lambda c: perturbation_angle.orthogonal_cosine(RESIDUALS, 0.7)[None]),
        Mutant("its value 1 - 2 Delta at initialisation throughout", predicted=lambda c: np.full((1, 4), 0.4)),
    ),
    theory="theory.compensation.angle.orthogonal_cosine",
    figure="xu2026.residual",
)

CLASSES, RATES = (2, 3, 7), (0.0, 0.1, 0.35, 0.8, 1.0)  # of 20 examples


def _uniform_cosines(case: Any) -> np.ndarray:
    """(set of inputs, number of classes and rate), with labels and wrong ones drawn anew for every rate."""
    x, y = case
    columns = []
    for classes in CLASSES:
        zero = jnp.zeros((x.shape[2], classes))
        draw = np.random.default_rng(np.sum(y > 0, dtype=int) + classes)
        for rate in RATES:
            labels = draw.integers(classes, size=y.shape)
            moved = (labels + draw.integers(1, classes, size=y.shape)) % classes
            observed = np.where(np.arange(y.shape[1]) < rate * y.shape[1], moved, labels)
            columns.append(_class_cosines(zero, x, labels, observed))
    return np.stack(columns, axis=1)


@jax.jit
def _class_cosines(zero: Any, x: Any, labels: Any, observed: Any) -> Any:
    """The cosine of the weights' gradients under both labellings, for every set."""
    objective = objectives.Objective(networks.mlp(zero.shape), objectives.cross_entropy)
    params = [{"w": zero, "b": zero[0]}]

    def one(x: Any, *labellings: Any) -> Any:
        g, h = (rules.gradient(Sgd(), (), objective, params, objectives.Batch(x, u))[0][0]["w"] for u in labellings)
        return jnp.sum(g * h) / jnp.sqrt(jnp.sum(g * g) * jnp.sum(h * h))

    return jax.vmap(one)(x, labels, observed)


def _stated_uniform_cosines(classes: int = 0, share: float = 1.0) -> np.ndarray:
    return np.array([perturbation_angle.uniform_cosine(share * r, classes or c) for c in CLASSES for r in RATES])[None]


UNIFORM = Claim(
    id="xu2026.uniform_cosine",
    origin="derived",
    source=OURS,
    statement="With C classes at uniform softmax (initialisation) that cosine is 1 - Delta C/(C - 1).",
    regime="weights of a linear softmax model, orthogonal inputs of equal norm, any labels of which a share Delta is "
    "wrong in any way",
    tolerance=Exact(),
    setup=orthonormal,
    predicted=lambda c: _stated_uniform_cosines(),
    measured=_uniform_cosines,
    mutants=(
        Mutant("two classes", predicted=lambda c: _stated_uniform_cosines(classes=2)),
        Mutant("one class too many", predicted=lambda c: _stated_uniform_cosines(classes=8)),
        Mutant("half of the wrong labels", predicted=lambda c: _stated_uniform_cosines(share=0.5)),
        Mutant("1 - Delta", predicted=lambda c: np.tile(1 - np.array(RATES), len(CLASSES))[None]),
    ),
    theory="theory.compensation.angle.uniform_cosine",
    figure="xu2026.residual",
)


WEIGHTS = np.array([0.7, 0.5, -0.2, 0.0, 0.1, 0.3])
GAMMAS = np.array([-0.4, 0.0, 0.25, 0.8])
BATCH = 4
LAW_MOMENTS = {"second_moment": ISOTROPIC.B**2 + 6 * ISOTROPIC.gamma**2, "mean_square": ISOTROPIC.B**2}


def _batch_errors(sample: Sample, batch: int = BATCH, gammas: Any = GAMMAS) -> np.ndarray:
    """Mean squared distance to the clean gradient of the same batch, over all batches of a sample."""

    def of_batch(split: Labelled) -> jax.Array:
        clean, noisy = pair(WEIGHTS, split)
        mean = plain_gradient(WEIGHTS, split.x, -split.t) - noisy
        return jnp.sum(((noisy - clean)[None] - jnp.asarray(gammas)[:, None] * mean[None]) ** 2, axis=1)

    def one(key: jax.Array, split: Labelled) -> jax.Array:
        return jnp.mean(jax.vmap(of_batch)(cut(split, batch)), axis=0)

    return for_every_seed(sample, one, ISOTROPIC)


def _stated_errors(sample: Sample, Delta: float = ISOTROPIC.Delta, batch: int = BATCH, sign: float = 1.0) -> np.ndarray:
    return stated.finite_batch_error(sign * GAMMAS, Delta, batch, **LAW_MOMENTS)


FINITE_BATCH = Claim(
    id="xu2026.finite_batch_error",
    origin="derived",
    source=OURS,
    statement="Correcting a batch of b examples by gamma mean(t x) leaves the mean squared error "
    "[(gamma^2 + 2 Delta gamma + Delta) E||x||^2 + (b - 1)(Delta - gamma (1 - 2 Delta))^2 ||E yx||^2]/b.",
    regime="independent examples and flips, any w",
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=_stated_errors,
    measured=_batch_errors,
    mutants=(
        Mutant("sign", predicted=partial(_stated_errors, sign=-1.0)),
        Mutant("batch off by one", predicted=partial(_stated_errors, batch=BATCH + 1)),
        Mutant("rate off by a quarter", predicted=partial(_stated_errors, Delta=0.75 * ISOTROPIC.Delta)),
    ),
    theory="theory.compensation.correction.finite_batch_error",
    figure="xu2026.finite_batch",
)

SIZES = (2, 4, 40)


def _subtracting_gains(sample: Sample) -> np.ndarray:
    """How much subtracting a little (gamma = 0.02) lowers that error, for batches on both sides of the reversal."""
    errors = [_batch_errors(sample, batch, (0.0, 0.02)) for batch in SIZES]
    return np.stack([e[:, 0] - e[:, 1] for e in errors], axis=1)


REVERSAL = Claim(
    id="xu2026.reversal_batch",
    origin="derived",
    source=OURS,
    statement="With random selection the sign that lowers the squared error of the gradient turns at the batch "
    "1 + E||x||^2/((1 - 2 Delta) ||E yx||^2): below it adding the flipped gradient does, by shrinking the gradient, "
    "above it subtracting. It says nothing of the direction: xu2026.reversal_direction.",
    regime="mean squared error of the gradient, small gamma; here the reversal is at a batch of 6.5",
    tolerance=Ordering(),
    setup=lambda s: s,
    predicted=lambda s: np.sign(np.array(SIZES) - stated.reversal_batch(ISOTROPIC.Delta, **LAW_MOMENTS)),
    measured=_subtracting_gains,
    mutants=(
        Mutant("subtracting always helps, as in population", predicted=lambda s: np.ones(3)),
        Mutant("adding always helps, as published", predicted=lambda s: -np.ones(3)),
    ),
    theory="theory.compensation.correction.reversal_batch",
    figure="xu2026.finite_batch",
)


CLAIMS = (MOMENTS, COSINE, UNIFORM, FINITE_BATCH, REVERSAL)
