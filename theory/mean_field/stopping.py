"""What is read off a predicted curve of the test accuracy: its best stopping, and its value at a given norm."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from theory.mean_field.prediction import curves

FloatArray = NDArray[np.float64]


class Stopping(NamedTuple):
    """The best test accuracy over records, its place among them, the last one, and how often the curve turns.

    One turn is that of overfitting; more are those of a rule that oscillates.
    """

    best: float
    place: int
    last: float
    turns: int


def stopping(*arguments: Any, **options: Any) -> Stopping:
    """The stopping of curves(*arguments, **options).

    Checked by `beyond.transient`, `beyond.strengths`, `beyond.signals`.
    """
    path = curves(*arguments, **options)["test_accuracy"].values
    slopes = np.sign(np.diff(path))
    return Stopping(float(path.max()), int(path.argmax()), float(path[-1]), int(np.sum(slopes[1:] != slopes[:-1])))


def at_norms(norms: Sequence[float], *arguments: Any, **options: Any) -> FloatArray:
    """Test accuracies where the weights beside the signal first have the given norms, linear between records.

    Rules of different speed are compared so: a larger norm at the same accuracy is a larger margin, not more training.
    norms must lie between the first and the largest norm of the curve; beyond, it is that of the nearer end.

    Checked by `beyond.equal_norm`.
    """
    path = curves(*arguments, **options)
    return np.interp(norms, np.maximum.accumulate(path["noise_norm"].values), path["test_accuracy"].values)
