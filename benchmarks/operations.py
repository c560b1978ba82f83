"""Floating-point operations of a step over those of the step that it is timed against, by the compiler's count.

Sections, rules and peers are those of the timed rows. Of a condition the compiler counts the dearest branch; here that
is the one for shards whose gradients cancel (sims.factors.shard_squares), which is not taken and is left out.
"""

from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import jax

from benchmarks import convolutions, down_weighting, steps
from benchmarks.timing import OPERATIONS, Row, floating_point_operations
from sims import objectives, rules
from sims.models import networks
from spec.rules import DownWeight, Rule, Sam, Sgd


def rows(_repeats: int) -> Iterator[Row]:
    """Every row of this section; these numbers do not vary."""
    for section, case in steps.problems().items():
        for rule in steps.rules_of(case):
            yield counted(section, case, rule, Sgd())
        yield counted(section, case, Sam(steps.RHO), Sam(steps.RHO, "batch"))
    for name, network in convolutions.NETWORKS.items():
        case = steps.case(networks.build(network, 64, 10), 128)
        for peer in (Sgd(), Sam(steps.RHO, "batch")):
            yield counted(convolutions.section(name), case, Sam(steps.RHO), peer)
    for name, case in steps.problems().items():
        yield counted(down_weighting.section(name), case, DownWeight(Sam(steps.RHO)), Sam(steps.RHO))


def counted(section: str, case: steps.Case, rule: Rule, peer: Rule) -> Row:
    """Operations of one step by the rule over one by its peer."""
    share = operations(rule, case) / operations(peer, case)
    return Row(section, f"{rule.name} step", f"{peer.name} step", share, share, share, OPERATIONS)


def operations(rule: Rule, case: steps.Case) -> float:
    """Of one gradient, where no shard's gradients cancel."""
    model, params, batch = case
    objective = objectives.Objective(model, objectives.cross_entropy)

    def gradient(p: Any, state: Any, batch: objectives.Batch) -> Any:
        return rules.gradient(rule, state, objective, p, batch)

    with mock.patch.object(jax.lax, "cond", _usual):
        return floating_point_operations(gradient, params, rules.init(rule, params), batch)


def _usual(_cancelled: Any, _written: Callable[[], Any], usual: Callable[[], Any]) -> Any:
    return usual()
