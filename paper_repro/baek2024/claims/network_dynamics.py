"""Claims on training two-layer linear networks: the closed system, its flow, and balancedness."""

from functools import partial
from typing import Any

import numpy as np

from paper_repro.baek2024.claims.measured_networks import (
    NetworkCase,
    network_gradients,
    random_networks,
    single,
    trained,
    unflat,
)
from paper_repro.baek2024.claims.network_gradients import NETWORK, OURS_4
from paper_repro.shared.at_rho import FamilyAt, n_sam, sgd
from spec.claims import Asymptotic, Claim, Exact, Mutant, Sample
from spec.rules import JacobianSam, LogitSam, Sam
from spec.training import Training
from theory.linear_networks import dynamics
from theory.linear_networks.gradients import Statistics, statistics

PATH_RULES: tuple[FamilyAt, ...] = (sgd, Sam, LogitSam, JacobianSam, n_sam)
SWAPPED: tuple[FamilyAt, ...] = (*PATH_RULES[:2], JacobianSam, LogitSam, PATH_RULES[4])
FEW = 4  # problems whose whole runs are compared
TRAINING = Training(eta=0.1, epochs=120, record_every=20)


def _numbers(at: Statistics) -> np.ndarray:
    return np.concatenate([a.reshape(len(a), -1) for a in at], axis=1)


def _problems(case: NetworkCase) -> Any:
    return zip(case.W, case.v, case.x, case.t, case.rho, strict=True)


def _simulated_statistics(case: NetworkCase, rules: tuple[FamilyAt, ...]) -> np.ndarray:
    """(P, K, N) at every record of sims.train, under every rule."""
    runs = [trained(rule, case, TRAINING) for rule in rules]
    return np.stack([_numbers(_along(W, v)) for run in runs for W, v in zip(run.W, run.v, strict=True)])


def _along(W: np.ndarray, v: np.ndarray) -> Statistics:
    """The statistics of a sequence of networks."""
    return Statistics(*map(np.stack, zip(*(statistics(*pair) for pair in zip(W, v, strict=True)), strict=True)))


def _stated_statistics(case: NetworkCase, rules: tuple[FamilyAt, ...], factor: float = 1.0) -> np.ndarray:
    """The same by the closed system."""
    paths = []
    for rule in rules:
        for W, v, x, t, rho in _problems(case):
            moving = rule(factor * float(rho))
            path = dynamics.descend(moving, statistics(W, v), x, t, eta=TRAINING.eta, steps=TRAINING.epochs)
            paths.append(_numbers(path)[:: TRAINING.record_every])
    return np.stack(paths)


def _small_rho(sample: Sample, **sizes: Any) -> NetworkCase:
    """Problems with rho <= 0.3: near collapse the direction of the ascent is ill-conditioned and amplifies rounding."""
    case = random_networks(sample, **sizes)
    return case._replace(rho=np.minimum(case.rho, 0.3))


def _path_claim(name: str, classes: int | None, rules: tuple[FamilyAt, ...], swapped: tuple[FamilyAt, ...]) -> Claim:
    return Claim(
        id=f"baek2024.{name}",
        origin="derived",
        source=OURS_4,
        statement="Full-batch training moves (V W, W^T W, V V^T) by a closed map, whatever the width.",
        regime=f"constant step, {TRAINING.epochs} steps; d > n: no point is stationary; rho <= 0.3, far from collapse"
        + ("" if classes is None else "; 3 classes"),
        tolerance=Exact(),
        setup=lambda s: _small_rho(Sample(s.seed, FEW), n=6, d=8, classes=classes),
        predicted=partial(_stated_statistics, rules=rules),
        measured=partial(_simulated_statistics, rules=rules),
        mutants=(
            Mutant("other rules", predicted=partial(_stated_statistics, rules=swapped)),
            Mutant("rho a tenth larger", predicted=partial(_stated_statistics, rules=rules, factor=1.1)),
        ),
        theory="theory.linear_networks.dynamics.step",
    )


FLOW_RULE: FamilyAt = JacobianSam
FLOW_STEPS, FLOW_TIME = (16, 64, 256), 1.0


