"""Training as one scan: a rule's gradient, an optax optimiser, and a trajectory of observables."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from sims.data.sampling import Data, Split
from sims.models.networks import Model
from sims.objectives import Batch, Objective, Part, require_labels
from sims.observables.scalars import Observable
from sims.rules import begin_epoch, gradient, init, report
from spec.clean_subset import CleanEpochs
from spec.rules import Sgd
from spec.training import Training
from spec.validation import InputError

Params = Any
Trajectory = dict[str, jax.Array]


class Extra(NamedTuple):
    """`epochs` plain epochs on a split, in batches of `size`."""

    split: Split
    epochs: int
    size: int

    @property
    def steps(self) -> int:
        return self.epochs * (len(self.split.t) // self.size)


def extra_epochs(record: CleanEpochs, clean: Split) -> Extra | None:
    """The extra epochs of a record on a clean subset, if any. Raises InputError for batches larger than it."""
    return Extra(clean, record.epochs, _batch_size(record.batch, len(clean.t))) if record.epochs else None


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
    extra: Extra | None = None,
) -> tuple[Params, Trajectory]:
    """Train params on data.train; returns the final params and the observables at epochs 0, record_every, ...

    The trajectory also holds what the rule reports of its state, and `first_nonfinite_step`: the first step whose
    gradient was not finite, or -1. Nothing is raised inside compiled code; sims.ensemble.require_finite turns it into
    an error. extra: epochs of plain training on other examples before every epoch, by the same optimiser.
    """
    n = len(data.train.t)
    size = _batch_size(training.batch, n)
    steps = n // size if extra is None else n // size + extra.steps
    objective = Objective(model, loss)
    require_labels(loss, data.train.t, jax.eval_shape(model.apply, params, data.train.x).shape)
    optimiser = optimizer(training, training.epochs * steps)

    def move(carry: Any, g: Params, rule_state: Any) -> Any:
        params, _, state, count, bad = carry
        finite = jnp.isfinite(sum(jnp.sum(jnp.abs(leaf)) for leaf in jax.tree.leaves(g)))
        bad = jnp.where((bad < 0) & ~finite, count, bad)
        updates, state = optimiser.update(g, state, params)
        return optax.apply_updates(params, updates), rule_state, state, count + 1, bad

    def step(carry: Any, batch: Batch) -> tuple[Any, None]:
        return move(carry, *gradient(rule, carry[1], objective, carry[0], batch)), None

    def plain_step(carry: Any, batch: Batch) -> tuple[Any, None]:
        return move(carry, gradient(Sgd(), (), objective, carry[0], batch)[0], carry[1]), None

    def epoch(carry: Any, key: jax.Array) -> tuple[Any, None]:
        if extra is not None:
            for_clean = jax.random.split(jax.random.fold_in(key, 0), extra.epochs)
            carry, _ = jax.lax.scan(partial(_epoch, plain_step, extra.split, extra.size), carry, for_clean)
        carry = (carry[0], begin_epoch(rule, carry[1]), *carry[2:])
        return _epoch(step, data.train, size, carry, key)

    def observed(carry: Any) -> dict[str, jax.Array]:
        return observe(rule, objective, carry[0], data) | report(rule, carry[1], data.train)

    def interval(carry: Any, first_and_keys: Any) -> tuple[Any, dict[str, jax.Array]]:
        first, keys = first_and_keys
        carry = jax.lax.cond(first, lambda c: c, lambda c: jax.lax.scan(epoch, c, keys)[0], carry)
        return carry, observed(carry)

    keys = jax.random.split(key, (training.epochs // training.record_every, training.record_every))
    start = (params, init(rule, params), optimiser.init(params), jnp.int32(0), jnp.int32(-1))
    # The state before training is recorded by an interval that does not train: observe is compiled once, not twice.
    keys = jnp.concatenate([keys[:1], keys])
    final, trajectory = jax.lax.scan(interval, start, (jnp.arange(len(keys)) == 0, keys))
    return final[0], trajectory | {"first_nonfinite_step": final[4]}


def _epoch(step: Any, split: Split, size: int, carry: Any, key: jax.Array) -> tuple[Any, None]:
    """One pass over a split in batches of `size`; the whole split in its own order where that is all of it."""
    n = len(split.t)
    if size == n:
        return step(carry, Batch(split.x, split.t))
    order = jax.random.permutation(key, n)[: n - n % size].reshape(-1, size)
    return jax.lax.scan(lambda c, places: step(c, Part(split.x[places], split.t[places], places)), carry, order)


def _batch_size(batch: int | None, n: int) -> int:
    if batch is not None and batch > n:
        raise InputError(f"batch must be at most the number of training examples {n}, got {batch}")
    return n if batch is None else batch
