"""The rules of spec.masks, bound to a run: they need randomness or the true labels."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from sims.bound import Bound
from sims.data import Split
from sims.down_weighting import in_group, noise_dominated
from sims.objectives import Batch, Objective, Part
from sims.per_example import weighted_gradient
from sims.rules import Params, State, bind, gradient, init, register, with_plain
from spec.masks import OracleMask, RandomMask


@dataclass(frozen=True)
class Masked(Bound):
    """A record of spec.masks."""


register(RandomMask, "base", "alpha")
register(OracleMask, "base", "alpha")
register(Masked, "record", "y", "key")


@bind.register(RandomMask)
@bind.register(OracleMask)
def masked(record: RandomMask | OracleMask, train: Split, key: jax.Array) -> Masked:
    """A record as a rule for a training split. Only the oracle looks at its true labels."""
    return Masked(record, train.y, key)


@init.register
def _(rule: Masked, params: Params) -> State:
    return init(rule.record.base, params), jnp.zeros((), jnp.int32)


@gradient.register
def _(rule: Masked, state: State, objective: Objective, params: Params, batch: Batch | Part) -> tuple[Params, State]:
    base_state, step = state
    h, g, base_state = with_plain(rule.record.base, base_state, objective, params, batch)
    if isinstance(rule.record, RandomMask):
        mask = _random(rule.record, g, h, jax.random.fold_in(rule.key, step))
    else:
        mask = _oracle(rule, objective, params, batch)

    def reduced(m: jax.Array, hi: jax.Array) -> jax.Array:
        return jnp.where(m, (1 - rule.record.alpha) * hi, hi).astype(hi.dtype)

    return jax.tree.map(reduced, mask, h), (base_state, step + 1)


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


def _oracle(rule: Masked, objective: Objective, params: Params, batch: Batch | Part) -> Params:
    """The noise-dominated coordinates of the batch's plain gradient."""
    noisy = (batch.t != rule.labelled(batch).y).astype(batch.x.dtype)
    parts = weighted_gradient(objective, params, Batch(batch.x, batch.t), jnp.stack([1 - noisy, noisy]))
    return jax.tree.map(lambda p: noise_dominated(p[0], p[1]), parts)
