"""Networks of others as a Model with its parameters: plain functions, Equinox modules, Flax linen and nnx.

`started` takes any of them. What comes from other libraries is imported only where it is used.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from sims.layers import Dense, convolve, scale
from sims.models.networks import Model, no_head
from spec.validation import InputError, require

Params = Any
Apply = Callable[[Params, jax.Array], jax.Array]


class Started(NamedTuple):
    """A model, the parameters where training starts, and what makes the user's own object of other parameters."""

    model: Model
    params: Params
    rebuilt: Callable[[Params], Any] = lambda params: params


def from_apply(apply: Apply, params: Params) -> Started:
    """A function apply(params, x (n, ...)) -> logits (n,) or (n, classes), all of whose examples are separate.

    It comes in one piece: rules and records that look at a last layer refuse it (`sims.models.networks.no_head`).
    """
    return Started(_whole(lambda p, x, dense: apply(p, x), params), params)


def started(network: Any) -> Started:
    """An Equinox or nnx module, (linen module, its variables), (apply, params) or (Model, params), as a Started.

    Raises InputError for anything else, for modules that keep a state or draw random numbers in training, and for
    parameters that are no floating-point numbers.
    """
    if isinstance(network, Started):
        return network
    if isinstance(network, tuple) and len(network) == 2:
        first, params = network
        if isinstance(first, Model):
            return Started(first, params)
        if _is_of(first, "flax.linen"):
            return from_linen(first, params)
        if callable(first):
            return from_apply(first, params)
    if _is_of(network, "equinox"):
        return from_equinox(network)
    if _is_of(network, "flax.nnx"):
        return from_nnx(network)
    accepted = "an Equinox or nnx module, or a pair (linen module, variables), (apply, params) or (Model, params)"
    raise InputError(f"the network must be {accepted}, got {type(network).__name__}")


def _is_of(network: Any, library: str) -> bool:
    return any(f"{base.__module__}.".startswith(f"{library}.") for base in type(network).__mro__)


def _whole(readout: Callable[[Params, jax.Array, Dense], jax.Array], params: Params) -> Model:
    """A model in one piece."""
    return Model(lambda key, dtype: params, lambda p, x, dense: x, readout, no_head)


# ---------------------------------------------------------------- Equinox


def from_equinox(module: Any) -> Started:
    """A module that takes one example, as Equinox's do: all its floating-point arrays are trained.

    An `eqx.nn.MLP`, or an `eqx.nn.Sequential` that ends in a `Linear`, has a last layer, and its linear layers are
    computed by `dense`: it has factors where nothing else is trained. Others are taken as a whole.
    """
    import equinox as eqx

    def asks(layer: Any) -> bool:
        stateful = isinstance(layer, eqx.nn.StatefulLayer) and not isinstance(layer, eqx.nn.Sequential)
        return isinstance(layer, eqx.nn.Dropout) or (stateful and layer.is_stateful())

    for layer in filter(asks, jax.tree.leaves(module, is_leaf=asks)):
        if isinstance(layer, eqx.nn.StatefulLayer):
            raise InputError(f"{type(layer).__name__} keeps a state, as a network here cannot: GroupNorm has none")
        if not layer.inference:
            raise InputError(
                "Dropout needs a key, which a network here has not: eqx.nn.inference_mode(module) stops it"
            )
    params, static = eqx.partition(module, eqx.is_inexact_array)

    def rebuilt(p: Params) -> Any:
        return eqx.combine(p, static)

    if _equinox_steps(eqx, module) is None:
        return Started(_whole(lambda p, x, dense: jax.vmap(rebuilt(p))(x), params), params, rebuilt)

    def steps(p: Params) -> tuple[list[Any], Any, Any]:
        return _equinox_steps(eqx, rebuilt(p)) or ([], None, None)

    def body(p: Params, x: jax.Array, dense: Dense) -> jax.Array:
        for step in steps(p)[0]:
            x = _affine(step, x, dense) if type(step) is eqx.nn.Linear and x.ndim == 2 else jax.vmap(step)(x)
        return x

    def readout(p: Params, hidden: jax.Array, dense: Dense) -> jax.Array:
        _, last, after = steps(p)
        logits = _affine(last, hidden, dense)
        logits = logits[:, 0] if last.out_features == "scalar" else logits
        return logits if after is None else jax.vmap(after)(logits)

    return Started(Model(lambda key, dtype: params, body, readout, lambda p: steps(p)[1].weight), params, rebuilt)


def _affine(linear: Any, a: jax.Array, dense: Dense) -> jax.Array:
    return dense(a, linear.weight.T, linear.bias, 1.0)


