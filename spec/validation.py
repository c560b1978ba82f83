"""Checks of arguments: one clear sentence that names the argument, its value and what is accepted."""

import math
from numbers import Real
from typing import Any

import numpy as np


class InputError(ValueError):
    """An argument, option or file that cannot be used. The command line prints it and exits with code 2."""


def require(condition: bool, name: str, value: Any, accepted: str) -> None:
    """Raise InputError unless condition holds."""
    if not condition:
        raise InputError(f"{name} must be {accepted}, got {value!r}")


def require_integer(name: str, value: Any, *, at_least: int) -> None:
    """Raise InputError unless value is an integer >= at_least."""
    ok = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= at_least
    require(bool(ok), name, value, f"an integer >= {at_least}")


def require_real(
    name: str, value: Any, *, low: float, high: float = math.inf, low_open: bool = False, high_open: bool = True
) -> None:
    """Check that the number, or every number of a numpy array, lies between low and high and is finite.

    Values of other types pass: a traced hyper-parameter has no number to look at.
    """
    if not isinstance(value, Real | np.ndarray | str | None):
        return
    accepted = f"a number in {'(' if low_open else '['}{low:g}, {high:g}{')' if high_open else ']'}"
    require(isinstance(value, Real | np.ndarray) and not isinstance(value, bool), name, value, accepted)
    numbers = np.asarray(value, dtype=float)
    above = numbers > low if low_open else numbers >= low
    below = numbers < high if high_open else numbers <= high
    require(bool(np.all(above & below & np.isfinite(numbers))), name, value, accepted)


def require_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise InputError unless value is one of choices."""
    require(value in choices, name, value, "one of " + ", ".join(map(repr, choices)))


def require_finite(name: str, values: Any) -> None:
    """Raise InputError naming the first position where an array is not finite."""
    bad = ~np.isfinite(np.asarray(values))
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(f"{name} must be finite everywhere, got {np.asarray(values)[where]} at index {where}")
