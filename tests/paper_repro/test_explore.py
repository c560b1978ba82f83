"""Experiments in memory, and the settings that reach them."""

from typing import Any

import jax
import pytest
from matplotlib.figure import Figure

from paper_repro import explore as explore_module
from paper_repro import reference
from paper_repro.baek2024.experiments.toy import LINEAR_TOY, LinearToy
from paper_repro.explore import InMemory, draw, evidence, explore
from paper_repro.settings import adjusted
from spec.validation import InputError


def test_an_explored_result_can_be_drawn() -> None:
    result = explore("baek2024.upweighting", "smoke", C=(1.0, 3.0), points=3)
    assert list(result["C"].values) == [1.0, 3.0]
    assert isinstance(draw("baek2024.upweighting", result), Figure)


def test_bare_names_dotted_names_and_single_values() -> None:
    config = adjusted(LINEAR_TOY.config["smoke"], {"Delta": 0.3, "problem.B": 3.0, "eta": 0.5, "rho": (0.1, 0.2)})
    assert isinstance(config, LinearToy)
    assert (config.Delta, config.problem.B, config.training.eta, config.rho) == ((0.3,), 3.0, 0.5, (0.1, 0.2))


@pytest.mark.parametrize("name", ["nonsense", "problem.nonsense", "problem.Delta.deeper", "seeds.deeper"])
def test_unknown_names_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=name):
        adjusted(LINEAR_TOY.config["smoke"], {name: 1})


def test_unknown_figures_experiments_and_presets_are_refused() -> None:
    with pytest.raises(InputError, match=r"baek2024\.upweighting"):
        draw("nothing", explore("baek2024.upweighting", "smoke"))
    with pytest.raises(InputError, match="nothing"):
        explore("nothing")
    with pytest.raises(InputError, match="preset"):
        explore("baek2024.upweighting", "huge")


def test_float64_is_allowed_as_on_the_command_line_and_only_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watched(self: object, function: Any, units: Any) -> list[Any]:
        seen.append(jax.config.read("jax_enable_x64"))
        return [function(unit) for unit in units]

    monkeypatch.setattr(InMemory, "map", watched)
    jax.config.update("jax_enable_x64", False)
    try:
        explore("baek2024.upweighting", "smoke", points=3)
        assert not jax.config.read("jax_enable_x64")
    finally:
        jax.config.update("jax_enable_x64", True)
    assert seen == [True]


def test_evidence_is_what_is_kept_or_else_computed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = object()
    kept = {"command": "repro run baek2024.upweighting --preset full", "date": "2026-11-26", "data": lambda: data}
    monkeypatch.setattr(reference, "read", lambda _: kept)
    assert evidence("baek2024.upweighting", "smoke") is data
    assert "--preset full" in capsys.readouterr().out
    monkeypatch.setattr(explore_module, "explore", lambda *arguments: arguments)
    for nothing in (None, kept | {"data": None}):
        monkeypatch.setattr(reference, "read", lambda _, nothing=nothing: nothing)
        assert evidence("baek2024.upweighting", "smoke") == ("baek2024.upweighting", "smoke")
        assert "preset smoke" in capsys.readouterr().out
