"""Checks of arguments: one clear sentence that names the argument, its value and what is accepted."""

import math
from numbers import Real
from typing import Any

import numpy as np


class InputError(ValueError):
    """An argument, option or file that cannot be used. The command line prints it and exits with code 2."""


class InputWarning(UserWarning):
    """Something that can be used, but is not what its name says. The command line prints it as a sentence."""


class NonFiniteError(ArithmeticError):
    """Runs left the finite numbers; the message names quantity, step, rule, problem and seed."""


def require(condition: bool, name: str, value: Any, accepted: str) -> None:
    """Raise InputError unless condition holds."""
    if not condition:
        raise InputError(f"{name} must be {accepted}, got {_shown(value)}")


def _shown(value: Any) -> str:
    """The value as Python writes it, cut where it would fill the screen."""
    try:
        text = repr(value)
    except ValueError:  # Python does not write integers of more than 4300 digits
        text = f"an integer of {value.bit_length()} bits" if isinstance(value, int) else f"a {type(value).__name__}"
    return text if len(text) <= 500 else f"{text[:400]}... ({len(text)} characters)"


def require_integer(name: str, value: Any, *, at_least: int) -> None:
    """Raise InputError unless value is an integer >= at_least."""
    ok = isinstance(value, int | np.integer) and not isinstance(value, bool) and value >= at_least
    require(bool(ok), name, value, f"an integer >= {at_least}")


def require_real(
    name: str, value: Any, *, low: float, high: float = math.inf, low_open: bool = False, high_open: bool = True
) -> None:
    """Raise InputError unless value is a finite number between low and high."""
    accepted = f"a number in {'(' if low_open else '['}{low:g}, {high:g}{')' if high_open else ']'}"
    require(isinstance(value, Real) and not isinstance(value, bool), name, value, accepted)
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    above = number > low if low_open else number >= low
    below = number < high if high_open else number <= high
    require(above and below and math.isfinite(number), name, value, accepted)


def require_reals(name: str, values: Any, *, low: float, high: float = math.inf) -> None:
    """Raise InputError unless values is a non-empty tuple of finite numbers in [low, high)."""
    require(isinstance(values, tuple) and len(values) > 0, name, values, f"one or more numbers in [{low:g}, {high:g})")
    for value in values:
        require_real(name, value, low=low, high=high)


def require_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise InputError unless value is one of choices."""
    known = getattr(value, "shape", ()) == () and value in choices
    require(bool(known), name, value, "one of " + ", ".join(map(repr, choices)))


def require_different(name: str, labels: list[Any]) -> None:
    """Raise InputError unless the labels by which results are told apart are all different."""
    require(len(set(labels)) == len(labels), name, labels, "such that no two of its labels are the same")


def require_finite(name: str, values: Any) -> None:
    """Raise InputError naming the first position where an array is not finite."""
    bad = ~np.isfinite(np.asarray(values))
    if bad.any():
        where = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(f"{name} must be finite everywhere, got {np.asarray(values)[where]} at index {where}")
