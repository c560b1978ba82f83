"""How long experiments take: this machine's own time before the package's, and no number where there is none."""

import json
from types import SimpleNamespace
from typing import Any

import pytest

from paper_repro import costs


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    packaged = tmp_path / "packaged.json"
    packaged.write_text(json.dumps({"a.b": {"smoke": 3, "full": 70.0}}))
    monkeypatch.setattr(costs, "PACKAGED", packaged)


def test_the_last_run_on_this_machine_comes_before_the_packaged_time():
    assert costs.estimate("a.b", "smoke") == 3
    costs.remember("a.b", "smoke", 5.04)
    costs.remember("a.b", "smoke", 4.04)
    assert costs.estimate("a.b", "smoke") == 4.0
    assert costs.estimate("a.b", "full") == 70


def test_other_parts_and_seeds_take_their_share_of_what_the_preset_took():
    def config(parts: int, seeds: int) -> Any:
        return SimpleNamespace(parts=parts, seeds=seeds)

    experiment: Any = SimpleNamespace(id="a.b", config={"full": config(5, 2)}, units=lambda c: c.parts)
    assert costs.of_run(experiment, "full", config(5, 2)) == 70
    assert costs.of_run(experiment, "full", config(3, 8)) == 168  # a part of two seeds took 14
    experiment.id = "nothing"
    assert costs.of_run(experiment, "full", config(5, 2)) is None
    assert [costs.in_words(s) for s in (0.25, 7.4, 600, None)] == ["0.2 s", "7 s", "10 min", "not known"]


def test_what_nobody_measured_is_not_known():
    assert costs.estimate("a.b", "standard") is None
    assert costs.estimate("nothing", "smoke") is None


@pytest.mark.parametrize("content", ["", "[1]", '{"a.b": 1}', '{"a.b": {"smoke": "x"}}'])
def test_a_foreign_file_is_no_cost(tmp_path, content):
    costs.remember("a.b", "smoke", 1.0)
    (tmp_path / "sharpness-under-label-noise" / "costs.json").write_text(content)
    assert costs.estimate("a.b", "smoke") == 3
