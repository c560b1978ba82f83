"""Notebooks in a real kernel: all of them from top to bottom, a slider that is moved, and how long moves take."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from jupyter_client.manager import start_new_kernel

from notebooks.__main__ import FOLDER, execute

ROOT = Path(__file__).resolve().parents[2]
SETUP = "%load_ext paper_repro.notebook\nfrom paper_repro.notebook import moved\nfrom figures.row import Panel, row"
PICTURE = """
@moved(C=(0.0, 6.0, 0.5))
def shown(C=2.0):
    yield row(Panel([0, 1], {"a": [0, C]}, "x", "y"))
    yield row(Panel([0, 1], {"a": [0, C]}, "x", "y", {"a": ([1], [[C], [C]])}))
"""


@pytest.mark.evidence
@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda p: p.stem)
def test_a_notebook_runs_in_a_kernel_and_no_cell_hangs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With ipywidgets.interact, one to four cells of a notebook waited for their timeout: what a widget had captured

    was sent back to the kernel while a cell's reply was waited for (nbclient, issue 312). A displayed picture is not.
    """
    monkeypatch.setenv("PRESET", "smoke")
    start = time.monotonic()
    cells = [cell for cell in execute(path).cells if cell.cell_type == "code" and "@moved(" in cell.source]
    assert time.monotonic() - start < 300  # below the timeout of one cell
    assert [[sorted(output.data) for output in cell.outputs] for cell in cells] == [
        [["text/plain"], ["image/png", "text/plain"]] for _ in cells
    ]


@pytest.mark.evidence
def test_a_moved_slider_is_answered_by_theory_and_then_by_marks() -> None:
    manager, client = start_new_kernel(kernel_name="python3", cwd=str(ROOT))
    try:
        said: list[dict[str, Any]] = []
        for source in (SETUP, PICTURE):
            reply = client.execute_interactive(source, timeout=120, output_hook=said.append)
            assert reply["content"]["status"] == "ok"
        opened = [m["content"] for m in said if m["msg_type"] == "comm_open"]
        (slider,) = (c["comm_id"] for c in opened if c["data"]["state"]["_model_name"] == "FloatSliderModel")
        for value in (2.5, 3.0, 3.5):
            state = {"method": "update", "state": {"value": value}, "buffer_paths": []}
            client.shell_channel.send(client.session.msg("comm_msg", {"comm_id": slider, "data": state}))
        shown = _pictures(client, seconds=10)
        assert len(shown) >= 2
        assert len(set(shown[-2:])) == 2
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def _pictures(client: Any, seconds: float) -> list[str]:
    """Those that take the place of the first one."""
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            message = client.get_iopub_msg(timeout=1)
        except Empty:
            continue
        if message["msg_type"] == "update_display_data":
            found.append(message["content"]["data"]["image/png"])
    return found


@pytest.mark.evidence
def test_theory_answers_every_slider_in_a_second_of_processors() -> None:
    command = [sys.executable, "-m", "notebooks.moves"]
    environment = os.environ | {"PRESET": "smoke"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    lines = [re.split(r" \| ", line) for line in done.stdout.splitlines()[1:]]
    assert len({notebook for notebook, *_ in lines}) == len(sorted(FOLDER.glob("*.ipynb")))
    assert [line for line in lines if float(line[4]) >= 1] == []
