"""Claims on training two-layer linear networks: the closed system and its flow."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from paper_repro.baek2024.claims.measured_networks import (
    NetworkCase,
    random_networks,
    trained,
)
from paper_repro.baek2024.claims.network_gradients import OURS_4
from paper_repro.shared.at_rho import FamilyAt, n_sam, sgd
from spec.claims import Asymptotic, Claim, Exact, Mutant, Sample
from spec.rules import JacobianSam, LogitSam, Sam
from spec.training import Training
from theory.linear_networks import dynamics
from theory.linear_networks.gradients import Statistics, ascent, residuals, statistics

PATH_RULES: tuple[FamilyAt, ...] = (sgd, Sam, LogitSam, JacobianSam, n_sam)
SWAPPED: tuple[FamilyAt, ...] = (*PATH_RULES[:2], JacobianSam, LogitSam, PATH_RULES[4])
FEW = 4  # problems whose whole runs are compared
TRAINING = Training(eta=0.1, epochs=120, record_every=20)
EVERY_STEP, COMPARED = replace(TRAINING, record_every=1), 3  # one step of three is compared


def _numbers(at: Statistics) -> np.ndarray:
    return np.concatenate([a.reshape(len(a), -1) for a in at], axis=1)


def problems(case: NetworkCase) -> Any:
    """W, v, x, t and rho of one problem after another."""
    return zip(case.W, case.v, case.x, case.t, case.rho, strict=True)


class Paths(NamedTuple):
    """Random problems, and the statistics of every state of their training under every rule, [rule][problem]."""

    case: NetworkCase
    states: list[list[Statistics]]


def _paths(sample: Sample, rules: tuple[FamilyAt, ...], classes: int | None) -> Paths:
    case = random_networks(Sample(sample.seed, FEW), n=6, d=8, classes=classes)
    runs = [trained(rule, case, EVERY_STEP) for rule in rules]
    return Paths(case, [[_along(*pair) for pair in zip(run.W, run.v, strict=True)] for run in runs])


def _along(W: np.ndarray, v: np.ndarray) -> Statistics:
    """The statistics of a sequence of networks."""
    return Statistics(*map(np.stack, zip(*(statistics(*pair) for pair in zip(W, v, strict=True)), strict=True)))


def _next_simulated(paths: Paths) -> np.ndarray:
    """The states after the steps that are compared, (rules x problems, steps, N)."""
    return np.stack([_numbers(states)[1::COMPARED] for of_rule in paths.states for states in of_rule])


def _before(paths: Paths, rules: tuple[FamilyAt, ...]) -> Iterator[tuple[FamilyAt, float, list[Statistics], Any, Any]]:
    """A rule, its rho, the states before the steps, inputs and labels, for all rules and problems."""
    for rule, of_rule in zip(rules, paths.states, strict=True):
        for (_, _, x, t, rho), states in zip(problems(paths.case), of_rule, strict=True):
            steps = zip(*(a[:-1:COMPARED] for a in states), strict=True)
            yield rule, float(rho), [Statistics(*at) for at in steps], x, t


def _next_stated(paths: Paths, rules: tuple[FamilyAt, ...], factor: float = 1.0) -> np.ndarray:
    """The same by one step of the closed map from the simulated states before.

    A whole path from the start would not do: the map may expand, and then many steps magnify rounding beyond any
    tolerance. If every step is that of the map, so is the path.
    """
    rows = []
    for rule, rho, states, x, t in _before(paths, rules):
        after = [dynamics.step(rule(factor * rho), at, x, t, EVERY_STEP.eta) for at in states]
        rows.append(_numbers(Statistics(*map(np.stack, zip(*after, strict=True)))))
    return np.stack(rows)


def _condition(paths: Paths, rules: tuple[FamilyAt, ...]) -> np.ndarray:
    """By how much rounding turns the ascent before every step, (rules x problems, steps, 1)."""
    rows = [[_turned(rule, *at, x, t) for at in states] for rule, _, states, x, t in _before(paths, rules)]
    return np.array(rows)[..., None]


def _turned(rule: FamilyAt, P: np.ndarray, K: np.ndarray, N: np.ndarray, x: np.ndarray, t: np.ndarray) -> float:
    """The same in one state.

    An ascent of length rho is along G/M, M^2 = ||V^T G||^2 + ||G W^T||^2. From N and K this is off by eps ||G||^2 (tr N
    + tr K)/M^2, which is much where the network has collapsed in the directions of G. With classes the direction of
    the residuals is off by eps/||q|| as well (measured_networks.softmax_condition).
    """
    over_M = np.sum(ascent(rule(1.0), Statistics(P, K, N), x, t) ** 2, axis=(1, 2)).max()
    smallest = np.linalg.norm(residuals(x @ P.T, t), axis=1).min()
    of_residuals = 0.0 if len(P) == 1 else 1 / max(smallest, np.finfo(float).tiny)
    return float(over_M * (np.trace(N) + np.trace(K)) + of_residuals)


def _path_claim(name: str, classes: int | None, rules: tuple[FamilyAt, ...], swapped: tuple[FamilyAt, ...]) -> Claim:
    return Claim(
        id=f"baek2024.{name}",
        origin="derived",
        source=OURS_4,
        statement="Every full-batch step moves (V W, W^T W, V V^T) by a closed map, whatever the width.",
        regime=f"steps from all over runs of {EVERY_STEP.epochs} of constant size; rho from .1 to 3, nearly collapsed "
        "networks too; d > n: no point is stationary" + ("" if classes is None else "; 3 classes"),
        tolerance=Exact(condition=partial(_condition, rules=rules)),
        setup=partial(_paths, rules=rules, classes=classes),
        predicted=partial(_next_stated, rules=rules),
        measured=_next_simulated,
        mutants=(
            Mutant("other rules", predicted=partial(_next_stated, rules=swapped)),
            Mutant("rho a tenth larger", predicted=partial(_next_stated, rules=rules, factor=1.1)),
        ),
        theory="theory.linear_networks.dynamics.step",
    )


FLOW_RULE: FamilyAt = JacobianSam
FLOW_STEPS, FLOW_TIME = (16, 64, 256), 1.0


def _flow_case(sample: Sample) -> NetworkCase:
    """Problems with rho <= 0.3: near collapse the direction of the ascent turns within a step."""
    case = random_networks(Sample(sample.seed, 8), n=4, d=6)
    return case._replace(rho=np.minimum(case.rho, 0.3))


def _flow_errors(case: NetworkCase, rule: FamilyAt = FLOW_RULE) -> np.ndarray:
    """Root mean square deviation of J-SAM after FLOW_TIME in 16, 64, ... steps from the flow of a rule, (1, sizes)."""
    times = np.array([FLOW_TIME])
    ends = np.stack(
        [_numbers(dynamics.flow(rule(float(r)), statistics(W, v), x, t, times))[0] for W, v, x, t, r in problems(case)]
    )
    errors = []
    for steps in FLOW_STEPS:
        run = trained(FLOW_RULE, case, Training(eta=FLOW_TIME / steps, epochs=steps, record_every=steps))
        last = _numbers(_along(run.W[:, -1], run.v[:, -1]))
        errors.append(np.abs(last - ends).max(axis=1) / np.abs(ends).max(axis=1))
    return np.sqrt(np.mean(np.square(errors), axis=1))[None]


FLOW_LIMIT = Claim(
    id="baek2024.network_flow",
    origin="derived",
    source=OURS_4,
    statement="J-SAM training follows the closed gradient flow of (V W, W^T W, V V^T) up to O(eta).",
    regime=f"fixed time {FLOW_TIME:g} in size steps of eta = {FLOW_TIME:g}/size; rho <= 0.3",
    tolerance=Asymptotic(sizes=FLOW_STEPS, exponent=-1.0, wrong_exponents=(-0.5, -2.0)),
    setup=_flow_case,
    predicted=lambda c: np.zeros(len(FLOW_STEPS)),
    measured=_flow_errors,
    mutants=(
        Mutant("the flow of SGD", measured=partial(_flow_errors, rule=sgd)),
        Mutant("the flow of 1-SAM", measured=partial(_flow_errors, rule=Sam)),
    ),
    theory="theory.linear_networks.dynamics.flow",
)


CLAIMS = (
    _path_claim("network_path", None, PATH_RULES, SWAPPED),
    _path_claim("class_path", 3, (Sam, JacobianSam), (JacobianSam, Sam)),
    FLOW_LIMIT,
)
