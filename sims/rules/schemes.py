"""Schemes of example weights (spec.rules.schemes), bound to a training split and its clean subset.

The weights of all training examples are the rule's state, beside the number of the epoch; every step renews those of
its batch and descends (1/n) sum_i w_i l_i with them.
"""

from dataclasses import dataclass
from functools import singledispatch
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sims.data.sampling import Split
from sims.objectives import Batch, Minibatch, Objective
from sims.observables.scalars import by_group
from sims.per_example import weighted_gradient
from sims.rules import feature_reweighting, meta_reweighting
from sims.rules.base import Params, begin_epoch, bind, gradient, init, register, report
from sims.rules.bound import Bound, Context
from spec.rules.schemes import FeatureReweight, FixedReweight, MetaReweight, NormalisedReweight, Scheme
from spec.validation import require


class Weights(NamedTuple):
    """w (n,): the weights of all training examples. epoch: from 0 while training."""

    w: jax.Array
    epoch: jax.Array


@dataclass(frozen=True)
class Reweighted(Bound):
    """A scheme, the clean subset it looks at (None: at none), and the weights w (n,) at the start."""

    record: Scheme
    clean: Batch | None
    w: jax.Array


register(FixedReweight, Reweighted)


@bind.register
def _(scheme: Scheme, context: Context) -> Reweighted:
    """The clean subset's observed labels are used, whatever they are. Only FixedReweight looks at true labels."""
    train, clean = context.train, context.clean
    found = clean is not None or not scheme.needs_clean_subset
    require(found, "clean", clean, f"a clean subset, for the weights of {scheme.name}")
    seen = None if clean is None else Batch(clean.x, clean.t)
    return Reweighted(scheme, seen, initial_weights(scheme, train))


def initial_weights(scheme: Scheme, train: Split) -> jax.Array:
    """The weights of all training examples at the start, (n,)."""
    if isinstance(scheme, FixedReweight):
        return jnp.where(train.mislabelled, scheme.mislabelled, scheme.clean).astype(train.x.dtype)
    return jnp.full(len(train.t), scheme.initial if isinstance(scheme, MetaReweight) else 0.5, train.x.dtype)


@singledispatch
def update(
    scheme: Scheme,
    w: jax.Array,
    epoch: jax.Array,
    objective: Objective,
    params: Params,
    batch: Batch,
    clean: Batch | None,
) -> jax.Array:
    """The new weights (n,) of a batch whose weights are w (n,), from the present parameters."""
    raise TypeError(f"no weights are defined for {scheme!r}")


@update.register
def _(scheme: MetaReweight, w: jax.Array, epoch: jax.Array, *rest: Any) -> jax.Array:
    return meta_reweighting.accumulated(scheme, w, *rest)


@update.register
def _(scheme: NormalisedReweight, w: jax.Array, epoch: jax.Array, *rest: Any) -> jax.Array:
    return meta_reweighting.normalised(*rest)


@update.register
def _(scheme: FeatureReweight, w: jax.Array, epoch: jax.Array, *rest: Any) -> jax.Array:
    return feature_reweighting.of_batch(scheme, epoch, *rest)


@update.register
def _(scheme: FixedReweight, w: jax.Array, *rest: Any) -> jax.Array:
    return w


@init.register
def _(rule: Reweighted, params: Params) -> Weights:
    return Weights(rule.w, jnp.int32(-1))


@begin_epoch.register
def _(rule: Reweighted, state: Weights) -> Weights:
    return state._replace(epoch=state.epoch + 1)


@gradient.register
def _(
    rule: Reweighted, state: Weights, objective: Objective, params: Params, batch: Batch | Minibatch
) -> tuple[Params, Weights]:
    places = batch.places if isinstance(batch, Minibatch) else slice(None)
    examples = Batch(batch.x, batch.t)
    w = update(rule.record, state.w[places], state.epoch, objective, params, examples, rule.clean)
    g = weighted_gradient(objective, params, examples, w / len(w))
    return g, state._replace(w=state.w.at[places].set(w))


@report.register
def _(rule: Reweighted, state: Weights, train: Split) -> dict[str, jax.Array]:
    """Mean weights of clean and mislabelled examples, and the share of the weight that lies on mislabelled ones."""
    clean, noisy = by_group(state.w, train)
    total = jnp.sum(state.w)
    share = jnp.sum(jnp.where(train.mislabelled, state.w, 0)) / jnp.where(total > 0, total, 1)
    return {"clean_example_weight": clean, "mislabelled_example_weight": noisy, "noise_share": share}