def _equinox_steps(eqx: Any, module: Any) -> tuple[list[Any], Any, Any] | None:
    """(what comes before the last linear layer, that layer, what comes after it or None); None: not of this kind."""
    kind: Any = type(module)
    layers: Any = getattr(module, "layers", ())
    if kind is eqx.nn.Sequential and layers and type(layers[-1]) is eqx.nn.Linear:
        return list(layers[:-1]), layers[-1], None
    if kind is not eqx.nn.MLP or module.scan or module.in_size == "scalar":
        return None
    if any(map(eqx.is_array, jax.tree.leaves((module.activation, module.final_activation)))):
        return None
    before = [step for layer in layers[:-1] for step in (layer, jax.vmap(module.activation))]
    return before, layers[-1], module.final_activation if module.depth else None


# ---------------------------------------------------------------- Flax


def from_linen(module: Any, variables: Any) -> Started:
    """A linen module and its variables: 'params' are trained, other collections are held fixed.

    Dense, Conv, Embed, LayerNorm and GroupNorm are computed by `dense`, other layers as they are. The module is called
    as module.apply(variables, x).
    """
    from flax import errors, linen

    require("params" in variables, "the variables of a linen module", sorted(variables), "a tree with 'params'")
    fixed = {name: tree for name, tree in variables.items() if name != "params"}

    def apply(p: Params, x: jax.Array, dense: Dense) -> jax.Array:
        def by_dense(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
            if context.method_name == "__call__" and len(args) == 1 and not kwargs:
                outputs = _linen_layer(linen, context.module, args[0], dense)
                if outputs is not None:
                    return outputs
            return call(*args, **kwargs)

        try:
            with linen.intercept_methods(by_dense):
                return module.apply({"params": p, **fixed}, x)
        except (errors.ModifyScopeVariableError, errors.InvalidRngError) as error:
            advice = "use running averages or GroupNorm, and Dropout(deterministic=True)"
            raise InputError(f"a network here keeps no state and draws no random numbers ({advice}): {error}") from None

    params = variables["params"]
    return Started(_whole(apply, params), params, lambda p: {**variables, "params": p})


def _linen_layer(linen: Any, layer: Any, a: jax.Array, dense: Dense) -> jax.Array | None:
    """The outputs of a linen layer by `dense`; None where it is not known or set to something unusual."""
    kind, found = type(layer), layer.variables.get("params", {})
    if getattr(layer, "dtype", None) is not None:
        return None
    if kind is linen.Dense and layer.dot_general is None and a.ndim > 1:
        return dense(a, found["kernel"], found.get("bias"), 1.0)
    if kind is linen.Embed:
        return dense(a, found["embedding"], None, 1.0)
    if kind is linen.Conv and _is_usual(layer, a):
        axes = a.ndim - 2
        strides, dilation = (_each(given, axes) for given in (layer.strides, layer.kernel_dilation))
        padding, groups = layer.padding, layer.feature_group_count
        return convolve(
            dense,
            a,
            found["kernel"],
            found.get("bias"),
            strides=strides,
            padding=padding,
            dilation=dilation,
            groups=groups,
        )
    if kind in (linen.LayerNorm, linen.GroupNorm) and layer.use_scale and layer.reduction_axes in (-1, None):
        if kind is linen.LayerNorm and layer.feature_axes != -1:
            return None
        normalised = layer.clone(use_scale=False, use_bias=False, parent=None).apply({}, a)
        return scale(dense, normalised, found["scale"], found.get("bias"))
    return None


def _is_usual(layer: Any, a: jax.Array) -> bool:
    """Whether a linen convolution is one of sims.layers."""
    usual = layer.mask is None and layer.input_dilation in (None, 1) and layer.conv_general_dilated is None
    padded = layer.padding in ("SAME", "VALID") or (
        not isinstance(layer.padding, str | int) and all(isinstance(p, tuple) for p in layer.padding)
    )
    return usual and padded and layer.conv_general_dilated_cls is None and a.ndim == len(layer.kernel_size) + 2


def _each(given: Any, axes: int) -> list[int]:
    """One number for every axis."""
    return [given or 1] * axes if given is None or isinstance(given, int) else list(given)


def from_nnx(module: Any) -> Started:
    """An nnx module that takes a batch: its Param variables are trained, others are held fixed."""
    from flax import nnx

    graph, params, fixed = nnx.split(module, nnx.Param, ...)

    def rebuilt(p: Params) -> Any:
        return nnx.merge(graph, p, fixed, copy=True)

    def apply(p: Params, x: jax.Array, dense: Dense) -> jax.Array:
        copy = rebuilt(p)
        before = jax.tree.leaves(nnx.split(copy, nnx.Param, ...)[2])
        logits = copy(x)
        after = jax.tree.leaves(nnx.split(copy, nnx.Param, ...)[2])
        if len(before) != len(after) or any(a is not b for a, b in zip(before, after, strict=True)):
            raise InputError(
                "a network here keeps no state and draws no random numbers: this module updates statistics or drops "
                "units; call its eval(), or use GroupNorm"
            )
        return logits

    return Started(_whole(apply, params), params, rebuilt)
