r"""The empirical neural tangent kernel of a network at given parameters, from its factors.

    K_{ic,jd} = <grad f_c(x_i), grad f_d(x_j)> = sum over layers of <delta_ic, delta_jd> (s^2 <a_i, a_j> + 1)

with delta_ic = d f_c(x_i)/dz, the cotangent of one output, and + 1 for a bias: two matrix products for every layer.
Blocks of rows and columns keep everything but K itself within MEMORY bytes, whatever n is.
"""

from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from sims import factors
from sims.layer_factors import gradients, is_row
from sims.layers import affine
from sims.models.networks import Model
from sims.tracing import has_factors, require_separate
from spec.validation import require, require_choice, require_integer

Params = Any
Outputs = Literal["mean", "all"]
MEMORY = 2**28
HALVED = 512  # from this size on, a symmetric kernel is computed in four blocks on a CPU


class _Layer(NamedTuple):
    """Of some inputs: s a (n, in), None where an output has no one input; delta (n, C, out); 1 if there is a bias."""

    a: jax.Array | None
    delta: jax.Array
    bias: float


def empirical(
    model: Model,
    params: Params,
    first: jax.Array,
    second: jax.Array | None = None,
    *,
    outputs: Outputs = "mean",
    block: int | None = None,
) -> jax.Array:
    """The kernel between inputs first (n, d) and second (n', d) (None: the first again, each pair computed once).

    outputs: 'mean' gives (1/C) sum_c K_{ic,jc}, shape (n, n'); 'all' gives (n, C, n', C). A scalar output is C = 1.
    block: rows and columns worked on at a time (None: as many as MEMORY has room for); a kernel of one block is one
    compiled program. Models without factors are differentiated output by output, and a block holds their Jacobians.
    Raises InputError for inputs that are no rows.
    """
    require_choice("outputs", outputs, ("mean", "all"))
    require(first.ndim == 2 and len(first) >= 1, "first", first.shape, "inputs of shape (n, d)")
    other = first if second is None else second
    require(other.ndim == 2 and len(other) >= 1, "second", other.shape, "inputs of shape (n', d)")
    n = max(len(first), len(other))
    block = _fitting(model, params, first, n, outputs) if block is None else block
    require_integer("block", block, at_least=1)
    if n <= block:
        return _kernel(model, outputs, params, first, second)
    kernel = partial(_kernel, model, outputs, params)
    rows = [first[i : i + block] for i in range(0, len(first), block)]
    if second is None:
        return _symmetric(lambda i, j: kernel(rows[i], None if i == j else rows[j]), len(rows), outputs)
    columns = [second[j : j + block] for j in range(0, len(second), block)]
    return _assembled([[kernel(r, c) for c in columns] for r in rows], outputs)


def _symmetric(kernel: Callable[[int, int], jax.Array], count: int, outputs: Outputs) -> jax.Array:
    """The kernel from count x count blocks, of which those below the diagonal are mirrored."""
    upper = {(i, j): kernel(i, j) for i in range(count) for j in range(i, count)}
    mirror = (lambda k: k.T) if outputs == "mean" else (lambda k: jnp.transpose(k, (2, 3, 0, 1)))
    square = range(count)
    return _assembled([[upper[i, j] if i <= j else mirror(upper[j, i]) for j in square] for i in square], outputs)


def _assembled(blocks: list[list[jax.Array]], outputs: Outputs) -> jax.Array:
    axis = 1 if outputs == "mean" else 2
    return jnp.concatenate([row[0] if len(row) == 1 else jnp.concatenate(row, axis) for row in blocks])


@partial(jax.jit, static_argnums=(0, 1))
def _kernel(model: Model, outputs: Outputs, params: Params, first: jax.Array, second: jax.Array | None) -> jax.Array:
    rows, n = _layers(model, params, first), len(first)
    if second is not None:
        return _products(rows, _layers(model, params, second), outputs)
    if n < HALVED or jax.default_backend() != "cpu":
        return _products(rows, rows, outputs)
    # Four blocks of which one is mirrored are three quarters of the work.
    halves = [_taken(rows, slice(n // 2)), _taken(rows, slice(n // 2, n))]
    return _symmetric(lambda i, j: _products(halves[i], halves[j], outputs), 2, outputs)


def _taken(layers: list[_Layer], rows: slice) -> list[_Layer]:
    return [_Layer(None if f.a is None else f.a[rows], f.delta[rows], f.bias) for f in layers]


def _products(rows: list[_Layer], columns: list[_Layer], outputs: Outputs) -> jax.Array:
    total: Any = 0
    for f, g in zip(rows, columns, strict=True):
        gram = 1 if f.a is None or g.a is None else f.a @ g.a.T + f.bias
        if outputs == "mean":
            delta, epsilon = (part.delta.reshape(len(part.delta), -1) for part in (f, g))
            total += delta @ epsilon.T / f.delta.shape[1] * gram
        else:
            gram = gram if isinstance(gram, int) else gram[:, None, :, None]
            total += jnp.einsum("ick,jdk->icjd", f.delta, g.delta) * gram
    return total


def _layers(model: Model, params: Params, x: jax.Array) -> list[_Layer]:
    require_separate(model, params, x)
    if not has_factors(model, params, x):
        jacobian = jax.vmap(jax.jacrev(lambda p, xi: model.apply(p, xi[None])[0].reshape(-1)), (None, 0))(params, x)
        return [_Layer(None, leaf.reshape(*leaf.shape[:2], -1), 0) for leaf in jax.tree.leaves(jacobian)]
    logits, pull_back = factors.tap(lambda p, dense=affine: model.apply(p, x, dense), params)
    C = 1 if logits.ndim == 1 else logits.shape[1]
    ones = jnp.eye(C, dtype=logits.dtype)[:, None, :]
    cotangents = jnp.broadcast_to(ones, (C, len(x), C)).reshape(C, *logits.shape)
    inputs = [(f.s * f.a if is_row(f) else None, 0 if f.b is None else 1) for f in pull_back(cotangents[0])]
    deltas = jax.vmap(lambda cotangent: [_delta(f) for f in pull_back(cotangent)])(cotangents)
    return [_Layer(a, jnp.moveaxis(delta, 0, 1), bias) for (a, bias), delta in zip(inputs, deltas, strict=True)]


def _delta(f: factors.Factors) -> jax.Array:
    """Cotangents (n, out), or the gradient itself (n, size) of a layer with several positions."""
    return f.delta if is_row(f) else gradients(f)


def _fitting(model: Model, params: Params, x: jax.Array, n: int, outputs: Outputs) -> int:
    leaves, tree = jax.tree.flatten((params, x))
    return _block(model, outputs, tree, tuple(map(jax.typeof, leaves)), n)


@lru_cache(maxsize=256)
def _block(model: Model, outputs: Outputs, tree: Any, leaves: tuple[Any, ...], n: int) -> int:
    """The largest of n, n/2, n/4, ... (rounded up) whose factors and products fit MEMORY."""
    params, x = jax.tree.unflatten(tree, leaves)
    one = jax.eval_shape(partial(_layers, model), params, jax.ShapeDtypeStruct((1, *x.shape[1:]), x.dtype))
    row, item, C = sum(leaf.size for leaf in jax.tree.leaves(one)), one[0].delta.dtype.itemsize, one[0].delta.shape[1]
    across = 1 if outputs == "mean" else C
    block = n
    while block > 1 and item * (4 * block * row + 3 * (block * across) ** 2) > MEMORY:
        block = -(-block // 2)
    return block
