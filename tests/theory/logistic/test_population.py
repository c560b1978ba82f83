"""The clean/mislabelled ratio in population: the theorem over random laws, and its formulas by other ways."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from spec.problems import SignalNoiseMixture
from spec.validation import InputError
from theory.logistic import mixture, population

LAW = SignalNoiseMixture(n=60, d=6, B=1.3, gamma=0.7, Delta=0.3)
W = np.array([0.3, -0.5, 0.2, 0.0, 0.4, 0.1])


def mean(law, w, f, mislabelled):
    return mixture.example_expectation(law, w, f, mislabelled=mislabelled, rtol=1e-9).value


@pytest.mark.parametrize("w", [W, -W, 0.2 * W], ids=["towards", "away", "short"])
def test_clean_means_are_weighted_mislabelled_means(w):
    k = population.margin_likelihood(LAW, w)

    def f(z, norm):
        return expit(0.4 * norm - z) * norm

    weighted = mean(LAW, w, lambda z, norm: np.exp(k * z) * f(z, norm), True)
    assert weighted == pytest.approx(mean(LAW, w, f, False), rel=1e-7)


@pytest.mark.parametrize("noise", ["isotropic", "orthogonal"])
def test_the_slope_is_that_of_the_ratio(noise):
    law, rho, h = replace(LAW, noise=noise), 0.4, 1e-4

    def log_ratio(rho):
        groups = (mixture.expected_gradient_norm(law, W, rho, mislabelled=m, rtol=1e-11).value for m in (False, True))
        return np.log(next(groups) / next(groups))

    slope = (log_ratio(rho + h) - log_ratio(rho - h)) / (2 * h)
    assert population.ratio_log_slope(law, W, rho, rtol=1e-10) == pytest.approx(slope, rel=1e-5)


@pytest.mark.parametrize("noise", ["isotropic", "orthogonal"])
@pytest.mark.parametrize("d", [4, 30])
def test_the_sign_is_that_of_the_signal_at_every_radius(noise, d, rng):
    for _ in range(6):
        B, gamma, scale, rho = 10 ** rng.uniform([-0.7, -0.3, -1.0, -2.0], [0.5, 0.3, 0.5, 0.3])
        law = SignalNoiseMixture(n=10, d=d, B=B, gamma=gamma, Delta=0.2, noise=noise)
        w = scale * rng.normal(size=d)
        assert np.sign(population.ratio_log_slope(law, w, rho, rtol=1e-6)) == np.sign(w[0])


def test_what_has_no_likelihood_ratio_is_refused():
    with pytest.raises(InputError, match="noise must be"):
        population.margin_likelihood(replace(LAW, noise="orthogonal"), W)
    with pytest.raises(InputError, match=r"\|\|w\|\| must be"):
        population.margin_likelihood(LAW, 0 * W)
