r"""The empirical neural tangent kernel of a network at given parameters, from its factors.

    K_{ic,jd} = <grad f_c(x_i), grad f_d(x_j)> = sum over layers of <delta_ic, delta_jd> (s^2 <a_i, a_j> + 1)

with delta_ic = d f_c(x_i)/dz, the cotangent of one output, and + 1 for a bias: two matrix products for every layer.
Blocks of rows and columns keep everything but K itself within MEMORY bytes, whatever n is. All of it is one compiled
program, which also looks at the arguments when it is traced: a second call costs what the products cost.
"""

from collections.abc import Callable
from functools import partial
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


Layers = Callable[[jax.Array], list[_Layer]]


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
    block: rows and columns worked on at a time (None: as many as MEMORY has room for). Models without factors are
    differentiated output by output, and a block holds their Jacobians. Raises InputError for inputs that are no rows.
    """
    return _kernel(model, outputs, block, params, first, second)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _kernel(
    model: Model, outputs: Outputs, block: int | None, params: Params, first: jax.Array, second: jax.Array | None
) -> jax.Array:
    require_choice("outputs", outputs, ("mean", "all"))
    require(first.ndim == 2 and len(first) >= 1, "first", first.shape, "inputs of shape (n, d)")
    other = first if second is None else second
    require(other.ndim == 2 and len(other) >= 1, "second", other.shape, "inputs of shape (n', d)")
    n, layers = max(len(first), len(other)), partial(_layers, model, params)
    block = _fitting(jax.eval_shape(layers, first[:1]), n, outputs) if block is None else block
    require_integer("block", block, at_least=1)
    if n > block:
        return _in_blocks(layers, first, second, block, outputs)
    rows = layers(first)
    if second is not None:
        return _products(rows, layers(second), outputs)
    return _symmetric(rows, n, outputs)


def _in_blocks(layers: Layers, first: jax.Array, second: jax.Array | None, block: int, outputs: Outputs) -> jax.Array:
    """One block after the other; where the last would be smaller it begins earlier, and some numbers come twice."""
    other = first if second is None else second
    rows, columns = min(block, len(first)), min(block, len(other))
    pairs = [(i, j) for i in _starts(len(first), rows) for j in _starts(len(other), columns)]
    starts = jnp.array([(i, j) for i, j in pairs if second is not None or i <= j])

    def of(inputs: jax.Array, start: Any, size: int) -> list[_Layer]:
        return layers(jax.lax.dynamic_slice_in_dim(inputs, start, size))

    def placed(kernel: jax.Array, part: jax.Array, i: Any, j: Any) -> jax.Array:
        return jax.lax.dynamic_update_slice(kernel, part, (i, j) if outputs == "mean" else (i, 0, j, 0))

    def fill(k: Any, kernel: jax.Array) -> jax.Array:
        i, j = starts[k, 0], starts[k, 1]
        part = _products(of(first, i, rows), of(other, j, columns), outputs)
        kernel = placed(kernel, part, i, j)
        return placed(kernel, _mirrored(part), j, i) if second is None else kernel

    one = jax.eval_shape(lambda: _products(of(first, 0, 1), of(other, 0, 1), outputs))
    sizes = (len(first), len(other)) if outputs == "mean" else (len(first), one.shape[1], len(other), one.shape[3])
    return jax.lax.fori_loop(0, len(starts), fill, jnp.zeros(sizes, one.dtype))


def _starts(n: int, size: int) -> list[int]:
    return [min(start, n - size) for start in range(0, n, size)]


def _symmetric(rows: list[_Layer], n: int, outputs: Outputs) -> jax.Array:
    """On a CPU, of four blocks one is mirrored, which leaves three quarters of the work."""
    if n < HALVED or jax.default_backend() != "cpu":
        return _products(rows, rows, outputs)
    head, tail = (_taken(rows, part) for part in (slice(n // 2), slice(n // 2, n)))
    across, axis = _products(head, tail, outputs), 1 if outputs == "mean" else 2
    upper = jnp.concatenate([_products(head, head, outputs), across], axis)
    return jnp.concatenate([upper, jnp.concatenate([_mirrored(across), _products(tail, tail, outputs)], axis)])


def _mirrored(part: jax.Array) -> jax.Array:
    """The block of (j, i) from that of (i, j)."""
    return part.T if part.ndim == 2 else jnp.transpose(part, (2, 3, 0, 1))


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


def _fitting(one: list[_Layer], n: int, outputs: Outputs) -> int:
    """The largest of n, n/2, n/4, ... (rounded up) whose factors and products fit MEMORY, given those of one row."""
    row, item, C = sum(leaf.size for leaf in jax.tree.leaves(one)), one[0].delta.dtype.itemsize, one[0].delta.shape[1]
    across = 1 if outputs == "mean" else C
    block = n
    while block > 1 and item * (4 * block * row + 3 * (block * across) ** 2) > MEMORY:
        block = -(-block // 2)
    return block
