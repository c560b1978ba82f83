"""Notebooks in a real kernel: cells whose widgets show much are not waited for."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

from notebooks.__main__ import client

CODE = """
from IPython.display import HTML
from ipywidgets import IntSlider, interact

@interact(n=IntSlider(400_000, min=0, max=500_000))
def shown(n):
    return HTML("x" * n)
"""
TIMEOUT = 20
ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.evidence
def test_no_cell_waits_for_its_timeout() -> None:
    """With the client as it comes, each of six such notebooks had one to four cells that did."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CODE) for _ in range(10)])
    start = time.monotonic()
    client(notebook, TIMEOUT).execute()
    assert time.monotonic() - start < TIMEOUT
    assert all(cell.outputs for cell in notebook.cells)


@pytest.mark.evidence
def test_a_moved_slider_is_answered_in_two_seconds_of_processors() -> None:
    command = [sys.executable, "-m", "notebooks.moves", "notebooks/high_dimension.ipynb"]
    environment = os.environ | {"PRESET": "smoke"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    seconds = [float(s) for s in re.findall(r"([0-9.]+) s of processors", done.stdout)]
    assert len(seconds) == 9
    assert max(seconds) < 2
