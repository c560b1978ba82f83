"""Networks as pairs of pure functions, with the parts that observables look at."""

import math
from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from sims.data.sampling import require_precision
from sims.layers import Dense, affine, convolve
from spec.networks import LeNet, Linear, Mlp, TwoLayerLinear
from spec.validation import InputError, require, require_choice, require_integer, require_real

Params = Any


class Model(NamedTuple):
    """A network in two parts, written in terms of the function `dense` that computes every layer (sims.layers).

    init(key, dtype) -> params. body(params, x (n, d), dense) -> the inputs of the last layer, (n, h).
    readout(params, hidden, dense) -> logits, (n,) for a scalar output or (n, classes). head(params): the weights of the
    last layer, or an InputError where nobody knows which that is (`no_head`), and the body gives the inputs.
    factored: whether sims.factors may be used where it applies, which is found out by tracing (sims.tracing);
    `model._replace(factored=False)` forces the plain path.
    """

    init: Callable[[jax.Array, Any], Params]
    body: Callable[[Params, jax.Array, Dense], jax.Array]
    readout: Callable[[Params, jax.Array, Dense], jax.Array]
    head: Callable[[Params], jax.Array]
    factored: bool = True

    def apply(self, params: Params, x: jax.Array, dense: Dense = affine) -> jax.Array:
        """The logits."""
        return self.readout(params, self.body(params, x, dense), dense)

    def hidden(self, params: Params, x: jax.Array) -> jax.Array:
        """The inputs of the last layer, (n, h). Raises InputError where the model does not tell which that is."""
        self.head(params)  # raises
        return self.body(params, x, affine)


def no_head(params: Params) -> jax.Array:
    """The head of a model in one piece."""
    raise InputError("this needs a model that tells its last layer: sims.models.Model(init, body, readout, head)")


def linear(d: int, *, classes: int | None = None, scale: float = 1.0) -> Model:
    r"""f(x) = <w, x>, or W x with `classes` outputs. Entries N(0, scale^2/d). No bias. scale = 0: the origin.

    >>> import jax
    >>> import jax.numpy as jnp
    >>> model = linear(3)
    >>> model.apply(model.init(jax.random.key(0), jnp.float32), jnp.ones((2, 3))).shape
    (2,)
    """
    require_integer("d", d, at_least=1)
    require_real("scale", scale, low=0.0)

    def init(key: jax.Array, dtype: Any) -> Params:
        require_precision(dtype)
        shape = (d,) if classes is None else (classes, d)
        return {"w": scale * jax.random.normal(key, shape, dtype) / jnp.sqrt(jnp.asarray(d, dtype))}

    def readout(p: Params, x: jax.Array, dense: Dense) -> jax.Array:
        if classes is None:
            return dense(x, p["w"][:, None], None, 1.0)[:, 0]
        return dense(x, p["w"].T, None, 1.0)

    return Model(init, lambda p, x, dense: x, readout, lambda p: p["w"])


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

    def body(p: Params, x: jax.Array, dense: Dense) -> jax.Array:
        return dense(x, p["W"].T, None, 1.0)

    def readout(p: Params, hidden: jax.Array, dense: Dense) -> jax.Array:
        if classes is None:
            return dense(hidden, p["v"][:, None], None, 1.0)[:, 0]
        return dense(hidden, p["v"].T, None, 1.0)

    return Model(init, body, readout, lambda p: p["v"])


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

    scales = [1.0 if scaling == "standard" else g**0.5 for g in gains]

    def body(p: Params, x: jax.Array, dense: Dense) -> jax.Array:
        for layer, s in zip(p[:-1], scales[:-1], strict=True):
            x = activation(dense(x, layer["w"], layer["b"], s))
        return x

    def readout(p: Params, hidden: jax.Array, dense: Dense) -> jax.Array:
        logits = dense(hidden, p[-1]["w"], p[-1]["b"], scales[-1])
        return logits[:, 0] if sizes[-1] == 1 else logits

    return Model(init, body, readout, lambda p: p[-1]["w"])


def lenet(network: LeNet, outputs: int) -> Model:
    """The convolutional network of a LeNet record; one output gives scalar logits (n,).

    He initialisation, biases zero. Convolutions use zero padding that keeps the size.
    """
    height, width, colours = network.image
    halvings = 2 ** len(network.channels)
    flat = network.channels[-1] * (height // halvings) * (width // halvings)
    dense_part = mlp((flat, *network.hidden, outputs))
    kernels = list(zip((colours, *network.channels[:-1]), network.channels, strict=True))

    def init(key: jax.Array, dtype: Any) -> Params:
        require_precision(dtype)
        last, *keys = jax.random.split(key, 1 + len(kernels))
        k = network.kernel
        convolutions = [
            {
                "w": (2.0 / (k * k * c_in)) ** 0.5 * jax.random.normal(key, (k, k, c_in, c_out), dtype),
                "b": jnp.zeros(c_out, dtype),
            }
            for key, (c_in, c_out) in zip(keys, kernels, strict=True)
        ]
        return {"convolutions": convolutions, "dense": dense_part.init(last, dtype)}

    def body(p: Params, x: jax.Array, dense: Dense) -> jax.Array:
        x = x.reshape(-1, height, width, colours)
        for layer in p["convolutions"]:
            x = _halved(jax.nn.relu(convolve(dense, x, layer["w"], layer["b"])))
        return dense_part.body(p["dense"], x.reshape(len(x), flat), dense)

    def readout(p: Params, hidden: jax.Array, dense: Dense) -> jax.Array:
        return dense_part.readout(p["dense"], hidden, dense)

    return Model(init, body, readout, lambda p: dense_part.head(p["dense"]))


def _halved(x: jax.Array) -> jax.Array:
    """Means over 2 x 2 squares of (n, height, width, channels)."""
    n, height, width, channels = x.shape
    return jnp.mean(x.reshape(n, height // 2, 2, width // 2, 2, channels), axis=(2, 4))


@singledispatch
def build(network: Any, d: int, classes: int | None) -> Model:
    """The functions of a network record for inputs of size d and `classes` outputs (None: one scalar output)."""
    raise TypeError(f"no model is defined for {network!r}")


@build.register
def _(network: Linear, d: int, classes: int | None) -> Model:
    return linear(d, classes=classes, scale=network.scale)


@build.register
def _(network: TwoLayerLinear, d: int, classes: int | None) -> Model:
    return two_layer_linear(d, network.width, classes=classes, scale=network.scale)


@build.register
def _(network: Mlp, d: int, classes: int | None) -> Model:
    return mlp((d, *network.hidden, classes or 1), scaling=network.scaling)


@build.register
def _(network: LeNet, d: int, classes: int | None) -> Model:
    require_image(network.image, d)
    return lenet(network, classes or 1)


def require_image(image: tuple[int, ...], d: int) -> None:
    """Raise InputError unless inputs of size d are images of these sizes."""
    if math.prod(image) != d:
        raise InputError(f"image must hold {d} numbers, as the inputs of the problem do, got {image}")
