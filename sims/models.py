"""Networks as pairs of pure functions, with the parts that observables look at."""

from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from sims.data import require_precision
from spec.networks import Linear, Mlp, TwoLayerLinear
from spec.validation import InputError, require, require_choice, require_integer, require_real

Params = Any


class Model(NamedTuple):
    """init(key, dtype) -> params; apply(params, x (n, d)) -> logits, (n,) for a scalar output or (n, classes).

    hidden(params, x): the inputs of the last layer, (n, h). head(params): the weights of the last layer.
    """

    init: Callable[[jax.Array, Any], Params]
    apply: Callable[[Params, jax.Array], jax.Array]
    hidden: Callable[[Params, jax.Array], jax.Array]
    head: Callable[[Params], jax.Array]


def linear(d: int, *, scale: float = 1.0) -> Model:
    r"""f(x) = <w, x>, w ~ N(0, scale^2/d I). No bias. scale = 0 starts at the origin."""
    require_integer("d", d, at_least=1)
    require_real("scale", scale, low=0.0)

    def init(key: jax.Array, dtype: Any) -> Params:
        require_precision(dtype)
        return {"w": scale * jax.random.normal(key, (d,), dtype) / jnp.sqrt(jnp.asarray(d, dtype))}

    return Model(init, lambda p, x: x @ p["w"], lambda p, x: x, lambda p: p["w"])


def two_layer_linear(d: int, h: int, *, classes: int | None = None, scale: float = 1.0) -> Model:
    r"""f(x) = <v, W x>, or V W x with `classes` outputs. Entries N(0, scale^2/fan_in). No biases."""
    require_integer("d", d, at_least=1)
    require_integer("h", h, at_least=1)

    def init(key: jax.Array, dtype: Any) -> Params:
        require_precision(dtype)
        first, last = jax.random.split(key)
        shape = (h,) if classes is None else (classes, h)
        return {
            "W": scale * jax.random.normal(first, (h, d), dtype) / jnp.sqrt(jnp.asarray(d, dtype)),
            "v": scale * jax.random.normal(last, shape, dtype) / jnp.sqrt(jnp.asarray(h, dtype)),
        }

    def hidden(p: Params, x: jax.Array) -> jax.Array:
        return x @ p["W"].T

    return Model(init, lambda p, x: hidden(p, x) @ p["v"].T, hidden, lambda p: p["v"])


def mlp(
    sizes: Sequence[int],
    *,
    scaling: Literal["standard", "ntk"] = "standard",
    activation: Callable[[jax.Array], jax.Array] = jax.nn.relu,
) -> Model:
    r"""A fully connected network of widths sizes = (d, h_1, ..., outputs); one output gives scalar logits (n,).

    Hidden layers have gain 2 (He), the last layer gain 1; biases start at zero.
    standard: weights N(0, gain/fan_in), layer a W + b.
    ntk:      weights N(0, 1),           layer sqrt(gain/fan_in) a W + b.
    """
    require(len(sizes) >= 2, "sizes", tuple(sizes), "at least an input and an output width")
    for i, size in enumerate(sizes):
        require_integer(f"sizes[{i}]", size, at_least=1)
    require_choice("scaling", scaling, ("standard", "ntk"))
    layers = len(sizes) - 1
    gains = [(2.0 if i < layers - 1 else 1.0) / sizes[i] for i in range(layers)]

    def init(key: jax.Array, dtype: Any) -> Params:
        require_precision(dtype)
        stds = [g**0.5 if scaling == "standard" else 1.0 for g in gains]
        return [
            {"w": s * jax.random.normal(k, shape, dtype), "b": jnp.zeros(shape[1], dtype)}
            for k, s, shape in zip(
                jax.random.split(key, layers), stds, zip(sizes[:-1], sizes[1:], strict=True), strict=True
            )
        ]

    def layer(p: Params, a: jax.Array, i: int) -> jax.Array:
        scale = 1.0 if scaling == "standard" else gains[i] ** 0.5
        return scale * (a @ p[i]["w"]) + p[i]["b"][None, :]

    def hidden(p: Params, x: jax.Array) -> jax.Array:
        for i in range(layers - 1):
            x = activation(layer(p, x, i))
        return x

    def apply(p: Params, x: jax.Array) -> jax.Array:
        logits = layer(p, hidden(p, x), layers - 1)
        return logits[:, 0] if sizes[-1] == 1 else logits

    return Model(init, apply, hidden, lambda p: p[-1]["w"])


@singledispatch
def build(network: Any, d: int, classes: int | None) -> Model:
    """The functions of a network record for inputs of size d and `classes` outputs (None: one scalar output)."""
    raise TypeError(f"no model is defined for {network!r}")


@build.register
def _(network: Linear, d: int, classes: int | None) -> Model:
    if classes is not None:
        raise InputError(f"classes must be None for the linear model, which has one output, got {classes}")
    return linear(d, scale=network.scale)


@build.register
def _(network: TwoLayerLinear, d: int, classes: int | None) -> Model:
    return two_layer_linear(d, network.width, classes=classes, scale=network.scale)


@build.register
def _(network: Mlp, d: int, classes: int | None) -> Model:
    return mlp((d, *network.hidden, classes or 1), scaling=network.scaling)
