r"""Ascents corrected for label noise: NCSAM with its selections, and the oracle ascent (spec.rules.compensation).

In margins z of the observed label a = t x, the gradient under the other label has derivative +sigma(z), under the true
one -s sigma(-s z). A selection is a mask that an example draws from its own margin and fresh randomness, so that g* is
one more sum over examples and its memory is that of any half-step. For 1-SAM with ||x|| = L the corrected ascent is

    eps_i' = scale_i (-(rho/L) a_i + sign s g*),    fall of the margin: scale_i (rho L - sign s <a_i, g*>),

where scale_i projects ||eps_i'||^2 = rho^2 - 2 rho sign s <a_i, g*>/L + s^2 ||g*||^2 onto the ball or sphere.
With rho = c/L and s ||g*|| of order one the projection leaves nothing of either; s of order 1/sqrt(d) closes.
"""

from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from spec.rules import (
    ClusterSelection,
    Compensation,
    CompensationSchedule,
    JacobianSam,
    MarginSelection,
    NoiseCompensated,
    OracleAscent,
    OracleSelection,
    RandomSelection,
)
from spec.validation import InputError
from theory.mean_field.examples import Examples, slope
from theory.mean_field.rules import Direction, along, descent, direction, half_steps, perturbed, require_closed, start

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@require_closed.register
def _(rule: Compensation, n: int, d: int) -> None:
    require_closed(rule.base, n, d)
    if not isinstance(rule.base, JacobianSam) and rule.base.sharpness not in ("example", "batch", 1):
        raise InputError(f"sharpness must be 'example' or 'batch' under a correction, got {rule.base.sharpness}")
    if isinstance(rule, NoiseCompensated) and isinstance(rule.selection, ClusterSelection):
        raise InputError(
            "rule must be one whose limit closes, got ClusterSelection: k-means on the inputs starts from farthest "
            "examples, extremes of the sample that no average over examples describes"
        )


@half_steps.register
def _(rule: Compensation) -> int:
    return 3


@start.register
def _(rule: Compensation) -> int:
    return 0


@direction.register
def _(rule: OracleAscent, step: int, batch: Examples, w: FloatArray) -> tuple[Direction, int]:
    if step < rule.warm_up_steps or isinstance(rule.base, JacobianSam):
        return descent(batch, w), step + 1
    z = batch.margins(w)
    if rule.base.sharpness == "batch":
        g = batch.gradient(-batch.s * expit(-batch.s * z))
        return perturbed(batch, w, rule.base.rho * along(g), lambda: batch.gradient(slope(z))), step + 1
    return _fallen(batch, z, rule.base.rho * batch.length * batch.s), step + 1


@direction.register
def _(rule: NoiseCompensated, step: int, batch: Examples, w: FloatArray) -> tuple[Direction, int]:
    if step < rule.warm_up_steps or isinstance(rule.base, JacobianSam):
        return descent(batch, w), step + 1
    z, rho = batch.margins(w), rule.base.rho
    chosen = selected(rule.selection, batch, z)
    noise = batch.gradient(_target_slope(rule, batch, z) * chosen / max(batch.mean(chosen), np.finfo(float).tiny))
    push = rule.sign * rule.strength * progress(rule.schedule, step) * noise
    if rule.base.sharpness == "batch":
        g = batch.gradient(slope(z))
        found = perturbed(batch, w, _projected(rho * along(g) + push, rho, rule.project), lambda: g)
    else:
        lifts = batch.margins(push)
        size = np.sqrt(np.maximum(rho**2 - 2 * rho * lifts / batch.length + push @ push, 0))
        found = _fallen(batch, z, _scale(size, rho, rule.project) * (rho * batch.length - lifts))
    noisy = batch.mean(chosen * (batch.s < 0)) / max(batch.mean(chosen), np.finfo(float).tiny)
    found.report["selection_precision"] = noisy
    return found, step + 1


def _fallen(batch: Examples, z: FloatArray, falls: FloatArray) -> Direction:
    F = slope(z - falls)
    return Direction(batch.gradient(F), F, lambda: batch.gradient(slope(z)))


def _target_slope(rule: NoiseCompensated, batch: Examples, z: FloatArray) -> FloatArray:
    """d loss/d margin under the target label; two classes have one other label, whatever picks it."""
    other, own = expit(z), slope(z)
    if rule.target == "true":
        target, rest = np.where(batch.s > 0, own, other), np.where(batch.s > 0, other, own)
    else:
        target, rest = other, own
    return (1 - rule.smoothing) * target + rule.smoothing * rest


def progress(schedule: CompensationSchedule, step: int) -> float:
    """The strength's share in a step: 1, or min(1, 2 (3 - 2 t) t^2) at t = epoch/epochs."""
    if schedule.shape == "constant":
        return 1.0
    t = min((step // schedule.steps + 1) / schedule.epochs, 1.0)
    return min(1.0, 2 * (3 - 2 * t) * t**2)


def _projected(eps: FloatArray, rho: float, project: str | None) -> FloatArray:
    return eps * float(_scale(np.linalg.norm(eps), rho, project))


def _scale(size: Any, rho: float, project: str | None) -> Any:
    """By how much vectors of a size shrink onto the ball, or to the sphere, of radius rho."""
    ratio = np.where(size > 0, rho / np.where(size > 0, size, 1), 0)
    return {None: np.ones_like(ratio), "sphere": ratio, "ball": np.where(size <= rho, 1.0, ratio)}[project]


@singledispatch
def selected(selection: Any, batch: Examples, z: FloatArray) -> BoolArray:
    """Which samples of the batch are selected."""
    raise TypeError(f"no selection is defined for {selection!r}")


@selected.register
def _(selection: MarginSelection, batch: Examples, z: FloatArray) -> BoolArray:
    """The largest of Gumbel-perturbed log weights -log(1 + |z|)."""
    return _smallest(np.log1p(np.abs(z)) - batch.rng.gumbel(size=len(z)), batch, batch.mask, selection.fraction)


@selected.register
def _(selection: RandomSelection, batch: Examples, z: FloatArray) -> BoolArray:
    return _smallest(batch.rng.random(len(z)), batch, batch.mask, selection.fraction)


@selected.register
def _(selection: OracleSelection, batch: Examples, z: FloatArray) -> BoolArray:
    draw, noisy = batch.rng.random(len(z)), batch.s < 0
    share = selection.fraction * selection.precision
    wrong = _smallest(draw, batch, batch.mask & noisy, share)
    return wrong | _smallest(draw, batch, batch.mask & ~noisy, selection.fraction - share)


def _smallest(values: FloatArray, batch: Examples, among: BoolArray, fraction: float) -> BoolArray:
    """The samples of smallest value that make up a fraction of the batch, or all of `among` if that is less."""
    order = np.argsort(np.where(among, values, np.inf))
    chosen = np.zeros(len(values), bool)
    chosen[order] = np.cumsum(batch.share[order]) <= fraction * (1 + 1e-12)
    return chosen & among
