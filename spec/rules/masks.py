r"""Controls of element-wise down-weighting: the same removal on other coordinates.

With h the gradient of a base rule and g the plain gradient of the same batch, both wrappers give (1 - alpha m) h with

    RandomMask  m_i = 1 independently with one probability: the share of the group among the coordinates
                (match='count'), or its share of ||h||^2 (match='energy'); equal to DownWeight in that on average
    OracleMask  m = the noise-dominated coordinates of the batch: the clean and the mislabelled part of g have opposite
                signs there and the mislabelled one is larger. It needs the true labels.

They are ours, to tell what the choice of coordinates contributes.
"""

import math
from dataclasses import dataclass
from typing import Literal

from spec.rules.base import require_number
from spec.rules.wrappers import Group, Wrapper
from spec.validation import require_choice

Match = Literal["count", "energy"]


@dataclass(frozen=True)
class Mask(Wrapper):
    """A fraction alpha <= 1 of the base's gradient is removed on some coordinates."""

    alpha: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("alpha", self.alpha, -math.inf, 1.0, high_open=False)


@dataclass(frozen=True)
class RandomMask(Mask):
    """Random coordinates, as many as the group has, or of as much energy."""

    group: Group = "B"
    match: Match = "count"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("group", self.group, ("A", "B", "C"))
        require_choice("match", self.match, ("count", "energy"))

    @property
    def name(self) -> str:
        return f"{self.base.name} random as {self.group} by {self.match}"


@dataclass(frozen=True)
class OracleMask(Mask):
    """The noise-dominated coordinates."""

    @property
    def name(self) -> str:
        return f"{self.base.name} noise-dominated halved" if self.alpha == 0.5 else f"{self.base.name} oracle"
