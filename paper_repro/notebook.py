"""What notebooks load (`%load_ext paper_repro.notebook`): small pictures, and figures that answer to sliders.

A figure lies in the notebook's file as a picture, so that whoever reads it without a kernel sees it too.
"""

import asyncio
from collections.abc import Callable, Iterator
from inspect import signature
from io import BytesIO
from typing import Any

from IPython.display import DisplayHandle, display
from ipywidgets import Layout, VBox, interactive
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image

from figures import style

SYMBOLS = {"Delta": "Δ", "alpha": "n/d", "rho": "ρ", "eta": "η", "beta": "β", "gamma": "γ"}
DPI, TONES = 100, 96
SOON, PAUSE = 0.03, 0.3  # seconds without a move until the first picture is drawn, and until the next ones are

Draw = Callable[..., "Figure | Iterator[Figure]"]


def load_ipython_extension(shell: Any) -> None:
    """Figures are shown as small PNGs."""
    shell.display_formatter.formatters["image/png"].for_type(Figure, png)


def png(figure: Figure) -> bytes:
    """The figure with few colours, a third of what all of them take."""
    plain, small = BytesIO(), BytesIO()
    with rc_context(style.RC):
        figure.set_dpi(DPI)
        style.lay_out(figure)
        figure.savefig(plain, format="png", dpi=DPI)
    Image.open(plain).convert("RGB").quantize(TONES, Image.Quantize.MAXCOVERAGE).save(small, "PNG", optimize=True)
    return small.getvalue()


class Knobs(VBox):
    """Sliders; their values, where there is no kernel to move them."""

    def __repr__(self) -> str:
        return "Sliders: " + ", ".join(f"{knob.description} = {knob.value}" for knob in self.children)


class Moved:
    """A figure below its sliders, drawn again when one is moved.

    `draw` returns a figure, or yields several, each in the place of the one before: theory first, then with the marks
    of a simulation. The next ones are begun when nothing is moved for a moment, and given up when something is.
    """

    def __init__(self, draw: Draw, knobs: dict[str, Any]) -> None:
        usual = {name: parameter.default for name, parameter in signature(draw).parameters.items()}
        made = {name: interactive.widget_from_abbrev(knob, usual[name]) for name, knob in knobs.items()}
        for name, knob in made.items():
            knob.description = knob.description or SYMBOLS.get(name, name)
            knob.style.description_width, knob.layout = "8em", Layout(width="32em")
            knob.observe(lambda _: self.answer(), "value")
        self.draw, self.knobs, self.widget, self.handle = draw, made, Knobs([*made.values()]), DisplayHandle()
        self._waiting: asyncio.TimerHandle | None = None

    def show(self) -> None:
        """The sliders and the last of the figures, in this cell."""
        display(self.widget)
        *_, figure = self._figures()
        self.handle.display(figure)

    def answer(self) -> None:
        """Draw anew: at once, or, in a kernel, when all moves that have arrived are known."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            for figure in self._figures():
                self.handle.update(figure)
        else:
            self._later(loop, SOON, None)

    def _later(self, loop: asyncio.AbstractEventLoop, seconds: float, figures: Iterator[Figure] | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = loop.call_later(seconds, self._next, loop, figures)

    def _next(self, loop: asyncio.AbstractEventLoop, figures: Iterator[Figure] | None) -> None:
        figures = figures or self._figures()
        figure = next(figures, None)
        if figure is not None:
            self.handle.update(figure)
            self._later(loop, PAUSE, figures)

    def _figures(self) -> Iterator[Figure]:
        found = self.draw(**{name: knob.value for name, knob in self.knobs.items()})
        return iter([found]) if isinstance(found, Figure) else iter(found)


def moved(**knobs: Any) -> Callable[[Draw], Moved]:
    """Show a function's figure under sliders: a decorator, whose arguments are those of ipywidgets.interact.

    A pair or triple is a slider (low, high, step), a list a choice; each starts at the function's default.
    """

    def shown(draw: Draw) -> Moved:
        found = Moved(draw, knobs)
        found.show()
        return found

    return shown
