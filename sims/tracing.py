"""What a network does with its parameters and with the rows of a batch, found out by tracing it.

Factors (sims.factors) are exact where every parameter is used in one layer (sims.layers) and nowhere else.
`has_factors` looks for that in the network's jaxpr: from a parameter to its layer only its axes may change, so that
norms stay what they are. Anything else, such as a parameter used twice, inside a loop, or outside layers, has none.

A gradient of one example has a meaning only where an example's output is its own affair. `require_separate` runs the
network on equal rows, of which one is spoilt: batch statistics carry that to the others, and masks drawn for the whole
batch make equal rows differ.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Hashable
from functools import lru_cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from sims.layers import affine
from sims.models.networks import Model
from sims.programs import FOR_ONCE
from spec.rules import Ascent
from spec.validation import InputError

Params = Any
ROWS = 101  # of the batch that is traced: a size that no other axis is likely to have
FACTOR_MEMORY = 2**28  # bytes of factors that may exist at once
PROBED = 8  # rows of the batch that is run
LAYER = "sims_layer"  # the name of a layer in a jaxpr
REARRANGES = ("transpose", "reshape", "squeeze", "rev", "copy", "expand_dims", "broadcast_in_dim")


class _Layers(NamedTuple):
    """How many layers are in the body and in the readout of a network that has factors, and how large those are."""

    body: int
    readout: int
    numbers: int  # of inputs and outputs of all layers for one example


class _Shapes(NamedTuple):
    """The tree of the parameters, shape and type of its leaves, and those of one example."""

    tree: Hashable
    leaves: tuple[jax.ShapeDtypeStruct, ...]
    example: jax.ShapeDtypeStruct

    def batch(self, n: int) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct((n, *self.example.shape), self.example.dtype)


def has_factors(model: Model, params: Params, x: Any, ascent: Ascent = "all") -> bool:
    """Whether the model's gradients are exactly those of layers, each parameter being in one of them or unused.

    With ascent 'last' the readout must also be one layer: the last layer of the factors and of the plain path are then
    the same. False for a model whose `factored` is False.
    """
    if not model.factored:
        return False
    found = _layers(model, _shapes(params, x))
    return found is not None and (ascent != "last" or found.readout == 1)


def examples_at_once(model: Model, params: Params, x: Any) -> int:
    """How many examples' factors, of two passes and what is made of them, FACTOR_MEMORY has room for; at least one."""
    shapes = _shapes(params, x)
    found = _layers(model, shapes)
    itemsize = max((leaf.dtype.itemsize for leaf in shapes.leaves), default=1)
    return max(1, FACTOR_MEMORY // max(1, 4 * itemsize * found.numbers)) if found else 1


def require_separate(model: Model, params: Params, x: Any) -> None:
    """Raise InputError where the output for an example depends on the others in its batch, or on its place there."""
    mixed, placed = _verdict(model, _shapes(params, x))
    if mixed:
        raise InputError(
            "sharpness must be 'batch' for a model in which the examples of a batch change one another's outputs, as "
            "with batch statistics: there is no gradient of one example (group or layer normalisation has one)"
        )
    if placed:
        raise InputError(
            "sharpness must be 'batch' for a model in which equal examples of a batch have different outputs, as with "
            "a dropout mask for the whole batch"
        )


def _shapes(params: Params, x: Any) -> _Shapes:
    leaves, tree = jax.tree.flatten(params)
    shapes = tuple(jax.ShapeDtypeStruct(jnp.shape(leaf), jnp.result_type(leaf)) for leaf in leaves)
    return _Shapes(tree, shapes, jax.ShapeDtypeStruct(jnp.shape(x)[1:], jnp.result_type(x)))


# ---------------------------------------------------------------- which parameters are in layers


@lru_cache(maxsize=64)
def _layers(model: Model, shapes: _Shapes) -> _Layers | None:
    in_readout: list[bool] = []
    reading = False

    def named(a: jax.Array, w: jax.Array, b: jax.Array | None = None, s: float = 1.0) -> jax.Array:
        if _is_layer(a, w, *([] if b is None else [b])):  # as it is here: inside of vmap one row
            in_readout.append(reading)
        return jax.jit(_named_layer(s))(a, w, *([] if b is None else [b]))

    def logits(leaves: list[jax.Array], x: jax.Array) -> jax.Array:
        nonlocal reading
        params = jax.tree.unflatten(shapes.tree, leaves)
        hidden = model.body(params, x, named)
        reading = True
        return model.readout(params, hidden, named)

    jaxpr = jax.make_jaxpr(logits)(list(shapes.leaves), shapes.batch(ROWS)).jaxpr
    found = _seen(jaxpr, len(shapes.leaves))
    if found is None or len(found) != len(in_readout):
        return None
    return _Layers(in_readout.count(False), in_readout.count(True), sum(found) // ROWS)


def _named_layer(s: float) -> Callable[..., jax.Array]:
    def layer(a: jax.Array, w: jax.Array, *b: jax.Array) -> jax.Array:
        return affine(a, w, b[0] if b else None, s)

    layer.__name__ = LAYER
    return layer


def _seen(jaxpr: core.Jaxpr, count: int) -> list[int] | None:
    """Sizes of the layers that hold the parameters, the first `count` inputs; None where something else has one."""
    uses = Counter(v for eqn in jaxpr.eqns for v in eqn.invars if isinstance(v, core.Var))
    ours: set[Any] = set(jaxpr.invars[:count])
    layers: list[int] = []
    for eqn in jaxpr.eqns:
        used = [v for v in eqn.invars if isinstance(v, core.Var) and v in ours]
        if any(uses[v] > 1 for v in used):
            return None
        if eqn.params.get("name") == LAYER:
            if not _is_layer(*(v.aval for v in eqn.invars)) or used != eqn.invars[1:]:
                return None
            sizes: list[Any] = [v.aval for v in (eqn.invars[0], eqn.outvars[0])]
            layers.append(sum(aval.size for aval in sizes))
        elif used:
            if eqn.primitive.name not in REARRANGES or not _same_size(eqn):
                return None
            ours.add(eqn.outvars[0])
    return None if ours & {v for v in jaxpr.outvars if isinstance(v, core.Var)} else layers


def _is_layer(a: Any, w: Any, *b: Any) -> bool:
    """Whether a, w and b have the shapes of a layer (sims.layers) whose first axis is the batch's examples."""
    rows = jnp.issubdtype(a.dtype, jnp.integer)
    axes = len(w.shape)
    fitting = axes == 2 if rows else axes in (2, 3) and a.ndim >= axes and a.shape[1 - axes :] == w.shape[:-1]
    return fitting and a.shape[:1] == (ROWS,) and [bias.shape for bias in b] in ([], [w.shape[:-2] + w.shape[-1:]])


def _same_size(eqn: core.JaxprEqn) -> bool:
    before: Any = eqn.invars[0].aval
    after: Any = eqn.outvars[0].aval
    return before.size == after.size and before.dtype == after.dtype


# ---------------------------------------------------------------- whether rows are separate


class _Verdict(NamedTuple):
    """Whether the last row changes the first, and whether equal rows differ."""

    mixed: bool
    placed: bool


_verdicts: dict[str, _Verdict] = {}  # of networks, by what they look like when traced


@lru_cache(maxsize=64)
def _verdict(model: Model, shapes: _Shapes) -> _Verdict:
    traced = jax.make_jaxpr(lambda leaves, x: model.apply(jax.tree.unflatten(shapes.tree, leaves), x))
    closed = traced(list(shapes.leaves), shapes.batch(PROBED))
    text = hashlib.sha256(str(closed).encode()).hexdigest()
    if text not in _verdicts:
        _verdicts[text] = _probed(closed)
    return _verdicts[text]


def _probed(closed: core.ClosedJaxpr) -> _Verdict:
    *params, x = (_generic(v.aval, k) for k, v in enumerate(closed.jaxpr.invars))
    consts = [_generic(jax.typeof(c), 7) if isinstance(c, jax.core.Tracer) else c for c in closed.consts]
    x = np.repeat(x[:1], PROBED, axis=0)
    spoilt = x.copy()
    spoilt[-1] = np.nan if np.issubdtype(x.dtype, np.inexact) else 1 - x[-1]
    run = core.jaxpr_as_fun(core.ClosedJaxpr(closed.jaxpr, consts))
    lowered = jax.jit(run).lower(*params, x)
    options: dict[str, Any] = dict(FOR_ONCE)
    program = lowered.compile(options if jax.default_backend() == "cpu" else None)
    equal, other = (np.asarray(program(*params, rows)[0], np.float64) for rows in (x, spoilt))
    if not np.isfinite(equal).all():
        return _Verdict(False, False)
    size = 1e-4 * (1 + np.abs(equal).max())
    same = partial(np.allclose, rtol=0, atol=size)
    return _Verdict(not same(other[0], equal[0]), not same(equal, np.broadcast_to(equal[:1], equal.shape)))


def _generic(aval: Any, k: int) -> Any:
    """Numbers of a shape that are in no special position; zeros of a type without fractions."""
    if not jnp.issubdtype(aval.dtype, jnp.floating):
        return np.zeros(aval.shape, aval.dtype)
    return np.sin(1.0 + k + np.arange(aval.size)).reshape(aval.shape).astype(aval.dtype)
