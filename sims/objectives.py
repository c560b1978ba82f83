"""Batches, losses of one example, and the two with a model: what a rule takes the gradient of."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sims.factors import Network
from sims.layers import Dense, affine
from sims.models.networks import Model
from spec.validation import InputError, require

Params = Any


class Batch(NamedTuple):
    """x (n, d) and observed labels t (n,)."""

    x: jax.Array
    t: jax.Array


class Minibatch(NamedTuple):
    """A Batch that knows the places (n,) of its examples in the training split, for rules that remember examples."""

    x: jax.Array
    t: jax.Array
    places: jax.Array


class Objective(NamedTuple):
    """A model, and loss(logits of one example, its label) -> number."""

    model: Model
    loss: Callable[[jax.Array, jax.Array], jax.Array]

    def mean(self, params: Params, batch: Batch | Minibatch) -> jax.Array:
        """The mean loss of a batch. Raises InputError for labels that the loss would misread."""
        require_parameters(params)
        logits = self.model.apply(params, batch.x)
        require_labels(self.loss, batch.t, logits.shape)
        return jnp.mean(jax.vmap(self.loss)(logits, batch.t))

    def residuals(self, logits: jax.Array, t: jax.Array) -> jax.Array:
        """d loss/d logits of every example, shaped like the logits. Errors as in mean."""
        require_labels(self.loss, t, logits.shape)
        return jax.vmap(jax.grad(self.loss))(logits, t)

    def network(self, x: jax.Array) -> Network:
        """The plain network on fixed inputs."""

        def plain(params: Params, dense: Dense = affine) -> jax.Array:
            require_parameters(params)
            return self.model.apply(params, x, dense)

        return plain


def require_parameters(params: Params) -> None:
    """Raise InputError unless every leaf holds floating-point numbers, and some leaf holds one."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    for path, leaf in leaves:
        kind = jnp.result_type(leaf)
        if not jnp.issubdtype(kind, jnp.floating):
            raise InputError(
                f"parameters must be floating-point numbers, got {kind} at {jax.tree_util.keystr(path) or 'the root'}: "
                "what is not trained belongs into the model's functions"
            )
    require(any(jnp.size(leaf) for _, leaf in leaves), "parameters", params, "a tree that holds a number")


def require_labels(loss: Callable[..., Any], t: Any, logits: tuple[int, ...]) -> None:
    """Raise InputError unless labels are such as the loss takes: a signed -1 or 1, or a class, for each of the logits.

    logits: their shape, (n,) or (n, classes). The values of traced labels are not known; shape and type are. Losses
    that are not of this module take what they do.
    """
    if loss not in (logistic, squared, cross_entropy):
        return
    require(len(t) > 0, "labels", t.shape, "of at least one example")
    require(t.shape == logits[:1], "labels", t.shape, f"one for each of {logits[0]} examples, not one-hot")
    classes = loss is cross_entropy
    accepted = "(n, classes) for this loss" if classes else "(n,) for this loss, one output for each example"
    require(len(logits) == 1 + classes, "the shape of logits", logits, accepted)
    kinds = (jnp.integer,) if classes else (jnp.signedinteger, jnp.floating)
    accepted = "integers" if classes else "signed numbers: of -1, an unsigned type makes 255"
    require(any(jnp.issubdtype(t.dtype, kind) for kind in kinds), "the type of labels", str(t.dtype), accepted)
    if isinstance(t, jax.core.Tracer):
        return
    values = np.asarray(t)
    known = (values >= 0) & (values < logits[-1]) if classes else np.isin(values, (-1, 1))
    accepted = f"0, ..., {logits[-1] - 1}" if classes else "-1 or 1"
    for place in np.flatnonzero(~known)[:1]:
        raise InputError(f"labels must be {accepted}, got {values[place]} at example {place}")


def logistic(logit: jax.Array, t: jax.Array) -> jax.Array:
    """log(1 + exp(-t f)) for a label t in {-1, 1}."""
    return _logistic(logit, jnp.asarray(t, jnp.result_type(logit)))


@jax.custom_jvp
def _logistic(logit: jax.Array, t: jax.Array) -> jax.Array:
    return jax.nn.softplus(-t * logit)


@_logistic.defjvp
def _logistic_jvp(primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]) -> Any:
    # The derivative without a logarithm: the one of softplus is several times as slow.
    (logit, t), (d_logit, d_t) = primals, tangents
    return _logistic(logit, t), -jax.nn.sigmoid(-t * logit) * (t * d_logit + logit * d_t)


def squared(logit: jax.Array, t: jax.Array) -> jax.Array:
    """(f - t)^2/2 for a label t in {-1, 1}."""
    return (logit - t) ** 2 / 2


def cross_entropy(logits: jax.Array, t: jax.Array) -> jax.Array:
    """-log softmax(f)_t for a class t."""
    # A one-hot product rather than an index, whose derivative would be a slow scatter.
    return jax.nn.logsumexp(logits) - jnp.sum(jax.nn.one_hot(t, len(logits), dtype=logits.dtype) * logits)
