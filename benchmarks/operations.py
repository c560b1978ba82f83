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
from spec.networks import LeNet
from spec.rules import DownWeight, Rule, Sam, Sgd


def rows(_repeats: int) -> Iterator[Row]:
    """Every row of this section; these numbers do not vary."""
    sam, batch_sam, down = Sam(steps.RHO), Sam(steps.RHO, "batch"), DownWeight(Sam(steps.RHO))
    for section, case in steps.problems().items():
        for rule in steps.rules_of(case):
            yield counted(section, case, rule, Sgd())
        yield counted(section, case, sam, batch_sam)
        yield _row(section, "1-SAM step", operations(sam, case), "vmap(grad)", _of_vmap_grad(case))
        yield counted(down_weighting.section(section), case, down, sam)
    for name, network in convolutions.NETWORKS.items():
        section, case = convolutions.section(name), steps.case(networks.build(network, 64, 10), 128)
        for peer in (Sgd(), batch_sam):
            yield counted(section, case, sam, peer)
        if isinstance(network, LeNet):
            theirs = _of_vmap_grad((convolutions.by_xla(network), *case[1:]))
            yield _row(section, "1-SAM step", operations(sam, case), "vmap(grad) of XLA's convolutions", theirs)


def counted(section: str, case: steps.Case, rule: Rule, peer: Rule) -> Row:
    """Operations of one step by the rule over one by its peer."""
    return _row(section, f"{rule.name} step", operations(rule, case), f"{peer.name} step", operations(peer, case))


def _row(section: str, what: str, ours: float, peer: str, theirs: float) -> Row:
    share = ours / theirs
    return Row(section, what, peer, share, share, share, OPERATIONS)


def _of_vmap_grad(case: steps.Case) -> float:
    return floating_point_operations(steps.vmap_grad(case), *case[1:])


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
