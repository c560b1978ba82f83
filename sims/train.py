"""Training: a rule's gradient, an optax optimiser, and a trajectory of observables.

`train` is all of it as one traced function. Its parts (orders, begin, epoch, plain_epochs) are what sims.runs compiles
one by one, since all but `epoch` are the same for every rule.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from sims.data.sampling import Data, Split
from sims.models.networks import Model
from sims.objectives import Batch, Minibatch, Objective, require_labels
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


class Orders(NamedTuple):
    """Places of the examples of every batch, (epochs, steps, size), and those of the extra epochs before each epoch.

    Empty, (epochs, 0), where a batch is the whole split, which keeps its own order.
    """

    rule: jax.Array
    extra: jax.Array | None


class Carry(NamedTuple):
    """What training carries from step to step; first_bad: the first step without a finite gradient, or -1."""

    params: Params
    rule_state: Any
    optimiser_state: Any
    step: jax.Array
    first_bad: jax.Array


class Descent(NamedTuple):
    """An objective and the optimiser that steps down its gradient."""

    objective: Objective
    optimiser: optax.GradientTransformation

    def move(self, carry: Carry, g: Params, rule_state: Any) -> Carry:
        """One step along -g, as the optimiser makes it."""
        finite = jnp.isfinite(sum(jnp.sum(jnp.abs(leaf)) for leaf in jax.tree.leaves(g)))
        bad = jnp.where((carry.first_bad < 0) & ~finite, carry.step, carry.first_bad)
        updates, state = self.optimiser.update(g, carry.optimiser_state, carry.params)
        return Carry(optax.apply_updates(carry.params, updates), rule_state, state, carry.step + 1, bad)


def descent(training: Training, objective: Objective, n: int, extra: Extra | None) -> Descent:
    """The objective with the optimiser for a training on n examples."""
    steps = n // _batch_size(training.batch, n) + (0 if extra is None else extra.steps)
    return Descent(objective, optimizer(training, training.epochs * steps))


def orders(training: Training, key: jax.Array, n: int, extra: Extra | None) -> Orders:
    """The order of the examples in every epoch. Raises InputError where a batch exceeds the n examples."""
    keys = jax.random.split(key, (training.epochs // training.record_every, training.record_every)).reshape(-1)
    size = _batch_size(training.batch, n)
    if extra is None:
        return Orders(jax.vmap(lambda k: shuffled(k, n, size))(keys), None)
    m = len(extra.split.t)
    clean = jax.vmap(lambda k: jax.random.split(jax.random.fold_in(k, 0), extra.epochs))(keys)
    order = jax.vmap(jax.vmap(lambda k: shuffled(k, m, extra.size)))(clean)
    return Orders(jax.vmap(lambda k: shuffled(k, n, size))(keys), order)


def shuffled(key: jax.Array, n: int, size: int) -> jax.Array:
    """The places of n examples in batches of a size, (steps, size), in random order; (0,) for a batch of all."""
    if size == n:
        return jnp.zeros(0, jnp.int32)
    return jax.random.permutation(key, n)[: n - n % size].reshape(-1, size)


def begin(rule: Any, descent: Descent, params: Params) -> Carry:
    """Where training starts."""
    return Carry(params, init(rule, params), descent.optimiser.init(params), jnp.int32(0), jnp.int32(-1))


def epoch(rule: Any, descent: Descent, split: Split, order: jax.Array, carry: Carry) -> Carry:
    """One pass of a rule over a split, in the batches of an order."""

    def step(carry: Carry, batch: Batch | Minibatch) -> Carry:
        return descent.move(carry, *gradient(rule, carry.rule_state, descent.objective, carry.params, batch))

    def step_on(carry: Carry, places: jax.Array) -> tuple[Carry, None]:
        return step(carry, Minibatch(split.x[places], split.t[places], places)), None

    carry = carry._replace(rule_state=begin_epoch(rule, carry.rule_state))
    return step(carry, Batch(split.x, split.t)) if order.ndim == 1 else jax.lax.scan(step_on, carry, order)[0]


def plain_epochs(descent: Descent, split: Split, orders: jax.Array, carry: Carry) -> Carry:
    """Epochs of plain training, one for each order; the rule does not notice."""
    start = carry._replace(rule_state=())
    end, _ = jax.lax.scan(lambda c, order: (epoch(Sgd(), descent, split, order, c), None), start, orders)
    return end._replace(rule_state=carry.rule_state)


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
    gradient was not finite, or -1. Nothing is raised inside compiled code. extra: epochs of plain training on other
    examples before every epoch, by the same optimiser.
    """
    objective = Objective(model, loss)
    require_labels(loss, data.train.t, jax.eval_shape(model.apply, params, data.train.x).shape)
    down = descent(training, objective, len(data.train.t), extra)

    def one(carry: Carry, order: Orders) -> tuple[Carry, None]:
        if extra is not None and order.extra is not None:
            carry = plain_epochs(down, extra.split, order.extra, carry)
        return epoch(rule, down, data.train, order.rule, carry), None

    def interval(carry: Carry, first_and_orders: Any) -> tuple[Carry, dict[str, jax.Array]]:
        first, some = first_and_orders
        carry = jax.lax.cond(first, lambda c: c, lambda c: jax.lax.scan(one, c, some)[0], carry)
        recorded = observe(rule, objective, carry.params, data)
        return carry, recorded | report(rule, carry.rule_state, data.train)

    def by_interval(a: jax.Array) -> jax.Array:
        # The state before training is recorded by an interval that does not train: observe is compiled once, not twice.
        a = a.reshape(intervals, training.record_every, *a.shape[1:])
        return jnp.concatenate([a[:1], a])

    intervals = training.epochs // training.record_every
    places = jax.tree.map(by_interval, orders(training, key, len(data.train.t), extra))
    final, trajectory = jax.lax.scan(interval, begin(rule, down, params), (jnp.arange(intervals + 1) == 0, places))
    return final.params, trajectory | {"first_nonfinite_step": final.first_bad}


def _batch_size(batch: int | None, n: int) -> int:
    if batch is not None and batch > n:
        raise InputError(f"batch must be at most the number of training examples {n}, got {batch}")
    return n if batch is None else batch
