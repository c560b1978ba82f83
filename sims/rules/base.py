"""The contract of update rules: what every rule of spec.rules means to the training loop.

A rule is first bound to a training split, then starts with a state, and in every step gives a gradient and the next
state. Each function dispatches on the type of the record. A rule has to define `gradient` or, where it comes by the
plain gradient on its way, `with_plain`; everything else has a default that also reaches the rules inside a rule.
"""

from dataclasses import fields, replace
from functools import singledispatch
from typing import Any, NamedTuple

import jax

from sims.data.sampling import Split
from sims.objectives import Batch, Minibatch, Objective
from sims.rules.bound import Bound, Context
from spec.rules.base import Rule, is_input
from spec.rules.sam import Sgd
from spec.rules.wrappers import Wrapper

Params = Any
State = Any


class Around(NamedTuple):
    """The state of a rule around another one: that of its base, and its own."""

    base: State
    own: State


def register(*records: type[Rule]) -> None:
    """Make records pytrees: inputs (spec.rules.is_input, and all that a bound rule holds) are leaves or subtrees.

    So one compiled program serves a whole grid of them. The static part names the type: tree structures of different
    types may compare equal (seen with jax 0.10), and a compiled L-SAM would now and then be served for J-SAM.
    """
    for record in records:
        _register(record)


def _register(record: type[Rule]) -> None:
    inputs = [f.name for f in fields(record) if issubclass(record, Bound) or is_input(f)]
    shaping = [f.name for f in fields(record) if f.name not in inputs]

    def rebuilt(static: tuple[Any, ...], leaves: Any) -> Any:
        rule: Any = object.__new__(record)  # without its checks: the tree machinery also fills trees with placeholders
        for name, value in zip((*shaping, *inputs), (*static[1:], *leaves), strict=True):
            object.__setattr__(rule, name, value)
        return rule

    jax.tree_util.register_pytree_node(
        record,
        lambda rule: (tuple(getattr(rule, n) for n in inputs), (record, *(getattr(rule, n) for n in shaping))),
        rebuilt,
    )


@singledispatch
def bind(rule: Rule, context: Context) -> Rule:
    """The rule for one training split. Those that need labels, clean examples or randomness get them here.

    Raises InputError where a rule needs clean examples and there are none.
    """
    return with_bound_inner(rule, context)


def with_bound_inner(rule: Any, context: Context) -> Any:
    """The rule with the rules inside it bound."""
    return replace(rule, **{name: bind(inner, context.inner()) for name, inner in rule.inner().items()})


@singledispatch
def init(rule: Rule, params: Params) -> State:
    """The state a rule carries from step to step; stateless rules carry the empty tuple."""
    return ()


@singledispatch
def begin_epoch(rule: Rule, state: State) -> State:
    """The state at the start of an epoch; most rules do not count them."""
    return state


@singledispatch
def report(rule: Rule, state: State, train: Split) -> dict[str, jax.Array]:
    """What a rule's state has to say of the training split, to be recorded beside the observables."""
    return {}


@singledispatch
def gradient(
    rule: Rule, state: State, objective: Objective, params: Params, batch: Batch | Minibatch
) -> tuple[Params, State]:
    """The rule's gradient of the mean loss of a batch, a tree like params, and the next state.

    Finite at a stationary point. Raises InputError when sharpness does not divide the batch.
    """
    if with_plain.dispatch(type(rule)) is with_plain.dispatch(object):
        raise TypeError(f"no gradient is defined for {rule!r}")
    g, _, state = with_plain(rule, state, objective, params, batch)
    return g, state


@singledispatch
def with_plain(
    rule: Rule, state: State, objective: Objective, params: Params, batch: Batch | Minibatch
) -> tuple[Params, Params, State]:
    """(the rule's gradient, the plain gradient of the same batch, the next state).

    Where the rule comes by the plain gradient on its way, it is not computed a second time.
    """
    g, state = gradient(rule, state, objective, params, batch)
    return g, gradient(Sgd(), (), objective, params, batch)[0], state


# ---------------------------------------------------------------- rules around a rule, and bound ones


@init.register
def _(rule: Wrapper, params: Params) -> Around:
    return Around(init(rule.base, params), ())


@begin_epoch.register
def _(rule: Wrapper, state: Around) -> Around:
    return state._replace(base=begin_epoch(rule.base, state.base))


@report.register
def _(rule: Wrapper, state: Around, train: Split) -> dict[str, jax.Array]:
    return report(rule.base, state.base, train)


@init.register
def _(rule: Bound, params: Params) -> State:
    return init(rule.record, params)


@begin_epoch.register
def _(rule: Bound, state: State) -> State:
    return begin_epoch(rule.record, state)


@report.register
def _(rule: Bound, state: State, train: Split) -> dict[str, jax.Array]:
    return report(rule.record, state, train)
