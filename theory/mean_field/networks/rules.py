r"""Rules in the K fields H_k = <w_k, x> of an example.

Weights are arrays (K, 1 + frame): column 0 is the last layer v, the rest of row k is w_k in the frame of weight space.
With the residual q = d loss/df = -t sigma(-t f), the gradient of an example is  q phi(H)  for v and  q v*phi'(H) x^T
for W. The second is longer by sqrt(d), so an ascent of length c/||x|| along both leaves v in place and moves the
example's own fields, and no others, by

    delta = c sign(q) p/||p||,    p = v * phi'(H).

L-SAM takes q at H + delta and (phi, phi') at H, J-SAM the other way round, 1-SAM both at H + delta. The ascent of n-SAM
is one vector rho g/||g|| for both layers, whose length is a number; fields and last layer move with it.

Where p is of the order of 1/sqrt(d), because units are saturated or v is small, an example's ascent leads along v
instead. This is kept at the problem's d: with N = sqrt(||p||^2 ||x||^2 + ||phi(H)||^2) fields move by
rho sign(q) ||x||^2 p/N, and the example's own copy of v by rho sign(q) phi(H)/N, which vanishes as d -> inf.
"""

from functools import singledispatch
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from spec.rules import DownWeight, Regularised, Sgd
from spec.rules.sam import Perturbed
from spec.validation import InputError
from theory.mean_field.examples import Examples
from theory.mean_field.masks import in_group
from theory.mean_field.networks.inputs import Inputs
from theory.mean_field.networks.units import Unit, slope, value
from theory.mean_field.rules import along

FloatArray = NDArray[np.float64]


class Point(NamedTuple):
    """Fields H (K, samples) and the last layer v (K, 1), or (K, samples) where every example has moved its own."""

    H: FloatArray
    v: FloatArray


class Pass(NamedTuple):
    """A batch and the units of the network: what turns weights into fields, and fields into gradients.

    Claims put wrong ones in its place.
    """

    batch: Examples
    unit: Unit

    @property
    def t(self) -> FloatArray:
        return cast("Inputs", self.batch.matrix).t

    def at(self, w: FloatArray) -> Point:
        """The fields of all examples at weights."""
        return Point(np.stack([self.batch.margins(row) for row in w[:, 1:]]), w[:, :1])

    def output(self, point: Point) -> FloatArray:
        """f = sum_k v_k phi(H_k), (samples,)."""
        return np.sum(point.v * value(self.unit, point.H), axis=0)

    def residual(self, point: Point) -> FloatArray:
        """q = -t sigma(-t f), (samples,)."""
        return -self.t * expit(-self.t * self.output(point))

    def gradient(self, q: FloatArray, point: Point) -> FloatArray:
        """E[q phi(H)] for the last layer, E[q v*phi'(H) x^T] for the first."""
        return self.sums(q * value(self.unit, point.H), q * point.v * slope(self.unit, point.H))

    def sums(self, last: FloatArray, first: FloatArray) -> FloatArray:
        """Means of what examples (K, samples) send to the last layer, and of first * x^T, as weights."""
        means, rows = [self.batch.mean(a) for a in last], [self.batch.gradient(a) for a in first]
        return np.column_stack([means, np.stack(rows)])

    def shifted(self, rho: float, here: Point) -> Point:
        """H + rho sign(q) ||x||^2 p/N and v + rho sign(q) phi(H)/N; sign(q) = -t. An example without gradient stays."""
        p, a, x = here.v * slope(self.unit, here.H), value(self.unit, here.H), self.batch.length
        size = np.sqrt(np.sum((x * p) ** 2 + a**2, axis=0))
        step = -rho * self.t / np.where(size > 0, size, 1)
        return Point(here.H + step * x**2 * p, here.v + step * a)


@singledispatch
def require_closed(rule: Any) -> None:
    """Raise InputError, saying what obstructs, for a rule that is not predicted here."""
    raise InputError(f"rule must be SGD, 1-SAM, n-SAM, L-SAM, J-SAM, Regularised or DownWeight over one, got {rule!r}")


@require_closed.register(Sgd)
@require_closed.register(Regularised)
def _(rule: Any) -> None:
    pass


@require_closed.register
def _(rule: Perturbed) -> None:
    if rule.sharpness not in ("example", 1, "batch"):
        raise InputError(f"sharpness must be 'example' or 'batch' in networks of several units, got {rule.sharpness!r}")
    if rule.ascent != "all":
        raise InputError(f"ascent must be along 'all' weights in networks of several units, got {rule.ascent!r}")


@require_closed.register
def _(rule: DownWeight) -> None:
    require_closed(rule.base)


@singledispatch
def direction(rule: Any, step: int, look: Pass, w: FloatArray) -> FloatArray:
    """The rule's gradient at w, (K, 1 + frame), in step 0, 1, ... of training."""
    raise TypeError(f"no gradient is defined for {rule!r}")


@direction.register
def _(rule: Sgd, step: int, look: Pass, w: FloatArray) -> FloatArray:
    here = look.at(w)
    return look.gradient(look.residual(here), here)


@direction.register
def _(rule: Perturbed, step: int, look: Pass, w: FloatArray) -> FloatArray:
    here = look.at(w)
    moved = ascended(rule, look, w, here)
    q = look.residual(moved if rule.perturbs_residual else here)
    return look.gradient(q, moved if rule.perturbs_jacobian else here)


def ascended(rule: Perturbed, look: Pass, w: FloatArray, here: Point) -> Point:
    """Where the ascent leads."""
    q = look.residual(here)
    if rule.sharpness == "batch":
        return look.at(w + rule.rho * along(look.gradient(q, here)))
    return look.shifted(rule.rho, here)


@direction.register
def _(rule: Regularised, step: int, look: Pass, w: FloatArray) -> FloatArray:
    """Activations pull on both layers of fields: d N(phi(H))/dH = N'(phi) phi'."""
    here = look.at(w)
    a, v = value(look.unit, here.H), here.v[:, 0]
    if rule.form == "norm":
        size = np.sqrt(np.sum(a**2, axis=0))
        a, v = a / np.where(size > 0, size, 1), along(v)
    g = look.gradient(look.residual(here), here)
    g += rule.activation * look.sums(np.zeros_like(a), a * slope(look.unit, here.H))
    g[:, 0] += rule.last_layer * v
    return g


@direction.register
def _(rule: DownWeight, step: int, look: Pass, w: FloatArray) -> FloatArray:
    """Entries of W by samples; those of v and of the signal are single numbers, masked by their own ratio."""
    h, g = direction(rule.base, step, look, w), direction(Sgd(), step, look, w)
    kept = 1 - rule.alpha * (min(step / rule.warmup, 1) if rule.warmup else 1)

    def masked(g: FloatArray, h: FloatArray) -> FloatArray:
        return np.where(in_group(rule.group, g, h), kept * h, h)

    rows = [look.batch.space.apply(masked, a[1:], b[1:]) for a, b in zip(g, h, strict=True)]
    return np.column_stack([masked(g[:, 0], h[:, 0]), np.stack(rows)])
