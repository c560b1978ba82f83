"""Lines over one axis with simulated marks, panel beside panel: what a reader moves with sliders."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import singledispatch
from typing import Any

import numpy as np
import xarray as xr
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from figures import looks, style
from figures.looks import Look

GROUPS: Mapping[str, Any] = {"clean": style.CLEAN, "mislabelled": style.MISLABELLED}


@dataclass(frozen=True)
class Panel:
    """Lines y(x) by name, (x,), and marks by the same names: (places, values (seed, places)).

    A name is a rule's, which has its colour, or any other, and may go on after a comma; "mislabelled" in it makes the
    line dashed. level and place: thin lines across, at a height and at an x. log: the axes that are logarithmic, "x",
    "y" or "xy". look: what else matplotlib's Axes.set takes, such as title and ylim.
    """

    x: ArrayLike
    lines: Mapping[str, ArrayLike]
    xlabel: str
    ylabel: str
    marks: Mapping[str, tuple[ArrayLike, ArrayLike]] = field(default_factory=dict)
    level: float | None = None
    place: float | None = None
    log: str = ""
    look: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Plane:
    """Velocities (du, dv), each (len(y), len(x)), over a plane, and paths (x, y) in it by name."""

    x: ArrayLike
    y: ArrayLike
    velocity: tuple[ArrayLike, ArrayLike]
    paths: Mapping[str, tuple[ArrayLike, ArrayLike]]
    xlabel: str
    ylabel: str
    look: Mapping[str, Any] = field(default_factory=dict)


def row(*panels: Panel | Plane) -> Figure:
    """The panels side by side."""
    with rc_context(style.RC):
        figure, axes = style.panels(len(panels), width=6.6 / max(len(panels), 1.5), height=2.7)
        for ax, panel in zip(axes[0], panels, strict=True):
            _draw(panel, ax)
    return figure


@singledispatch
def _draw(panel: Any, ax: Axes) -> None:
    raise NotImplementedError(type(panel))


@_draw.register
def _(plane: Plane, ax: Axes) -> None:
    x, y, u, v = (np.asarray(a) for a in (plane.x, plane.y, *plane.velocity))
    ax.streamplot(x, y, u, v, density=0.7, color="0.75", linewidth=0.6)
    paths = _looks(plane.paths)
    for name, path in plane.paths.items():
        ax.plot(*path, label=name, color=paths[name].colour, linestyle=paths[name].line)
    ax.set(xlabel=plane.xlabel, ylabel=plane.ylabel, **plane.look)
    ax.legend(fontsize=6)


@_draw.register
def _(panel: Panel, ax: Axes) -> None:
    lines = _looks(panel.lines)
    for name, values in panel.lines.items():
        ax.plot(panel.x, values, label=name, color=lines[name].colour, linestyle=lines[name].line)
    for name, (places, values) in panel.marks.items():
        mean, half = style.mean_and_interval(xr.DataArray(np.asarray(values), dims=("seed", "place")))
        ax.errorbar(places, mean, half, fmt=lines[name].marker, color=lines[name].colour, markersize=3)
    if panel.level is not None:
        ax.axhline(panel.level, color="0.6", linewidth=0.8)
    if panel.place is not None:
        ax.axvline(panel.place, color="0.6", linewidth=0.8, linestyle="dotted")
    scales = {f"{axis}scale": "log" for axis in panel.log}
    ax.set(xlabel=panel.xlabel, ylabel=panel.ylabel, **scales, **panel.look)
    if len(panel.lines) > 1:
        ax.legend(fontsize=6)


def _looks(names: Iterable[str]) -> dict[str, Look]:
    """Of every name: one colour and marker for each rule, or other subject; a line for each group of examples."""
    subjects = [*dict.fromkeys(map(_subject, names))]
    found = {}
    for name in names:
        subject, _, group = name.partition(", ")
        tone, shape, line = _known(subject) or Look(looks.series(subjects.index(subject)), "o")
        found[name] = Look(tone, shape, GROUPS.get(group, GROUPS.get(subject, line)))
    return found


def _subject(name: str) -> str:
    """What a line is of: "1-SAM" of "1-SAM, clean"."""
    return name.partition(", ")[0]


def _known(subject: str) -> Look | None:
    """What has its look everywhere: a rule, or a group of examples."""
    groups = {"clean": Look(looks.CLEAN_TONE, "o"), "mislabelled": Look(looks.MISLABELLED_TONE, "s")}
    return looks.look(subject) if looks.rule_of(subject) else groups.get(subject)
