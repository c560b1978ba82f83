"""The page on own networks does what it says: its blocks run one after another."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

PAGE = Path(__file__).resolve().parent.parent / "docs" / "own_network.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.S)


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("equinox", reason="the extra `equinox` is not installed")
    pytest.importorskip("flax", reason="the extra `flax` is not installed")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    for block in BLOCKS:
        exec(compile(block, str(PAGE), "exec"), names)
    assert names["history"]["train_loss"][-1] < names["history"]["train_loss"][0]
    assert set(names["worst"]["example"].values) <= set(range(300))
    assert names["found"].history["clean_loss"][-1] < names["found"].history["clean_loss"][0]
    assert int(names["state"].steps) == 6
    assert np.isfinite(names["params"]["w"]).all()
    assert {path.name for path in tmp_path.iterdir()} == {"annotators.npz", "run", "suspects.csv"}


def test_the_cnn_takes_fifteen_lines() -> None:
    (block,) = (block for block in BLOCKS if "Conv2d" in block)
    assert len([line for line in block.splitlines() if line.strip()]) <= 15
