r"""Example weights from m = kappa d clean examples (spec.rules.schemes): a second data matrix over the same weights.

The coupling of an example, c_i = <grad L, grad l_i> = F_i <a_i, grad L>, is its forward product with the clean
gradient, itself one sum over clean examples; weights are functions of an example's own fields, clips included. For FBR
the features are the inputs: with mu_+ and mu_- the clean means of both classes, D = (mu_+ - mu_-)/2 and
mu = (mu_+ + mu_-)/2, the agreement of example i with its observed class is <a_i, D>, because <mu, D> -> 0.
"""

from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from spec.rules import FeatureReweight, FixedReweight, MetaReweight, NormalisedReweight, Scheme
from spec.validation import InputError
from theory.mean_field.examples import Examples, slope
from theory.mean_field.matrix import DataMatrix
from theory.mean_field.rules import Direction, direction, half_steps, report, require_closed, start

FloatArray = NDArray[np.float64]


class Weighted(NamedTuple):
    """w (samples,): weights of all examples, None before the first step; step: how many were made."""

    w: FloatArray | None
    step: int


@require_closed.register
def _(rule: Scheme, n: int, d: int) -> None:
    return None


@require_closed.register
def _(rule: FeatureReweight, n: int, d: int) -> None:
    if not rule.centred:
        raise InputError(
            "rule must be one whose limit closes, got FeatureReweight(centred=False): its agreements keep <x, mu>, "
            "whose sign is that of the true class, while the fields here are those of t x"
        )


@half_steps.register
def _(rule: Scheme) -> int:
    return 4


@start.register
def _(rule: Scheme) -> Weighted:
    return Weighted(None, 0)


@direction.register
def _(rule: Scheme, state: Weighted, batch: Examples, w: FloatArray) -> tuple[Direction, Weighted]:
    before = _initial(rule, batch.s) if state.w is None else state.w
    F = slope(batch.margins(w))
    renewed = np.where(batch.mask, weights(rule, before, state.step, batch, w, F), before)
    found = Direction(batch.gradient(renewed * F), renewed * F, lambda: batch.gradient(F))
    return found, Weighted(renewed, state.step + 1)


@report.register
def _(rule: Scheme, state: Weighted, matrix: DataMatrix) -> dict[str, float]:
    """Mean weights of both groups, and the mislabelled one's share of all weight."""
    w = _initial(rule, matrix.s) if state.w is None else state.w
    groups = {"clean": matrix.s > 0, "mislabelled": matrix.s < 0}
    sums = {name: (float(np.sum(matrix.share[m] * w[m])), float(np.sum(matrix.share[m]))) for name, m in groups.items()}
    means = {f"{name}_example_weight": total / size if size else 0.0 for name, (total, size) in sums.items()}
    whole = sum(total for total, _ in sums.values())
    return means | {"noise_share": sums["mislabelled"][0] / whole if whole > 0 else 0.0}


def _initial(rule: Scheme, s: FloatArray) -> FloatArray:
    if isinstance(rule, FixedReweight):
        return np.where(s > 0, rule.clean, rule.mislabelled)
    return np.full(len(s), rule.initial if isinstance(rule, MetaReweight) else 0.5)


@singledispatch
def weights(rule: Any, before: FloatArray, step: int, batch: Examples, w: FloatArray, F: FloatArray) -> FloatArray:
    """The new weights of a batch (samples,)."""
    raise TypeError(f"no weights are defined for {rule!r}")


@weights.register
def _(rule: MetaReweight, before: FloatArray, step: int, batch: Examples, w: FloatArray, F: FloatArray) -> FloatArray:
    ahead = w - rule.eta * batch.gradient(before * F) if rule.eta else w
    return np.clip(before + rule.beta * couplings(batch, ahead, F), 0, 1)


@weights.register
def _(rule: NormalisedReweight, before: Any, step: int, batch: Examples, w: FloatArray, F: FloatArray) -> FloatArray:
    positive = np.maximum(couplings(batch, w, F), 0)
    mean = batch.mean(positive)
    return positive / mean if mean > 0 else positive


@weights.register
def _(rule: FixedReweight, before: Any, step: int, batch: Examples, w: Any, F: Any) -> FloatArray:
    return _initial(rule, batch.s)


@weights.register
def _(rule: FeatureReweight, before: Any, step: int, batch: Examples, w: Any, F: Any) -> FloatArray:
    epoch = step // batch.steps
    if epoch < rule.skip:
        return np.full(len(batch.s), 0.5)
    first, later = (1.0, 0.0) if rule.alpha is None else rule.alpha
    q = batch.margins(_clean(batch).gradient(np.ones(len(_clean(batch).s))))
    own, other = (np.maximum(2 * q, 0), np.maximum(-2 * q, 0)) if rule.shifted else (q, -q)
    return _from_agreement(rule, own - (first if epoch < rule.switch else later) * other)


def _from_agreement(rule: FeatureReweight, d: FloatArray) -> FloatArray:
    """clip(1/2 + rate d) and the threshold. The adaptive rate is infinite: some negative d is as small as you like."""
    if not np.any(d < 0):
        return np.ones_like(d)
    w = (1 + np.sign(d)) / 2 if rule.rate is None else np.clip(0.5 + rule.rate * d, 0, 1)
    return np.where(w <= rule.threshold, 0, w)


def couplings(batch: Examples, ahead: FloatArray, F: FloatArray) -> FloatArray:
    """c_i = F_i <a_i, grad L(ahead)>, (samples,)."""
    clean = _clean(batch)
    return F * batch.margins(clean.gradient(slope(clean.margins(ahead))))


def _clean(batch: Examples) -> Examples:
    assert batch.clean is not None
    return batch.clean
