"""Wrong closures: each leaves one thing out, and a claim must tell it from the right one."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from theory.mean_field import Closure
from theory.mean_field.matrix import DataMatrix
from theory.mean_field.weights import START, WeightSpace

FloatArray = NDArray[np.float64]
STEP = 1e-7


class _NoResponse(DataMatrix):
    def response(self, v: FloatArray) -> FloatArray:
        return np.zeros(len(self.s))


class _NoAscentMemory(DataMatrix):
    """Of the two gradients of a step only the second, which is descended, is remembered."""

    def response(self, v: FloatArray) -> FloatArray:
        return v[self.places[1::2]] @ self.phi.rows[1::2] / np.sqrt(self.law.alpha)


class _NoJumps(WeightSpace):
    def apply(self, function: Callable[..., FloatArray], *vectors: FloatArray) -> FloatArray:
        """The response is that of the smooth pieces: the mean slope by every argument."""
        right, entries = super().apply(function, *vectors), [self.entries(v) for v in vectors]
        smooth = np.zeros(self.used - START)
        for k, v in enumerate(vectors):
            moved = [e + STEP * np.abs(e) * (i == k) for i, e in enumerate(entries)]
            change = (function(*moved) - function(*entries)) / (STEP * np.abs(entries[k]))
            smooth += np.mean(change) * v[START : self.used]
        wrong = right.copy()
        values = self.entries(right)
        wrong[START : self.used] = smooth
        wrong[self.linear :] = (values - smooth @ self.frame.rows) / np.sqrt(self.samples)
        return wrong


NO_RESPONSE = Closure(matrix=_NoResponse)
NO_ASCENT_MEMORY = Closure(matrix=_NoAscentMemory)
NO_JUMPS = Closure(space=_NoJumps)
