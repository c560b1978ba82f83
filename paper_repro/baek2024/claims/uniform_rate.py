"""A claim on the rate at which 1-SAM's gradient tends to that of equal weights."""

import numpy as np

from paper_repro.baek2024.claims.predicted_gradients import OURS, margins
from paper_repro.shared.logistic_cases import Case, gradients, random_case
from spec.claims import Claim, Exact, Mutant, Sample
from spec.rules import Sam
from theory.logistic import regression

FAR = 12.0  # least rho ||x|| - z: what is left of the weights is e^-12


def _far(sample: Sample) -> Case:
    case = random_case(sample)
    norms = np.linalg.norm(case.x, axis=2)
    return case._replace(rho=((FAR + margins(case)) / norms).max(axis=1))  # and FAR itself for one of the examples


def _measured(case: Case) -> np.ndarray:
    """What is left, over its largest size in each problem."""
    uniform = np.stack([regression.uniform_gradient(x, t) for x, t in zip(case.x, case.t, strict=True)])
    left = gradients(Sam, case) - uniform
    return left / _size(case)


def _size(case: Case) -> np.ndarray:
    return np.abs(_leading(case)).max(axis=1, keepdims=True)


def _leading(case: Case, margin: float = 1.0, shortest: bool = False) -> np.ndarray:
    rows = []
    for w, x, t, rho in zip(case.w, case.x, case.t, case.rho, strict=True):
        if shortest:
            x = x * (np.linalg.norm(x, axis=1).min() / np.linalg.norm(x, axis=1, keepdims=True))
        rows.append(regression.uniform_error(margin * w, x, t, rho))
    return np.stack(rows)


RATE = Claim(
    id="baek2024.uniform_rate",
    origin="derived",
    source=OURS,
    statement="As rho grows the 1-SAM gradient tends to -mean t x at the rate e^{z - rho ||x||} of each example.",
    regime="where rho ||x|| - z is at least 12, so that the next order is 10^-5 of it; unequal norms, off-origin",
    tolerance=Exact(relative=1e-4),
    setup=_far,
    predicted=lambda c: _leading(c) / _size(c),
    measured=_measured,
    mutants=(
        Mutant("sign", predicted=lambda c: -_leading(c) / _size(c)),
        Mutant("margins left out", predicted=lambda c: _leading(c, margin=0.0) / _size(c)),
        Mutant("the shortest norm for every example", predicted=lambda c: _leading(c, shortest=True) / _size(c)),
    ),
    theory="theory.logistic.regression.uniform_error",
    figure="baek2024.toy_gain",
)

CLAIMS = (RATE,)
