"""The price of DownWeight: a step with it over a step of its base, which it should not exceed by more than a tenth."""

from typing import Any

import jax

from benchmarks.steps import ETA, RHO, STEPS, Case
from benchmarks.steps import case as example
from benchmarks.timing import Program, Row, ratio
from sims import objectives, rules
from sims.models import networks
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


def rows(repeats: int) -> list[Row]:
    """Each base beside itself down-weighted: time of the base over that of the other, to be at least 1/1.1 = 0.91."""
    found = []
    for sizes in ((64, 256, 10), (64, 256, 256, 10)):
        for n in (128, 1024):
            problem = example(networks.mlp(sizes), n)
            section = f"down-weighting, MLP {'-'.join(map(str, sizes))}, batch {n}"
            bases: list[Rule] = [Sam(RHO, "batch"), Sam(RHO)]
            if n == 128:
                bases += [Sam(RHO, "batch", "adaptive"), Gsam(RHO), Fsam(RHO), Vasso(RHO)]
            for base in bases:
                plain, wrapped = (descending(rule, problem) for rule in (base, DownWeight(base)))
                found.append(
                    ratio(section, f"{base.name} ↓B step", wrapped, f"{base.name} step", plain, repeats=repeats)
                )
    return found
