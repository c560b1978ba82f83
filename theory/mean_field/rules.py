r"""Rules as programs: half-steps over named vectors, one function for every record of spec.rules.

A half-step is either z = margins(v), a vector meeting all examples, or g = gradient(F), derivatives summed over the
batch. In the linear model a_i = t_i x_i has one length for all examples and no correlation between two of them, so an
ascent along an example's own gradient lowers its own margin by c = rho ||x|| and no other one. Hence

    1-SAM: F_i = -sigma(c - z_i);  L-SAM is 1-SAM and J-SAM is descent, because the Jacobian t_i x_i has no weights;
    m examples in a shard, m fixed: example i of a shard falls by c |F_i| / sqrt(sum of F^2 over the shard);
    n-SAM, and m proportional to n: eps = rho g/||g|| is a vector, whose length is a number, for every shard.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec.rules import ADAPTIVE_OFFSET, Fsam, Gsam, JacobianSam, LogitSam, Regularised, Sam, Sgd, Vasso
from spec.validation import InputError
from theory.mean_field.examples import Examples, slope
from theory.mean_field.matrix import DataMatrix
from theory.mean_field.weights import SIGNAL

FloatArray = NDArray[np.float64]
LARGEST_SHARE = 0.005  # of d: shards of at most so many examples are taken to be small
MOST_SHARDS = 16


@dataclass
class Direction:
    """A rule's gradient h, the derivatives F (samples,) that give it, the plain gradient, found when asked for, and

    what else there is to report of the step.
    """

    h: FloatArray
    F: FloatArray
    plain: Callable[[], FloatArray]
    report: dict[str, float] = field(default_factory=dict)


def length(v: FloatArray) -> float:
    """||v||."""
    return float(np.linalg.norm(v))


def along(v: FloatArray) -> FloatArray:
    """v/||v||, zero at zero."""
    size = length(v)
    return v / size if size > 0 else v


@singledispatch
def require_closed(rule: Any, n: int, d: int) -> None:
    """Raise InputError, saying what obstructs, for a rule without a limit in scalar fields."""
    raise InputError(f"rule must be one whose limit closes, got {rule!r}")


@singledispatch
def small_shards(rule: Any, d: int) -> bool:
    """Whether samples stand for examples one by one, because a shard holds a few of them."""
    return False


@singledispatch
def entrywise(rule: Any) -> bool:
    """Whether the rule acts on single entries of weight vectors, so that samples of them are needed."""
    return False


@singledispatch
def half_steps(rule: Any) -> int:
    """How many gradients a step sums over examples, at most."""
    return 2


@singledispatch
def start(rule: Any) -> Any:
    """What the rule carries from step to step."""
    return None


@singledispatch
def report(rule: Any, state: Any, matrix: DataMatrix) -> dict[str, float]:
    """What the rule's state has to say, to be recorded beside the weights."""
    return {}


@singledispatch
def direction(rule: Any, state: Any, batch: Examples, w: FloatArray) -> tuple[Direction, Any]:
    """The rule's gradient at w on a batch, and the next state."""
    raise InputError(f"rule must be one whose limit closes, got {rule!r}")


def descent(batch: Examples, w: FloatArray) -> Direction:
    """The plain gradient."""
    F = slope(batch.margins(w))
    g = batch.gradient(F)
    return Direction(g, F, lambda: g)


@require_closed.register(Sgd)
@require_closed.register(Regularised)
@require_closed.register(Gsam)
@require_closed.register(Fsam)
@require_closed.register(Vasso)
def _(rule: Any, n: int, d: int) -> None:
    pass


@require_closed.register(Sam)
@require_closed.register(LogitSam)
@require_closed.register(JacobianSam)
def _(rule: Any, n: int, d: int) -> None:
    m = rule.sharpness
    if isinstance(m, str) or isinstance(rule, JacobianSam):
        return
    if n % m:
        raise InputError(f"sharpness must divide the batch, got {m} for {n} examples")
    if not small_shards(rule, d) and n // m > MOST_SHARDS:
        raise InputError(
            f"sharpness must be small beside d={d} or leave at most {MOST_SHARDS} shards of {n} examples, got {m}: "
            "in between, neither closure holds"
        )
    if rule.ascent == "adaptive" and m > 1:
        raise InputError(
            f"sharpness must be 'example' or 'batch' for an adaptive ascent, got {m}: shards of several examples mix "
            "the entry-wise scale with every example's own noise"
        )


@small_shards.register(Sam)
@small_shards.register(LogitSam)
def _(rule: Any, d: int) -> bool:
    return not isinstance(rule.sharpness, str) and 1 < rule.sharpness <= LARGEST_SHARE * d


@entrywise.register(Sam)
@entrywise.register(LogitSam)
def _(rule: Sam | LogitSam) -> bool:
    return rule.ascent == "adaptive" and rule.sharpness == "batch"


@half_steps.register(Sam)
@half_steps.register(LogitSam)
def _(rule: Sam | LogitSam) -> int:
    return 2 if isinstance(rule.sharpness, str) else 2 + MOST_SHARDS


@direction.register(Sgd)
@direction.register(JacobianSam)
def _(rule: Any, state: Any, batch: Examples, w: FloatArray) -> tuple[Direction, Any]:
    return descent(batch, w), state


