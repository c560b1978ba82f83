"""Training as one scan: a rule's gradient, an optax optimiser, and a trajectory of observables."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from sims.data import Data, Split
from sims.models import Model
from sims.observables import Observable
from sims.rules import Batch, Objective, Part, gradient, init
from spec.training import Training
from spec.validation import InputError

Params = Any
Trajectory = dict[str, jax.Array]


def optimizer(training: Training, steps: int) -> optax.GradientTransformation:
    """SGD with momentum, coupled weight decay and the schedule of a Training record, over `steps` steps."""
    rate = training.eta if training.schedule == "constant" else optax.cosine_decay_schedule(training.eta, steps)
    return optax.chain(
        optax.add_decayed_weights(training.weight_decay) if training.weight_decay else optax.identity(),
        optax.sgd(rate, momentum=training.momentum or None),
    )


def train(
    rule: Any,
    training: Training,
    *,
    model: Model,
    loss: Callable[[jax.Array, jax.Array], jax.Array],
    params: Params,
    data: Data,
    observe: Observable,
    key: jax.Array,
) -> tuple[Params, Trajectory]:
    """Train params on data.train; returns the final params and the observables at epochs 0, record_every, ...

    The trajectory also holds `first_nonfinite_step`: the first step whose gradient was not finite, or -1. Nothing is
    raised inside compiled code; sims.ensemble.require_finite turns it into an error.
    """
    n = len(data.train.t)
    size = n if training.batch is None else training.batch
    if size > n:
        raise InputError(f"batch must be at most the number of training examples {n}, got {size}")
    objective = Objective(model, loss)
    optimiser = optimizer(training, training.epochs * (n // size))

    def step(carry: Any, indices: jax.Array | None) -> tuple[Any, None]:
        params, rule_state, state, count, bad = carry
        g, rule_state = gradient(rule, rule_state, objective, params, _take(data.train, indices))
        finite = jnp.isfinite(sum(jnp.sum(jnp.abs(leaf)) for leaf in jax.tree.leaves(g)))
        bad = jnp.where((bad < 0) & ~finite, count, bad)
        updates, state = optimiser.update(g, state, params)
        return (optax.apply_updates(params, updates), rule_state, state, count + 1, bad), None

    def epoch(carry: Any, key: jax.Array) -> tuple[Any, None]:
        if size == n:
            return step(carry, None)
        order = jax.random.permutation(key, n)[: n - n % size].reshape(-1, size)
        return jax.lax.scan(step, carry, order)

    def interval(carry: Any, first_and_keys: Any) -> tuple[Any, dict[str, jax.Array]]:
        first, keys = first_and_keys
        carry = jax.lax.cond(first, lambda c: c, lambda c: jax.lax.scan(epoch, c, keys)[0], carry)
        return carry, observe(rule, model, objective, carry[0], data)

    keys = jax.random.split(key, (training.epochs // training.record_every, training.record_every))
    start = (params, init(rule, params), optimiser.init(params), jnp.int32(0), jnp.int32(-1))
    # The state before training is recorded by an interval that does not train: observe is compiled once, not twice.
    keys = jnp.concatenate([keys[:1], keys])
    final, trajectory = jax.lax.scan(interval, start, (jnp.arange(len(keys)) == 0, keys))
    return final[0], trajectory | {"first_nonfinite_step": final[4]}


def _take(split: Split, indices: jax.Array | None) -> Batch | Part:
    if indices is None:
        return Batch(split.x, split.t)
    return Part(split.x[indices], split.t[indices], indices)
