"""DownWeight, Without and Only: masks on the gradient of any rule, by its ratio to the plain gradient (spec.rules)."""

from typing import Any

import jax
import jax.numpy as jnp

from sims.objectives import Batch, Objective
from sims.rules import Params, State, gradient, init, register, with_plain
from spec.rules import DownWeight, Group, Only, Without

ROUNDING = 16  # units in the last place

register(DownWeight, "base", "alpha")
register(Without, "base")
register(Only, "base")


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


@gradient.register(DownWeight)
@gradient.register(Without)
@gradient.register(Only)
def _(rule: Any, state: State, objective: Objective, params: Params, batch: Batch) -> tuple[Params, State]:
    g, _, state = with_plain(rule, state, objective, params, batch)
    return g, state


@init.register(DownWeight)
def _(rule: DownWeight, params: Params) -> State:
    return init(rule.base, params), jnp.zeros((), jnp.int32)


@init.register(Without)
@init.register(Only)
def _(rule: Without | Only, params: Params) -> State:
    return init(rule.base, params)


@with_plain.register(DownWeight)
def _(
    rule: DownWeight, state: State, objective: Objective, params: Params, batch: Batch
) -> tuple[Params, Params, State]:
    base_state, step = state
    h, g, base_state = with_plain(rule.base, base_state, objective, params, batch)
    kept = 1 - rule.alpha * (jnp.minimum(jnp.asarray(step, float) / rule.warmup, 1) if rule.warmup else 1)

    def reduced(gi: jax.Array, hi: jax.Array) -> jax.Array:
        return jnp.where(in_group(rule.group, gi, hi), jnp.asarray(kept, hi.dtype) * hi, hi)

    # Once all steps are warm counting on would only risk an overflow.
    return jax.tree.map(reduced, g, h), g, (base_state, jnp.minimum(step + 1, rule.warmup))


@with_plain.register(Without)
@with_plain.register(Only)
def _(
    rule: Without | Only, state: State, objective: Objective, params: Params, batch: Batch
) -> tuple[Params, Params, State]:
    h, g, state = with_plain(rule.base, state, objective, params, batch)
    inside, outside = (g, h) if isinstance(rule, Without) else (h, g)
    mask = jax.tree.map(lambda gi, hi: in_group(rule.group, gi, hi), g, h)
    return jax.tree.map(jnp.where, mask, inside, outside), g, state
