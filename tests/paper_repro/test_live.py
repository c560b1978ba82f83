"""Trainings behind sliders: lines before marks, marks of what the lines say, each at its own name and step."""

from typing import Any

import numpy as np
import pytest

from figures.row import Panel
from paper_repro import live
from paper_repro.beyond.simulated import Descent
from paper_repro.beyond.simulated_networks import Trace
from spec.problems import SignalNoiseMixture
from spec.rules import JacobianSam, Sam, Sgd
from spec.training import Training
from theory.mean_field import Accuracy
from theory.mean_field.networks import TwoLayer

PROBLEM = SignalNoiseMixture(n=40, d=40, B=1.5, Delta=0.25)
TRAINING = Training(eta=0.5, epochs=4, record_every=2)
SEEDS, EPOCHS = 3, np.arange(5.0)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Panel, ...]]:
    """The panels of every figure, in the place of figures; predictions of few samples."""
    found: list[tuple[Panel, ...]] = []
    monkeypatch.setattr(live, "row", lambda *panels: found.append(panels))
    monkeypatch.setattr(live, "FEW", Accuracy(64, 2))
    return found


def test_marks_of_the_linear_model_have_their_rule_group_and_step(
    drawn: list[tuple[Panel, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A made-up training whose losses say whose they are, and at which step; overlap and noise of equal lengths."""
    asked: list[Descent] = []

    def path(descent: Descent, seed: int, count: int) -> Any:
        asked.append(descent)
        strength = getattr(descent.rule, "rho", 0.0)
        columns = [EPOCHS, 100 * strength + EPOCHS, 1000 + 100 * strength + EPOCHS, EPOCHS]
        return np.broadcast_to(np.stack(columns, axis=-1), (SEEDS, 5, 4))

    monkeypatch.setattr(live.simulated, "path", path)
    list(live.linear((Sgd(), Sam(0.5)), PROBLEM, TRAINING, 0.7))
    (theory, both), places = drawn, np.arange(5)
    assert [panel.marks for panel in theory] == [{}, {}]
    np.testing.assert_array_equal(theory[0].x, [0, 2, 4])
    assert asked == [Descent(rule, PROBLEM, TRAINING, 0.7) for rule in (Sgd(), Sam(0.5))]
    levels = {"SGD, clean": 0, "SGD, mislabelled": 1000, "1-SAM, clean": 50, "1-SAM, mislabelled": 1050}
    assert set(levels) == set(both[1].lines) == set(both[1].marks)
    for name, level in levels.items():
        np.testing.assert_array_equal(both[1].marks[name][1], np.tile(level + places, (SEEDS, 1)))
    values = np.asarray(both[0].marks["1-SAM"][1])
    assert values.shape == (SEEDS, 5)
    np.testing.assert_allclose(values[:, 1:], values[0, 1], rtol=1e-12)  # the accuracy is that of a direction


def test_marks_of_networks_have_their_rule_and_step(
    drawn: list[tuple[Panel, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    rules, network = (Sgd(), JacobianSam(0.5)), TwoLayer((1.0,), "tanh")

    def trace(descents: Any, seed: int, count: int, room: tuple[int, int]) -> Trace:
        assert (tuple(one.rule for one in descents), room) == (rules, (80, 40))
        v = np.broadcast_to(np.array([[[10.0]], [[20.0]]]) + EPOCHS, (2, SEEDS, 5))[..., None]
        return Trace(v, np.ones_like(v), 2 * np.ones((*v.shape, 1)), np.zeros((*v.shape[:-1], 2)), np.zeros(v.shape))

    monkeypatch.setattr(live.simulated_networks, "trace", trace)
    list(live.network(rules, PROBLEM, TRAINING, network, (80, 40)))
    theory, both = drawn
    assert [panel.marks for panel in theory] == [{}, {}]
    for name, size in (("SGD", 10), ("J-SAM", 20)):
        np.testing.assert_array_equal(both[1].marks[name][1], np.tile(size + EPOCHS, (SEEDS, 1)))
        accuracy = np.asarray(both[0].marks[name][1])
        np.testing.assert_allclose(accuracy, accuracy[0, 0], atol=1e-3)  # v of another size classifies alike
        assert 0.5 < accuracy[0, 0] < 1
