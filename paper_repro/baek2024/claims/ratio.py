"""Claims on the clean/mislabelled ratio of gradient norms at finite n: its slope in rho, and when it is positive."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import expit

from paper_repro.baek2024.claims.predicted_gradients import ANY, OURS, margins, shifts
from paper_repro.shared.logistic_cases import LINEAR, Case, gradient_norms, random_case
from sims import objectives, per_example
from spec.claims import Claim, Exact, Mutant, Ordering
from spec.rules import Sam
from theory.logistic import regression


def _log_ratio_slopes(case: Case) -> np.ndarray:
    """d/d rho of log(mean clean / mean mislabelled gradient norm), by differentiating the simulator's rule."""

    def log_ratio(rho: Any, w: Any, x: Any, t: Any, noisy: Any) -> Any:
        norms, _ = per_example.contributions(Sam(rho), LINEAR, {"w": w}, objectives.Batch(x, t))
        return jnp.log(jnp.sum(norms * ~noisy) / jnp.sum(norms * noisy))

    return np.asarray(jax.jit(jax.vmap(jax.grad(log_ratio)))(case.rho, case.w, case.x, case.t, case.mislabelled))


def _stated_ratio_slopes(case: Case) -> np.ndarray:
    norms = np.linalg.norm(case.x, axis=2)
    rows = zip(margins(case), norms, case.mislabelled, case.rho, strict=True)
    return np.array([regression.clean_noisy_ratio_log_slope(*row) for row in rows])


def _unit_norm_slopes(case: Case) -> np.ndarray:
    ones = np.ones(case.t.shape[1])
    rows = zip(margins(case), case.mislabelled, case.rho, strict=True)
    return np.array([regression.clean_noisy_ratio_log_slope(z, ones, m, rho) for z, m, rho in rows])


RATIO_SLOPE = Claim(
    id="baek2024.ratio_slope",
    origin="derived",
    source=OURS,
    statement="d log(clean/mislabelled gradient ratio)/d rho is the difference of the groups' self-weighted means.",
    regime=ANY + ", both groups non-empty, at fixed w",
    tolerance=Exact(),
    setup=random_case,
    predicted=_stated_ratio_slopes,
    measured=_log_ratio_slopes,
    mutants=(
        Mutant("groups exchanged", predicted=lambda c: -_stated_ratio_slopes(c)),
        Mutant("norms taken as one", predicted=_unit_norm_slopes),
    ),
    theory="theory.logistic.regression.clean_noisy_ratio_log_slope",
    figure="baek2024.clean_noisy_ratio",
)


def _self_weighted_sign(case: Case) -> np.ndarray:
    """The stated condition."""
    rows = zip(margins(case), shifts(case), case.mislabelled, strict=True)
    return np.sign([regression.self_weighted_gap(*row) for row in rows])


def _ratio_changes(case: Case) -> np.ndarray:
    """Change of the measured ratio when rho grows by a small factor; one row."""

    def ratio(factor: float) -> np.ndarray:
        norms = gradient_norms(Sam, case, factor)
        clean, noisy = ((norms * g).sum(1) for g in (~case.mislabelled, case.mislabelled))
        return np.log(clean / noisy)

    return (ratio(1 + 1e-5) - ratio(1 - 1e-5))[None]


def _away_from_boundary(sample: Any) -> Case:
    case = random_case(sample, equal_norms=True)
    keep = np.abs(_stated_ratio_slopes(case)) > 1e-6
    return Case(*(a[keep] for a in case))


RATIO_CONDITION = Claim(
    id="baek2024.ratio_condition",
    origin="derived",
    source=OURS,
    statement=(
        "The derivative of the clean/mislabelled gradient ratio by rho, at the same w, is positive exactly when the "
        "mislabelled examples have the larger self-weighted mean weight, sum s^2/sum s."
    ),
    regime="equal norms, fixed w, relative slope above 1e-6 in size (numerical sign)",
    tolerance=Ordering(),
    setup=_away_from_boundary,
    predicted=_self_weighted_sign,
    measured=_ratio_changes,
    mutants=(
        Mutant(
            "condition on the plain mean weights at rho = 0",
            predicted=lambda c: np.sign(
                [expit(-z)[m].mean() - expit(-z)[~m].mean() for z, m in zip(margins(c), c.mislabelled, strict=True)]
            ),
        ),
    ),
    theory="theory.logistic.regression.self_weighted_gap",
    figure="baek2024.clean_noisy_ratio",
)

CLAIMS = (RATIO_SLOPE, RATIO_CONDITION)
