"""Claims on the finite size of networks: how far one training, and the mean over trainings, are off the limit."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from paper_repro.beyond.claims.networks import NAMES, NETWORK, OURS, PROBLEM, REGIME, THEORY, TRAINING, rho, stated
from paper_repro.beyond.simulated_networks import Descent, at_end
from spec.claims import Asymptotic, Claim, Mutant, Sample
from spec.rules import JacobianSam, LogitSam, Regularised, Rule, Sam, Sgd

SIZES = (20, 60, 180)
ROOM = (3 * SIZES[-1] // 4, SIZES[-1])  # all sizes are one program
PER_SEED = 12  # trainings for each seed: a slope needs many
SHORT = replace(TRAINING, epochs=4)
LAST_NORM = NAMES.index("last_norm")
OfRho = Callable[[float], Rule]


def _at_size(rule: OfRho, d: int) -> Descent:
    problem = replace(PROBLEM, n=3 * d // 4, d=d)
    return Descent(rule(rho(problem)), problem, SHORT, NETWORK)


def _rates(rule: OfRho, sample: Sample) -> np.ndarray:
    ends = [at_end(_at_size(rule, d), sample.seed + d, PER_SEED * sample.count, ROOM) for d in SIZES]
    return np.stack([end[:, LAST_NORM] for end in ends], axis=1)


def _limits(rule: OfRho, sample: Sample) -> np.ndarray:
    limit = stated(_at_size(rule, SIZES[-1]), seeds=sample.count)  # c and n/d are those of every size
    return np.full(len(SIZES), limit[LAST_NORM])


def _rate(name: str, rule: OfRho, other: OfRho) -> Claim:
    return Claim(
        id=f"beyond.network_rate_{name}",
        origin="derived",
        source=OURS,
        statement="One training of size d is off the limit by O(d^-1/2), the mean over trainings by O(1/d).",
        regime=REGIME + f"; ||v|| after 4 steps of {rule(1.0).name}",
        tolerance=Asymptotic(SIZES, -0.5, (0.0, -1.0), mean_exponent=-1.0),
        setup=lambda sample: sample,
        predicted=partial(_limits, rule),
        measured=partial(_rates, rule),
        mutants=(Mutant(other(1.0).name, predicted=partial(_limits, other)),),
        theory=THEORY,
        figure="beyond.networks",
    )


def _sgd(rho: float) -> Rule:
    return Sgd()


def _batch(rho: float) -> Rule:
    return Sam(0.6, "batch")


def _penalties(rho: float) -> Rule:
    return Regularised(0.2, 0.2)


CLAIMS = (
    _rate("sgd", _sgd, JacobianSam),
    _rate("one_sam", Sam, LogitSam),
    _rate("l_sam", LogitSam, Sam),
    _rate("j_sam", JacobianSam, _sgd),
    _rate("n_sam", _batch, _sgd),
    _rate("penalties", _penalties, _sgd),
)
