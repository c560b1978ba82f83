"""Two-layer networks of a few units, as records, and what their units do."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf

from spec.fields import Checked, Finite, NonNegative
from spec.validation import require

FloatArray = NDArray[np.float64]
Unit = Literal["linear", "tanh", "erf", "relu"]
WIDEST = 8


@dataclass(frozen=True)
class TwoLayer(Checked):
    """f(x) = sum_k v_k phi(<w_k, x>) before training: at most 8 units, and how fast the last layer learns.

    v: the last layer. scale, overlap: norm of every w_k and its part along e_1; their other parts are independent
    random directions. second: step size of v over that of W; 0 leaves v fixed, and its weight decay too.
    """

    v: tuple[Finite, ...] = (1.0, 0.8, -0.6)
    unit: Unit = "tanh"
    scale: NonNegative = 1.0
    overlap: Finite = 0.0
    second: NonNegative = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require(len(self.v) <= WIDEST, "v", self.v, f"of at most {WIDEST} units")
        require(abs(self.overlap) <= self.scale, "overlap", self.overlap, f"at most the norm {self.scale} in size")


def value(unit: Unit, H: FloatArray) -> FloatArray:
    """phi(H), entry by entry."""
    if unit == "linear":
        return H
    if unit == "relu":
        return np.maximum(H, 0)
    return np.tanh(H) if unit == "tanh" else erf(H)


def slope(unit: Unit, H: FloatArray) -> FloatArray:
    """phi'(H), entry by entry; 0 at the kink."""
    if unit == "linear":
        return np.ones_like(H)
    if unit == "relu":
        return (H > 0).astype(float)
    return 1 - np.tanh(H) ** 2 if unit == "tanh" else 2 / np.sqrt(np.pi) * np.exp(-(H**2))
