"""Orthonormal rows that grow, and draws made orthonormal to them: what keeps the closure well conditioned."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Basis:
    """Orthonormal rows in the inner product <a, b> = sum weights a b."""

    def __init__(self, size: int, weights: Any = 1.0) -> None:
        self._rows, self._weighted = np.empty((2, 16, size))
        self.weights, self.count = weights, 0

    @property
    def rows(self) -> FloatArray:
        return self._rows[: self.count]

    def coordinates(self, x: FloatArray) -> FloatArray:
        """<row, x> for every row."""
        return self._weighted[: self.count] @ x

    def split(self, x: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(coordinates, remainder orthogonal to all rows): Gram-Schmidt, a second time where much was taken away."""
        first = self.coordinates(x)
        rest = x - first @ self.rows
        if self.length(rest) > 0.5 * self.length(x):
            return first, rest
        second = self.coordinates(rest)
        return first + second, rest - second @ self.rows

    def length(self, x: FloatArray) -> float:
        """||x|| in the weighted inner product."""
        return float(np.sqrt(np.sum(self.weights * x**2)))

    def extend(self, x: FloatArray, tolerance: float = 0.0) -> tuple[FloatArray, float]:
        """Add the direction of the remainder of x; return (coordinates of x, length of the remainder).

        A remainder no longer than tolerance times x adds no row, and is dropped.
        """
        coordinates, rest = self.split(x)
        left = self.length(rest)
        if left <= tolerance * self.length(x):
            return coordinates, left
        self.append(rest / left)
        return np.append(coordinates, left), left

    def append(self, row: FloatArray) -> None:
        """Add a row that is known to be orthonormal to the others, or not to need it."""
        if self.count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
            self._weighted = np.concatenate([self._weighted, np.empty_like(self._weighted)])
        self._rows[self.count], self._weighted[self.count] = row, self.weights * row
        self.count += 1
