"""What a compensated rule does to the perturbation of a batch: its length, its direction, and how good its labels are.

Measured at the recorded parameters on the first batches of the training split, which is in random order, at the full
strength of the schedule: as in training from half time on.
"""

import jax
import jax.numpy as jnp

from sims.data.sampling import Data
from sims.objectives import Batch, Objective
from sims.observables.scalars import Observable, observable
from sims.rules import ascent_step, gradient
from sims.rules.bound import Labelled
from sims.rules.compensation import Compensated, Params, perturbation, simulated_noise
from spec.observables import Correction
from spec.rules import Compensation, NoiseCompensated, Rule, Sgd
from spec.validation import InputError

SATURATED = 2**30  # a step by which every schedule is at full strength


@observable.register
def correction(wanted: Correction) -> Observable:
    """Means over batches of the training split, fewer than wanted where it has fewer:

    eps_norm      ||eps'||
    clean_cosine  cos(eps', g_y), g_y the gradient of the batch under true labels; 0 where either is zero
    sam_cosine    cos(eps_SAM, g_y) of the same batch, with the base rule's own ascent
    precision     share of mislabelled examples in the selection; 0 for an empty one, and for OracleAscent
    right         share of the selected whose given label is the true one (precision times hit); 0 likewise
    kept          share of the batch whose observed label is the true one, 1 - Delta
    gamma         weight of g* relative to the batch gradient g before projection, strength ||g||/rho; 0 at rho = 0

    Only for rules whose base perturbs a batch as one: raises InputError for others, and for a batch that is too large.
    """
    batch = wanted.batch

    def observe(rule: Rule, objective: Objective, params: Params, data: Data) -> dict[str, jax.Array]:
        if not isinstance(rule, Compensated):
            raise InputError(f"rule must be NoiseCompensated or OracleAscent to have a correction, got {rule.name}")
        record = rule.record
        if record.base.sharpness != "batch":
            raise InputError(f"base must have sharpness 'batch' for its correction, got {record.base.sharpness!r}")
        count = min(wanted.batches, len(data.train.t) // batch)
        if count == 0:
            raise InputError(f"batch must be at most the number of training examples {len(data.train.t)}, got {batch}")
        parts = jax.tree.map(
            lambda a: a[: count * batch].reshape(count, batch, *a.shape[1:]),
            Labelled(data.train.x, data.train.t, data.train.y),
        )

        def one(step_and_part: tuple[jax.Array, Labelled]) -> dict[str, jax.Array]:
            step, part = step_and_part
            return _of_batch(record, objective, params, part, step, rule.key)

        rows = jax.lax.map(one, (SATURATED + jnp.arange(count), parts))
        return jax.tree.map(jnp.mean, rows)

    return observe


def _of_batch(
    record: Compensation, objective: Objective, params: Params, part: Labelled, step: jax.Array, key: jax.Array
) -> dict[str, jax.Array]:
    base = record.base
    eps = perturbation(record, objective, params, part, step, key)(part)
    clean = ascent_step(base, objective, params, Batch(part.x, part.y))
    dtype = part.x.dtype
    selected, given, strength = jnp.zeros(len(part.t), bool), part.t, 0.0
    if isinstance(record, NoiseCompensated):
        # The same draws as those of the perturbation.
        selected, given = simulated_noise(record, objective, params, part, jax.random.fold_in(key, step))
        strength = record.strength
    size = _norm(gradient(Sgd(), (), objective, params, Batch(part.x, part.t))[0])

    def share(mask: jax.Array) -> jax.Array:
        count = jnp.sum(selected)
        return (jnp.sum(selected & mask) / jnp.where(count > 0, count, 1)).astype(dtype)

    return {
        "eps_norm": _norm(eps),
        "clean_cosine": _cosine(eps, clean),
        "sam_cosine": _cosine(ascent_step(base, objective, params, Batch(part.x, part.t)), clean),
        "precision": share(part.t != part.y),
        "right": share(given == part.y),
        "kept": jnp.mean((part.t == part.y).astype(dtype)),
        "gamma": (strength * jnp.where(base.rho > 0, size / jnp.where(base.rho > 0, base.rho, 1), 0)).astype(dtype),
    }


def _inner(a: Params, b: Params) -> jax.Array:
    return jnp.sum(jnp.stack(jax.tree.leaves(jax.tree.map(jnp.vdot, a, b))))


def _norm(a: Params) -> jax.Array:
    return jnp.sqrt(_inner(a, a))


def _cosine(a: Params, b: Params) -> jax.Array:
    size = _norm(a) * _norm(b)
    return jnp.where(size > 0, _inner(a, b) / jnp.where(size > 0, size, 1), 0)
