"""Masks that need randomness or the true labels of the training split they are bound to (spec.rules.masks)."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from sims.objectives import Batch, Minibatch, Objective
from sims.per_example import weighted_gradient
from sims.rules.base import Around, Params, bind, init, register, with_bound_inner, with_plain
from sims.rules.bound import BoundToLabels, Context
from sims.rules.down_weighting import in_group, noise_dominated
from spec.rules.masks import Mask, OracleMask, RandomMask


@dataclass(frozen=True)
class Masked(BoundToLabels):
    """A record of spec.rules.masks."""

    record: Mask


register(RandomMask, OracleMask, Masked)


@bind.register
def _(record: Mask, context: Context) -> Masked:
    """Only the oracle looks at true labels."""
    return Masked(with_bound_inner(record, context), context.train.y, context.key)


@init.register
def _(record: Mask, params: Params) -> Around:
    return Around(init(record.base, params), jnp.zeros((), jnp.int32))


@with_plain.register
def _(
    rule: Masked, state: Around, objective: Objective, params: Params, batch: Batch | Minibatch
) -> tuple[Params, Params, Around]:
    h, g, base_state = with_plain(rule.record.base, state.base, objective, params, batch)
    if isinstance(rule.record, RandomMask):
        mask = _random(rule.record, g, h, jax.random.fold_in(rule.key, state.own))
    else:
        mask = _oracle(rule, objective, params, batch)

    def reduced(m: jax.Array, hi: jax.Array) -> jax.Array:
        return jnp.where(m, (1 - rule.record.alpha) * hi, hi).astype(hi.dtype)

    return jax.tree.map(reduced, mask, h), g, Around(base_state, state.own + 1)


def _random(record: RandomMask, g: Params, h: Params, key: jax.Array) -> Params:
    """Independent coordinates, each with the group's share of the count or of the energy of h."""
    weights = jax.tree.map(lambda hi: jnp.ones_like(hi) if record.match == "count" else hi**2, h)
    inside = jax.tree.map(lambda gi, hi, w: jnp.where(in_group(record.group, gi, hi), w, 0), g, h, weights)
    total, part = (sum(jnp.sum(leaf) for leaf in jax.tree.leaves(tree)) for tree in (weights, inside))
    share = part / jnp.where(total > 0, total, 1)
    leaves, structure = jax.tree.flatten(h)
    keys = jax.random.split(key, len(leaves))
    drawn = [jax.random.bernoulli(k, share, leaf.shape) for k, leaf in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, drawn)


def _oracle(rule: Masked, objective: Objective, params: Params, batch: Batch | Minibatch) -> Params:
    """The noise-dominated coordinates of the batch's plain gradient."""
    noisy = (batch.t != rule.labelled(batch).y).astype(batch.x.dtype)
    parts = weighted_gradient(objective, params, Batch(batch.x, batch.t), jnp.stack([1 - noisy, noisy]))
    return jax.tree.map(lambda p: noise_dominated(p[0], p[1]), parts)
