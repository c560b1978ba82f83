"""What the factors of one layer (sims.layers) give: norms, changes of its outputs, and gradients written out.

An example, or a shard of m examples, has Q positions in the layer. Products of gradients are then products of Q x Q
Gram matrices of inputs and of cotangents, or d l/dW is written out, whichever takes fewer operations: then it takes
also no more numbers than the factors themselves. With one position nothing has to be summed.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from sims.layers import Weights, picks_rows
from spec.rules import ADAPTIVE_OFFSET


class Factors(NamedTuple):
    """One layer's factors: inputs a and cotangents delta of its outputs, and the layer they belong to (sims.layers)."""

    a: jax.Array
    delta: jax.Array
    w: Weights
    b: jax.Array | None
    s: float


def square(f: Factors) -> jax.Array:
    """The part of one layer in ||g_i||^2, (n,)."""
    if is_row(f):
        return jnp.sum(f.delta**2, axis=1) * _product(f, f.a, f.a)
    if _writes_out(f):
        return sum_of_squares(written(f), f)
    delta = _positions(f, f.delta)
    total = of_shard(f, _gram(f, f.a) * jnp.einsum("bpo,bqo->bpq", delta, delta))
    total = jnp.maximum(total, 0)  # by rounding it can be less
    return total if f.b is None else total + of_shard(f, _shifts(f) ** 2)


def sum_of_squares(weights: jax.Array, f: Factors, m: int = 1) -> jax.Array:
    """||g||^2 of every shard from its written-out gradient by the weights, (n / m,)."""
    total = of_shard(f, weights**2, m)
    return total if f.b is None else total + of_shard(f, _shifts(f, m) ** 2, m)


def shard_products(f: Factors, m: int) -> jax.Array:
    """The part of one layer in <g_p, g_q> for the examples p, q of each shard, (n / m, m, m); one position."""
    delta, gram = _positions(f, f.delta, m), _gram(f, f.a, m)
    return jnp.einsum("bpo,bqo->bpq", delta, delta) * (gram if f.b is None else gram + 1)


def change(f: Factors, a: jax.Array, scale: jax.Array, m: int) -> jax.Array:
    """How the outputs move with the weights by scale times the summed gradient of each example's shard."""
    if is_row(f) and m == 1:
        return (scale * _product(f, f.a, a))[:, None] * f.delta
    if _is_scale(f):  # where everything is, without moving blocks before positions
        by, shards = written(f, m) * f.s, len(f.delta) // m
        moved = a.reshape(shards, -1, *f.w.shape[:2]) * by.reshape(shards, 1, -1, 1)
        moved = moved if f.b is None else moved + _shifts(f, m).reshape(shards, 1, -1, 1)
        return (scale[:, None, None, None] * moved).reshape(f.delta.shape)
    if _writes_out(f, m):
        moved = f.s * jnp.einsum("bpi,boi->bpo", _positions(f, a, m), written(f, m))
    else:
        moved = jnp.einsum("bpq,bqo->bpo", _gram(f, a, m), _positions(f, f.delta, m))
    return _placed(f, moved if f.b is None else moved + _shifts(f, m), scale, m)


def adaptive_change(f: Factors, a: jax.Array, scale: jax.Array, m: int = 1) -> jax.Array:
    """How the outputs move with the weights along scale T^2 g_i, T = |w| + offset; for m = 1."""
    w, b = _squared_scales(f.w), None if f.b is None else _squared_scales(f.b)
    if is_row(f):  # one more product, with T^2; still nothing is written out for any example
        inner = f.s**2 * ((f.a * a) @ w)
        return scale[:, None] * f.delta * (inner if b is None else inner + b[None, :])
    if picks_rows(a):
        moved = jnp.einsum("bpq,bqo->bpo", _gram(f, a), _positions(f, f.delta)) * _positions(f, w[a])
    else:
        steps = written(f) * _repeated(f, jnp.swapaxes(w, -1, -2))
        moved = f.s * jnp.einsum("bpi,boi->bpo", _positions(f, a), steps)
    return _placed(f, moved if b is None else moved + _repeated(f, b[..., None, :]) * _shifts(f), scale, m)


def _squared_scales(p: jax.Array) -> jax.Array:
    return (jnp.abs(p) + ADAPTIVE_OFFSET) ** 2


