"""The price of DownWeight: a step with it over a step of its base, which it should not exceed by more than a tenth."""

from collections.abc import Iterator
from typing import Any

import jax

from benchmarks.steps import ETA, RHO, SMALL, STEPS, Case, problems
from benchmarks.timing import Program, Row, ratio
from sims import objectives, rules
from spec.rules import DownWeight, Fsam, Gsam, Rule, Sam, Vasso


def descending(rule: Rule, case: Case) -> Program:
    """STEPS steps of gradient descent in one compiled scan that carries the rule's state, the batch as an argument."""
    model, params, batch = case
    objective = objectives.Objective(model, objectives.cross_entropy)

    @jax.jit
    def run(params: Any, batch: objectives.Batch) -> Any:
        def step(carry: Any, _: None) -> tuple[Any, None]:
            p, state = carry
            g, state = rules.gradient(rule, state, objective, p, batch)
            return (jax.tree.map(lambda a, b: a - ETA * b, p, g), state), None

        return jax.lax.scan(step, (params, rules.init(rule, params)), None, length=STEPS)[0]

    return lambda: run(params, batch)


def section(problem: str) -> str:
    """The heading of a problem's rows."""
    return f"down-weighting, {problem}"


def rows(repeats: int) -> Iterator[Row]:
    """Each base beside itself down-weighted: time of the base over that of the other, to be at least 1/1.1 = 0.91."""
    for name, problem in problems().items():
        for base in bases(problem):
            plain, wrapped = (descending(rule, problem) for rule in (base, DownWeight(base)))
            what, peer = f"{base.name} ↓B step", f"{base.name} step"
            yield ratio(section(name), what, wrapped, peer, plain, repeats=repeats)


def bases(case: Case) -> list[Rule]:
    """What is down-weighted: the rules for whole batches in small ones only."""
    small: list[Rule] = [Sam(RHO, "batch", "adaptive"), Gsam(RHO), Fsam(RHO), Vasso(RHO)]
    return [Sam(RHO, "batch"), Sam(RHO), *(small if len(case[2].t) == SMALL else [])]