@direction.register
def _(rule: Regularised, state: Any, batch: Examples, w: FloatArray) -> tuple[Direction, Any]:
    # The activations are the inputs: their norm has no gradient.
    plain = descent(batch, w)
    pull = rule.last_layer * (along(w) if rule.form == "norm" else w)
    return Direction(plain.h + pull, plain.F, lambda: plain.h), state


@direction.register(Sam)
@direction.register(LogitSam)
def _(rule: Sam | LogitSam, state: Any, batch: Examples, w: FloatArray) -> tuple[Direction, Any]:
    if rule.sharpness == "batch":
        g = descent(batch, w).h
        return perturbed(batch, w, ascent_step(rule, batch, w, g), lambda: g), state
    z = batch.margins(w)
    F = slope(z - falls(rule, batch, w, z))
    return Direction(batch.gradient(F), F, lambda: batch.gradient(slope(z))), state


def perturbed(batch: Examples, w: FloatArray, eps: FloatArray, plain: Callable[[], FloatArray]) -> Direction:
    """The plain gradient at w + eps."""
    F = slope(batch.margins(w + eps))
    return Direction(batch.gradient(F), F, plain)


def falls(rule: Any, batch: Examples, w: FloatArray, z: FloatArray) -> FloatArray | float:
    """How far every example's margin falls under the ascent of its own shard, (samples,)."""
    c = float(rule.rho * batch.length)
    if rule.sharpness in ("example", 1):
        return c if rule.ascent != "adaptive" else rule.rho * _adaptive_length(batch, w)
    if small_shards(rule, batch.d):
        return c * _share_of_shard(batch, z, batch.n // rule.sharpness)
    return z - _margins_by_shard(rule, batch, w, z, batch.n // rule.sharpness)


def ascent_step(rule: Sam | LogitSam, batch: Examples, w: FloatArray, g: FloatArray) -> FloatArray:
    r"""rho g/||g||, or rho T^2 g/||T g|| with T = |w| + offset entry by entry.

    In entries sqrt(d) w_j the offset is sqrt(d) 0.01. The signal's entry of T g is of order one and the length of the
    others of order d^(-1/2) only, so that for d -> inf the ascent is rho |w_1| e_1: the adaptive ascent sees the signal
    alone. Both parts are kept.
    """
    if rule.ascent != "adaptive":
        return rule.rho * along(g)
    space, d = batch.space, batch.d
    T, signal = np.abs(space.entries(w)) + ADAPTIVE_OFFSET * np.sqrt(d), abs(w[SIGNAL]) + ADAPTIVE_OFFSET
    entries = space.entries(g)
    size = np.sqrt((signal * g[SIGNAL]) ** 2 + np.mean((T * entries) ** 2) / d)
    if size == 0:
        return space.zero()
    return space.from_entries(rule.rho * signal**2 * g[SIGNAL] / size, rule.rho * T**2 * entries / (d * size))


def _adaptive_length(batch: Examples, w: FloatArray) -> FloatArray:
    """||T x_i||: the signal's entry of the example, and E (|w| + offset)^2 over the others, whose law is normal."""
    law, offset = batch.matrix.law, ADAPTIVE_OFFSET * np.sqrt(batch.d)
    spread = length(w[SIGNAL + 1 :])
    others = spread**2 + 2 * offset * spread * np.sqrt(2 / np.pi) + offset**2
    own = batch.margins(batch.space.unit(SIGNAL)) if law.along_signal else batch.s * law.B
    return np.sqrt(((abs(w[SIGNAL]) + ADAPTIVE_OFFSET) * own) ** 2 + law.gamma**2 * others)


def _share_of_shard(batch: Examples, z: FloatArray, shards: int) -> FloatArray:
    """|F_i| over the root of the sum of F^2 in its shard; samples stand for examples, in shards of the same size."""
    samples = int(np.sum(batch.mask))
    which, F = batch.parts(max(1, round(samples * shards / batch.n))), slope(z)
    return np.abs(F) / np.sqrt(np.bincount(which, F**2)[which])


def _margins_by_shard(rule: Any, batch: Examples, w: FloatArray, z: FloatArray, shards: int) -> FloatArray:
    """Margins after the ascent of every shard along its own gradient."""
    which, F, moved = batch.parts(shards), slope(z), z.copy()
    for shard in range(shards):
        g = batch.gradient(np.where(which == shard, shards * F, 0))
        moved = np.where(which == shard, batch.margins(w + rule.rho * along(g)), moved)
    return moved


@direction.register
def _(rule: Gsam, state: Any, batch: Examples, w: FloatArray) -> tuple[Direction, Any]:
    g = descent(batch, w).h
    base = perturbed(batch, w, rule.rho * along(g), lambda: g)
    u = along(base.h)
    return Direction(base.h - rule.alpha * (g - (g @ u) * u), base.F, base.plain), state


@direction.register
def _(rule: Fsam, state: FloatArray | None, batch: Examples, w: FloatArray) -> tuple[Direction, FloatArray]:
    g = descent(batch, w).h
    new = g if state is None else g - rule.sigma * state
    average = g if state is None else rule.decay * state + (1 - rule.decay) * g
    return perturbed(batch, w, rule.rho * along(new), lambda: g), average


@direction.register
def _(rule: Vasso, state: FloatArray | None, batch: Examples, w: FloatArray) -> tuple[Direction, FloatArray]:
    g = descent(batch, w).h
    average = g if state is None else (1 - rule.theta) * state + rule.theta * g
    return perturbed(batch, w, rule.rho * along(average), lambda: g), average