def gradients(f: Factors) -> jax.Array:
    """The part of one layer in the gradient of every example, written out, (n, weights and biases)."""
    parts = [written(f)] if f.b is None else [written(f), _shifts(f)]
    return jnp.concatenate([part.reshape(len(f.delta), -1) for part in parts], axis=1)


def is_row(f: Factors) -> bool:
    """Whether an example has one position in a dense layer."""
    return f.a.ndim == f.w.ndim == 2 and not picks_rows(f.a)


def _is_scale(f: Factors) -> bool:
    """Whether every block has one input and one output."""
    return f.w.ndim == 3 and f.w.shape[1:] == (1, 1)


def _product(f: Factors, a: jax.Array, b: jax.Array) -> jax.Array:
    """s^2 <a_i, b_i> + 1, row by row."""
    inner = f.s**2 * jnp.sum(a * b, axis=1)
    return inner if f.b is None else inner + 1


def _positions(f: Factors, part: jax.Array, m: int = 1) -> jax.Array:
    """Inputs or outputs of the layer for every shard, block of the layer, and position: (n / m * g, Q, numbers).

    Inputs that pick rows of a table: (n / m, Q).
    """
    shards = len(part) // m
    if picks_rows(part):
        return part.reshape(shards, -1)
    if f.w.ndim == 2:
        return part.reshape(shards, -1, part.shape[-1])
    blocks = jnp.moveaxis(part.reshape(shards, -1, *part.shape[-2:]), 2, 1)
    return blocks.reshape(-1, *blocks.shape[2:])


def _placed(f: Factors, moved: jax.Array, scale: jax.Array, m: int) -> jax.Array:
    """A change of the outputs, given by _positions, times scale (n / m,): shaped like the outputs."""
    moved = scale[:, None, None, None] * moved.reshape(len(f.delta) // m, -1, *moved.shape[1:])
    return jnp.moveaxis(moved, 1, 2).reshape(f.delta.shape)


def of_shard(f: Factors, numbers: jax.Array, m: int = 1) -> jax.Array:
    """Sums over all that is not the shard, (n / m,)."""
    return jnp.sum(numbers.reshape(len(f.delta) // m, -1), axis=1)


def _repeated(f: Factors, blocks: jax.Array) -> jax.Array:
    """An array of every block, or of the layer, for every example: as the first axis of _positions has it."""
    return jnp.tile(blocks, (len(f.delta), 1, 1)) if f.w.ndim == 3 else blocks[None]


def _writes_out(f: Factors, m: int = 1) -> bool:
    """Whether d l/dW written out takes no more operations than Gram matrices of an example's or a shard's positions."""
    if picks_rows(f.a):
        return False
    i, o = f.w.shape[-2:]
    return i * o <= (i + o) * _positions(f, f.delta, m).shape[1]


def written(f: Factors, m: int = 1) -> jax.Array:
    """d l/dW summed over the positions of each shard, transposed, (n / m * g, out, in)."""
    if _is_scale(f):
        products = (f.a * f.delta).reshape(len(f.delta) // m, -1, len(f.w))
        return f.s * jnp.sum(products, axis=1).reshape(-1, 1, 1)
    a, delta = _positions(f, f.a, m), _positions(f, f.delta, m)
    if not picks_rows(f.a):
        return f.s * jnp.einsum("bpo,bpi->boi", delta, a)
    empty = jnp.zeros(f.w.shape, delta.dtype)
    return f.s * jax.vmap(lambda rows, d: empty.at[rows].add(d).T)(a, delta)


def _shifts(f: Factors, m: int = 1) -> jax.Array:
    """d l/db, (n / m * g, 1, out)."""
    blocks = f.delta.reshape(len(f.delta) // m, -1, 1 if f.w.ndim == 2 else len(f.w), f.delta.shape[-1])
    return jnp.sum(blocks, axis=1).reshape(-1, 1, f.delta.shape[-1])


def _gram(f: Factors, a: jax.Array, m: int = 1) -> jax.Array:
    """s^2 <a_p, b_q> of positions p of inputs a and q of the layer's own, (n / m * g, Q, Q)."""
    moved, own = _positions(f, a, m), _positions(f, f.a, m)
    if picks_rows(a):
        return f.s**2 * (moved[:, :, None] == own[:, None, :]).astype(f.delta.dtype)
    return f.s**2 * jnp.einsum("bpi,bqi->bpq", moved, own)
