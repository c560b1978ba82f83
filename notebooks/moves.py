"""How long a reader waits for a moved slider: python -m notebooks.moves NOTEBOOK ... prints seconds for every one.

A notebook's code runs once, which compiles and is not counted. Then every slider of every function that answers to
sliders is moved by a step of its range, to a place where it has not been, until the function has shown its answer.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import nbformat
from IPython.terminal.interactiveshell import TerminalInteractiveShell
from IPython.utils.capture import capture_output
from ipywidgets import Widget


class Move(NamedTuple):
    """A slider of a function, and seconds until the answer: of all clocks, and of this process's processors."""

    function: str
    slider: str
    wall: float
    processor: float


def moves(path: Path) -> list[Move]:
    """Every slider of the notebook, moved once."""
    shell = TerminalInteractiveShell.instance()
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            with capture_output():
                shell.run_cell(cell.source).raise_error()
    return [
        _moved(name, slider)
        for name, found in list(shell.user_ns.items())
        if isinstance(box := getattr(found, "widget", None), Widget)
        for slider in _sliders(box)
    ]


def _sliders(box: Any) -> Iterator[Any]:
    return (child for child in box.children if hasattr(child, "min") and hasattr(child, "step"))


def _moved(name: str, slider: Any) -> Move:
    up = slider.value + slider.step <= slider.max
    start = time.perf_counter(), time.process_time()
    with capture_output():
        slider.value += slider.step if up else -slider.step
    return Move(name, slider.description, time.perf_counter() - start[0], time.process_time() - start[1])


if __name__ == "__main__":
    for given in sys.argv[1:]:
        for move in moves(Path(given)):
            print(f"{given}  {move.function}({move.slider})  {move.wall:.2f} s, {move.processor:.2f} s of processors")
