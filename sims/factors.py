r"""Per-example gradients kept as factors of their layers, so that hardly any of them is ever written out.

In a layer z_p = s a_p W + b with positions p (sims.layers) the gradient of example i is a sum of outer products,

    d l_i/dW = s sum_p a_ip delta_ip^T,    d l_i/db = sum_p delta_ip,    delta_ip = d l_i/dz_ip,

with inputs a and delta taken from one forward and one backward pass (`tap`). With one position, as in a dense layer of
vectors, that is one outer product:

    ||g_i||^2       = sum over layers of ||delta_i||^2 (s^2 ||a_i||^2 + 1)                      (`squared_norms`)
    <g_i, g_j>      = sum over layers of <delta_i, delta_j> (s^2 <a_i, a_j> + 1)                (`inner_products`)
    z_i at w + c_i g_i = z_i at w + c_i (s^2 <a_i, a'_i> + 1) delta_i,   a'_i the moved input   (`ascended`)

where + 1 belongs to the bias and is absent without one. With Q positions, those of an example or of a shard of examples
that moves along the mean of its gradients, the products are Gram matrices of Q x Q inner products, or d l/dW is written
out, whichever takes fewer operations: then it also takes no more numbers than the factors themselves. Every formula is
exact at any size of step; only the order of summation differs from the plain path.

Valid for networks that use every parameter in exactly one layer; sims.tracing finds out which do.
"""

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import count
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from sims.layers import Dense, Weights, affine, picks_rows
from spec.rules import ADAPTIVE_OFFSET, Ascent

Params = Any
SHARD_MEMORY = 2**24  # bytes of written-out gradients of shards that may exist at once


class Network(Protocol):
    """(params, the function that computes every layer) -> logits of a fixed batch."""

    def __call__(self, params: Params, dense: Dense = affine, /) -> jax.Array:
        """The logits."""
        ...


class Factors(NamedTuple):
    """One layer's factors: inputs a and cotangents delta of its outputs, and the layer they belong to (sims.layers)."""

    a: jax.Array
    delta: jax.Array
    w: Weights
    b: jax.Array | None
    s: float


class Tapped(NamedTuple):
    """A network after one forward pass: logits, and pull_back: cotangents of the logits -> factors of every layer."""

    logits: jax.Array
    pull_back: Callable[[jax.Array], list[Factors]]


def tap(network: Network, params: Params) -> Tapped:
    """Run the network once, with a zero added to the outputs of every layer to differentiate at."""
    layers: list[tuple[Weights, jax.Array | None, float]] = []

    def outputs(p: Params) -> list[jax.Array]:
        seen: list[jax.Array] = []

        def dense(a: jax.Array, w: Weights, b: jax.Array | None = None, s: float = 1.0) -> jax.Array:
            seen.append(affine(a, w, b, s))
            return seen[-1]

        network(p, dense)
        return seen

    def moved(taps: list[jax.Array]) -> tuple[jax.Array, list[jax.Array]]:
        inputs: list[jax.Array] = []

        def dense(a: jax.Array, w: Weights, b: jax.Array | None = None, s: float = 1.0) -> jax.Array:
            z = affine(a, w, b, s) + taps[len(inputs)]
            inputs.append(a)
            layers.append((w, b, s))
            return z

        return network(params, dense), inputs

    zeros = [jnp.zeros(z.shape, z.dtype) for z in jax.eval_shape(outputs, params)]
    logits, pull_back, inputs = jax.vjp(moved, zeros, has_aux=True)

    def factors(cotangent: jax.Array) -> list[Factors]:
        (deltas,) = pull_back(cotangent)
        return [Factors(a, delta, *layer) for a, delta, layer in zip(inputs, deltas, layers, strict=True)]

    return Tapped(logits, factors)


def squared_norms(factors: Sequence[Factors]) -> jax.Array:
    """||g_i||^2 for every example, (n,).

    The square of a Gram matrix has an error of rounding relative to sum_pq |a_p||a_q||delta_p||delta_q|.
    """
    return reduce(operator.add, map(_square, factors))


def inner_products(first: Sequence[Factors], second: Sequence[Factors]) -> jax.Array:
    """<g_i, g_j> for every pair of an example of the first set and one of the second, (n, n')."""

    def of_layer(f: Factors, g: Factors) -> jax.Array:
        if is_row(f):
            gram = (f.s * g.s) * (f.a @ g.a.T)
            return (f.delta @ g.delta.T) * (gram if f.b is None else gram + 1)
        return gradients(f) @ gradients(g).T

    return reduce(operator.add, map(of_layer, first, second))


