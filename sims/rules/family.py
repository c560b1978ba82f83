"""GSAM, FSAM and VaSSO: n-SAM with a correction of its gradient, or with a memory of earlier gradients (spec.rules)."""

import operator
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sims.objectives import Batch, Objective
from sims.rules.ascent import unit
from sims.rules.base import Params, State, gradient, init, register, with_plain
from spec.rules.family import Fsam, Gsam, Vasso
from spec.rules.sam import Sam, Sgd

register(Gsam, Fsam, Vasso)


class Average(NamedTuple):
    """An exponential average of gradients; before its start `value` is zero."""

    value: Params
    started: jax.Array

    def with_next(self, g: Params, keep: Any) -> "Average":
        """keep value + (1 - keep) g; the first gradient itself at the start."""
        keep = jnp.where(self.started, keep, 0)
        value = jax.tree.map(lambda v, gi: (keep * v + (1 - keep) * gi).astype(gi.dtype), self.value, g)
        return Average(value, jnp.ones_like(self.started))


@init.register
def _(rule: Fsam | Vasso, params: Params) -> Average:
    return Average(jax.tree.map(jnp.zeros_like, params), jnp.zeros((), bool))


@with_plain.register
def _(rule: Gsam, state: State, objective: Objective, params: Params, batch: Batch) -> tuple[Params, Params, State]:
    h, g, _ = with_plain(Sam(rule.rho, "batch"), (), objective, params, batch)
    u = _direction(h)
    along = reduce(operator.add, jax.tree.leaves(jax.tree.map(lambda a, b: jnp.sum(a * b), g, u)))
    corrected = jax.tree.map(lambda hi, gi, ui: (hi - rule.alpha * (gi - along * ui)).astype(hi.dtype), h, g, u)
    return corrected, g, state


@with_plain.register
def _(rule: Fsam, state: State, objective: Objective, params: Params, batch: Batch) -> tuple[Params, Params, State]:
    g = gradient(Sgd(), (), objective, params, batch)[0]
    new = jax.tree.map(lambda gi, v: gi - rule.sigma * v, g, state.value)
    return _perturbed(rule, objective, params, batch, new), g, state.with_next(g, rule.decay)


@with_plain.register
def _(rule: Vasso, state: State, objective: Objective, params: Params, batch: Batch) -> tuple[Params, Params, State]:
    g = gradient(Sgd(), (), objective, params, batch)[0]
    state = state.with_next(g, 1 - rule.theta)
    return _perturbed(rule, objective, params, batch, state.value), g, state


def _perturbed(rule: Fsam | Vasso, objective: Objective, params: Params, batch: Batch, towards: Params) -> Params:
    """The gradient at distance rho from params, in the direction of `towards`."""
    u = _direction(towards)
    moved = jax.tree.map(lambda p, ui: (p + rule.rho * ui).astype(p.dtype), params, u)
    return gradient(Sgd(), (), objective, moved, batch)[0]


def _direction(tree: Params) -> Params:
    """tree/||tree||, also where the squares of all its entries underflow."""
    largest = reduce(jnp.maximum, [jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(tree)])
    scale = jax.lax.stop_gradient(jnp.where(largest > 0, largest, 1))
    return unit(jax.tree.map(lambda leaf: leaf / scale, tree))
