"""Training of one's own network on one's own labels, by any rule and any optax optimiser."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import xarray as xr

from sims import checkpoints, rules
from sims.data.sampling import Data, Split
from sims.models.adapters import Started, started
from sims.objectives import Objective, require_labels, require_parameters
from sims.observables import scalars
from sims.own_loop import Loss, Schedules, loss_of, with_number
from sims.suspects import probabilities, table
from sims.train import Carry, Descent, begin, epoch, shuffled
from spec.observables import Accuracies, Losses, Observable
from spec.rules import FixedReweight, NoiseCompensated, OracleAscent, OracleMask, OracleSelection, Rule
from spec.validation import InputError, NonFiniteError, require, require_finite, require_integer

Callback = Callable[[int, dict[str, float]], None]
Pair = tuple[Any, Any]
NEED_TRUE_LABELS = ("mislabelled", "recovered", "noise")  # how the names of records begin
DEFAULT: tuple[Observable, ...] = (Accuracies(), Losses())


class Fit(NamedTuple):
    """What training leaves.

    network   the user's own module or variables with the trained parameters; params: these alone
    history   (epoch,) observables, from the state before training on
    examples  one row for every training example (sims.suspects.table)
    """

    network: Any
    params: Any
    history: xr.Dataset
    examples: xr.Dataset


def fit(
    network: Any,
    x: Any,
    t: Any,
    rule: Rule,
    *,
    optimizer: optax.GradientTransformation,
    epochs: int,
    batch: int | None = None,
    y: Any = None,
    test: Pair | None = None,
    clean: Pair | None = None,
    loss: Loss | None = None,
    observe: Sequence[Observable] = DEFAULT,
    schedules: Schedules | None = None,
    seed: int = 0,
    callbacks: Sequence[Callback] = (),
    checkpoint: str | Path | None = None,
) -> Fit:
    """Train a network on x (n, ...) with observed labels t (n,): classes 0, 1, ..., or -1 and 1 for one output.

    network     an Equinox or nnx module, (linen module, variables), (apply, params) or (Model, params)
    batch       examples for each step (None: all); a remainder is left out of its epoch, another one each time
    y           true labels (n,), if known: only then the history tells clean from mislabelled examples
    test        (x, y) for the test accuracy; clean: (x, t) that schemes of example weights look at
    loss        of one example's logits and label; None: logistic for logits (n,), cross-entropy for (n, classes)
    schedules   numbers of the rule, by name, as functions of the epoch 0, 1, ...
    callbacks   called after every record with the epoch and what it records
    checkpoint  a folder: training goes on from the last epoch that was finished there, to the same bits; the caller
                sees to it that optimizer, network and schedules are the same

    Raises InputError for labels, parameters, networks and rules that do not go together, before anything is trained,
    and NonFiniteError where training leaves the finite numbers.
    """
    own = started(network)
    require_integer("epochs", epochs, at_least=0)
    data = _data(own, x, t, y, test)
    subset = None if clean is None else _split(own, "clean", *clean)
    objective = _objective(own, loss, data, subset)
    if y is None and looks_at_true_labels(rule):
        raise InputError(f"{rule.name} looks at true labels: give them as y")
    run = _run(rule, Descent(objective, optimizer), data, subset, schedules, batch, seed)
    record = _recorder(run, observe, (y is None, test is None))
    state, history = _trained(run, begin(run.rule, run.descent, own.params), epochs, record, callbacks, checkpoint)
    params = state.carry.params
    logits = own.model.apply(params, data.train.x)
    losses = jax.vmap(objective.loss)(logits, data.train.t)
    labels = (-1, 1) if logits.ndim == 1 else range(logits.shape[1])
    examples = table(state.total / max(1, epochs), labels, t, y, losses=losses, rule_state=state.carry.rule_state)
    curves = xr.Dataset({name: ("epoch", values) for name, values in history.items()}, {"epoch": range(epochs + 1)})
    return Fit(own.rebuilt(params), params, curves, examples)


def looks_at_true_labels(rule: Rule) -> bool:
    """Whether the rule, or one inside it, needs labels that nobody has in practice."""
    if isinstance(rule, NoiseCompensated) and rule.target == "true":
        return True
    oracles = (FixedReweight, OracleAscent, OracleMask)
    selects = isinstance(getattr(rule, "selection", None), OracleSelection)
    return isinstance(rule, oracles) or selects or any(map(looks_at_true_labels, rule.inner().values()))


# ---------------------------------------------------------------- what is given


def _dtype(own: Started) -> Any:
    return jnp.result_type(*jax.tree.leaves(own.params)) if jax.tree.leaves(own.params) else jnp.float32


def _split(own: Started, name: str, x: Any, t: Any, y: Any = None) -> Split:
    """Examples in the precision of the parameters; labels as they are. Raises InputError for inputs not finite."""
    inputs = jnp.asarray(x)
    require(inputs.ndim >= 1 and len(inputs) > 0, f"inputs of {name}", inputs.shape, "at least one example")
    if jnp.issubdtype(inputs.dtype, jnp.floating):
        require_finite(f"inputs of {name}", x)
        inputs = inputs.astype(_dtype(own))
    observed, true = (np.asarray(labels) for labels in (t, t if y is None else y))
    for labels in (observed, true):
        numeric = labels.dtype.kind in "iuf"
        require(numeric, f"the type of labels of {name}", str(labels.dtype), "numbers: 0, 1, ..., or -1 and 1")
    return Split(inputs, jnp.asarray(observed), jnp.asarray(true))


def _data(own: Started, x: Any, t: Any, y: Any, test: Pair | None) -> Data:
    train = _split(own, "x", x, t, y)
    held = jax.tree.map(lambda a: a[:1], train) if test is None else _split(own, "test", *test)
    return Data(train, None, held)


def _objective(own: Started, loss: Loss | None, data: Data, subset: Split | None) -> Objective:
    """The network with its loss. Raises InputError for labels that the loss would misread."""
    require_parameters(own.params)
    logits = jax.eval_shape(own.model.apply, own.params, data.train.x).shape
    objective = Objective(own.model, loss_of(logits) if loss is None else loss)
    for split in (data.train, data.test, *([] if subset is None else [subset])):
        for labels in (split.t, split.y):
            require_labels(objective.loss, labels, (len(split.x), *logits[1:]))
    return objective


# ---------------------------------------------------------------- training


class _Run(NamedTuple):
    """What stays the same from epoch to epoch."""

    descent: Descent
    data: Data
    rule: Any
    schedules: Schedules
    batch: int
    key: jax.Array
    about: dict[str, str]

    def rule_in(self, epoch: int) -> Any:
        """The rule with the numbers of an epoch."""
        rule = self.rule
        for name, schedule in self.schedules.items():
            rule = with_number(rule, name, jnp.asarray(schedule(epoch), self.data.train.x.dtype))
        return rule

    def order(self, epoch: int) -> jax.Array:
        """The order of the examples in an epoch."""
        return shuffled(jax.random.fold_in(self.key, 2 + epoch), len(self.data.train.t), self.batch)


def _run(
    rule: Rule,
    descent: Descent,
    data: Data,
    subset: Split | None,
    schedules: Schedules | None,
    batch: int | None,
    seed: int,
) -> _Run:
    n, key = len(data.train.t), jax.random.key(seed)
    size = n if batch is None else batch
    require_integer("batch", size, at_least=1)
    require(size <= n, "batch", size, f"at most the number of training examples {n}")
    contents = checkpoints.digest(*data.train, *([] if subset is None else subset))
    about = {"rule": repr(rule), "seed": str(seed), "batch": str(size), "set of examples": contents}
    # Numbers of the rule are arguments of the compiled epoch: a schedule changes them without compiling again.
    numbers = jax.tree.map(lambda value: jnp.asarray(value, data.train.x.dtype), rule)
    bound = rules.bind(numbers, rules.Context(data.train, subset, jax.random.fold_in(key, 1)))
    return _Run(descent, data, bound, schedules or {}, size, key, about)


class _State(NamedTuple):
    """What goes on from epoch to epoch; total (n, classes): the sum of the predicted probabilities."""

    carry: Carry
    total: jax.Array
    epochs: jax.Array


Record = Callable[[Any, Carry], tuple[dict[str, jax.Array], jax.Array]]


def _recorder(run: _Run, observe: Sequence[Observable], lacks: tuple[bool, bool]) -> Record:
    """(rule, carry) -> what is observed, and the predicted probabilities (n, classes), compiled.

    lacks: whether there are no true labels and no test split: what depends on them is left out, and what is otherwise
    of clean examples is of all.
    """
    together = scalars.together(*map(scalars.observable, observe))
    no_labels, no_test = lacks

    def recorded(rule: Any, carry: Carry, data: Data) -> tuple[dict[str, jax.Array], jax.Array]:
        objective = run.descent.objective
        found = together(rule, objective, carry.params, data) | rules.report(rule, carry.rule_state, data.train)
        if no_test:
            found.pop("test_accuracy", None)
        if no_labels:
            found = {name: value for name, value in found.items() if name.split("_")[0] not in NEED_TRUE_LABELS}
            found = {name.replace("clean_", "train_"): value for name, value in found.items()}
        return found, probabilities(objective.model.apply(carry.params, data.train.x))

    program = jax.jit(recorded)
    return lambda rule, carry: program(rule, carry, run.data)


def _trained(
    run: _Run,
    carry: Carry,
    epochs: int,
    record: Record,
    callbacks: Sequence[Callback],
    checkpoint: str | Path | None,
) -> tuple[_State, checkpoints.History]:
    """The state after all epochs and the history, from the checkpoint on if there is one."""
    folder = None if checkpoint is None else Path(checkpoint)
    found, p = record(run.rule_in(0), carry)
    state = _State(carry, jnp.zeros_like(p) if epochs else p, jnp.int32(0))
    history = {name: [float(value)] for name, value in found.items()}
    kept = None if folder is None else checkpoints.load(folder, state, run.about)
    if kept is not None:
        state, history = kept
    done = int(state.epochs)
    require(done <= epochs, "epochs", epochs, f"at least the {done} that the checkpoint has seen")
    advance = jax.jit(lambda rule, split, order, carry: epoch(rule, run.descent, split, order, carry))
    for k in range(done, epochs):
        rule = run.rule_in(k)
        carry = advance(rule, run.data.train, run.order(k), state.carry)
        if int(carry.first_bad) >= 0:
            raise NonFiniteError(
                f"gradient is not finite at step {int(carry.first_bad)}, in epoch {k} ({run.rule.name})"
            )
        found, p = record(rule, carry)
        state = _State(carry, state.total + p, state.epochs + 1)
        values = {name: float(value) for name, value in found.items()}
        history = {name: [*history[name], value] for name, value in values.items()}
        if folder is not None:
            checkpoints.save(folder, state, run.about, history)
        for callback in callbacks:
            callback(k + 1, values)
    return state, history
