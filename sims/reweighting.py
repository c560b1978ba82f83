"""Training with example weights: a scheme and its clean subset as a rule that sims.train can run.

The weights of all training examples are the rule's state, beside the number of the epoch; every step renews those of
its batch and descends (1/n) sum_i w_i l_i with them.
"""

from dataclasses import dataclass
from functools import singledispatch
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sims import feature_reweighting, meta_reweighting
from sims.data import Split
from sims.objectives import Batch, Objective, Part
from sims.observables import by_group
from sims.per_example import weighted_gradient
from sims.rules import begin_epoch, gradient, init, register, report
from spec.reweighting import FeatureReweight, FixedReweight, MetaReweight, NormalisedReweight

Params = Any

register(FixedReweight, "clean", "mislabelled")


class Weights(NamedTuple):
    """w (n,): the weights of all training examples. epoch: from 0 while training."""

    w: jax.Array
    epoch: jax.Array


@dataclass(frozen=True)
class Reweighted:
    """A rule: scheme (spec.reweighting), the clean subset it looks at, and the weights w (n,) at the start."""

    scheme: Any
    clean: Batch
    w: jax.Array


register(Reweighted, "scheme", "clean", "w")


def reweighted(scheme: Any, clean: Split, train: Split) -> Reweighted:
    """A scheme as a rule for a training split. The clean subset's observed labels are used, whatever they are.

    Only FixedReweight looks at the true labels of the training split.
    """
    initial = scheme.initial if isinstance(scheme, MetaReweight) else 0.5
    w = jnp.full(len(train.t), initial, train.x.dtype)
    if isinstance(scheme, FixedReweight):
        w = jnp.where(train.mislabelled, scheme.mislabelled, scheme.clean).astype(train.x.dtype)
    return Reweighted(scheme, Batch(clean.x, clean.t), w)


@singledispatch
def update(
    scheme: Any, w: jax.Array, epoch: jax.Array, objective: Objective, params: Params, batch: Batch, clean: Batch
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
    rule: Reweighted, state: Weights, objective: Objective, params: Params, batch: Batch | Part
) -> tuple[Params, Weights]:
    places = batch.places if isinstance(batch, Part) else slice(None)
    examples = Batch(batch.x, batch.t)
    w = update(rule.scheme, state.w[places], state.epoch, objective, params, examples, rule.clean)
    g = weighted_gradient(objective, params, examples, w / len(w))
    return g, state._replace(w=state.w.at[places].set(w))


@report.register
def _(rule: Reweighted, state: Weights, train: Split) -> dict[str, jax.Array]:
    """Mean weights of clean and mislabelled examples, and the share of the weight that lies on mislabelled ones."""
    clean, noisy = by_group(state.w, train)
    total = jnp.sum(state.w)
    share = jnp.sum(jnp.where(train.mislabelled, state.w, 0)) / jnp.where(total > 0, total, 1)
    return {"clean_example_weight": clean, "mislabelled_example_weight": noisy, "noise_share": share}