def gradients(f: Factors) -> jax.Array:
    """The part of one layer in the gradient of every example, written out, (n, weights and biases)."""
    parts = [_written(f)] if f.b is None else [_written(f), _shifts(f)]
    return jnp.concatenate([part.reshape(len(f.delta), -1) for part in parts], axis=1)


def weighted_sum(network: Network, params: Params, factors: Sequence[Factors], weights: jax.Array) -> Params:
    """sum_i weights_i g_i, a tree like params; weights (n,)."""

    def layers(p: Params) -> list[tuple[Weights, jax.Array | None]]:
        seen: list[tuple[Weights, jax.Array | None]] = []

        def dense(a: jax.Array, w: Weights, b: jax.Array | None = None, s: float = 1.0) -> jax.Array:
            seen.append((w, b))
            return affine(a, w, b, s)

        network(p, dense)
        return seen

    def total(f: Factors) -> tuple[Weights, jax.Array | None]:
        delta = weights.reshape(-1, *[1] * (f.delta.ndim - 1)) * f.delta
        return jax.vjp(lambda w, b: affine(f.a, w, b, f.s), f.w, f.b)[1](delta)

    return jax.vjp(layers, params)[1]([total(f) for f in factors])[0]


def ascended(network: Network, factors: Sequence[Factors], rho: Any, m: int, ascent: Ascent) -> Network:
    """The network in which every shard of m consecutive examples sees its own weights w + eps.

    eps is the ascent step of length rho along the shard's summed gradient (see spec.rules), and zero where that
    gradient is zero. It is constant: the returned network differentiates with respect to its own parameters only.
    'adaptive' needs m = 1.
    """
    moving = factors[-1:] if ascent == "last" else factors
    squares = _adaptive_squares(factors) if ascent == "adaptive" else shard_squares(moving, m)
    # Guarded before the square root: otherwise the value at g = 0 is finite but its derivative is NaN.
    positive = squares > 0
    scale = jnp.where(positive, rho / jnp.sqrt(jnp.where(positive, squares, 1)), 0)
    scale = scale.astype(factors[0].delta.dtype)
    if len(moving) > 1:  # else the compiler works the scale out again for every unit of every layer
        scale = jax.lax.optimization_barrier(scale)
    still = len(factors) - len(moving)

    def moved(params: Params, dense: Dense = affine) -> jax.Array:
        layer = count()

        def dense_at_eps(a: jax.Array, w: Weights, b: jax.Array | None = None, s: float = 1.0) -> jax.Array:
            z, i = dense(a, w, b, s), next(layer)
            if i < still:
                return z
            return z + (_adaptive_change if ascent == "adaptive" else _change)(factors[i], a, scale, m)

        return network(params, dense_at_eps)

    return moved


