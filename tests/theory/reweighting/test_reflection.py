"""Walks reflected at zero: against simulated ones, and the limits."""

import numpy as np
import pytest

from spec.validation import InputError
from theory.reweighting import reflection


def test_mean_of_sampled_walks(rng):
    b, sigma, steps, w = np.array([0.0, 0.1, 0.5]), np.array([0.3, 0.4, 0.4]), 60, np.zeros((40_000, 3))
    stated = reflection.mean_weight(steps, b, sigma)
    for t in range(1, steps + 1):
        w = np.maximum(w + sigma * rng.normal(size=w.shape) - b, 0)
        if t in (1, 7, steps):
            error = w.std(axis=0) / np.sqrt(len(w))
            assert (abs(w.mean(axis=0) - stated[t]) < 4.5 * error).all()


def test_limits_are_those_of_the_diffusion_less_the_overshoot():
    assert reflection.mean_weight(300_000, 0.02, 1.0)[-1] == pytest.approx(
        reflection.stationary_mean(0.02, 1.0), abs=0.01
    )
    growth = reflection.mean_weight(40_000, 0.0, 2.0)[-1]
    assert growth == pytest.approx(2 * (np.sqrt(2 * 40_000 / np.pi) - reflection.OVERSHOOT), rel=1e-4)


def test_memorisation_time_is_where_the_integral_of_the_growth_is_one():
    sigma, eta, delta = 0.01, 0.02, 3.0
    t = reflection.memorisation_time(sigma, eta, delta)
    s = np.linspace(0, t, 200_001)
    assert eta * delta * np.trapezoid(sigma * np.sqrt(2 * s / np.pi), s) == pytest.approx(1, rel=1e-5)
    assert reflection.memorisation_time(sigma / 8, eta, delta) == pytest.approx(4 * t)


def test_impossible_sizes_are_named():
    with pytest.raises(InputError, match="sigma"):
        reflection.memorisation_time(0.0, 0.1, 1.0)
    with pytest.raises(InputError, match="steps"):
        reflection.mean_weight(-1, 0.1, 1.0)
