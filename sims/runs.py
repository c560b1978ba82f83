"""Training runs: what gives spec.runs.TrainingRun its meaning.

A run is cut into programs where it is the same for other runs: the sample of a problem, the initial parameters of a
network, the order of its batches, extra epochs, observables. Only `_begun` and `_trained` are compiled for every kind
of rule, and the numbers in a rule are arguments of them, so that a whole grid of them shares one.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from sims import objectives, over_seeds, programs, rules
from sims.data import sampling, sources
from sims.data.sampling import Data, Source, Split
from sims.divergence import marked
from sims.models import networks
from sims.objectives import Objective
from sims.observables import scalars
from sims.over_seeds import Spread
from sims.train import Carry, Descent, Extra, Orders, begin, descent, epoch, extra_epochs, orders, plain_epochs
from spec.clean_subset import CleanEpochs, CleanSubset
from spec.networks import Network
from spec.observables import Observable
from spec.problems import Problem, RealData
from spec.runs import TrainingRun
from spec.training import Training
from spec.validation import require

Call = Callable[..., Any]
Records = dict[str, jax.Array]
Options = tuple[tuple[str, Any], ...]
SHORT = 5000  # examples that a short run sees in all


def simulate(run: TrainingRun, *, block: int | None = None) -> xr.Dataset:
    """Train for every seed: what the run observes and what its rule reports, with dimensions (seed, epoch).

    block: seeds that are vectorised at a time; None: one on a CPU, where more are slower, and on accelerators an equal
    share of all. Where JAX sees several devices of this machine, each computes a block at a time. Numbers are bitwise
    reproducible for a fixed block size, however many devices there are, and agree to rounding between block sizes. A
    seed gives the same data, initial parameters and batches under every rule, so that differences between rules are
    paired.

    Nothing is raised where training diverges: records after the first step without a finite gradient are NaN,
    `first_nonfinite_step` (seed,) tells that step (-1: none), and the attribute `diverged` names rule, problem, seed.

    >>> from spec.networks import Linear
    >>> from spec.observables import Accuracies
    >>> from spec.problems import SignalNoiseMixture
    >>> from spec.rules import Sam
    >>> from spec.training import Training
    >>> problem = SignalNoiseMixture(n=40, d=20, B=3.0, Delta=0.1)
    >>> run = TrainingRun(Sam(0.1), problem, Linear(), Training(0.1, epochs=5), (Accuracies(),), seeds=(0, 1))
    >>> dict(simulate(run)["test_accuracy"].sizes)
    {'seed': 2, 'epoch': 6}
    """
    require(len(run.seeds) >= 1, "seeds", run.seeds, "at least one seed")
    spread, keys = over_seeds.spread(len(run.seeds), block), [jax.random.key(seed) for seed in run.seeds]
    call = partial(_called, spread, _options(run))
    rows = [_trajectory(run, some, call) for some in spread.split(keys)]
    arrays = {name: np.concatenate([np.atleast_2d(row[name]) for row in rows])[: len(keys)] for name in rows[0]}
    variables = {name: (("seed", "epoch"), a) for name, a in arrays.items()}
    epochs = range(0, run.training.epochs + 1, run.training.record_every)
    return marked(xr.Dataset(variables, coords={"seed": list(run.seeds), "epoch": list(epochs)}), run)


def _called(spread: Spread, options: Options, function: Call, static: tuple[Any, ...], shared: Any, *own: Any) -> Any:
    return spread.call(function, static, shared, *own, options=_of(function, options))


def _options(run: TrainingRun) -> Options:
    """A run that sees few examples in all takes longer to compile than to train."""
    n = run.problem.n_train if isinstance(run.problem, RealData) else run.problem.n
    return programs.FOR_ONCE if len(run.seeds) * run.training.epochs * n <= SHORT else programs.FOR_LOOPS


def _of(function: Call, options: Options) -> Options:
    # Initial parameters stay as they are to the last bit: training in single precision would make much of a rounding.
    if function is _initial:
        return programs.FOR_LOOPS
    return programs.FOR_ONCE if function in (_sampled, _places) else options


def _trajectory(run: TrainingRun, key: jax.Array, call: Call) -> dict[str, np.ndarray]:
    """Everything recorded, with records along the last axis; `first_nonfinite_step` as far as a record knows it."""
    source = sources.source(run.problem) if isinstance(run.problem, RealData) else None
    if source is None:
        shape = _Shape(run.network, run.problem.d, None)  # type: ignore[union-attr]
    else:
        shape = _Shape(run.network, source.x.shape[1], source.classes)
    steps = _Steps(shape, run.training.as_stepped, run.extra)
    drawn = call(_sampled, (run.problem, run.clean, shape.classes, run.dtype), source, key)
    places = call(_places, (run.training, run.extra), None, drawn, key)
    params = call(_initial, (shape, run.dtype), None, key)
    rule = jax.tree.map(lambda value: np.asarray(value, run.dtype), run.rule)
    rule, carry, report = call(_begun, (steps,), rule, drawn, params, key)
    records = [_recorded(run.observe, shape, call, rule, carry, drawn) | report]
    length = 1 if run.extra.epochs else run.training.record_every  # epochs in one call
    for first in range(0, run.training.epochs, length):
        if run.extra.epochs:
            carry = call(_extra, (steps,), np.int32(first), drawn, places, carry)
        carry, report = call(_trained, (steps, length), np.int32(first), rule, drawn, places, carry)
        if (first + length) % run.training.record_every == 0:
            records.append(_recorded(run.observe, shape, call, rule, carry, drawn) | report)
    rows = jax.device_get(records)
    return {name: np.stack([row[name] for row in rows], axis=-1) for name in rows[0]}


def _recorded(
    observe: tuple[Observable, ...], shape: "_Shape", call: Call, rule: Any, carry: Carry, drawn: "_Drawn"
) -> Records:
    """What is observed; records that do not look at the rule share one program for all rules."""
    found = {"first_nonfinite_step": carry.first_bad}
    for looks in (False, True):
        chosen = tuple(record for record in observe if record.looks_at_rule is looks)
        if chosen:
            found |= call(_observed, (shape, chosen), None, rule if looks else None, carry.params, drawn.data)
    return found


# ---------------------------------------------------------------- what shapes programs, and what passes between them


class _Shape(NamedTuple):
    """A network for a problem."""

    network: Network
    inputs: int
    classes: int | None

    @property
    def objective(self) -> Objective:
        model = networks.build(self.network, self.inputs, self.classes)
        return Objective(model, objectives.logistic if self.classes is None else objectives.cross_entropy)


class _Drawn(NamedTuple):
    """The data of a run, and its clean subset, if any."""

    data: Data
    clean: Split | None


class _Steps(NamedTuple):
    """How a network is trained, whatever the rule."""

    shape: _Shape
    training: Training
    extra: CleanEpochs

    def descent(self, drawn: _Drawn) -> Descent:
        return descent(self.training, self.shape.objective, len(drawn.data.train.t), _extra_on(self.extra, drawn))


def _extra_on(record: CleanEpochs, drawn: _Drawn) -> Extra | None:
    return None if drawn.clean is None else extra_epochs(record, drawn.clean)


# ---------------------------------------------------------------- programs: static values, what seeds share, their own


def _sampled(
    problem: Problem, subset: CleanSubset | None, classes: int | None, dtype: str, source: Source | None, key: jax.Array
) -> _Drawn:
    drawn = sampling.sample(problem, jax.random.split(key, 3)[0], dtype=jnp.dtype(dtype), source=source)
    if subset is None or classes is None:
        return _Drawn(drawn, None)
    return _Drawn(*sampling.set_aside(drawn, subset, classes, jax.random.fold_in(key, 4)))


def _initial(shape: _Shape, dtype: str, _: None, key: jax.Array) -> Any:
    return shape.objective.model.init(jax.random.split(key, 3)[1], jnp.dtype(dtype))


def _places(training: Training, extra: CleanEpochs, _: None, drawn: _Drawn, key: jax.Array) -> Orders:
    order = jax.random.split(key, 3)[2]
    return orders(training, order, len(drawn.data.train.t), _extra_on(extra, drawn))


def _begun(steps: _Steps, rule: Any, drawn: _Drawn, params: Any, key: jax.Array) -> tuple[Any, Carry, Records]:
    """The rule bound to its split, where training starts, and what the rule has to say there."""
    train = drawn.data.train
    rule = rules.bind(rule, rules.Context(train, drawn.clean, jax.random.fold_in(key, 3)))
    carry = begin(rule, steps.descent(drawn), params)
    return rule, carry, rules.report(rule, carry.rule_state, train)


def _extra(steps: _Steps, first: jax.Array, drawn: _Drawn, places: Orders, carry: Carry) -> Carry:
    """The extra epochs before epoch `first`."""
    return plain_epochs(steps.descent(drawn), drawn.clean, places.extra[first], carry)  # type: ignore[arg-type, index]


def _trained(
    steps: _Steps, length: int, first: jax.Array, rule: Any, drawn: _Drawn, places: Orders, carry: Carry
) -> tuple[Carry, Records]:
    """`length` epochs of the rule from epoch `first` on, and what the rule has to say then."""
    train, down = drawn.data.train, steps.descent(drawn)
    some = jax.lax.dynamic_slice_in_dim(places.rule, first, length)
    carry, _ = jax.lax.scan(lambda c, order: (epoch(rule, down, train, order, c), None), carry, some)
    return carry, rules.report(rule, carry.rule_state, train)


def _observed(shape: _Shape, records: tuple[Observable, ...], _: None, rule: Any, params: Any, data: Data) -> Records:
    return scalars.together(*map(scalars.observable, records))(rule, shape.objective, params, data)
