"""What a paper consists of here: experiments, claims, figures, reported numbers, and where each statement is found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, NamedTuple, Protocol

import xarray as xr

from spec.claims import Claim
from spec.validation import InputError

PRESETS = ("smoke", "standard", "full")


class Parts(Protocol):
    """Computes the resumable parts of an experiment (paper_repro.store)."""

    def map(self, function: Callable[[Any], xr.Dataset], units: Sequence[Any]) -> list[xr.Dataset]: ...


class Table(NamedTuple):
    """Numbers a reader sees beside the figures: a caption, column heads and rows of text."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class FigureBinding:
    """Which draw function shows which result. draw(dataset) returns a matplotlib figure."""

    id: str
    title: str
    caption: str
    draw: Callable[[xr.Dataset], Any]


@dataclass(frozen=True)
class Experiment:
    """config[preset] is a record with a field `seeds`; run(config, parts) returns the labelled result.

    units(config): how many parts it has. seconds[preset]: its time on two cores, for the estimate shown first.
    """

    id: str
    title: str
    question: str
    config: Mapping[str, Any]
    units: Callable[[Any], int]
    run: Callable[[Any, Parts], xr.Dataset]
    figures: tuple[FigureBinding, ...]
    tables: Callable[[xr.Dataset], tuple[Table, ...]]
    seconds: Mapping[str, float]


class Statement(NamedTuple):
    """One line of the map from a paper's statement to its formula, its claims and its figure.

    theory: the function that states it; None for what is only observed.
    """

    where: str
    says: str
    theory: str | None
    claims: tuple[str, ...]
    figure: str | None
    verdict: str


@dataclass(frozen=True)
class Paper:
    """A paper. symbols: (its symbol, ours, meaning); key: the first part of every id that belongs to it."""

    key: str
    citation: str
    url: str
    symbols: tuple[tuple[str, str, str], ...]
    statements: tuple[Statement, ...]
    experiments: tuple[Experiment, ...]
    claims: tuple[Claim, ...]


def adjusted(config: Any, changes: Mapping[str, Any]) -> Any:
    """The config with fields replaced, by dotted name (problem.Delta) or bare name (Delta).

    A bare name means the experiment's own field, else the one nested field of that name. A single value for a field
    that holds a tuple becomes a tuple of one.
    """
    for name, value in changes.items():
        path = name.split(".") if "." in name else _find(config, name)
        config = _replaced(config, path, value, name)
    return config


def _find(record: Any, name: str) -> list[str]:
    paths = _paths(record)
    found = [p for p in paths if p == [name]] or [p for p in paths if p[-1] == name]
    if len(found) != 1:
        known = ", ".join(".".join(p) for p in paths)
        raise InputError(f"--set name must be one of {known}; got {name!r}")
    return found[0]


def _paths(record: Any) -> list[list[str]]:
    paths = []
    for f in fields(record):
        value = getattr(record, f.name)
        paths += [[f.name, *p] for p in _paths(value)] if is_dataclass(value) else [[f.name]]
    return paths


def _replaced(record: Any, path: Sequence[str], value: Any, name: str) -> Any:
    head, *rest = path
    if head not in getattr(record, "__dataclass_fields__", ()):
        raise InputError(f"--set name must be a field of the experiment's configuration, got {name!r}")
    old = getattr(record, head)
    if rest:
        return replace(record, **{head: _replaced(old, rest, value, name)})
    return replace(record, **{head: (value,) if isinstance(old, tuple) and not isinstance(value, tuple) else value})
