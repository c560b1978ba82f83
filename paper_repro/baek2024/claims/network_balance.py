"""Claims on training two-layer linear networks: which rules conserve the balance of the layers."""

import numpy as np

from paper_repro.baek2024.claims.measured_networks import (
    NetworkCase,
    network_gradients,
    random_networks,
    single,
    unflat,
)
from paper_repro.baek2024.claims.network_dynamics import problems
from paper_repro.baek2024.claims.network_gradients import NETWORK, OURS_4
from paper_repro.shared.at_rho import FamilyAt, sgd
from spec.claims import Claim, Exact, Mutant
from spec.rules import JacobianSam, LogitSam, Sam
from theory.linear_networks import dynamics

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
        [[dynamics.balance_velocity(rule(float(r)), W, v, x, t) for W, v, x, t, r in problems(case)] for rule in rules]
    )


def _decaying_balance(case: NetworkCase) -> np.ndarray:
    """theory.linear_networks.dynamics.balance_decay of every problem, (p, h, h)."""
    return np.stack([dynamics.balance_decay(rho, W, v, x, t) for W, v, x, t, rho in problems(case)])


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


CLAIMS = (BALANCE, BALANCE_DECAY)
