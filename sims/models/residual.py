"""Residual networks with group normalisation, written in terms of the function `dense` that computes every layer."""

from typing import Any

import jax
import jax.numpy as jnp

from sims.data.sampling import require_precision
from sims.layers import Dense, convolve, scale
from sims.models.networks import Model, Params, build, require_image
from spec.networks import ResNet

SMALLEST = 1e-5  # added to variances


def resnet(network: ResNet, outputs: int) -> Model:
    """The network of a ResNet record; one output gives scalar logits (n,). He initialisation, scales one."""
    *sizes, colours = network.image
    axes, last = len(sizes), network.channels[-1]

    def init(key: jax.Array, dtype: Any) -> Params:
        require_precision(dtype)
        keys = iter(jax.random.split(key, 2 + 3 * network.blocks * len(network.channels)))

        def kernel(width: int, c_in: int, c_out: int) -> jax.Array:
            std = (2.0 / (width**axes * c_in)) ** 0.5
            return std * jax.random.normal(next(keys), (*[width] * axes, c_in, c_out), dtype)

        def normalised(c_in: int, c_out: int) -> Params:
            return {"w": kernel(3, c_in, c_out), "scale": jnp.ones(c_out, dtype), "shift": jnp.zeros(c_out, dtype)}

        params: Params = {"stem": normalised(colours, network.channels[0]), "blocks": []}
        c_in = network.channels[0]
        for c_out, changes in _stages(network):
            block = {"first": normalised(c_in, c_out), "second": normalised(c_out, c_out)}
            params["blocks"].append(block | ({"skip": kernel(1, c_in, c_out)} if changes else {}))
            c_in = c_out
        w = jax.random.normal(next(keys), (last, outputs), dtype) / jnp.sqrt(jnp.asarray(last, dtype))
        return params | {"head": {"w": w, "b": jnp.zeros(outputs, dtype)}}

    def layer(p: Params, h: jax.Array, dense: Dense, step: int) -> jax.Array:
        z = convolve(dense, h, p["w"], strides=[step] * axes)
        return scale(dense, _grouped(z, network.groups), p["scale"], p["shift"])

    def body(p: Params, x: jax.Array, dense: Dense) -> jax.Array:
        h = jax.nn.relu(layer(p["stem"], x.reshape(len(x), *sizes, colours), dense, 1))
        for (_, changes), block in zip(_stages(network), p["blocks"], strict=True):
            step = 2 if changes else 1
            skip = convolve(dense, h, block["skip"], strides=[step] * axes) if changes else h
            inner = jax.nn.relu(layer(block["first"], h, dense, step))
            h = jax.nn.relu(skip + layer(block["second"], inner, dense, 1))
        return jnp.mean(h, axis=tuple(range(1, 1 + axes)))

    def readout(p: Params, hidden: jax.Array, dense: Dense) -> jax.Array:
        logits = dense(hidden, p["head"]["w"], p["head"]["b"], 1.0)
        return logits[:, 0] if outputs == 1 else logits

    return Model(init, body, readout, lambda p: p["head"]["w"])


@build.register
def _(network: ResNet, d: int, classes: int | None) -> Model:
    require_image(network.image, d)
    return resnet(network, classes or 1)


def _stages(network: ResNet) -> list[tuple[int, bool]]:
    """(channels, whether places are halved) of every block."""
    return [(c, k == 0 and i > 0) for i, c in enumerate(network.channels) for k in range(network.blocks)]


def _grouped(z: jax.Array, groups: int) -> jax.Array:
    """z (n, ..., channels) less its mean over places and the channels of a group, over the standard deviation."""
    parts = z.reshape(len(z), -1, groups, z.shape[-1] // groups)
    mean = jnp.mean(parts, axis=(1, 3), keepdims=True)
    variance = jnp.mean((parts - mean) ** 2, axis=(1, 3), keepdims=True)
    return ((parts - mean) * jax.lax.rsqrt(variance + SMALLEST)).reshape(z.shape)
