"""Which examples of a batch are selected, and under which labels their gradient is taken: the noise that is simulated.

Arrays: logits (n,) for one output or (n, classes); t, y (n,) observed and true labels; masks (n,) of bool.
"""

from functools import singledispatch
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from spec.rules.compensation import ClusterSelection, MarginSelection, OracleSelection, RandomSelection
from spec.validation import InputError


class Seen(NamedTuple):
    """What a selection may look at: logits, inputs of the last layer (n, h), observed and true labels."""

    logits: jax.Array
    hidden: jax.Array
    t: jax.Array
    y: jax.Array


def gaps(logits: jax.Array) -> jax.Array:
    """The difference of the two largest logits, (n,); |f| for one output f, which stands for the logits (0, f)."""
    if logits.ndim == 1:
        return jnp.abs(logits)
    first, second = jax.lax.top_k(logits, 2)[0].T
    return first - second


@singledispatch
def select(selection: Any, seen: Seen, key: jax.Array) -> jax.Array:
    """The mask of the selected examples. Raises InputError when a selection of a fixed size would be empty."""
    raise TypeError(f"no selection is defined for {selection!r}")


@select.register
def _(selection: MarginSelection, seen: Seen, key: jax.Array) -> jax.Array:
    return _draw(-jnp.log1p(gaps(seen.logits)), _size(selection.fraction, seen), key)


@select.register
def _(selection: RandomSelection, seen: Seen, key: jax.Array) -> jax.Array:
    return _draw(jnp.zeros(len(seen.t)), _size(selection.fraction, seen), key)


@select.register
def _(selection: OracleSelection, seen: Seen, key: jax.Array) -> jax.Array:
    size = _size(selection.fraction, seen)
    right = round(selection.precision * size)
    wrong, draw = seen.t != seen.y, jax.random.uniform(key, (len(seen.t),))

    def some(group: jax.Array, count: int) -> jax.Array:
        return group & (_ranks(jnp.where(group, draw, jnp.inf)) < count)

    return some(wrong, right) | some(~wrong, size - right)


@select.register
def _(selection: ClusterSelection, seen: Seen, key: jax.Array) -> jax.Array:
    rates = cluster_rates(selection, gaps(seen.logits), seen.hidden)
    return jax.random.uniform(key, rates.shape, rates.dtype) < rates


def cluster_rates(selection: ClusterSelection, gap: jax.Array, hidden: jax.Array) -> jax.Array:
    """The rate r_k of every example's cluster, (n,); 0 in a cluster whose gaps are all zero."""
    members = jax.nn.one_hot(k_means(selection, hidden), selection.clusters, dtype=gap.dtype)
    counts = jnp.sum(members, axis=0)
    mean = gap @ members / jnp.where(counts > 0, counts, 1)
    largest = jnp.max(gap[:, None] * members, axis=0)
    ratio = jnp.where(largest > 0, mean / jnp.where(largest > 0, largest, 1), 1)
    return members @ (selection.largest_rate * jnp.clip(1 - ratio, 0, 1))


def k_means(selection: ClusterSelection, hidden: jax.Array) -> jax.Array:
    """The cluster (n,) of every row after scaling rows to length one. Empty clusters keep their centres."""
    hidden = jax.lax.stop_gradient(hidden)
    lengths = jnp.linalg.norm(hidden, axis=1, keepdims=True)
    rows = hidden / jnp.where(lengths > 0, lengths, 1)

    def distances(centres: jax.Array) -> jax.Array:
        return jnp.sum((rows[:, None] - centres[None]) ** 2, axis=2)

    def farther(_: Any, centres: jax.Array) -> jax.Array:
        """One more centre: the row farthest from all that are there. Every place not yet filled holds the first one."""
        nearest = jnp.min(distances(centres), axis=1)
        return jnp.concatenate([centres[1:], rows[jnp.argmax(nearest)][None]])

    def lloyd(_: Any, centres: jax.Array) -> jax.Array:
        members = jax.nn.one_hot(jnp.argmin(distances(centres), axis=1), len(centres), dtype=rows.dtype)
        counts = jnp.sum(members, axis=0)[:, None]
        return jnp.where(counts > 0, members.T @ rows / jnp.where(counts > 0, counts, 1), centres)

    start = rows[jnp.argmax(distances(jnp.mean(rows, axis=0, keepdims=True))[:, 0])]
    centres = jnp.broadcast_to(start, (selection.clusters, rows.shape[1]))
    centres = jax.lax.fori_loop(0, selection.clusters - 1, farther, centres)
    centres = jax.lax.fori_loop(0, selection.iterations, lloyd, centres)
    return jnp.argmin(distances(centres), axis=1)


def targets(target: str, seen: Seen, key: jax.Array) -> jax.Array:
    """The labels (n,) under which selected examples are taken: see spec.rules.NoiseCompensated."""
    if target == "true":
        return seen.y
    if seen.logits.ndim == 1:
        return -seen.t
    classes = seen.logits.shape[1]
    if target == "uniform":
        return (seen.t + jax.random.randint(key, seen.t.shape, 1, classes, seen.t.dtype)) % classes
    own = jax.nn.one_hot(seen.t, classes, dtype=bool)
    return jnp.argmax(jnp.where(own, -jnp.inf, seen.logits), axis=1).astype(seen.t.dtype)


def _size(fraction: float, seen: Seen) -> int:
    n = len(seen.t)
    size = int(fraction * n * (1 + 1e-12))  # 0.3 * 10 is below 3
    if size == 0:
        raise InputError(f"fraction must select at least one of {n} examples, got {fraction!r}")
    return size


def _draw(log_weights: jax.Array, size: int, key: jax.Array) -> jax.Array:
    """Successive draws without replacement: the largest of Gumbel-perturbed log weights."""
    scores = log_weights + jax.random.gumbel(key, log_weights.shape, log_weights.dtype)
    return _ranks(-scores) < size


def _ranks(values: jax.Array) -> jax.Array:
    """The place (n,) of every value in increasing order."""
    return jnp.argsort(jnp.argsort(values))
