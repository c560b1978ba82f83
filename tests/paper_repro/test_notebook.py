"""Figures that answer to sliders: theory first, marks when nothing is moved, small pictures."""

import asyncio
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pytest
from matplotlib.figure import Figure
from PIL import Image

from figures.row import Panel, row
from paper_repro import notebook
from paper_repro.notebook import Moved, png


class Shown:
    """In the place of what displays: the titles of the figures it was given."""

    def __init__(self) -> None:
        self.titles: list[str] = []

    def update(self, figure: Figure) -> None:
        self.titles.append(figure.axes[0].get_title())

    display = update


def titled(title: str) -> Figure:
    figure = Figure()
    figure.add_subplot().set_title(title)
    return figure


def theory_then_marks(C: float = 2.0, rule: str = "SGD") -> Iterator[Figure]:
    yield titled(f"theory {C:g} {rule}")
    yield titled(f"marks {C:g} {rule}")


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> Moved:
    monkeypatch.setattr(notebook, "SOON", 0.01)
    monkeypatch.setattr(notebook, "PAUSE", 0.05)
    found = Moved(theory_then_marks, {"C": (0.0, 6.0, 0.5), "rule": ["SGD", "1-SAM"]})
    found.handle = Shown()  # type: ignore[assignment]
    return found


def titles(found: Moved) -> list[str]:
    shown: Any = found.handle
    return shown.titles


def test_a_cell_shows_the_last_figure_at_the_functions_defaults(moved: Moved) -> None:
    moved.show()
    assert titles(moved) == ["marks 2 SGD"]
    assert repr(moved.widget) == "Sliders: C = 2.0, rule = SGD"


def test_without_a_kernel_a_move_shows_every_figure(moved: Moved) -> None:
    moved.knobs["C"].value = 3.0
    moved.knobs["rule"].value = "1-SAM"
    assert titles(moved) == ["theory 3 SGD", "marks 3 SGD", "theory 3 1-SAM", "marks 3 1-SAM"]


def in_a_kernel(moved: Moved, *moves: tuple[float, float]) -> list[str]:
    """What is shown when C is moved to some values, with a time to wait after each."""

    async def reader() -> None:
        for value, wait in moves:
            moved.knobs["C"].value = value
            await asyncio.sleep(wait)

    asyncio.run(reader())
    return titles(moved)


def test_moves_that_arrive_together_are_answered_once(moved: Moved) -> None:
    assert in_a_kernel(moved, (2.5, 0), (3.0, 0), (3.5, 0.5)) == ["theory 3.5 SGD", "marks 3.5 SGD"]


def test_a_move_gives_up_the_marks_that_are_not_there_yet(moved: Moved, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook, "PAUSE", 0.4)
    shown = in_a_kernel(moved, (3.0, 0.2), (4.0, 1.0))
    assert shown == ["theory 3 SGD", "theory 4 SGD", "marks 4 SGD"]


def test_a_function_may_return_one_figure() -> None:
    found = Moved(lambda C=1: titled(f"{C}"), {"C": (0, 3)})
    found.handle = Shown()  # type: ignore[assignment]
    found.knobs["C"].value = 2
    assert titles(found) == ["2"]


def test_pictures_have_few_colours() -> None:
    panel = Panel([0, 1], {"a": [0, 1], "b": [1, 2]}, "x", "y")
    found = Image.open(BytesIO(png(row(panel, panel))))
    assert found.format == "PNG"
    assert len(found.getcolors(10**6) or []) <= notebook.TONES
    assert found.size[0] > 600
