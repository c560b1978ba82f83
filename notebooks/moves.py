"""How long a reader waits for a moved slider: python -m notebooks.moves [NOTEBOOK ...] lists every one.

A notebook's code runs once, which compiles and is not counted. Then every slider and choice is moved by a step, to a
place where it has not been. Counted is the time until the first picture has been drawn, and until the last one, which
has the marks of a simulation: of clocks, and of this process's processors.
"""

import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from IPython.utils.capture import capture_output

from notebooks.__main__ import FOLDER, cells, shell
from paper_repro.notebook import Moved


class Move(NamedTuple):
    """A slider of a function, and (seconds, seconds of processors) when each of its pictures was there."""

    function: str
    slider: str
    pictures: list[tuple[float, float]]


class Stopwatch:
    """In the place of what shows a picture: shows it, and notes when that was done."""

    def __init__(self, shows: Any) -> None:
        self.shows, self.times, self.start = shows, [], _now()

    def update(self, figure: Any) -> None:
        """Show the figure."""
        self.shows.update(figure)
        self.times.append((_now()[0] - self.start[0], _now()[1] - self.start[1]))


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()


def moves(path: Path) -> list[Move]:
    """Every slider of the notebook, moved once."""
    running = shell()
    for source in cells(path):
        with capture_output():
            running.run_cell(source).raise_error()
    shown = {name: found for name, found in running.user_ns.items() if isinstance(found, Moved)}
    return [_moved(name, found, slider) for name, found in shown.items() for slider in found.knobs]


def _moved(name: str, found: Moved, slider: str) -> Move:
    knob = found.knobs[slider]
    value, watch = _next(knob), Stopwatch(found.handle)
    found.handle = watch  # type: ignore[assignment]
    with capture_output():
        knob.value = value
    found.handle = watch.shows
    return Move(name, slider, watch.times)


def _next(knob: Any) -> Any:
    """The next place of a choice, or of a slider, which goes down from the top."""
    if hasattr(knob, "options"):
        return knob.options[(knob.index + 1) % len(knob.options)]
    return knob.value + (knob.step if knob.value + knob.step <= knob.max else -knob.step)


if __name__ == "__main__":
    print("notebook | picture | slider | seconds until theory, of processors | until marks, of processors")
    for given in sys.argv[1:] or sorted(FOLDER.glob("*.ipynb")):
        for move in moves(Path(given)):
            first, last = move.pictures[0], move.pictures[-1]
            marks = f"{last[0]:.2f} | {last[1]:.2f}" if len(move.pictures) > 1 else "- | -"
            print(f"{Path(given).stem} | {move.function} | {move.slider} | {first[0]:.2f} | {first[1]:.2f} | {marks}")
