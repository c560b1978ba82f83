"""A rule's gradient for a loop of one's own, in the style of optax: `init` and a gradient, to be given to an optimiser.

rule = RuleGradient.of(Sam(0.1), network)
state, moments = rule.init(params), optimizer.init(params)
for x, t in batches:
g, state = rule.gradient(state, params, Batch(x, t))
updates, moments = optimizer.update(g, moments, params)
params = optax.apply_updates(params, updates)
"""

import copy
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sims import rules
from sims.models.adapters import started
from sims.objectives import Batch, Minibatch, Objective, cross_entropy, logistic
from spec.rules import Rule
from spec.validation import InputError

Params = Any
Loss = Callable[[jax.Array, jax.Array], jax.Array]
Schedules = Mapping[str, Callable[[Any], Any]]


class Counted(NamedTuple):
    """The state of a rule, and how many gradients it has given."""

    rule: Any
    steps: jax.Array


class RuleGradient(NamedTuple):
    """A rule for an objective; schedules: numbers of the rule, by name, as functions of the count of steps."""

    rule: Rule
    objective: Objective
    schedules: Schedules

    @classmethod
    def of(
        cls, rule: Rule, network: Any, *, loss: Loss = cross_entropy, schedules: Schedules | None = None,
        context: rules.Context | None = None,
    ) -> "RuleGradient":  # fmt: skip
        """The rule for a network (sims.models.adapters.started).

        context: the training split with its true labels, clean examples and a key, for rules that look at them
        (sims.rules.bind); their batches are a Minibatch, which knows the places of its examples.
        """
        known = {} if schedules is None else dict(schedules)
        for name in known:
            with_number(rule, name, 0.0)
        bound = rule if context is None else rules.bind(rule, context)
        return cls(bound, Objective(started(network).model, loss), known)

    def init(self, params: Params) -> Counted:
        """The state before the first step."""
        return Counted(rules.init(self.rule, params), jnp.int32(0))

    def gradient(self, state: Counted, params: Params, batch: Batch | Minibatch) -> tuple[Params, Counted]:
        """(the rule's gradient of the mean loss of a batch, the next state). It can be compiled."""
        rule = self.rule
        for name, schedule in self.schedules.items():
            rule = with_number(rule, name, schedule(state.steps))
        g, inner = rules.gradient(rule, state.rule, self.objective, params, batch)
        return g, Counted(inner, state.steps + 1)


def with_number(rule: Any, name: str, value: Any) -> Any:
    """The rule with another number of that name, also in the rules inside it; the value may be traced.

    Raises InputError for a name that no rule in it has.
    """
    changed, found = _changed(rule, name, value)
    if not found:
        raise InputError(f"schedules must name numbers of the rule, got {name!r}, which {rule} has not")
    return changed


def _changed(rule: Any, name: str, value: Any) -> tuple[Any, bool]:
    new, found = copy.copy(rule), hasattr(rule, name) and name in vars(rule)
    if found:
        object.__setattr__(new, name, value)
    for field, inner in rule.inner().items():
        changed, inside = _changed(inner, name, value)
        object.__setattr__(new, field, changed)
        found = found or inside
    return new, found


def loss_of(logits: tuple[int, ...]) -> Loss:
    """The package's loss for logits of a shape: logistic for (n,), cross-entropy for (n, classes)."""
    return logistic if len(logits) == 1 else cross_entropy
