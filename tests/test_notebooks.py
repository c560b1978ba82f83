"""Every notebook runs from top to bottom at smoke size, and what is committed is small and has its outputs."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def shown() -> dict[str, int]:
    """How many figures each shows: all run in one process, one after another, which compiles what they share once."""
    command = [sys.executable, "-m", "notebooks", *map(str, NOTEBOOKS)]
    environment = os.environ | {"PRESET": "smoke"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return {name: int(figures) for name, figures in (line.rsplit(" ", 1) for line in done.stdout.splitlines())}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_notebook_runs_and_shows_figures(path: Path, shown: dict[str, int]) -> None:
    assert shown[str(path)] >= 2


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_committed_notebook_is_small_executed_and_holds_no_logic(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    assert path.stat().st_size < 1_500_000
    assert all(c.execution_count is not None for c in code)
    for word in ("for ", "while ", "class ", "jax.grad", "scan("):
        lines = [line for c in code for line in c.source.splitlines() if line.strip().startswith(word)]
        assert lines == []


def test_there_is_a_notebook() -> None:
    assert NOTEBOOKS
