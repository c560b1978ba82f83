"""Every notebook runs from top to bottom at smoke size, and what is committed is small, and readable as it is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
TOPICS = {
    "upweighting",
    "jacobian_effect",
    "down_weighting",
    "meta_reweighting",
    "noise_compensation",
    "high_dimension",
    "narrow_networks",
}
committed = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)


@pytest.fixture(scope="module")
def shown() -> dict[str, int]:
    """How many figures each shows: all run in one process, one after another, which compiles what they share once."""
    command = [sys.executable, "-m", "notebooks", *map(str, NOTEBOOKS)]
    environment = os.environ | {"PRESET": "smoke"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return {name: int(figures) for name, figures in (line.rsplit(" ", 1) for line in done.stdout.splitlines())}


def code(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def text(path: Path) -> str:
    return "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown")


def drawing(cell: nbformat.NotebookNode) -> bool:
    """Whether a cell is there for a picture."""
    return bool(re.search(r"^(@moved|draw)\(", cell.source, re.MULTILINE))


def pictures(cell: nbformat.NotebookNode) -> int:
    return sum("image/png" in output.get("data", {}) for output in cell.outputs)


def test_there_is_one_for_every_topic() -> None:
    assert {path.stem for path in NOTEBOOKS} == TOPICS


@committed
def test_notebook_runs_and_shows_its_figures(path: Path, shown: dict[str, int]) -> None:
    assert shown[str(path)] >= sum(map(drawing, code(path))) >= 4


@committed
def test_committed_notebook_is_small_and_holds_no_logic(path: Path) -> None:
    assert path.stat().st_size < 400_000
    for word in ("for ", "while ", "class ", "jax.grad", "scan("):
        lines = [line for c in code(path) for line in c.source.splitlines() if line.strip().startswith(word)]
        assert lines == []


@committed
def test_committed_notebook_can_be_read_without_a_kernel(path: Path) -> None:
    """Every cell has run, at the standard size; a slider's picture is there, and the slider itself only as words."""
    assert all(cell.execution_count is not None for cell in code(path))
    assert [cell.source for cell in code(path) if drawing(cell) and pictures(cell) != 1] == []
    outputs = str([cell.outputs for cell in code(path)])
    assert "preset smoke" not in outputs
    assert "widget-view" not in outputs
    assert outputs.count("Sliders: ") == sum("@moved(" in cell.source for cell in code(path)) > 0


@committed
def test_a_notebook_asks_states_and_lets_the_reader_try(path: Path) -> None:
    said = text(path)
    assert "**Question.**" in said
    assert said.count("$$") >= 2
    assert said.count("$$") % 2 == 0
    folded = re.findall(
        r"\*\*Exercise\.\*\*[^<]*<details><summary>Answer</summary>\n\n.+?\n</details>", said, re.DOTALL
    )
    assert len(folded) == said.count("**Exercise.**") == said.count("<details>") >= 2
