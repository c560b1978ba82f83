r"""Rules that act coordinate by coordinate on the ratio h/g: DownWeight (SANER), Without, Only, OracleMask.

They are functions of the two entries (g_j, h_j), so their limit needs samples of entries (theory.mean_field.weights).
The response of such a function has a smooth part and one from the jump at h = g; both are in E[f eta].
The single coordinate of the signal, where g and h are of order one, is masked by its own ratio.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec.rules import DownWeight, Group, Only, OracleMask, RandomMask, Without, Wrapper
from spec.validation import InputError
from theory.mean_field.examples import Examples, slope
from theory.mean_field.rules import Direction, direction, entrywise, half_steps, require_closed, small_shards, start
from theory.mean_field.weights import SIGNAL

FloatArray = NDArray[np.float64]
Entrywise = Callable[..., FloatArray]
EQUAL = 1e-12  # a ratio this close to one is one


def in_group(group: Group, g: FloatArray, h: FloatArray) -> NDArray[np.bool_]:
    """Where h/g is in the group: A is [1, inf), B (0, 1), C (-inf, 0]; nowhere where g = 0."""
    same, smaller = np.sign(g) * np.sign(h) > 0, np.abs(h) < (1 - EQUAL) * np.abs(g)
    if group == "C":
        return (g != 0) & ~same
    return same & (smaller if group == "B" else ~smaller)


def shares(batch: Examples, g: FloatArray, h: FloatArray) -> dict[str, float]:
    """The share of coordinates in every group, and the ratio h/g of the signal's coordinate (0 where g = 0)."""
    entries = batch.space.entries(g), batch.space.entries(h)
    found = {f"share_{group}": float(np.mean(in_group(group, *entries))) for group in ("A", "B", "C")}
    return found | {"signal_ratio": float(h[SIGNAL] / g[SIGNAL]) if g[SIGNAL] else 0.0}


@require_closed.register(DownWeight)
@require_closed.register(Without)
@require_closed.register(Only)
@require_closed.register(OracleMask)
def _(rule: Any, n: int, d: int) -> None:
    require_closed(rule.base, n, d)


@require_closed.register
def _(rule: RandomMask, n: int, d: int) -> None:
    raise InputError(
        "rule must be one whose limit closes, got RandomMask: the one coordinate that holds the signal is masked by a "
        "single coin a step, which no average over coordinates replaces"
    )


@small_shards.register
def _(rule: Wrapper, d: int) -> bool:
    return small_shards(rule.base, d)


@entrywise.register
def _(rule: Wrapper) -> bool:
    return True


@half_steps.register
def _(rule: Wrapper) -> int:
    return 1 + half_steps(rule.base)


@half_steps.register
def _(rule: OracleMask) -> int:
    return 2 + half_steps(rule.base)


@start.register
def _(rule: Wrapper) -> Any:
    return start(rule.base)


@start.register
def _(rule: DownWeight) -> Any:
    return start(rule.base), 0


@direction.register
def _(rule: DownWeight, state: Any, batch: Examples, w: FloatArray) -> tuple[Direction, Any]:
    base, step = state
    found, base = direction(rule.base, base, batch, w)
    kept = 1 - rule.alpha * (min(step / rule.warmup, 1) if rule.warmup else 1)
    return _masked(batch, found, lambda g, h: _where(in_group(rule.group, g, h), kept * h, h)), (base, step + 1)


@direction.register
def _(rule: Without, state: Any, batch: Examples, w: FloatArray) -> tuple[Direction, Any]:
    found, state = direction(rule.base, state, batch, w)
    return _masked(batch, found, lambda g, h: _where(in_group(rule.group, g, h), g, h)), state


@direction.register
def _(rule: Only, state: Any, batch: Examples, w: FloatArray) -> tuple[Direction, Any]:
    found, state = direction(rule.base, state, batch, w)
    return _masked(batch, found, lambda g, h: _where(in_group(rule.group, g, h), h, g)), state


def _where(mask: NDArray[np.bool_], inside: FloatArray, outside: FloatArray) -> FloatArray:
    return np.where(mask, inside, outside)


def _masked(batch: Examples, found: Direction, function: Entrywise) -> Direction:
    g = found.plain()
    report = found.report | shares(batch, g, found.h)
    return Direction(batch.space.apply(function, g, found.h), found.F, lambda: g, report)


@direction.register
def _(rule: OracleMask, state: Any, batch: Examples, w: FloatArray) -> tuple[Direction, Any]:
    """The clean and the mislabelled part of the plain gradient are two more sums over examples."""
    found, state = direction(rule.base, state, batch, w)
    F = slope(batch.margins(w))
    clean, noisy = (batch.gradient(np.where(batch.s == sign, F, 0)) for sign in (1, -1))

    def halved(c: FloatArray, n: FloatArray, h: FloatArray) -> FloatArray:
        return np.where((c * n < 0) & (np.abs(n) > np.abs(c)), (1 - rule.alpha) * h, h)

    return Direction(
        batch.space.apply(halved, clean, noisy, found.h), found.F, lambda: clean + noisy, found.report
    ), state
