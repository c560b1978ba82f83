r"""Per-example gradients kept as outer products, so that none of them is ever written out.

In a dense layer z = s a W + b the gradient of example i is

    d l_i/dW = s a_i delta_i^T,    d l_i/db = delta_i,    delta_i = d l_i/dz_i,

with inputs a_i and delta_i taken from one forward and one backward pass (`tap`). Hence

    ||g_i||^2       = sum over layers of ||delta_i||^2 (s^2 ||a_i||^2 + 1)                      (`squared_norms`)
    <g_i, g_j>      = sum over layers of <delta_i, delta_j> (s^2 <a_i, a_j> + 1)                (`inner_products`)
    z_i at w + c_i g_i = z_i at w + c_i (s^2 <a_i, a'_i> + 1) delta_i,   a'_i the moved input   (`ascended`)

where + 1 belongs to the bias and is absent without one. A shard of m examples moves along the mean of its gradients: a
change of rank m. Every formula is exact at any size of step; only the order of summation differs from the plain path.

Valid for networks that use every parameter in exactly one dense layer; sims.tracing finds out which do.
"""

import operator
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import count
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp

from spec.rules import ADAPTIVE_OFFSET, Ascent

Params = Any
Weights = jax.Array
Dense = Callable[[jax.Array, Weights, jax.Array | None, float], jax.Array]
"""(a (n, in), W (in, out), b (out,) or None, s) -> the outputs of one layer (n, out)."""
SHARD_MEMORY = 2**24  # bytes of written-out gradients of shards that may exist at once


def affine(a: jax.Array, w: Weights, b: jax.Array | None = None, s: float = 1.0) -> jax.Array:
    """s a W + b: the dense layer itself."""
    # With one output, W first: configurations vectorised over W then lie on the rows of one matrix product.
    z = jnp.tensordot(w[:, 0], a, (0, 1))[:, None] if w.shape[1] == 1 else a @ w
    z = z if s == 1.0 else s * z
    return z if b is None else z + b[None, :]


class Network(Protocol):
    """(params, the function that computes every dense layer) -> logits of a fixed batch."""

    def __call__(self, params: Params, dense: Dense = affine, /) -> jax.Array:
        """The logits."""
        ...


class Factors(NamedTuple):
    """One layer's factors: inputs a (n, in), cotangents delta (n, out), and the layer they belong to."""

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
    """Run the network once, with a zero added to the outputs of every dense layer to differentiate at."""
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
    """||g_i||^2 for every example, (n,)."""
    return reduce(operator.add, [jnp.sum(f.delta**2, axis=1) * _product(f, f.a, f.a) for f in factors])


def inner_products(first: Sequence[Factors], second: Sequence[Factors]) -> jax.Array:
    """<g_i, g_j> for every pair of an example of the first set and one of the second, (n, n')."""

    def of_layer(f: Factors, g: Factors) -> jax.Array:
        gram = (f.s * g.s) * (f.a @ g.a.T)
        return (f.delta @ g.delta.T) * (gram if f.b is None else gram + 1)

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
        delta = weights[:, None] * f.delta
        return f.s * (f.a.T @ delta), None if f.b is None else jnp.sum(delta, axis=0)

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
    scale = scale.astype(factors[0].a.dtype)
    if len(moving) > 1:  # else the compiler works the scale out again for every unit of every layer
        scale = jax.lax.optimization_barrier(scale)
    still = len(factors) - len(moving)

    def moved(params: Params, dense: Dense = affine) -> jax.Array:
        layer = count()

        def dense_at_eps(a: jax.Array, w: Weights, b: jax.Array | None = None, s: float = 1.0) -> jax.Array:
            z, i = dense(a, w, b, s), next(layer)
            if i < still:
                return z
            if ascent == "adaptive":
                return z + scale[:, None] * _adaptive_change(factors[i], a)
            return z + _change(factors[i], a, scale, m)

        return network(params, dense_at_eps)

    return moved


def _product(f: Factors, a: jax.Array, b: jax.Array) -> jax.Array:
    """s^2 <a_i, b_i> + 1, row by row."""
    inner = f.s**2 * jnp.sum(a * b, axis=1)
    return inner if f.b is None else inner + 1


def shard_squares(factors: Sequence[Factors], m: int) -> jax.Array:
    """Squared norm of the summed gradient of every shard, (n / m,).

    For m > 1 the sums are written out, a few shards at a time: the Gram matrix of the shard would give the square of a
    small difference of large numbers where gradients cancel, as for twins under opposite labels.
    """
    if m == 1:
        return squared_norms(factors)

    def of_shard(shard: list[tuple[jax.Array, jax.Array]]) -> jax.Array:
        total = jnp.zeros((), shard[0][0].dtype)
        for (a, delta), f in zip(shard, factors, strict=True):
            total += f.s**2 * jnp.sum((a.T @ delta) ** 2)
            if f.b is not None:
                total += jnp.sum(jnp.sum(delta, axis=0) ** 2)
        return total

    groups = [(_grouped(f.a, m), _grouped(f.delta, m)) for f in factors]
    size = sum(f.w.size for f in factors) * factors[0].a.dtype.itemsize
    return jax.lax.map(of_shard, groups, batch_size=max(1, SHARD_MEMORY // max(1, size)))


def _change(f: Factors, a: jax.Array, scale: jax.Array, m: int) -> jax.Array:
    """How the outputs move with the weights by scale times the summed gradient of each example's shard, (n, out)."""
    if m == 1:
        return (scale * _product(f, f.a, a))[:, None] * f.delta
    gram = f.s**2 * jnp.einsum("smi,ski->smk", _grouped(a, m), _grouped(f.a, m))
    gram = scale[:, None, None] * (gram if f.b is None else gram + 1)
    return jnp.einsum("smk,sko->smo", gram, _grouped(f.delta, m)).reshape(f.delta.shape)


def _adaptive_change(f: Factors, a: jax.Array) -> jax.Array:
    """How the outputs move with the weights along T^2 g_i, T = |w| + offset, (n, out).

    One more product, with the squared entries of T; still nothing is written out for any example.
    """
    inner = f.s**2 * ((f.a * a) @ (jnp.abs(f.w) + ADAPTIVE_OFFSET) ** 2)
    return f.delta * (inner if f.b is None else inner + ((jnp.abs(f.b) + ADAPTIVE_OFFSET) ** 2)[None, :])


def _adaptive_squares(factors: Sequence[Factors]) -> jax.Array:
    """||T g_i||^2, (n,)."""
    return reduce(operator.add, [jnp.sum(_adaptive_change(f, f.a) * f.delta, axis=1) for f in factors])


def _grouped(rows: jax.Array, m: int) -> jax.Array:
    return rows.reshape(len(rows) // m, m, rows.shape[1])
