r"""The empirical neural tangent kernel of a network at given parameters, from its factors.

    K_{ic,jd} = <grad f_c(x_i), grad f_d(x_j)> = sum over layers of <delta_ic, delta_jd> (s^2 <a_i, a_j> + 1)

with delta_ic = d f_c(x_i)/dz, the cotangent of one output, and + 1 for a bias: two matrix products for every layer.
Blocks of rows and columns keep everything but K itself within MEMORY bytes, whatever n is.
"""

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
HALVED = 512  # from this size on, a symmetric kernel is computed in blocks


class _Rows(NamedTuple):
    """For some inputs, layer by layer: a (n, in), or None where there is no common input, and delta (n, C, out)."""

    a: list[jax.Array | None]
    delta: list[jax.Array]


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
    require_choice("outputs", outputs, ("mean", "all"))
    require(first.ndim == 2 and len(first) >= 1, "first", first.shape, "inputs of shape (n, d)")
    other = first if second is None else second
    require(other.ndim == 2 and len(other) >= 1, "second", other.shape, "inputs of shape (n', d)")
    if block is None:
        # Of a symmetric kernel, four blocks of which one is mirrored are three quarters of the work.
        n = -(-len(first) // 2) if second is None and len(first) >= HALVED else max(len(first), len(other))
        block = _fitting(model, params, first, n, outputs)
    require_integer("block", block, at_least=1)
    kernel = partial(_kernel, model, outputs, params)
    rows = [first[i : i + block] for i in range(0, len(first), block)]
    if second is not None:
        columns = [second[j : j + block] for j in range(0, len(second), block)]
        return _assembled([[kernel(r, c) for c in columns] for r in rows], outputs)
    upper = {(i, j): kernel(rows[i], rows[j]) for i in range(len(rows)) for j in range(i, len(rows))}
    mirror = (lambda k: k.T) if outputs == "mean" else (lambda k: jnp.transpose(k, (2, 3, 0, 1)))
    square = range(len(rows))
    return _assembled([[upper[i, j] if i <= j else mirror(upper[j, i]) for j in square] for i in square], outputs)


def _assembled(blocks: list[list[jax.Array]], outputs: Outputs) -> jax.Array:
    axis = 1 if outputs == "mean" else 2
    return jnp.concatenate([row[0] if len(row) == 1 else jnp.concatenate(row, axis) for row in blocks])


@partial(jax.jit, static_argnums=(0, 1))
def _kernel(model: Model, outputs: Outputs, params: Params, first: jax.Array, second: jax.Array) -> jax.Array:
    rows, columns = _rows(model, params, first), _rows(model, params, second)
    total: Any = 0
    for a, delta, b, epsilon in zip(rows.a, rows.delta, columns.a, columns.delta, strict=True):
        C = delta.shape[1]
        if outputs == "mean":
            products = delta.reshape(len(delta), -1) @ epsilon.reshape(len(epsilon), -1).T / C
            total += products if a is None or b is None else products * (a @ b.T)
        else:
            products = jnp.einsum("ick,jdk->icjd", delta, epsilon)
            total += products if a is None or b is None else products * (a @ b.T)[:, None, :, None]
    return total


def _rows(model: Model, params: Params, x: jax.Array) -> _Rows:
    require_separate(model, params, x)
    if not has_factors(model, params, x):
        jacobian = jax.vmap(jax.jacrev(lambda p, xi: model.apply(p, xi[None])[0].reshape(-1)), (None, 0))(params, x)
        flat = [leaf.reshape(*leaf.shape[:2], -1) for leaf in jax.tree.leaves(jacobian)]
        return _Rows([None] * len(flat), flat)
    logits, pull_back = factors.tap(lambda p, dense=affine: model.apply(p, x, dense), params)
    C = 1 if logits.ndim == 1 else logits.shape[1]
    ones = jnp.eye(C, dtype=logits.dtype)[:, None, :]
    cotangents = jnp.broadcast_to(ones, (C, len(x), C)).reshape(C, *logits.shape)
    layers = pull_back(cotangents[0])
    deltas = jax.vmap(lambda cotangent: [_delta(f) for f in pull_back(cotangent)])(cotangents)
    # The bias is one more input that is always one.
    inputs = [_with_bias(f) if is_row(f) else None for f in layers]
    return _Rows(inputs, [jnp.moveaxis(delta, 0, 1) for delta in deltas])


def _delta(f: factors.Factors) -> jax.Array:
    """Cotangents (n, out), or the gradient itself (n, size) of a layer with several positions."""
    return f.delta if is_row(f) else gradients(f)


def _with_bias(f: factors.Factors) -> jax.Array:
    a = f.s * f.a
    return a if f.b is None else jnp.concatenate([a, jnp.ones((len(a), 1), a.dtype)], axis=1)


def _fitting(model: Model, params: Params, x: jax.Array, n: int, outputs: Outputs) -> int:
    """The largest of n, n/2, n/4, ... (rounded up) whose factors and products fit MEMORY."""
    one = jax.eval_shape(partial(_rows, model), params, x[:1])
    leaves = jax.tree.leaves(one)
    row, item, C = sum(leaf.size for leaf in leaves), leaves[0].dtype.itemsize, one.delta[0].shape[1]
    across = 1 if outputs == "mean" else C
    block = n
    while block > 1 and item * (4 * block * row + 3 * (block * across) ** 2) > MEMORY:
        block = -(-block // 2)
    return block
