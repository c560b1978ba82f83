"""Whether rules look in a figure as in every other one: what differs, told in words."""

from collections.abc import Iterator

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle

from figures import looks

THEIRS = {(look.colour.lower(), look.marker): rule for rule, look in looks.LOOKS.items()}
COLOURS = {colour for colour, _ in THEIRS} - {looks.LOOKS["SGD"].colour.lower()}  # black is not for SGD alone
NO_MARKER = ("None", "none", "", " ", None)


def differences(figure: Figure) -> list[str]:
    """What is labelled with a rule has its colour, and its marker or none; a rule's colour comes with no other marker.

    A label of several parts, as 'SGD, best', names the rule of its first.
    """
    return [line for axes in figure.axes for line in _of(axes)]


def checked(figure: Figure) -> Figure:
    """The figure, in which all rules look as ever."""
    assert not differences(figure), differences(figure)
    return figure


def _of(axes: Axes) -> Iterator[str]:
    errorbars = {c.lines[0]: c.get_label() for c in axes.containers if isinstance(c, ErrorbarContainer)}
    for line in axes.lines:
        yield from _wrong(errorbars.get(line) or line.get_label(), _hex(line.get_color()), line.get_marker())
    for collection in axes.collections:
        if isinstance(collection, PathCollection) and collection.get_edgecolor().size:
            yield from _wrong(str(collection.get_label()), _hex(collection.get_edgecolor()[0]), _marker_of(collection))


def _wrong(label: object, colour: str, marker: object) -> Iterator[str]:
    text = str(label)
    rule = looks.rule_of(text) or looks.rule_of(text.split(", ")[0])
    if rule is not None:
        theirs = looks.LOOKS[rule]
        if colour != theirs.colour.lower() or marker not in (theirs.marker, *NO_MARKER):
            yield f"{text!r} has {colour} and {marker!r}, not {theirs.colour} and {theirs.marker!r}"
    elif colour in COLOURS and marker not in NO_MARKER and (colour, marker) not in THEIRS:
        yield f"{text!r} has the colour {colour} of a rule with the marker {marker!r} of none"


def _hex(colour: object) -> str:
    return mpl.colors.to_hex(colour)  # type: ignore[arg-type]


def _marker_of(scattered: PathCollection) -> str | None:
    (path,) = scattered.get_paths()[:1]
    for _, marker in THEIRS:
        style = MarkerStyle(marker)
        if _equal(path, style):
            return marker
    return "another"


def _equal(path: object, style: MarkerStyle) -> bool:
    ours = style.get_path().transformed(style.get_transform())
    return ours.vertices.shape == path.vertices.shape and bool((ours.vertices == path.vertices).all())  # type: ignore
