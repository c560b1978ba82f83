"""The predicted side of the claims at finite n: theory.logistic.regression on the problems of a Case."""

from typing import Any

import numpy as np

from paper_repro.shared.logistic_cases import Case
from theory.logistic import regression

SECTION = "Baek et al. (2024), Section 3"
OURS = "derived here from " + SECTION
ANY = "logistic regression, any w, x, t and rho >= 0"


def closed_form(rule: Any, case: Case, factor: float = 1.0) -> np.ndarray:
    """theory.logistic.regression.gradient for every problem of the case."""
    rows = zip(case.w, case.x, case.t, case.rho * factor, strict=True)
    return np.stack([regression.gradient(rule(rho), w, x, t) for w, x, t, rho in rows])


def margins(case: Case) -> np.ndarray:
    """z = t <w, x>, (k, n)."""
    return case.t * np.einsum("knd,kd->kn", case.x, case.w)


def shifts(case: Case) -> np.ndarray:
    """C = rho ||x||, (k, n)."""
    return case.rho[:, None] * np.linalg.norm(case.x, axis=2)
