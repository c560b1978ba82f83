"""Execute every notebook in place: python -m notebooks. PRESET=smoke|standard sets the size (default smoke).

python -m notebooks NOTEBOOK ... only runs the code of some, without a kernel, and prints how many figures each shows.
"""

import sys
from pathlib import Path

import nbformat
from IPython.terminal.interactiveshell import TerminalInteractiveShell
from IPython.utils.capture import capture_output
from nbclient import NotebookClient
from traitlets.config import Config


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook with fresh outputs; raises the first cell's error. Widget state is left out: it is large."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=200, kernel_name="python3").execute()
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # time stamps
    return notebook


def run(path: Path) -> int:
    """The number of figures that the notebook's code shows; raises the first cell's error.

    No kernel takes part: now and then one leaves a cell with widgets waiting for ever (nbclient, issue 312).
    """
    shell = TerminalInteractiveShell.instance(config=Config(HistoryManager={"enabled": False}))
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
        print(name, run(Path(name)))
    if len(sys.argv) == 1:
        for path in sorted(Path(__file__).parent.glob("*.ipynb")):
            print(path.name, file=sys.stderr)
            nbformat.write(execute(path), path)
