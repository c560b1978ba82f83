"""What docs/asymptotics.md derives by hand is what the solver finds."""

import numpy as np
import pytest
from scipy.special import ndtr

from spec.problems import SignalNoiseMixture
from spec.rules import Sam, Sgd
from spec.training import Training
from theory.mean_field import curves
from theory.mean_field.long_time import minimum

B, GAMMA, DELTA, ALPHA, ETA = 1.3, 0.8, 0.3, 0.6, 0.7
PROBLEM = SignalNoiseMixture(n=600, d=1001, B=B, gamma=GAMMA, Delta=DELTA)  # one of its dimensions is the signal's


def by_hand(alpha: float) -> tuple[float, float, float]:
    """Test, clean and mislabelled accuracy after one step from zero."""
    M, m = ETA / 2 * B * (1 - 2 * DELTA), ETA * GAMMA**2 / (2 * alpha)
    length = np.sqrt(M**2 + ETA**2 * GAMMA**2 / (4 * alpha))
    return tuple(ndtr(value / (GAMMA * length)) for value in (B * M, m + B * M, m - B * M))


@pytest.mark.parametrize("rule", [Sgd(), Sam(0.05)], ids=lambda rule: rule.name)
def test_one_step(rule) -> None:
    curve = curves(rule, PROBLEM, Training(eta=ETA, epochs=1)).isel(epoch=1)
    names = ("test_accuracy", "clean_accuracy", "mislabelled_accuracy")
    for name, expected in zip(names, by_hand(ALPHA), strict=True):
        assert abs(float(curve[name]) - expected) < 5e-4 + 5 * float(curve[f"{name}_error"]), name
        assert abs(float(curve[name]) - by_hand(4 * ALPHA)[names.index(name)]) > 0.02  # another shape would show


def test_a_large_shift_ends_at_the_mean_classifier() -> None:
    found = minimum(PROBLEM, 200.0, 0.1)
    assert found.overlap == pytest.approx(B * (1 - 2 * DELTA) / 0.1, rel=1e-6)
    assert found.noise_norm == pytest.approx(GAMMA / (0.1 * np.sqrt(ALPHA)), rel=1e-6)
    assert found.test_accuracy == pytest.approx(by_hand(ALPHA)[0], rel=1e-6)
