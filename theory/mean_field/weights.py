r"""Vectors of the weight space in the limit: arrays of coordinates in an orthonormal frame that grows.

A vector v of R^d is the array (M, v_0, v_1, ..., v_L, rest): M = <v, e_1> along the signal, v_0 along the direction of
the weights at the start, v_l along the l-th fresh Gaussian direction, and what is no linear combination of these. Inner
products of vectors are inner products of the arrays, so that rules which are linear in gradients are written as they
stand and need no samples at all.

Rules that act entry by entry are functions of  sqrt(d) v_j = sum_l v_l eta_l + rest,  where the eta_l are independent
standard normals: `entries` and `from_entries` go to samples of one entry and back. The coordinate of f along eta_l is
E[f eta_l] = E[df/d eta_l] (Gaussian integration by parts): the response of f, jumps included. It is exact for the
linear part of f whatever the samples, which are made orthonormal to one another and to all that came before.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from theory.mean_field.basis import Basis

FloatArray = NDArray[np.float64]
SIGNAL, START, FRESH = 0, 1, 2


class WeightSpace:
    """The frame: room for `directions` fresh Gaussian directions.

    draws (1 + directions, samples): normals that become samples of an entry; None where no rule acts entry by entry.
    """

    def __init__(self, directions: int, draws: FloatArray | None = None) -> None:
        self.draws, self.used, self.linear = draws, START, FRESH + directions
        self.samples = 0 if draws is None else draws.shape[1]
        # Samples of the directions, and an orthonormal basis of all samples so far, the nonlinear rests included.
        self.frame, self.seen = (Basis(self.samples, 1 / max(self.samples, 1)) for _ in range(2))
        self.fresh()

    def zero(self) -> FloatArray:
        """The zero vector."""
        return np.zeros(self.linear + self.samples)

    def unit(self, place: int) -> FloatArray:
        """The unit vector along one direction of the frame: SIGNAL, START or a fresh one."""
        v = self.zero()
        v[place] = 1.0
        return v

    def fresh(self) -> int:
        """The place of a new Gaussian direction, independent of everything before."""
        place, self.used = self.used, self.used + 1
        if self.draws is not None:
            self.seen.extend(self.draws[place - START])
            self.frame.append(self.seen.rows[-1])
        return place

    def entries(self, v: FloatArray) -> FloatArray:
        """Samples of sqrt(d) v_j for an entry j other than that of the signal, (samples,)."""
        return v[START : self.used] @ self.frame.rows + np.sqrt(self.samples) * v[self.linear :]

    def apply(self, function: Callable[..., FloatArray], *vectors: FloatArray) -> FloatArray:
        """A function of the entries of vectors, as a vector. The signal's entry is one number, and treated as such."""
        signal = function(*(np.array([v[SIGNAL]]) for v in vectors))[0]
        return self.from_entries(float(signal), function(*(self.entries(v) for v in vectors)))

    def from_entries(self, signal: float, values: FloatArray) -> FloatArray:
        """The vector with a given signal entry and samples of sqrt(d) times its other entries."""
        v = self.zero()
        v[SIGNAL] = signal
        v[START : self.used], rest = self.frame.split(values)
        v[self.linear :] = rest / np.sqrt(self.samples)
        self.seen.extend(rest, 1e-6)
        return v
