"""Data and memory are looked at before anything is computed or written."""

from pathlib import Path
from typing import Any

import pytest

from paper_repro import feasible, papers, workflow
from paper_repro.baek2024.experiments.ablation import DIGITS
from paper_repro.baek2024.experiments.formulas import RATIO
from paper_repro.baek2024.experiments.toy import LINEAR_TOY
from paper_repro.explore import explore
from paper_repro.settings import Written
from paper_repro.xu2026.experiments.angle import ANGLES
from paper_repro.xu2026.experiments.bound import BOUND
from spec.validation import InputError


def configured(experiment: Any, **changes: str) -> Any:
    written = {name: Written(text) for name, text in changes.items()}
    ((_, config),) = workflow.configurations([experiment], "smoke", None, written)
    return config


@pytest.mark.parametrize("preset", ["smoke", "standard", "full"])
def test_every_preset_fits_two_gigabytes(preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feasible, "available_memory", lambda: 2 * 10**9)
    assert len(workflow.configurations(papers.experiments(), preset, None, {})) == len(papers.experiments())


def test_a_run_that_cannot_fit_is_refused_with_its_estimate() -> None:
    """50 million examples of 80 numbers in single precision are 16 GB, of which four copies are made."""
    with pytest.raises(InputError, match=r"about 64 GB for 50000000 examples of 80 numbers, and .* GB are free"):
        configured(LINEAR_TOY, n="50000000")


@pytest.mark.parametrize(
    ("experiment", "changes", "needed"),
    [
        (LINEAR_TOY, {"n": "1000"}, 16 * (1000 * 80 + 80)),
        (RATIO, {"n": "1000"}, 16 * 8 * 1000 * 100),
        (ANGLES, {"n": "1000", "seeds": "5"}, 16 * 5 * 1000 * 3),
        (DIGITS, {"network": "Mlp((10000, 20000))"}, 16 * (200 * 64 + 65 * 10_000 + 10_001 * 20_000 + 20_001 * 10)),
        (BOUND, {"n": "1000000000"}, 0),
    ],
)
def test_estimates_count_samples_and_weights(
    experiment: Any, changes: dict[str, str], needed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feasible, "available_memory", lambda: needed)
    configured(experiment, **changes)
    monkeypatch.setattr(feasible, "available_memory", lambda: needed - 1)
    with pytest.raises(InputError, match=f"{experiment.id} must fit the memory"):
        configured(experiment, **changes)


def test_the_free_memory_is_that_of_the_machine() -> None:
    assert 10**7 < feasible.available_memory() < 10**14


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "mnist", "path": "nowhere"}, "path must be an existing folder"),
        ({"n_train": "1700"}, "n_train"),
        ({"classes": "0,11"}, "class 11 has none"),
        ({"Delta": "0.95"}, "1 - 1/classes = 0.9"),
        ({"batch": "201"}, "batch must be at most 200"),
        ({"imbalance": "100"}, "imbalance must be at most"),
        ({"network": "LeNet((9, 8, 1))"}, "image"),
        ({"network": "LeNet((16, 8, 1))"}, "image"),
    ],
)
def test_data_are_looked_at_first(changes: dict[str, str], words: str) -> None:
    with pytest.raises(InputError, match=words):
        configured(DIGITS, **changes)
    with pytest.raises(InputError, match="n_train"):
        explore(DIGITS.id, "smoke", n_train=1700)


def test_control_groups_may_have_no_limit(tmp_path: Path) -> None:
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("4096\n")
    found = [feasible._number(tmp_path / name) for name in ("memory.max", "memory.current", "none")]
    assert found == [None, 4096, None]
