"""Wrong closures of networks: each changes one thing, and a claim must tell it from the right one."""

import numpy as np
from numpy.typing import NDArray

from theory.mean_field.networks.rules import Pass, Point
from theory.mean_field.networks.units import slope, value

FloatArray = NDArray[np.float64]


def _step(look: Pass, rho: float, along: FloatArray) -> FloatArray:
    """rho sign(q)/||along||."""
    return -rho * look.t / np.maximum(np.sqrt(np.sum(along**2, axis=0)), np.finfo(float).tiny)


class LastLayerMoves(Pass):
    """v moves as far as the fields do."""

    def shifted(self, rho: float, here: Point) -> Point:  # noqa: D102
        p, a, c = here.v * slope(self.unit, here.H), value(self.unit, here.H), rho * self.batch.length
        step = _step(self, c, np.concatenate([p, a]))
        return Point(here.H + step * p, here.v + step * a)


class AlongFields(Pass):
    """Fields move along themselves, not along p."""

    def shifted(self, rho: float, here: Point) -> Point:  # noqa: D102
        return Point(here.H + _step(self, rho * self.batch.length, here.H) * here.H, here.v)


class WithoutSign(Pass):
    """Outputs rise, whatever the label."""

    def shifted(self, rho: float, here: Point) -> Point:  # noqa: D102
        p = here.v * slope(self.unit, here.H)
        return Point(here.H - self.t * _step(self, rho * self.batch.length, p) * p, here.v)


class Transposed(Pass):
    """What unit k remembers of the derivatives of unit l, and l of k, exchanged at all times."""

    def at(self, w: FloatArray) -> Point:  # noqa: D102
        right, matrix, K = super().at(w), self.batch.matrix, len(w)
        wrong = w.copy()
        for block in np.array(matrix.places[: len(matrix.places) // K * K], int).reshape(-1, K):
            wrong[:, 1 + block] = w[:, 1 + block].T
        change = [matrix.response(row) for row in (wrong - w)[:, 1:]]
        return right._replace(H=right.H + matrix.law.gamma * np.stack(change))
