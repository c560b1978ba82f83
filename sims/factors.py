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

from sims.layer_factors import (
    Factors,
    adaptive_change,
    change,
    gradients,
    is_row,
    of_shard,
    shard_products,
    square,
    sum_of_squares,
    written,
)
from sims.layers import Dense, Weights, affine
from spec.rules import Ascent

Params = Any
SHARD_MEMORY = 2**24  # bytes of written-out gradients of shards that may exist at once
CANCELLED = 1 / 16  # a sum's squared norm over the sum of its terms', below which rounding is felt


class Network(Protocol):
    """(params, the function that computes every layer) -> logits of a fixed batch."""

    def __call__(self, params: Params, dense: Dense = affine, /) -> jax.Array:
        """The logits."""
        ...


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
    return reduce(operator.add, map(square, factors))


def inner_products(first: Sequence[Factors], second: Sequence[Factors]) -> jax.Array:
    """<g_i, g_j> for every pair of an example of the first set and one of the second, (n, n')."""

    def of_layer(f: Factors, g: Factors) -> jax.Array:
        if is_row(f):
            gram = (f.s * g.s) * (f.a @ g.a.T)
            return (f.delta @ g.delta.T) * (gram if f.b is None else gram + 1)
        return gradients(f) @ gradients(g).T

    return reduce(operator.add, map(of_layer, first, second))


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
            return z + (adaptive_change if ascent == "adaptive" else change)(factors[i], a, scale, m)

        return network(params, dense_at_eps)

    return moved


def shard_squares(factors: Sequence[Factors], m: int) -> jax.Array:
    """Squared norm of the summed gradient of every shard, (n / m,).

    In layers of one position by the Gram matrices of the shards, where those are cheaper, unless gradients cancel, as
    for twins under opposite labels: a small difference of large numbers. Rounding changes the result by at most
    m / CANCELLED epsilons; beyond that, and in other layers, the sums are written out.
    """
    if m == 1:
        return squared_norms(factors)
    cheap = m * sum(sum(f.w.shape) for f in factors) < sum(f.w.size for f in factors)
    if not (cheap and all(map(is_row, factors))):
        return _written_squares(factors, m)
    products = reduce(operator.add, [shard_products(f, m) for f in factors])
    total, apart = jnp.sum(products, axis=(1, 2)), jnp.trace(products, axis1=1, axis2=2)
    cancelled = jnp.any(total < CANCELLED * apart)
    return jax.lax.cond(cancelled, lambda: _written_squares(factors, m), lambda: total)


def _written_squares(factors: Sequence[Factors], m: int) -> jax.Array:
    """The same from the sums written out, a few shards at a time."""

    def of_shard(shard: list[tuple[jax.Array, jax.Array]]) -> jax.Array:
        ours = [f._replace(a=a, delta=delta) for f, (a, delta) in zip(factors, shard, strict=True)]
        return reduce(operator.add, [sum_of_squares(written(f, m), f, m) for f in ours])[0]

    groups = [tuple(part.reshape(-1, m, *part.shape[1:]) for part in (f.a, f.delta)) for f in factors]
    size = sum(f.w.size for f in factors) * factors[0].delta.dtype.itemsize
    return jax.lax.map(of_shard, groups, batch_size=max(1, SHARD_MEMORY // max(1, size)))


def _adaptive_squares(factors: Sequence[Factors]) -> jax.Array:
    """||T g_i||^2, (n,)."""
    ones = jnp.ones(len(factors[0].delta), factors[0].delta.dtype)
    return reduce(operator.add, [of_shard(f, adaptive_change(f, f.a, ones) * f.delta) for f in factors])
