"""Execute every notebook in place: python -m notebooks. PRESET=smoke|standard sets the size (default smoke).

python -m notebooks NOTEBOOK ... only runs the code of some, without a kernel, and prints how many figures each shows.
"""

import sys
from pathlib import Path
from typing import Any

import nbformat
from IPython.terminal.interactiveshell import TerminalInteractiveShell
from IPython.utils.capture import capture_output
from nbclient import NotebookClient
from nbclient.output_widget import OutputWidget
from traitlets.config import Config


class Listening(OutputWidget):
    """Keeps what a widget shows, and does not send it back to the kernel.

    A message that is sent while the reply to a cell is waited for takes the notice of that reply with it: the socket
    has told once that there is something to read, and the cell then waits until its timeout (nbclient, issue 312).
    """

    def send(self, *_: Any, **__: Any) -> None:
        """Nothing."""


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook with fresh outputs; raises the first cell's error. Widget state is left out: it is large."""
    notebook = nbformat.read(path, as_version=4)
    client(notebook, timeout=200).execute()
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # time stamps
    return notebook


def client(notebook: nbformat.NotebookNode, timeout: int) -> NotebookClient:
    """What executes a notebook in a kernel of its own, without waiting for cells whose widgets show something."""
    found = NotebookClient(notebook, timeout=timeout, kernel_name="python3")
    found.widget_registry["@jupyter-widgets/output"]["OutputModel"] = Listening
    return found


def run(path: Path) -> int:
    """The number of figures that the notebook's code shows, without a kernel; raises the first cell's error."""
    shell = TerminalInteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
    shell.reset()  # nothing of another notebook is left
    shell.display_formatter.active_types = shell.display_formatter.format_types  # a terminal's are text alone
    figures = 0
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            with capture_output() as captured:
                result = shell.run_cell(cell.source)
            result.raise_error()
            shown = [output.data or {} for output in captured.outputs]
            shown.append(shell.display_formatter.format(result.result)[0])
            figures += sum("image/png" in data for data in shown)
    return figures


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(name, run(Path(name)), flush=True)
    if len(sys.argv) == 1:
        for path in sorted(Path(__file__).parent.glob("*.ipynb")):
            print(path.name, file=sys.stderr)
            nbformat.write(execute(path), path)