def shard_squares(factors: Sequence[Factors], m: int) -> jax.Array:
    """Squared norm of the summed gradient of every shard, (n / m,).

    For m > 1 the sums are written out, a few shards at a time: the Gram matrix of the shard would give the square of a
    small difference of large numbers where gradients cancel, as for twins under opposite labels.
    """
    if m == 1:
        return squared_norms(factors)

    def of_shard(shard: list[tuple[jax.Array, jax.Array]]) -> jax.Array:
        ours = [f._replace(a=a, delta=delta) for f, (a, delta) in zip(factors, shard, strict=True)]
        return reduce(operator.add, [_sum_of_squares(_written(f, m), f, m) for f in ours])[0]

    groups = [tuple(part.reshape(-1, m, *part.shape[1:]) for part in (f.a, f.delta)) for f in factors]
    size = sum(f.w.size for f in factors) * factors[0].delta.dtype.itemsize
    return jax.lax.map(of_shard, groups, batch_size=max(1, SHARD_MEMORY // max(1, size)))


def _square(f: Factors) -> jax.Array:
    """The part of one layer in ||g_i||^2, (n,)."""
    if is_row(f):
        return jnp.sum(f.delta**2, axis=1) * _product(f, f.a, f.a)
    if _writes_out(f):
        return _sum_of_squares(_written(f), f)
    delta = _positions(f, f.delta)
    total = _of_shard(f, _gram(f, f.a) * jnp.einsum("bpo,bqo->bpq", delta, delta))
    total = jnp.maximum(total, 0)  # by rounding it can be less
    return total if f.b is None else total + _of_shard(f, _shifts(f) ** 2)


def _sum_of_squares(written: jax.Array, f: Factors, m: int = 1) -> jax.Array:
    total = _of_shard(f, written**2, m)
    return total if f.b is None else total + _of_shard(f, _shifts(f, m) ** 2, m)


def _change(f: Factors, a: jax.Array, scale: jax.Array, m: int) -> jax.Array:
    """How the outputs move with the weights by scale times the summed gradient of each example's shard."""
    if is_row(f) and m == 1:
        return (scale * _product(f, f.a, a))[:, None] * f.delta
    if _writes_out(f, m):
        change = f.s * jnp.einsum("bpi,boi->bpo", _positions(f, a, m), _written(f, m))
    else:
        change = jnp.einsum("bpq,bqo->bpo", _gram(f, a, m), _positions(f, f.delta, m))
    return _placed(f, change if f.b is None else change + _shifts(f, m), scale, m)


def _adaptive_change(f: Factors, a: jax.Array, scale: jax.Array, m: int = 1) -> jax.Array:
    """How the outputs move with the weights along scale T^2 g_i, T = |w| + offset; for m = 1."""
    w, b = _squared_scales(f.w), None if f.b is None else _squared_scales(f.b)
    if is_row(f):  # one more product, with T^2; still nothing is written out for any example
        inner = f.s**2 * ((f.a * a) @ w)
        return scale[:, None] * f.delta * (inner if b is None else inner + b[None, :])
    if picks_rows(a):
        change = jnp.einsum("bpq,bqo->bpo", _gram(f, a), _positions(f, f.delta)) * _positions(f, w[a])
    else:
        steps = _written(f) * _repeated(f, jnp.swapaxes(w, -1, -2))
        change = f.s * jnp.einsum("bpi,boi->bpo", _positions(f, a), steps)
    return _placed(f, change if b is None else change + _repeated(f, b[..., None, :]) * _shifts(f), scale, m)


def _squared_scales(p: jax.Array) -> jax.Array:
    return (jnp.abs(p) + ADAPTIVE_OFFSET) ** 2


def _adaptive_squares(factors: Sequence[Factors]) -> jax.Array:
    """||T g_i||^2, (n,)."""
    ones = jnp.ones(len(factors[0].delta), factors[0].delta.dtype)
    return reduce(operator.add, [_of_shard(f, _adaptive_change(f, f.a, ones) * f.delta) for f in factors])


# ---------------------------------------------------------------- one layer, position by position


def is_row(f: Factors) -> bool:
    """Whether an example has one position in a dense layer."""
    return f.a.ndim == f.w.ndim == 2 and not picks_rows(f.a)


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


def _placed(f: Factors, change: jax.Array, scale: jax.Array, m: int) -> jax.Array:
    """A change of the outputs, given by _positions, times scale (n / m,): shaped like the outputs."""
    change = scale[:, None, None, None] * change.reshape(len(f.delta) // m, -1, *change.shape[1:])
    return jnp.moveaxis(change, 1, 2).reshape(f.delta.shape)


def _of_shard(f: Factors, numbers: jax.Array, m: int = 1) -> jax.Array:
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


def _written(f: Factors, m: int = 1) -> jax.Array:
    """d l/dW summed over the positions of each shard, transposed, (n / m * g, out, in)."""
    a, delta = _positions(f, f.a, m), _positions(f, f.delta, m)
    if not picks_rows(f.a):
        return f.s * jnp.einsum("bpo,bpi->boi", delta, a)
    empty = jnp.zeros(f.w.shape, delta.dtype)
    return f.s * jax.vmap(lambda rows, d: empty.at[rows].add(d).T)(a, delta)


def _shifts(f: Factors, m: int = 1) -> jax.Array:
    """d l/db, (n / m * g, 1, out)."""
    return jnp.sum(_positions(f, f.delta, m), axis=1, keepdims=True)


def _gram(f: Factors, a: jax.Array, m: int = 1) -> jax.Array:
    """s^2 <a_p, b_q> of positions p of inputs a and q of the layer's own, (n / m * g, Q, Q)."""
    moved, own = _positions(f, a, m), _positions(f, f.a, m)
    if picks_rows(a):
        return f.s**2 * (moved[:, :, None] == own[:, None, :]).astype(f.delta.dtype)
    return f.s**2 * jnp.einsum("bpi,bqi->bpq", moved, own)
