"""Claims on n-SAM for small rho and in convex problems, and on amplification under shifts of both signs."""

from functools import partial
from typing import Any

import jax
import numpy as np

from paper_repro.luong2026.claims.random_problems import ANY, OURS, Problems, closed_form, gradients, logistic_problems
from paper_repro.shared.at_rho import FamilyAt, n_sam, sgd
from sims import objectives
from spec.claims import Asymptotic, AtLeast, Claim, Mutant, Ordering
from spec.rules import Sam
from theory.down_weighting import ratio as dw
from theory.logistic import regression

_INVERSE_RHO = (4, 8, 16, 32, 64)


def _expansion_error(p: Problems, hessian: float = 1.0) -> np.ndarray:
    """The error of the first coordinate of the n-SAM gradient over ||g||, for every 1/rho."""
    w = p.params["w"]
    g = closed_form(p, sgd)
    columns = []
    for inverse in _INVERSE_RHO:
        h = gradients(n_sam, p._replace(rho=np.full(len(w), 1 / inverse)))
        rows = zip(w, p.x, p.t, strict=True)
        r = np.stack([dw.first_order_ratio(*row, 1 / inverse) for row in rows])
        columns.append((h - g * (1 + hessian * (r - 1)))[:, 0] / np.linalg.norm(g, axis=1))
    return np.stack(columns, axis=1)


FIRST_ORDER = Claim(
    id="luong2026.first_order",
    origin="derived",
    source=OURS,
    statement="r_i = 1 + rho (H g/||g||)_i/g_i + O(rho^2), H the Hessian of the batch.",
    regime=ANY + " -> 0; n-SAM; the error is that of r_i g_i/||g||",
    tolerance=Asymptotic(sizes=_INVERSE_RHO, exponent=-2.0, wrong_exponents=(-1.0, -3.0)),
    setup=logistic_problems,
    predicted=lambda p: 0.0,
    measured=_expansion_error,
    mutants=(
        Mutant("no Hessian term", measured=partial(_expansion_error, hessian=0.0)),
        Mutant("half of it", measured=partial(_expansion_error, hessian=0.5)),
        Mutant("its sign", measured=partial(_expansion_error, hessian=-1.0)),
    ),
    theory="theory.down_weighting.ratio.first_order_ratio",
)


def _energy(p: Problems, rule: FamilyAt = n_sam, sign: float = 1.0) -> np.ndarray:
    """<g, h> in one row."""
    g, h = gradients(sgd, p), gradients(rule, p._replace(rho=sign * p.rho))
    return np.sum(g * h, axis=1)[None]


def _least_energy(p: Problems) -> np.ndarray:
    return np.array([dw.least_energy(*row) for row in zip(p.params["w"], p.x, p.t, strict=True)])


def _energy_claim(name: str, d: int, statement: str) -> Claim:
    return Claim(
        id=f"luong2026.{name}",
        origin="derived",
        source=OURS,
        statement=statement,
        regime="convex losses at any rho, here logistic regression; n-SAM, not 1-SAM",
        tolerance=AtLeast(),
        setup=partial(logistic_problems, d=d, times=20),
        predicted=_least_energy,
        measured=_energy,
        mutants=(
            Mutant("1-SAM", measured=partial(_energy, rule=Sam)),
            Mutant("descent instead of ascent", measured=partial(_energy, sign=-1.0)),
        ),
        theory="theory.down_weighting.ratio.least_energy",
    )


ENERGY = _energy_claim("energy", 5, "sum g_i^2 r_i >= sum g_i^2: weighted by energy n-SAM never reduces.")
ONE_DIMENSION = _energy_claim("one_dimension", 1, "In one dimension r >= 1.")


def _slopes(p: Problems, sign: float = 1.0) -> np.ndarray:
    """d log A/dz by differentiating the simulator's loss, for shifts of both signs, in one row, twice."""
    residual = jax.grad(objectives.logistic)

    def log_a(z: Any, C: Any) -> Any:
        return jax.numpy.log(residual(z - C, 1.0) / residual(z, 1.0))

    return np.tile(np.asarray(jax.vmap(jax.grad(log_a))(_margins(p), sign * _both_signs(p)))[None], 2)


def _margins(p: Problems) -> np.ndarray:
    return (p.t * np.einsum("knd,kd->kn", p.x, p.params["w"])).ravel()


def _stated_slopes(p: Problems) -> np.ndarray:
    """The stated slope, whose sign is compared, and what is claimed of it: the sign of the shift."""
    C = _both_signs(p)
    return np.concatenate([regression.log_amplification_slope(_margins(p), C), np.sign(C)])


def _both_signs(p: Problems) -> np.ndarray:
    return ((p.rho[:, None] * np.linalg.norm(p.x, axis=2)) * np.where(p.mislabelled, -1, 1)).ravel()


SHIFTS = Claim(
    id="luong2026.shifts_of_both_signs",
    origin="derived",
    source=OURS,
    statement="The amplification rises with the margin for shifts C > 0 and falls with it for C < 0.",
    regime="any margin and shift; n-SAM has shifts of both signs",
    tolerance=Ordering(),
    setup=logistic_problems,
    predicted=_stated_slopes,
    measured=_slopes,
    mutants=(
        Mutant("always rising", predicted=lambda p: 1.0),
        Mutant("shift with the wrong sign", measured=partial(_slopes, sign=-1.0)),
    ),
    theory="theory.logistic.regression.log_amplification_slope",
)

CLAIMS = (FIRST_ORDER, ENERGY, ONE_DIMENSION, SHIFTS)
