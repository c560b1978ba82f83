"""Claims on the step of Algorithm 1 in logistic regression."""

from dataclasses import replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import expit

from paper_repro.shared.logistic_cases import LINEAR, Case, random_case
from paper_repro.xu2026.claims.measured_gradients import ANY, AT_ONCE, OURS, for_every_case, orthonormal
from sims import objectives, rules
from sims.rules.bound import Labelled
from sims.rules.compensation import Compensated, perturbation
from spec.claims import Claim, Exact, Mutant
from spec.rules import NoiseCompensated, OracleSelection, Sam, Sgd
from spec.seeds import named_seed
from theory.compensation import correction
from theory.logistic import regression

STRENGTH = 1.4
VARIANTS: tuple[tuple[Any, Any], ...] = tuple(
    (sign, project) for sign in (1, -1) for project in ("ball", None, "sphere")
)


@cache
def _gradients_of(precision: float) -> Any:
    """The gradients of all variants as a function of (w, x, t, y, rho)."""

    def one(w: Any, x: Any, t: Any, y: Any, rho: Any) -> Any:
        plain = NoiseCompensated(Sam(rho, "batch"), STRENGTH, AT_ONCE, OracleSelection(1.0, precision))
        records = [replace(plain, sign=sign, project=project) for sign, project in VARIANTS]
        bound = [Compensated(record, y, jax.random.key(named_seed("unused"))) for record in records]
        batch, params = objectives.Batch(x, t), {"w": w}
        return jnp.stack([rules.gradient(r, rules.init(r, params), LINEAR, params, batch)[0]["w"] for r in bound])

    return one


def _steps(case: Case, precision: float = 1.0) -> np.ndarray:
    return for_every_case(case, _gradients_of(precision)).transpose(1, 0, 2)


def _stated_steps(case: Case, variants: Any = VARIANTS) -> np.ndarray:
    """grad L_t(w + eps') by theory, for every variant and problem."""
    rows = list(zip(case.w, case.x, case.t, case.mislabelled, case.rho, strict=True))

    def one(sign: int, project: Any, w: Any, x: Any, t: Any, chosen: Any, rho: float) -> np.ndarray:
        eps = correction.compensated_step(w, x, t, chosen, rho=rho, strength=STRENGTH, sign=sign, project=project)
        return regression.gradient(Sgd(), w + eps, x, t)

    return np.stack([[one(sign, project, *row) for row in rows] for sign, project in variants])


STEP = Claim(
    id="xu2026.step",
    origin="paper",
    source="Xu et al. (2026), equations 12 and 13",
    statement="The step descends grad L_t(w + eps'), eps' the projection of rho g/||g|| + s g* onto the ball rho; also "
    "with the sign -, without projection, and on the sphere (ours).",
    regime=ANY + "; the mislabelled examples selected",
    tolerance=Exact(),
    setup=random_case,
    predicted=_stated_steps,
    measured=_steps,
    mutants=(
        Mutant("sign of the compensation", predicted=partial(_stated_steps, variants=[(-s, p) for s, p in VARIANTS])),
        Mutant("projection dropped", predicted=partial(_stated_steps, variants=[(s, None) for s, _ in VARIANTS])),
        Mutant("rightly labelled examples selected", measured=partial(_steps, precision=0.0)),
    ),
    theory="theory.compensation.correction.compensated_step",
)


RHO = 0.3


def _margin_gains(case: Any) -> np.ndarray:
    """How much eps' (free, every second example selected) raises the margin of the observed label."""
    x, y = case
    t = np.where(np.arange(y.shape[1]) % 2 == 0, -y, y)
    w = x.sum(axis=1) / np.sqrt(x.shape[1]) + 1.5 * x[:, 0]
    record = NoiseCompensated(Sam(RHO, "batch"), STRENGTH, AT_ONCE, OracleSelection(1.0), project=None)

    def one(w: Any, x: Any, t: Any, y: Any) -> Any:
        batch = Labelled(x, t, y)
        eps = perturbation(record, LINEAR, {"w": w}, batch, jnp.int32(0), jax.random.key(named_seed("unused")))(batch)
        return t * (x @ eps["w"])

    return np.asarray(jax.jit(jax.vmap(one))(w, x, t, y))


def _stated_gains(case: Any, sign: float = 1.0, ascent: float = 1.0) -> np.ndarray:
    x, y = case
    t = np.where(np.arange(y.shape[1]) % 2 == 0, -y, y)
    z = t * np.einsum("knd,kd->kn", x, x.sum(axis=1) / np.sqrt(x.shape[1]) + 1.5 * x[:, 0])
    return np.stack([correction.orthonormal_margin_gains(row, wrong, rho=ascent * RHO, strength=sign * STRENGTH)
                     for row, wrong in zip(z, t != y, strict=True)])  # fmt: skip


MECHANISM = Claim(
    id="xu2026.suppression",
    origin="derived",
    source=OURS,
    statement="Adding the flipped gradient raises the observed-label margin of the selected examples before the "
    "gradient is taken, by (s/m) sigma(z): it suppresses their weight, and hardly that of examples not yet fitted.",
    regime="orthonormal inputs, no projection",
    tolerance=Exact(),
    setup=orthonormal,
    predicted=_stated_gains,
    measured=_margin_gains,
    mutants=(
        Mutant("sign of the compensation", predicted=partial(_stated_gains, sign=-1.0)),
        Mutant("no ascent", predicted=partial(_stated_gains, ascent=0.0)),
        Mutant("sigma(-z) for sigma(z)", predicted=lambda c: _stated_gains(c) + _wrong_slope(c)),
    ),
    theory="theory.compensation.correction.orthonormal_margin_gains",
)


def _wrong_slope(case: Any) -> np.ndarray:
    """What the flipped gradient would give with sigma(-z), minus what it gives."""
    x, y = case
    t = np.where(np.arange(y.shape[1]) % 2 == 0, -y, y)
    z = t * np.einsum("knd,kd->kn", x, x.sum(axis=1) / np.sqrt(x.shape[1]) + 1.5 * x[:, 0])
    return np.where(t != y, STRENGTH / np.sum(t != y, axis=1, keepdims=True) * (expit(-z) - expit(z)), 0.0)


CLAIMS = (STEP, MECHANISM)
