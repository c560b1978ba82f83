"""Schemes of example weights (spec.rules.schemes), bound to a training split and its clean subset.

The weights of all training examples are the rule's state, beside the number of the epoch; every step renews those of
its batch and descends (1/n) sum_i w_i l_i with them.
"""

from dataclasses import dataclass
from functools import singledispatch
from typing import Any, NamedTuple, Self

import jax
import jax.numpy as jnp

from sims.data.sampling import Split
from sims.objectives import Batch, Minibatch, Objective
from sims.observables.scalars import by_group
from sims.per_example import weighted_gradient
from sims.rules import feature_reweighting, meta_reweighting, weight_net
from sims.rules.base import Params, begin_epoch, bind, gradient, init, register, report
from sims.rules.bound import Bound, Context
from spec.rules.schemes import FeatureReweight, FixedReweight, MetaReweight, NormalisedReweight, Scheme, WeightNet
from spec.validation import require


class Weights(NamedTuple):
    """w (n,): the weights of all training examples. epoch: from 0 while training. own: what else a scheme remembers."""

    w: jax.Array
    epoch: jax.Array
    own: Any = ()

    def of(self, batch: Batch | Minibatch) -> jax.Array:
        """The weights of a batch."""
        return self.w[_places(batch)]

    def at(self, batch: Batch | Minibatch, w: jax.Array) -> Self:
        """With those of a batch renewed."""
        return self._replace(w=self.w.at[_places(batch)].set(w))


def _places(batch: Batch | Minibatch) -> Any:
    return batch.places if isinstance(batch, Minibatch) else slice(None)


@dataclass(frozen=True)
class Reweighted(Bound):
    """A scheme, the clean subset it looks at (None: at none), its state at the start: weights w (n,) and its own."""

    record: Scheme
    clean: Batch | None
    w: jax.Array
    own: Any = ()


register(FixedReweight, Reweighted)


@bind.register
def _(scheme: Scheme, context: Context) -> Reweighted:
    """The clean subset's observed labels are used, whatever they are. Only FixedReweight looks at true labels."""
    train, clean = context.train, context.clean
    found = clean is not None or not scheme.needs_clean_subset
    require(found, "clean", clean, f"a clean subset, for the weights of {scheme.name}")
    seen = None if clean is None else Batch(clean.x, clean.t)
    own = weight_net.start(scheme, context.key, train.x.dtype) if isinstance(scheme, WeightNet) else ()
    return Reweighted(scheme, seen, initial_weights(scheme, train), own)


def initial_weights(scheme: Scheme, train: Split) -> jax.Array:
    """The weights of all training examples at the start, (n,)."""
    if isinstance(scheme, FixedReweight):
        return jnp.where(train.mislabelled, scheme.mislabelled, scheme.clean).astype(train.x.dtype)
    return jnp.full(len(train.t), scheme.initial if isinstance(scheme, MetaReweight) else 0.5, train.x.dtype)


@singledispatch
def update(
    scheme: Scheme, state: Weights, objective: Objective, params: Params, batch: Batch, clean: Batch | None
) -> tuple[jax.Array, Any]:
    """(new weights (n,) of a batch, the scheme's own state), from the present parameters.

    state: with the weights of the batch alone.
    """
    raise TypeError(f"no weights are defined for {scheme!r}")


@update.register
def _(scheme: MetaReweight, state: Weights, *rest: Any) -> tuple[jax.Array, Any]:
    return meta_reweighting.accumulated(scheme, state.w, *rest), state.own


@update.register
def _(scheme: NormalisedReweight, state: Weights, *rest: Any) -> tuple[jax.Array, Any]:
    return meta_reweighting.normalised(*rest), state.own


@update.register
def _(scheme: FeatureReweight, state: Weights, *rest: Any) -> tuple[jax.Array, Any]:
    return feature_reweighting.of_batch(scheme, state.epoch, *rest), state.own


@update.register
def _(scheme: WeightNet, state: Weights, *rest: Any) -> tuple[jax.Array, Any]:
    return weight_net.renewed(scheme, state.own, *rest)


@update.register
def _(scheme: FixedReweight, state: Weights, *rest: Any) -> tuple[jax.Array, Any]:
    return state.w, state.own


def renewed(
    rule: Reweighted, state: Weights, objective: Objective, params: Params, batch: Batch | Minibatch
) -> tuple[jax.Array, Weights]:
    """(the weights (n,) of a batch, the state with them)."""
    here = state._replace(w=state.of(batch))
    w, own = update(rule.record, here, objective, params, Batch(batch.x, batch.t), rule.clean)
    return w, state.at(batch, w)._replace(own=own)


@init.register
def _(rule: Reweighted, params: Params) -> Weights:
    return Weights(rule.w, jnp.int32(-1), rule.own)


@begin_epoch.register
def _(rule: Reweighted, state: Weights) -> Weights:
    return state._replace(epoch=state.epoch + 1)


@gradient.register
def _(
    rule: Reweighted, state: Weights, objective: Objective, params: Params, batch: Batch | Minibatch
) -> tuple[Params, Weights]:
    w, state = renewed(rule, state, objective, params, batch)
    return weighted_gradient(objective, params, Batch(batch.x, batch.t), w / len(w)), state


@report.register
def _(rule: Reweighted, state: Weights, train: Split) -> dict[str, jax.Array]:
    return reported(state.w, train)


def reported(w: jax.Array, train: Split) -> dict[str, jax.Array]:
    """Mean weights of clean and mislabelled examples, and the share of the weight that lies on mislabelled ones."""
    clean, noisy = by_group(w, train)
    total = jnp.sum(w)
    share = jnp.sum(jnp.where(train.mislabelled, w, 0)) / jnp.where(total > 0, total, 1)
    return {"clean_example_weight": clean, "mislabelled_example_weight": noisy, "noise_share": share}
