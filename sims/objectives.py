"""Batches, losses of one example, and the two with a model: what a rule takes the gradient of."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sims.factors import Dense, Network, affine
from sims.models.networks import Model

Params = Any


class Batch(NamedTuple):
    """x (n, d) and observed labels t (n,)."""

    x: jax.Array
    t: jax.Array


class Part(NamedTuple):
    """A Batch that knows the places (n,) of its examples in the training split, for rules that remember examples."""

    x: jax.Array
    t: jax.Array
    places: jax.Array


class Objective(NamedTuple):
    """A model, and loss(logits of one example, its label) -> number."""

    model: Model
    loss: Callable[[jax.Array, jax.Array], jax.Array]

    def mean(self, params: Params, batch: Batch) -> jax.Array:
        return jnp.mean(jax.vmap(self.loss)(self.model.apply(params, batch.x), batch.t))

    def residuals(self, logits: jax.Array, t: jax.Array) -> jax.Array:
        return jax.vmap(jax.grad(self.loss))(logits, t)

    def network(self, x: jax.Array) -> Network:
        """The plain network on fixed inputs."""

        def plain(params: Params, dense: Dense = affine) -> jax.Array:
            return self.model.apply(params, x, dense)

        return plain


@jax.custom_jvp
def logistic(logit: jax.Array, t: jax.Array) -> jax.Array:
    """log(1 + exp(-t f)) for a label t in {-1, 1}."""
    return jax.nn.softplus(-t * logit)


@logistic.defjvp
def _logistic_jvp(primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]) -> Any:
    # The derivative without a logarithm: the one of softplus is several times as slow.
    (logit, t), (d_logit, d_t) = primals, tangents
    return logistic(logit, t), -jax.nn.sigmoid(-t * logit) * (t * d_logit + logit * d_t)


def squared(logit: jax.Array, t: jax.Array) -> jax.Array:
    """(f - t)^2/2 for a label t in {-1, 1}."""
    return (logit - t) ** 2 / 2


def cross_entropy(logits: jax.Array, t: jax.Array) -> jax.Array:
    """-log softmax(f)_t for a class t."""
    # A one-hot product rather than an index, whose derivative would be a slow scatter.
    return jax.nn.logsumexp(logits) - jnp.sum(jax.nn.one_hot(t, len(logits), dtype=logits.dtype) * logits)
