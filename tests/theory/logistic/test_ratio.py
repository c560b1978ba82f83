"""The ratio between two radii: against its definition, and what holds for all radii."""

import numpy as np
import pytest

from theory.logistic import ratio, regression

RADII = (0.0, 0.3, 1.0, 4.0, 12.0)


@pytest.fixture
def case(rng):
    return rng.normal(0.4, 2, 15), rng.uniform(0.5, 2, 15), np.arange(15) < 5


def test_gain_is_the_quotient_of_ratios(case):
    z, norms, noisy = case
    for rho, to in zip(RADII[:-1], RADII[1:], strict=True):
        known = regression.clean_noisy_ratio(z, norms, noisy, to) / regression.clean_noisy_ratio(z, norms, noisy, rho)
        assert ratio.gain(z, norms, noisy, rho, to) == pytest.approx(known, rel=1e-12)


def test_separated_margins_rise_to_one_at_every_radius(case):
    z, _, noisy = case
    z = np.sort(z)  # the first five are mislabelled
    assert ratio.separated(z, noisy)
    assert not ratio.separated(z, ~noisy)
    values = [regression.clean_noisy_ratio(z, np.ones(15), noisy, rho) for rho in RADII]
    assert (np.diff(values) > 0).all()
    assert 0.9 < values[-1] < 1
    assert ratio.approaches_from_below(z, noisy)


def test_the_side_of_the_limit_is_that_of_the_mean_exponentials(rng):
    for _ in range(50):
        z, noisy = rng.normal(0, 2, 10), np.arange(10) < 5
        late = regression.clean_noisy_ratio(z, np.ones(10), noisy, 25.0)
        assert (late < 1) == ratio.approaches_from_below(z, noisy)


def test_margins_with_a_rising_likelihood_ratio_rise_at_every_radius(rng):
    """Two Gaussians of one variance, as quantiles: the law of large numbers of point 2."""
    quantiles = np.sort(rng.normal(0, 2, 4000))
    z, noisy = np.concatenate([quantiles + 0.5, quantiles - 0.5]), np.arange(8000) >= 4000
    values = [regression.clean_noisy_ratio(z, np.ones(8000), noisy, rho) for rho in RADII]
    assert (np.diff(values) > 0).all()
