"""Execute every notebook in place: python -m notebooks. PRESET=smoke|standard sets the size (default smoke)."""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook with fresh outputs; raises the first cell's error. Widget state is left out: it is large."""
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=200, kernel_name="python3").execute()
    notebook.metadata.pop("widgets", None)
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)  # time stamps
    return notebook


if __name__ == "__main__":
    for path in sorted(Path(__file__).parent.glob("*.ipynb")):
        print(path.name, file=sys.stderr)
        nbformat.write(execute(path), path)
