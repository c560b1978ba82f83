"""Execute every notebook in place: python -m notebooks. PRESET=smoke|standard sets the size (default standard).

python -m notebooks NOTEBOOK ... only runs the code of some, without a kernel, and prints how many figures each shows.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
from IPython.terminal.interactiveshell import TerminalInteractiveShell
from IPython.utils.capture import capture_output
from nbclient import NotebookClient
from traitlets.config import Config

FOLDER = Path(__file__).parent
WIDGET = "application/vnd.jupyter.widget-view+json"


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook with fresh outputs, from a kernel; raises the first cell's error.

    Sliders are left out, as they say nothing without a kernel; their values stay, as text above the picture.
    """
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=900, kernel_name="python3").execute()
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # time stamps
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(WIDGET, None)
    return notebook


def shell() -> TerminalInteractiveShell:
    """What runs code as a kernel does, in this process, with nothing left of what ran before."""
    found = TerminalInteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    found.reset()
    found.display_formatter.active_types = found.display_formatter.format_types  # a terminal's are text alone
    return found


def cells(path: Path) -> Iterator[str]:
    """The code of a notebook."""
    return (cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")


def run(path: Path) -> int:
    """The number of figures that the notebook's code shows, without a kernel; raises the first cell's error."""
    running, figures = shell(), 0
    for source in cells(path):
        with capture_output() as captured:
            result = running.run_cell(source)
        result.raise_error()
        shown = [output.data or {} for output in captured.outputs]
        shown.append(running.display_formatter.format(result.result)[0])
        figures += sum("image/png" in data for data in shown)
    return figures


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, run(Path(name)), flush=True)
    if len(sys.argv) == 1:
        for path in sorted(FOLDER.glob("*.ipynb")):
            print(path.name, file=sys.stderr)
            nbformat.write(execute(path), path)
