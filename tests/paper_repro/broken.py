"""Breaks the formula of theory that a claim names, everywhere it is known, and asks whether the claim turns red."""

import importlib
import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import numpy as np
import pytest

from paper_repro import checking
from paper_repro.checking import Trial
from spec.claims import Claim

Wrong = Callable[[Any], Any]


def up(a: np.ndarray) -> np.ndarray:
    """One per cent and a little more."""
    return 1.01 * a + 0.01


def turned(a: np.ndarray) -> np.ndarray:
    """The other sign, and a little less."""
    return -a - 0.01


def bent(a: np.ndarray) -> np.ndarray:
    """A wrong power, for formulas that are claimed up to a factor: twice the right one."""
    return np.sign(a) * a**2


WAYS: tuple[Wrong, ...] = (turned, up, bent)
EXCHANGED = {"A": "B", "B": "C", "C": "A", "": "A", "noise": "clean", "clean": "noise"}


def perturbed(value: Any, way: Wrong) -> Any:
    """Every number of a result the wrong way; labels exchanged, truths negated, records and tuples leaf by leaf."""
    if isinstance(value, bool | np.bool_):
        return not value
    if isinstance(value, tuple):
        leaves = [perturbed(v, way) for v in value]
        return type(value)(*leaves) if hasattr(value, "_fields") else tuple(leaves)
    a = np.asarray(value)
    if a.dtype.kind in "US":
        return np.vectorize(_exchanged, otypes=[a.dtype])(a)
    if a.dtype.kind == "b":
        return ~a
    return way(value) if isinstance(value, np.ndarray) else type(value)(way(value))


def _exchanged(label: str) -> str:
    """Another label; of a word made of labels, every letter."""
    return EXCHANGED[label] if label in EXCHANGED else "".join(EXCHANGED.get(letter, "A") for letter in label)


def _wrong_function(function: Any, way: Wrong) -> Any:
    @wraps(function)
    def wrong(*arguments: Any, **options: Any) -> Any:
        return perturbed(function(*arguments, **options), way)

    return wrong


def _wrong_class(original: type, way: Wrong) -> type:
    """A subclass whose public methods and properties are wrong."""
    wrong: dict[str, Any] = {}
    for name, member in vars(original).items():
        if not name.startswith("_") and inspect.isfunction(member):
            wrong[name] = _wrong_function(member, way)
        elif isinstance(member, property):
            wrong[name] = property(_wrong_function(member.fget, way))
    return type(original.__name__, (original,), wrong)


@contextmanager
def broken(formula: str, way: Wrong) -> Iterator[None]:
    """The function or class with this dotted name gives wrong results, in its module and where it was imported."""
    module, name = formula.rsplit(".", 1)
    right = getattr(importlib.import_module(module), name)
    wrong = _wrong_class(right, way) if inspect.isclass(right) else _wrong_function(right, way)
    with pytest.MonkeyPatch.context() as patch:
        for known in list(sys.modules.values()):
            if str(getattr(known, "__name__", "")).split(".")[0] in ("theory", "paper_repro"):
                for bound, value in list(vars(known).items()):
                    if value is right:
                        patch.setattr(known, bound, wrong)
        yield


def accepted(claim: Claim, at: Trial) -> bool:
    """The two sides agree under the claim's tolerance."""
    found = checking.outcome(claim, at)
    return found.worst <= found.threshold


def red(claim: Claim, at: Trial, way: Wrong) -> bool:
    """The claim fails, or says that it cannot be checked, when its formula is wrong; its case is kept."""
    with broken(claim.theory, way), np.errstate(all="ignore"):
        try:
            wrong = at._replace(predicted=checking.values(claim.predicted, at.case))
            if accepted(claim, wrong):  # the formula may be on the measured side, which costs more
                wrong = wrong._replace(measured=checking.values(claim.measured, at.case))
            return not accepted(claim, wrong)
        except (ArithmeticError, ValueError):
            return True
