"""Bootstrapped losses, weighted losses and Co-teaching around a base rule (spec.rules.noisy_labels)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sims.data.sampling import Split
from sims.objectives import Batch, Minibatch, Objective, squared
from sims.rules.base import (
    Around,
    Params,
    State,
    begin_epoch,
    bind,
    gradient,
    init,
    register,
    report,
    with_bound_inner,
)
from sims.rules.bound import Bound, Context
from sims.rules.schemes import Reweighted, Weights, renewed, reported
from spec.rules.base import Rule
from spec.rules.noisy_labels import Bootstrapped, CoTeaching, WeightedBy
from spec.validation import require

Loss = Callable[[jax.Array, jax.Array], jax.Array]


# ---------------------------------------------------------------- bootstrapped losses


def bootstrapped(loss: Loss, keep: Any, target: str) -> Loss:
    """The loss against keep t + (1 - keep) times the network's own prediction; logits are log-odds (InputError)."""
    require(loss is not squared, "loss", "squared", "one of log-odds (logistic, cross_entropy), to be bootstrapped")

    def own(logits: jax.Array, t: jax.Array) -> jax.Array:
        if target == "soft":
            return entropy(logits)
        top = jnp.argmax(logits) if logits.ndim else jnp.where(logits < 0, -1, 1)
        return loss(logits, top.astype(jnp.result_type(t)))

    return lambda logits, t: keep * loss(logits, t) + (1 - keep) * own(logits, t)


def entropy(logits: jax.Array) -> jax.Array:
    """-sum_c q_c log q_c of the predicted probabilities, for class logits (C,) or one log-odds ()."""
    log_q = jax.nn.log_softmax(logits if logits.ndim else jnp.stack([jnp.zeros_like(logits), logits]))
    return -jnp.sum(jnp.exp(log_q) * log_q)


@gradient.register
def _(
    rule: Bootstrapped, state: Around, objective: Objective, params: Params, batch: Batch | Minibatch
) -> tuple[Params, Around]:
    changed = objective._replace(loss=bootstrapped(objective.loss, rule.keep, rule.target))
    g, base_state = gradient(rule.base, state.base, changed, params, batch)
    return g, state._replace(base=base_state)


# ---------------------------------------------------------------- weighted losses


def weighted(
    base: Rule, state: State, objective: Objective, params: Params, batch: Batch, w: jax.Array
) -> tuple[Params, State]:
    """The base's gradient of (1/n) sum_i w_i l_i. Every label goes with its weight, so that shards keep them together.

    Labels are exact in the precision of the weights: -1 and 1, or classes below 2^24.
    """

    def loss(logits: jax.Array, label: jax.Array) -> jax.Array:
        return label[1] * objective.loss(logits, label[0].astype(batch.t.dtype))

    labels = jnp.stack([batch.t.astype(w.dtype), w], axis=1)
    return gradient(base, state, objective._replace(loss=loss), params, Batch(batch.x, labels))


@dataclass(frozen=True)
class Weighting(Bound):
    """A WeightedBy, and its scheme bound to the training split."""

    record: WeightedBy
    scheme: Reweighted


@bind.register
def _(record: WeightedBy, context: Context) -> Weighting:
    return Weighting(record, bind(record.scheme, context.inner()))  # type: ignore[arg-type]


@init.register
def _(rule: Weighting, params: Params) -> Around:
    return Around(init(rule.record.base, params), init(rule.scheme, params))


@begin_epoch.register
def _(rule: Weighting, state: Around) -> Around:
    return Around(begin_epoch(rule.record.base, state.base), begin_epoch(rule.scheme, state.own))


@gradient.register
def _(
    rule: Weighting, state: Around, objective: Objective, params: Params, batch: Batch | Minibatch
) -> tuple[Params, Around]:
    w, own = renewed(rule.scheme, state.own, objective, params, batch)
    g, base_state = weighted(rule.record.base, state.base, objective, params, Batch(batch.x, batch.t), w)
    return g, Around(base_state, own)


