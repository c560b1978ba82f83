"""What every update rule is: a frozen record with a name, and the sharpness of its ascent.

A rule is a *gradient*, not a step: momentum, weight decay and schedules are applied to it afterwards. Fields of type
`float`, and rules inside rules, are inputs of a compiled program, so that one program serves a whole grid of them; all
other fields shape the program. A number that shapes it too (is tested against 0, say) is marked by `shaping`.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import Field, dataclass, field, fields
from numbers import Real
from typing import Any, Literal

import numpy as np

from spec.validation import require, require_real

Sharpness = Literal["example", "batch"] | int
_SHAPING = {"shaping": True}


@dataclass(frozen=True)
class Rule(ABC):
    """An update rule. sharpness: which examples share one ascent step ('batch': all, or there is none)."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What tables and legends call the rule."""

    @property
    def sharpness(self) -> Sharpness:
        """The whole batch, unless a rule says otherwise."""
        return "batch"

    @property
    def needs_clean_subset(self) -> bool:
        """Whether the rule looks at clean examples that are set aside."""
        return any(rule.needs_clean_subset for rule in self.inner().values())

    def inner(self) -> dict[str, "Rule"]:
        """The rules that this one is built on, by the names of its fields; usually none, or its `base`."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        return {name: value for name, value in values.items() if isinstance(value, Rule)}


def shaping(default: float) -> Any:
    """A field of type float that shapes the program of its rule, and is no input of it."""
    return field(default=default, metadata=_SHAPING)


def is_input(f: Field[Any]) -> bool:
    """Whether a field of a rule is an input of its compiled program: a number, or a rule."""
    kind = getattr(f.type, "__origin__", f.type)  # that of a number declared with its range (spec.fields)
    is_rule = isinstance(kind, type) and issubclass(kind, Rule)
    return is_rule or (kind is float and "shaping" not in f.metadata)


def require_number(name: str, value: Any, low: float, high: float = math.inf, *, high_open: bool = True) -> None:
    """Check a number or an array of them. Anything else is traced, or a placeholder of the tree machinery."""
    if isinstance(value, np.ndarray):
        require(value.size > 0, name, value, "one or more numbers")
        for number in value.ravel().tolist():
            require_real(name, number, low=low, high=high, high_open=high_open)
    elif isinstance(value, Real | np.generic | complex | str | list | tuple | None):
        require_real(name, value, low=low, high=high, high_open=high_open)