def _flow_errors(case: NetworkCase, rule: FamilyAt = FLOW_RULE) -> np.ndarray:
    """Root mean square deviation of J-SAM after FLOW_TIME in 16, 64, ... steps from the flow of a rule, (1, sizes)."""
    times = np.array([FLOW_TIME])
    ends = np.stack(
        [_numbers(dynamics.flow(rule(float(r)), statistics(W, v), x, t, times))[0] for W, v, x, t, r in _problems(case)]
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
    regime=f"fixed time {FLOW_TIME:g} in size steps of eta = {FLOW_TIME:g}/size; rho <= 0.3, far from collapse",
    tolerance=Asymptotic(sizes=FLOW_STEPS, exponent=-1.0, wrong_exponents=(-0.5, -2.0)),
    setup=lambda s: _small_rho(Sample(s.seed, 8), n=4, d=6),
    predicted=lambda c: np.zeros(len(FLOW_STEPS)),
    measured=_flow_errors,
    mutants=(
        Mutant("the flow of SGD", measured=partial(_flow_errors, rule=sgd)),
        Mutant("the flow of 1-SAM", measured=partial(_flow_errors, rule=Sam)),
    ),
    theory="theory.linear_networks.dynamics.flow",
)


BALANCE_RULES: tuple[FamilyAt, ...] = (sgd, LogitSam, JacobianSam, Sam)


def _simulated_balance(case: NetworkCase) -> np.ndarray:
    """d/dtau (v v^T - W W^T) along minus the rules' gradients, (rules, p, h, h)."""
    velocities = []
    for rule in BALANCE_RULES:
        g_W, g_v = unflat(network_gradients(rule, case), case)
        half = np.einsum("phd,pkd->phk", case.W, g_W) - np.einsum("ph,pk->phk", case.v, g_v)
        velocities.append(half + half.transpose(0, 2, 1))
    return np.stack(velocities)


def _stated_balance(case: NetworkCase, rules: tuple[FamilyAt, ...] = BALANCE_RULES) -> np.ndarray:
    return np.stack(
        [[dynamics.balance_velocity(rule(float(r)), W, v, x, t) for W, v, x, t, r in _problems(case)] for rule in rules]
    )


def _decaying_balance(case: NetworkCase) -> np.ndarray:
    """theory.linear_networks.dynamics.balance_decay of every problem, (p, h, h)."""
    return np.stack([dynamics.balance_decay(rho, W, v, x, t) for W, v, x, t, rho in _problems(case)])


BALANCE = Claim(
    id="baek2024.balance_velocity",
    origin="derived",
    source=OURS_4,
    statement="SGD and L-SAM conserve v v^T - W W^T along the flow; J-SAM and 1-SAM move it by "
    "-2 mean kappa (||x||^2 v v^T - W x x^T W^T), kappa = rho s/J.",
    regime=NETWORK,
    tolerance=Exact(),
    setup=random_networks,
    predicted=_stated_balance,
    measured=_simulated_balance,
    mutants=(
        Mutant(
            "conserved under J-SAM too",
            predicted=lambda c: _stated_balance(c) * np.array([1, 1, 0, 1])[:, None, None, None],
        ),
        Mutant("J-SAM and 1-SAM exchanged", predicted=lambda c: _stated_balance(c)[[0, 1, 3, 2]]),
        Mutant(
            "plain decay under J-SAM",
            predicted=lambda c: np.concatenate(
                [_stated_balance(c)[:2], _decaying_balance(c)[None], _stated_balance(c)[3:]]
            ),
        ),
    ),
    theory="theory.linear_networks.dynamics.balance_velocity",
    figure="baek2024.network_dynamics",
)


def _spanned(case: NetworkCase) -> NetworkCase:
    """W in the span of the inputs of each problem."""
    basis = np.linalg.qr(case.x.transpose(0, 2, 1))[0]
    return case._replace(W=np.einsum("phd,pdn,pen->phe", case.W, basis, basis))


def _jacobian_sam_balance(case: NetworkCase) -> np.ndarray:
    return _simulated_balance(case)[2]


BALANCE_DECAY = Claim(
    id="baek2024.balance_decay",
    origin="derived",
    source=OURS_4,
    statement="With one input direction v v^T - W W^T decays under J-SAM at the rate 2 rho sigma(-m)||x||^2/J; with "
    "several it does not decay as a whole.",
    regime="one example, W in its span",
    tolerance=Exact(),
    setup=lambda s: _spanned(single(random_networks(s))),
    predicted=_decaying_balance,
    measured=_jacobian_sam_balance,
    mutants=(
        Mutant("half the rate", predicted=lambda c: _decaying_balance(c) / 2),
        Mutant("growth", predicted=lambda c: -_decaying_balance(c)),
        Mutant("W not in the span", measured=lambda c: _jacobian_sam_balance(c._replace(W=c.W + 0.3))),
    ),
    theory="theory.linear_networks.dynamics.balance_decay",
)


CLAIMS = (
    _path_claim("network_path", None, PATH_RULES, SWAPPED),
    _path_claim("class_path", 3, (Sam, JacobianSam), (JacobianSam, Sam)),
    FLOW_LIMIT,
    BALANCE,
    BALANCE_DECAY,
)
