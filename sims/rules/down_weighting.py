"""DownWeight, Without and Only: masks on the gradient of any rule, by its ratio to the plain gradient (spec.rules)."""

import jax
import jax.numpy as jnp

from sims.objectives import Batch, Objective
from sims.rules.base import Around, Params, init, register, with_plain
from spec.rules.wrappers import DownWeight, Group, Only, Without

ROUNDING = 16  # units in the last place

register(DownWeight, Without, Only)


def in_group(group: Group, plain: jax.Array, perturbed: jax.Array) -> jax.Array:
    """Where the ratio perturbed/plain is in the group, without division; nowhere where plain is zero.

    A ratio that is 1 up to rounding counts as 1: else half of the coordinates would be in B for rho = 0. A coordinate
    in which the contributions of examples cancel has a larger rounding error, and can still be misjudged there.
    """
    # Signs, not a product: that of two small gradients underflows.
    signs = jnp.sign(plain) * jnp.sign(perturbed)
    if group == "C":
        return (plain != 0) & (signs <= 0)
    smaller = jnp.abs(perturbed) < (1 - ROUNDING * jnp.finfo(plain.dtype).eps) * jnp.abs(plain)
    return (signs > 0) & (smaller if group == "B" else ~smaller)


def noise_dominated(clean: jax.Array, noisy: jax.Array) -> jax.Array:
    """Where the clean and the mislabelled part of a gradient conflict and the mislabelled one is larger."""
    return (jnp.sign(clean) * jnp.sign(noisy) < 0) & (jnp.abs(noisy) > jnp.abs(clean))


@init.register
def _(rule: DownWeight, params: Params) -> Around:
    return Around(init(rule.base, params), jnp.zeros((), jnp.int32))


@with_plain.register
def _(
    rule: DownWeight, state: Around, objective: Objective, params: Params, batch: Batch
) -> tuple[Params, Params, Around]:
    h, g, base_state = with_plain(rule.base, state.base, objective, params, batch)
    kept = 1 - rule.alpha * (jnp.minimum(jnp.asarray(state.own, float) / rule.warmup, 1) if rule.warmup else 1)

    def reduced(gi: jax.Array, hi: jax.Array) -> jax.Array:
        return jnp.where(in_group(rule.group, gi, hi), jnp.asarray(kept, hi.dtype) * hi, hi)

    # Once all steps are warm counting on would only risk an overflow.
    return jax.tree.map(reduced, g, h), g, Around(base_state, jnp.minimum(state.own + 1, rule.warmup))


@with_plain.register
def _(
    rule: Without | Only, state: Around, objective: Objective, params: Params, batch: Batch
) -> tuple[Params, Params, Around]:
    h, g, base_state = with_plain(rule.base, state.base, objective, params, batch)
    inside, outside = (g, h) if isinstance(rule, Without) else (h, g)
    mask = jax.tree.map(lambda gi, hi: in_group(rule.group, gi, hi), g, h)
    return jax.tree.map(jnp.where, mask, inside, outside), g, state._replace(base=base_state)
