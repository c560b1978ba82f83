"""Claims on n-SAM for small rho and in convex problems, and on amplification under shifts of both signs."""

from functools import partial
from typing import Any

import jax
import numpy as np

from paper_repro.luong2026.claims.random_problems import ANY, OURS, Problems, closed_form, gradients, logistic_problems
from sims import objectives
from spec.claims import Asymptotic, Claim, Mutant, Ordering
from spec.rules import Sam, Sgd
from theory.down_weighting import ratio as dw

_INVERSE_RHO = (4, 8, 16, 32, 64)


def _expansion_error(p: Problems, hessian: float = 1.0) -> np.ndarray:
    """The error of the first coordinate of the n-SAM gradient over ||g||, for every 1/rho."""
    w = p.params["w"]
    g = closed_form(p, lambda _: Sgd())
    columns = []
    for inverse in _INVERSE_RHO:
        h = gradients(Sam(0.0, "batch"), p._replace(rho=np.full(len(w), 1 / inverse)))
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


def _energy(p: Problems, rule: Any = None, sign: float = 1.0) -> np.ndarray:
    """<g, h>/<g, g> - 1 in one row."""
    g, h = gradients(Sgd(), p), gradients(rule or Sam(0.0, "batch"), p._replace(rho=sign * p.rho))
    return (np.sum(g * h, axis=1) / np.sum(g * g, axis=1) - 1)[None]


def _energy_claim(name: str, d: int, statement: str) -> Claim:
    return Claim(
        id=f"luong2026.{name}",
        origin="derived",
        source=OURS,
        statement=statement,
        regime="convex losses at any rho, here logistic regression; n-SAM, not 1-SAM",
        tolerance=Ordering(),
        setup=partial(logistic_problems, d=d, times=20),
        predicted=lambda p: 1.0,
        measured=_energy,
        mutants=(
            Mutant("1-SAM", measured=partial(_energy, rule=Sam(0.0))),
            Mutant("descent instead of ascent", measured=partial(_energy, sign=-1.0)),
        ),
        theory="theory.down_weighting.ratio.first_order_ratio",
    )


ENERGY = _energy_claim("energy", 5, "sum g_i^2 r_i >= sum g_i^2: weighted by energy n-SAM never reduces.")
ONE_DIMENSION = _energy_claim("one_dimension", 1, "In one dimension r >= 1.")


def _slopes(p: Problems, sign: float = 1.0) -> np.ndarray:
    """d log A/dz by differentiating the simulator's loss, for shifts of both signs, in one row."""
    residual = jax.grad(objectives.logistic)

    def log_a(z: Any, C: Any) -> Any:
        return jax.numpy.log(residual(z - C, 1.0) / residual(z, 1.0))

    z, C = (p.t * np.einsum("knd,kd->kn", p.x, p.params["w"])).ravel(), _both_signs(p)
    return np.asarray(jax.vmap(jax.grad(log_a))(z, sign * C))[None]


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
    predicted=lambda p: np.sign(_both_signs(p)),
    measured=_slopes,
    mutants=(
        Mutant("always rising", predicted=lambda p: 1.0),
        Mutant("shift with the wrong sign", measured=partial(_slopes, sign=-1.0)),
    ),
    theory="theory.logistic.regression.log_amplification_slope",
)

CLAIMS = (FIRST_ORDER, ENERGY, ONE_DIMENSION, SHIFTS)
