"""Compensated ascent steps: they need true labels, randomness and a count of steps (spec.rules.compensation)."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import jax
import jax.numpy as jnp

from sims.objectives import Batch, Minibatch, Objective
from sims.rules.ascent import ascent_step, displaced, mean_over_shards, residual_gradient, shard_size, shards, unit
from sims.rules.base import Params, bind, gradient, init, register, with_bound_inner
from sims.rules.bound import BoundToLabels, Context, Labelled
from sims.rules.selection import Seen, select, targets
from sims.tracing import require_separate
from spec.rules.compensation import ClusterSelection, Compensation, CompensationSchedule, NoiseCompensated, OracleAscent
from spec.rules.sam import Sgd


@dataclass(frozen=True)
class Compensated(BoundToLabels):
    """A record of spec.rules.compensation."""

    record: Compensation


register(NoiseCompensated, OracleAscent, Compensated)


@bind.register
def _(record: Compensation, context: Context) -> Compensated:
    """Only oracles look at true labels."""
    return Compensated(with_bound_inner(record, context), context.train.y, context.key)


@init.register
def _(record: Compensation, params: Params) -> jax.Array:
    return jnp.int32(0)


@gradient.register
def _(
    rule: Compensated, state: jax.Array, objective: Objective, params: Params, batch: Batch | Minibatch
) -> tuple[Params, jax.Array]:
    base = rule.record.base
    labelled = rule.labelled(batch)
    if shard_size(base, batch) < len(batch.t):
        require_separate(objective.model, params, batch.x)

    def corrected() -> Params:
        eps = perturbation(rule.record, objective, params, labelled, state, rule.key)

        def of(shard: Labelled) -> Params:
            plain = objective.network(shard.x)
            moved = displaced(plain, eps(shard))
            seen = moved if base.perturbs_residual else plain, moved if base.perturbs_jacobian else plain
            return residual_gradient(objective, params, Batch(shard.x, shard.t), *seen)

        return mean_over_shards(of, shards(base, labelled), params)

    def plain() -> Params:
        return gradient(Sgd(), (), objective, params, batch)[0]

    if rule.record.warm_up_steps == 0:
        return corrected(), state + 1
    return jax.lax.cond(state < rule.record.warm_up_steps, plain, corrected), state + 1


@singledispatch
def perturbation(
    record: Any, objective: Objective, params: Params, batch: Labelled, step: jax.Array, key: jax.Array
) -> Callable[[Labelled], Params]:
    """eps' as a function of the shard of the batch that it perturbs; a tree like params."""
    raise TypeError(f"no perturbation is defined for {record!r}")


@perturbation.register
def _(record: OracleAscent, objective: Objective, params: Params, *_: Any) -> Callable[[Labelled], Params]:
    return lambda shard: ascent_step(record.base, objective, params, Batch(shard.x, shard.y))


@perturbation.register
def _(
    record: NoiseCompensated, objective: Objective, params: Params, batch: Labelled, step: jax.Array, key: jax.Array
) -> Callable[[Labelled], Params]:
    g = noise_gradient(record, objective, params, batch, jax.random.fold_in(key, step))
    s = record.sign * record.strength * progress(record.schedule, step)

    def of(shard: Labelled) -> Params:
        eps = ascent_step(record.base, objective, params, Batch(shard.x, shard.t))
        free = jax.tree.map(lambda e, gi: e + (s * gi).astype(e.dtype), eps, g)
        return projected(free, record.base.rho, record.project)

    return of


def noise_gradient(
    record: NoiseCompensated, objective: Objective, params: Params, batch: Labelled, key: jax.Array
) -> Params:
    """g*: the gradient of the mean loss of the selected examples under their targets, a tree; zero if none is."""
    logits, pull_back = jax.vjp(objective.network(batch.x), params)
    chosen, labels = simulated_noise(record, objective, params, batch, key)
    count = jnp.sum(chosen).astype(logits.dtype)
    share = (chosen / jnp.where(count > 0, count, 1)).astype(logits.dtype)
    residuals = smoothed_residuals(objective, logits, labels, record.smoothing)
    return pull_back(share.reshape(-1, *[1] * (residuals.ndim - 1)) * residuals)[0]


def simulated_noise(
    record: NoiseCompensated, objective: Objective, params: Params, batch: Labelled, key: jax.Array
) -> tuple[jax.Array, jax.Array]:
    """(mask of the selected examples, labels that they are given), both (n,)."""
    clusters = isinstance(record.selection, ClusterSelection)  # the others do not look at a last layer
    hidden = objective.model.hidden(params, batch.x) if clusters else batch.x.reshape(len(batch.x), -1)
    logits = objective.network(batch.x)(params)
    seen = Seen(jax.lax.stop_gradient(logits), jax.lax.stop_gradient(hidden), batch.t, batch.y)
    which, where = jax.random.split(key)
    return select(record.selection, seen, which), targets(record.target, seen, where)


def smoothed_residuals(objective: Objective, logits: jax.Array, labels: jax.Array, smoothing: float) -> jax.Array:
    """Residuals under labels that put 1 - smoothing on the given label and the rest evenly on all others."""
    residuals = objective.residuals(logits, labels)
    if smoothing == 0:
        return residuals
    if logits.ndim == 1:
        return (1 - smoothing) * residuals + smoothing * objective.residuals(logits, -labels)
    classes = logits.shape[1]
    every = sum(objective.residuals(logits, jnp.full_like(labels, c)) for c in range(classes))
    return (1 - smoothing) * residuals + smoothing / (classes - 1) * (every - residuals)


def progress(schedule: CompensationSchedule, step: jax.Array) -> jax.Array:
    """min(1, r(e/epochs)) in the epoch e of a step (spec.rules.CompensationSchedule)."""
    if schedule.shape == "constant":
        return jnp.ones((), float)
    # As floats of full width first: the ratio of two int32 would be a float32, and make the strength one.
    t = jnp.minimum(jnp.asarray(step // schedule.steps + 1, float) / schedule.epochs, 1)
    return jnp.minimum(1, 2 * (3 - 2 * t) * t**2)


def projected(eps: Params, rho: Any, project: str | None) -> Params:
    """'ball': eps min(1, rho/||eps||); 'sphere': rho eps/||eps||, and 0 at 0; None: eps."""
    if project is None:
        return eps
    onto = jax.tree.map(lambda leaf: (rho * leaf).astype(leaf.dtype), unit(eps))
    if project == "sphere":
        return onto
    inside = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(eps)) <= rho**2
    return jax.tree.map(lambda leaf, cut: jnp.where(inside, leaf, cut), eps, onto)