@report.register
def _(rule: Weighting, state: Around, train: Split) -> dict[str, jax.Array]:
    return report(rule.scheme, state.own, train)


# ---------------------------------------------------------------- Co-teaching


class Pair(NamedTuple):
    """States of the base for both networks, the second one with its velocity, and the first one's example weights."""

    states: tuple[State, State]
    peer: Params
    velocity: Params
    seen: Weights


@dataclass(frozen=True)
class Teaching(Bound):
    """A CoTeaching, with the weights (n,) at the start and the key that the second network is drawn by."""

    record: CoTeaching
    w: jax.Array
    key: jax.Array


register(Bootstrapped, WeightedBy, Weighting, CoTeaching, Teaching)


@bind.register
def _(record: CoTeaching, context: Context) -> Teaching:
    x = context.train.x
    return Teaching(with_bound_inner(record, context), jnp.ones(len(x), x.dtype), context.key)


def redrawn(params: Params, key: jax.Array) -> Params:
    """The entries of every tensor in random order."""
    leaves, structure = jax.tree.flatten(params)
    keys = jax.random.split(key, len(leaves))
    return jax.tree.unflatten(
        structure, [jax.random.permutation(k, a.ravel()).reshape(a.shape) for k, a in zip(keys, leaves, strict=True)]
    )


def small_losses(objective: Objective, params: Params, batch: Batch, forget: Any) -> jax.Array:
    """Weights of mean one that keep the round((1 - forget) n) examples of smallest loss, at least one; (n,)."""
    losses = jax.vmap(objective.loss)(objective.model.apply(params, batch.x), batch.t)
    n = len(batch.t)
    kept = jnp.maximum(jnp.round((1 - forget) * n), 1).astype(batch.x.dtype)
    rank = jnp.argsort(jnp.argsort(losses))
    return jnp.where(rank < kept, n / kept, 0).astype(batch.x.dtype)


@init.register
def _(rule: Teaching, params: Params) -> Pair:
    peer = redrawn(params, rule.key)
    states = init(rule.record.base, params), init(rule.record.base, peer)
    return Pair(states, peer, jax.tree.map(jnp.zeros_like, peer), Weights(rule.w, jnp.int32(-1)))


@begin_epoch.register
def _(rule: Teaching, state: Pair) -> Pair:
    first, second = (begin_epoch(rule.record.base, s) for s in state.states)
    return state._replace(states=(first, second), seen=state.seen._replace(epoch=state.seen.epoch + 1))


@gradient.register
def _(
    rule: Teaching, state: Pair, objective: Objective, params: Params, batch: Batch | Minibatch
) -> tuple[Params, Pair]:
    record, examples = rule.record, Batch(batch.x, batch.t)
    forget = record.forget * jnp.minimum(state.seen.epoch / record.ramp, 1)
    both = params, state.peer
    taught = [small_losses(objective, p, examples, forget) for p in reversed(both)]
    (g, first), (g_peer, second) = (
        weighted(record.base, s, objective, p, examples, w) for s, p, w in zip(state.states, both, taught, strict=True)
    )
    return g, Pair((first, second), *_stepped(record, state, g_peer), state.seen.at(batch, taught[0]))


def _stepped(record: CoTeaching, state: Pair, g: Params) -> tuple[Params, Params]:
    """The second network and its velocity after a step."""

    def faster(v: jax.Array, gi: jax.Array, p: jax.Array) -> jax.Array:
        return (record.momentum * v + gi + record.weight_decay * p).astype(p.dtype)

    velocity = jax.tree.map(faster, state.velocity, g, state.peer)
    return jax.tree.map(lambda p, v: (p - record.eta * v).astype(p.dtype), state.peer, velocity), velocity


@report.register
def _(rule: Teaching, state: Pair, train: Split) -> dict[str, jax.Array]:
    return reported(state.seen.w, train)
