r"""Rules around a rule: its gradient on some coordinates, by their ratio to the plain gradient.

Wrappers work on the ratio r = h/g, coordinate by coordinate, of any rule's gradient h to the plain gradient g of the
same batch: group A is r >= 1, B is 0 < r < 1, C is r <= 0, and where g = 0 there is no group.

    DownWeight  (1 - alpha 1[group]) h;  SANER is DownWeight(Sam(rho, "batch"), alpha, "B", warmup)
    Without     g on the group, h elsewhere: the rule without its effect on the group (SGD-GrA, -GrB, -GrC)
    Only        h on the group, g elsewhere
Source: Luong et al. (2026), README and released optimisers, whose multiplier in code is 1 - alpha.
"""

import math
from dataclasses import dataclass
from typing import Literal

from spec.rules.base import Rule, Sharpness, require_number
from spec.validation import require, require_choice, require_integer

Group = Literal["A", "B", "C"]


@dataclass(frozen=True)
class Wrapper(Rule):
    """A rule that changes the gradient of `base`, any other rule."""

    base: Rule

    def __post_init__(self) -> None:
        require(isinstance(self.base, Rule), "base", self.base, "a rule, such as Sam(0.1)")

    @property
    def sharpness(self) -> Sharpness:
        """That of the base."""
        return self.base.sharpness


@dataclass(frozen=True)
class DownWeight(Wrapper):
    """A fraction alpha <= 1 of the base's gradient is removed on a group of coordinates; a negative alpha boosts it.

    In step k = 0, 1, ... the fraction is alpha min(1, k/warmup); warmup 0 means alpha from the first step on.
    """

    alpha: float = 0.5
    group: Group = "B"
    warmup: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("alpha", self.alpha, -math.inf, 1.0, high_open=False)
        require_choice("group", self.group, ("A", "B", "C"))
        require_integer("warmup", self.warmup, at_least=0)

    @property
    def name(self) -> str:
        return f"{self.base.name} {'↑' if self.alpha < 0 else '↓'}{self.group}"


@dataclass(frozen=True)
class _Exchange(Wrapper):
    """The base on some coordinates, the plain gradient on the others."""

    group: Group = "B"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("group", self.group, ("A", "B", "C"))


@dataclass(frozen=True)
class Without(_Exchange):
    """The base, but the plain gradient on a group."""

    @property
    def name(self) -> str:
        return f"{self.base.name} without {self.group}"


@dataclass(frozen=True)
class Only(_Exchange):
    """The plain gradient, but the base on a group."""

    @property
    def name(self) -> str:
        return f"{self.base.name} only {self.group}"
