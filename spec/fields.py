"""What the fields of a record accept, said by their types and checked whenever a record is made.

    class Config(Checked):
        rho: Grid[NonNegative] = (0.1,)             one or more different finite numbers >= 0
        only: Grid[Annotated[str, Among(NAMES)]] | tuple[()] = ()       any number of these words
        hidden: tuple[Count, ...] = (256, 256)      one or more integers >= 1
        problem: RealData = RealData()              a record
        batch: Count | None = None                  an integer >= 1, or None

A number must carry its range: one without is an error of the record's author (TypeError), not of its user.
Numbers must be such that float32 holds them, because networks are trained in it: 1e300 would be infinite there.
"""

import math
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from spec.validation import InputError, require, require_choice, require_integer, require_real

LARGEST_INTEGER = 2**31 - 1
FLOAT32 = (1.1754943508222875e-38, 3.4028234663852886e38)
"""The smallest normal and the largest number of float32."""


@dataclass(frozen=True)
class Whole:
    """An integer from low to high."""

    low: int
    high: int = LARGEST_INTEGER

    def require(self, name: str, value: Any) -> None:
        """Raise InputError unless value is one."""
        require_integer(name, value, at_least=self.low)
        require(value <= self.high, name, value, f"an integer in [{self.low}, {self.high}]")

    @property
    def words(self) -> str:
        return f"an integer >= {self.low}"


@dataclass(frozen=True)
class Within:
    """A finite number between low and high that float32 holds."""

    low: float = -math.inf
    high: float = math.inf
    low_open: bool = False
    high_open: bool = True

    def require(self, name: str, value: Any) -> None:
        """Raise InputError unless value is one."""
        require_real(name, value, low=self.low, high=self.high, low_open=self.low_open, high_open=self.high_open)
        smallest, largest = FLOAT32
        held = value == 0 or smallest <= abs(value) <= largest
        require(bool(held), name, value, f"0 or, in size, from {smallest:.3g} to {largest:.3g}, as float32 holds it")

    @property
    def words(self) -> str:
        ends = f"{'(' if self.low_open else '['}{self.low:g}, {self.high:g}{')' if self.high_open else ']'}"
        return f"a number in {ends}"


@dataclass(frozen=True)
class Among:
    """One of these words."""

    choices: tuple[str, ...]

    def require(self, name: str, value: Any) -> None:
        """Raise InputError unless value is one."""
        require_choice(name, value, self.choices)

    @property
    def words(self) -> str:
        return "one of " + ", ".join(map(repr, self.choices))


@dataclass(frozen=True)
class Distinct:
    """A tuple of at least so many values, no two of them equal: to the six digits that labels show."""

    at_least: int = 1
    words: str = "one or more values that differ in their first six digits"

    def require(self, name: str, value: Any) -> None:
        """Raise InputError unless value is one."""
        different = {f"{one:g}" if isinstance(one, float) else one for one in value}
        require(self.at_least <= len(different) == len(value), name, value, self.words)


T = TypeVar("T")
Grid = Annotated[tuple[T, ...], Distinct()]
Count = Annotated[int, Whole(1)]
Natural = Annotated[int, Whole(0)]
Width = Annotated[int, Whole(1, 2**14)]
"""Of a hidden layer: two that follow one another have 2^28 weights between them."""
Steps = Annotated[int, Whole(1, 10**6)]
Seeds = Annotated[int, Whole(2, 10**6)]
"""Independent repetitions: two at least, because every interval needs a spread."""
Finite = Annotated[float, Within(low_open=True)]
NonNegative = Annotated[float, Within(0.0)]
Positive = Annotated[float, Within(0.0, low_open=True)]
RemovedFraction = Annotated[float, Within(high=1.0, low_open=True, high_open=False)]
"""At most one; a negative one adds instead."""
Share = Annotated[float, Within(0.0, 1.0, high_open=False)]
ProperShare = Annotated[float, Within(0.0, 1.0)]
NoiseRate = Annotated[float, Within(0.0, 0.5)]


class Checked:
    """A frozen record whose fields are checked against their types when it is made."""

    def __post_init__(self) -> None:
        kind: Any = type(self)
        for name, declared in declarations(kind).items():
            require_field(name, getattr(self, name), declared)


@cache
def declarations(record: Any) -> dict[str, Any]:
    """The declared type of every field of a kind of record, with its ranges."""
    hints = get_type_hints(record, include_extras=True)
    return {field.name: hints[field.name] for field in fields(record)}


def require_field(name: str, value: Any, declared: Any) -> None:
    """Raise InputError, naming the field, its value and what is accepted, unless value is of the declared type."""
    origin, inner = get_origin(declared), get_args(declared)
    if origin is Annotated:
        _require_annotated(name, value, *inner)
    elif origin in (Union, UnionType):
        _require_union(name, value, inner)
    elif origin is Literal:
        require_choice(name, value, inner)
    elif origin is tuple:
        _require_tuple(name, value, declared)
    elif declared in (int, float):
        raise TypeError(f"{name} must declare the range of its numbers")
    else:
        require(isinstance(value, declared), name, value, accepted(declared))


def accepts(declared: Any, value: Any) -> bool:
    """Whether a field of the declared type takes the value."""
    try:
        require_field("", value, declared)
    except InputError:
        return False
    return True


def accepted(declared: Any) -> str:
    """What a field of the declared type accepts, in words."""
    origin, inner = get_origin(declared), get_args(declared)
    if origin is Annotated:
        return accepted(inner[0]) if get_origin(inner[0]) is tuple else " and ".join(rule.words for rule in inner[1:])
    if origin in (Union, UnionType):
        return " or ".join(accepted(kind) for kind in inner)
    if origin is Literal:
        return Among(inner).words
    if declared == tuple[()]:
        return "none"
    if origin is tuple:
        return f"one or more values, each {accepted(inner[0])}" if inner[1:] == (...,) else f"{len(inner)} values"
    return {NoneType: "None", str: "text"}.get(declared) or f"{declared.__name__}(...)"


def _require_annotated(name: str, value: Any, base: Any, *rules: Any) -> None:
    if get_origin(base) is tuple:
        require_field(name, value, base)
    for rule in rules:
        rule.require(name, value)


def _require_union(name: str, value: Any, kinds: tuple[Any, ...]) -> None:
    if (NoneType in kinds and value is None) or (tuple[()] in kinds and isinstance(value, tuple) and not value):
        return
    kinds = tuple(kind for kind in kinds if kind not in (NoneType, tuple[()]))
    if len(kinds) == 1:
        require_field(name, value, kinds[0])
    else:
        require(any(accepts(kind, value) for kind in kinds), name, value, " or ".join(map(accepted, kinds)))


def _require_tuple(name: str, value: Any, declared: Any) -> None:
    kinds = get_args(declared)
    if kinds[1:] == (...,):
        require(isinstance(value, tuple) and len(value) > 0, name, value, accepted(declared))
        kinds = kinds[:1] * len(value)
    require(isinstance(value, tuple) and len(value) == len(kinds), name, value, accepted(declared))
    for one, kind in zip(value, kinds, strict=True):
        require_field(name, one, kind)


def records_in(declared: Any) -> dict[str, type]:
    """The records that can stand in a field of the declared type, by name: also those inside other records."""
    is_record = isinstance(declared, type) and is_dataclass(declared)
    inside = declarations(declared).values() if is_record else get_args(declared)
    found = {name: kind for part in inside for name, kind in records_in(part).items()}
    return {declared.__name__: declared} | found if is_record else found
