"""Models made from a model and its parameters at the start: its linearisation, and the model less its first outputs."""

from typing import Any

import jax

from sims.layers import Dense
from sims.models.networks import Model

Params = Any


def linearised(model: Model, start: Params) -> Model:
    """f(start, x) + <grad f(start, x), params - start>: linear in the parameters, with the tangent kernel of the start.

    It has no factored form. `hidden` are the inputs x, as there is no last layer to speak of.
    """

    def readout(params: Params, x: jax.Array, dense: Dense) -> jax.Array:
        moved = jax.tree.map(lambda p, s: p - s, params, start)
        logits, change = jax.jvp(lambda p: model.apply(p, x), (start,), (moved,))
        return logits + change

    return Model(lambda key, dtype: start, lambda p, x, dense: x, readout, model.head)


def from_zero(model: Model, start: Params) -> Model:
    """f(params, x) - f(start, x): the same gradients, and outputs that start at zero."""

    def readout(params: Params, x: jax.Array, dense: Dense) -> jax.Array:
        return model.apply(params, x) - model.apply(start, x)

    return Model(lambda key, dtype: start, lambda p, x, dense: x, readout, model.head)
