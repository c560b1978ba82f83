"""Label noise: which labels change, and to what. All functions can be traced and vectorised over keys."""

from collections.abc import Mapping
from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp

from spec.problems import AsymmetricNoise, InstanceNoise, LabelNoise, SymmetricNoise
from spec.validation import InputError, require


def choose(n: int, rate: float, flips: str, key: jax.Array) -> jax.Array:
    """Which of n examples are mislabelled: exactly round(rate n) of them, or each with probability rate."""
    if flips == "stratified":
        return jax.random.permutation(key, jnp.arange(n) < round(rate * n))
    return jax.random.bernoulli(key, rate, (n,))


def flip_binary(y: jax.Array, Delta: float, flips: str, key: jax.Array) -> jax.Array:
    """Labels in {-1, 1} with a fraction Delta of the signs changed."""
    return jnp.where(choose(len(y), Delta, flips, key), -y, y)


def require_possible(noise: LabelNoise, classes: int) -> None:
    """Refuse so much symmetric noise that the true class is no longer the likeliest one."""
    if isinstance(noise, SymmetricNoise) and noise.Delta * classes >= classes - 1:
        raise InputError(f"Delta must be below 1 - 1/classes = {1 - 1 / classes:g}, got {noise.Delta!r}")


@singledispatch
def flip_classes(noise: Any, x: jax.Array, y: jax.Array, classes: int, key: jax.Array) -> jax.Array:
    """Observed labels t (n,) for true classes y (n,) and inputs x (n, d) under a label-noise record."""
    raise TypeError(f"cannot inject {noise!r}")


@flip_classes.register
def _(noise: SymmetricNoise, x: jax.Array, y: jax.Array, classes: int, key: jax.Array) -> jax.Array:
    require_possible(noise, classes)
    which, where = jax.random.split(key)
    other = (y + jax.random.randint(where, y.shape, 1, classes, y.dtype)) % classes
    return jnp.where(choose(len(y), noise.Delta, noise.flips, which), other, y)


@flip_classes.register
def _(noise: AsymmetricNoise, x: jax.Array, y: jax.Array, classes: int, key: jax.Array) -> jax.Array:
    return jnp.where(choose(len(y), noise.Delta, noise.flips, key), (y + 1) % classes, y)


@flip_classes.register
def _(noise: InstanceNoise, x: jax.Array, y: jax.Array, classes: int, key: jax.Array) -> jax.Array:
    rates, weights, draw = jax.random.split(key, 3)
    q = instance_rates(noise, len(y), x.dtype, rates)
    w = jax.random.normal(weights, (classes, x.shape[1], classes), x.dtype)
    probabilities = instance_transitions(q, w, x, y)
    return jax.random.categorical(draw, jnp.log(probabilities), axis=1).astype(y.dtype)


def instance_rates(noise: InstanceNoise, n: int, dtype: Any, key: jax.Array) -> jax.Array:
    """Flip rates q (n,) from N(Delta, spread^2) cut to [0, 1]."""
    spread = max(noise.spread, 1e-12)
    low, high = -noise.Delta / spread, (1 - noise.Delta) / spread
    q = noise.Delta + noise.spread * jax.random.truncated_normal(key, low, high, (n,), dtype)
    # Rounding at the ends of the cut would otherwise give a negative rate, whose logarithm is not a number.
    return jnp.clip(q, 0, 1)


def instance_transitions(q: jax.Array, w: jax.Array, x: jax.Array, y: jax.Array) -> jax.Array:
    """P(t = k | x_i, y_i) (n, classes) for flip rates q (n,) and projections w (classes, d, classes) of every class."""
    classes = len(w)
    # One product with all projections, then the row of the own class: no (n, d, classes) copies.
    scores = jnp.einsum("nd,cdk->cnk", x, w)[y, jnp.arange(len(y))]
    own = jax.nn.one_hot(y, classes, dtype=bool)
    target = jax.nn.softmax(jnp.where(own, -jnp.inf, scores), axis=1)
    return jnp.where(own, 1 - q[:, None], q[:, None] * target)


# Patrini et al. (2017): truck -> automobile, bird -> airplane, deer -> horse, cat <-> dog
CIFAR10_SIMILAR = {9: 1, 2: 0, 4: 7, 3: 5, 5: 3}


def flip_to(y: jax.Array, targets: Mapping[int, int], Delta: float, flips: str, key: jax.Array) -> jax.Array:
    """Labels (n,) of which a fraction Delta is chosen and moves to the target of its class, if that has one.

    Raises InputError for a class that is its own target.
    """
    for source, target in targets.items():
        require(source != target, "targets", dict(targets), "other classes than those that move")
    chosen, moved = choose(len(y), Delta, flips, key), jnp.asarray(y)
    for source, target in targets.items():
        moved = jnp.where(jnp.asarray(y) == source, target, moved)
    return jnp.where(chosen, moved, jnp.asarray(y))
