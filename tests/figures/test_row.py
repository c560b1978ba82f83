"""Panels side by side: a rule's own colour, mislabelled examples dashed, marks only where there are some."""

import numpy as np

from figures import looks
from figures.row import Panel, Plane, row
from tests.figures.same_looks import differences

X = np.array([1.0, 2.0, 4.0])


def test_rules_have_their_colours_and_mislabelled_examples_are_dashed() -> None:
    names = ("1-SAM, clean", "1-SAM, mislabelled", "another")
    figure = row(Panel(X, dict.fromkeys(names, X), "x", "y", level=1.0, place=2.0, log="xy"))
    clean, mislabelled, another, *_ = figure.axes[0].get_lines()
    assert clean.get_color() == mislabelled.get_color() == looks.colour("1-SAM") != another.get_color()
    assert (clean.get_linestyle(), mislabelled.get_linestyle()) == ("-", "--")
    assert differences(row(Panel(X, dict.fromkeys(looks.LOOKS, X), "x", "y"))) == []
    assert figure.axes[0].get_xscale() == figure.axes[0].get_yscale() == "log"


def test_marks_are_means_over_seeds_in_the_colour_of_their_line() -> None:
    values = np.arange(15.0).reshape(5, 3)
    figure = row(Panel(X, {"a": X, "b": X}, "x", "y"), Panel(X, {"a": X, "b": X}, "x", "y", {"b": (X, values)}))
    bare, marked = figure.axes
    assert not bare.containers
    (bars,) = marked.containers
    np.testing.assert_array_equal(bars[0].get_ydata(), values.mean(axis=0))
    assert bars[0].get_color() == marked.get_lines()[1].get_color()


def test_a_plane_has_its_paths() -> None:
    y = np.array([0.0, 1.0])
    figure = row(Plane(X[:2], y, (np.ones((2, 2)), np.zeros((2, 2))), {"path": (X[:2], y)}, "a", "b"))
    assert [line.get_label() for line in figure.axes[0].get_lines()] == ["path"]
