"""What a rule sees in a step: the examples of a batch, in the limit."""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from theory.mean_field.matrix import DataMatrix
from theory.mean_field.weights import WeightSpace

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int_]


class Examples:
    """A batch of n examples, a fraction of all, drawn whatever they are.

    mask (samples,): which samples are in it. d: the dimension, where it does not drop out (adaptive and corrected
    ascents). length: ||x_i||, one for all examples. rng: for what a rule draws. steps: how many make an epoch.
    clean: the clean subset, for rules that look at one.
    """

    def __init__(
        self,
        matrix: DataMatrix,
        mask: NDArray[np.bool_],
        *,
        n: int,
        d: int,
        rng: np.random.Generator,
        steps: int = 1,
        clean: "Examples | None" = None,
    ) -> None:
        self.matrix, self.mask, self.n, self.d, self.rng, self.steps, self.clean = matrix, mask, n, d, rng, steps, clean
        self.share = matrix.share * mask / np.sum(matrix.share * mask)
        self.scale = self.share / matrix.share  # 1/fraction in the batch, 0 outside
        self.length = float(np.sqrt(matrix.law.B**2 + matrix.law.gamma**2 * d))
        self._groups: dict[int, IntArray] = {}

    @property
    def s(self) -> FloatArray:
        """+1 on clean and -1 on mislabelled examples."""
        return self.matrix.s

    @property
    def space(self) -> WeightSpace:
        return self.matrix.space

    def margins(self, w: FloatArray) -> FloatArray:
        """z_i = t_i <w, x_i>, also of examples outside the batch."""
        return self.matrix.forward(w)

    def gradient(self, F: FloatArray) -> FloatArray:
        """mean over the batch of F_i t_i x_i: the gradient for derivatives F = d loss/d margin."""
        return self.matrix.backward(self.scale * F)

    def mean(self, values: FloatArray | NDArray[np.bool_]) -> float:
        """Mean over the batch."""
        return float(np.sum(self.share * values))

    def parts(self, count: int) -> IntArray:
        """The part 0, ..., count - 1 of every sample in a division of the batch into equal parts; count: outside.

        A batch keeps its division for good.
        """
        if count not in self._groups:
            self._groups[count] = np.where(self.mask, division(self.s, count, self.rng, self.mask), count)
        return self._groups[count]


def division(s: FloatArray, count: float, rng: np.random.Generator, mask: NDArray[np.bool_] | None = None) -> IntArray:
    """A random division into parts 0, 1, ... of a share 1/count of either group."""
    part = np.zeros(len(s), int)
    for sign in (-1, 1):
        places = np.flatnonzero((s == sign) & (True if mask is None else mask))
        part[rng.permutation(places)] = np.floor((np.arange(len(places)) + 0.5) * count / max(len(places), 1))
    return part


def slope(z: FloatArray) -> FloatArray:
    r"""d log(1 + e^{-z})/dz = -sigma(-z)."""
    return -expit(-z)
