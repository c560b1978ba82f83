"""Every step of the bound against the exact quantity that it bounds, its published form, and its two failures."""

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import ndtr

from spec.validation import InputError
from theory.compensation import pac_bayes as pb

CASES = [(2.0, 0.05, 20, 30_000), (0.3, 0.5, 3, 50), (10.0, 0.1, 500, 4_000), (1.0, 2.0, 1, 2)]
every_case = pytest.mark.parametrize(("norm", "rho", "K", "n"), CASES)


@every_case
def test_every_step_of_the_proof_holds(norm, rho, K, n):
    for step in pb.proof_steps(norm, rho=rho, K=K, n=n):
        assert step.left <= step.right, step.says


@every_case
def test_the_ball_holds_the_stated_mass(norm, rho, K, n):
    """Exact chi-square tail. Without the logarithm in sigma it does not hold in few dimensions."""
    outside = stats.chi2.sf((rho / pb.posterior_std(rho, K, n)) ** 2, K)
    assert outside <= 1 / np.sqrt(n)
    if n > 1000:
        assert stats.chi2.sf(K, K) > 1 / np.sqrt(n)


@pytest.mark.parametrize("K", [1, 5, 300])
@pytest.mark.parametrize("u", [0.1, 1.0, 8.0])
def test_laurent_massart(K, u):
    assert stats.chi2.sf(pb.chi_square_quantile_bound(K, u), K) <= np.exp(-u)


@every_case
def test_the_prior_lies_above_and_within_one_step_of_the_target(norm, rho, K, n):
    variance = pb.posterior_std(rho, K, n) ** 2
    prior, target = pb.grid_prior(norm, K, n, variance), variance + norm**2 / K
    assert target * (1 - 1e-12) <= prior.variance <= target * np.exp(1 / K) * (1 + 1e-12)
    assert prior.j >= 1


def test_shares_of_the_union_sum_to_one():
    norms = np.sqrt(np.arange(400) * 1e-4)
    priors = [pb.grid_prior(r, 2, 10, 1e-4) for r in norms]
    assert {round(p.share * np.pi**2 * p.j**2 / 6, 12) for p in priors} == {1.0}
    assert len({p.j for p in priors}) > 5


def test_beyond_the_grid_the_bound_says_nothing():
    n, K, rho = 40, 10, 0.05
    std = pb.posterior_std(rho, K, n)
    norm = 1.001 * np.sqrt(K) * std * np.exp(2 * n / K)
    with pytest.raises(InputError, match="log"):
        pb.grid_prior(norm, K, n, std**2)
    assert pb.complexity(norm, rho, K, n) > n


@pytest.mark.parametrize("K", [1, 3])
def test_divergence_is_the_integral(K):
    """Coordinates are independent: one shifted by the norm, the others centred."""
    q, p, norm = 0.3, 0.8, 1.2

    def one(mean):
        a, b = stats.norm(mean, np.sqrt(q)), stats.norm(0, np.sqrt(p))
        return integrate.quad(lambda e: a.pdf(e) * (a.logpdf(e) - b.logpdf(e)), mean - 12, mean + 12)[0]

    assert pb.gaussian_divergence(norm, K, q, p) == pytest.approx(one(norm) + (K - 1) * one(0.0), rel=1e-8)


def test_terms_are_the_displayed_ones():
    bound = pb.theorem_1(0.3, 2.0, rho=0.05, K=20, n=50_000, Delta=0.4, confidence=0.1)
    n = 30_000
    X = 5 * np.log(1 + 1600 * (1 + np.sqrt(np.log(n) / 20)) ** 2) + 0.25 + np.log(n / 0.1) + 2 * np.log(6 * n + 60)
    assert bound.sharpness == pytest.approx(0.5)
    assert bound.tail == pytest.approx(1 / (0.6 * np.sqrt(n)))
    assert bound.complexity == pytest.approx(np.sqrt(X / (n - 1)))
    assert bound.total == pytest.approx(sum(bound))


def test_without_noise_both_bounds_are_the_bound_for_sam():
    clean = pb.theorem_1(0.3, 2.0, rho=0.05, K=20, n=5000, Delta=0.0)
    assert clean == pb.repaired(0.3, 2.0, rho=0.05, K=20, n=5000, largest_rate=0.0)


def test_generality_costs_a_factor_in_the_last_term():
    """At a constant rate, for large n: 1/sqrt(1 - Delta)."""
    published = pb.theorem_1(0.3, 2.0, rho=0.05, K=20, n=10**9, Delta=0.4)
    general = pb.repaired(0.3, 2.0, rho=0.05, K=20, n=10**9, largest_rate=0.4)
    assert general.sharpness == published.sharpness
    assert general.complexity / published.complexity == pytest.approx(1 / np.sqrt(0.6), rel=2e-2)


@pytest.mark.parametrize(("Delta", "slack"), [(0.0, 26.7), (0.2, 29.9), (0.4, 34.5), (0.6, 42.3)])
def test_for_a_network_the_bound_is_vacuous(Delta, slack):
    """A ResNet-18 with 11.17 million weights of norm 30: the complexity alone is far above one."""
    bound = pb.theorem_1(0.0, 30.0, rho=0.05, K=11_170_000, n=50_000, Delta=Delta)
    assert bound.complexity == pytest.approx(slack, abs=0.05)


def test_the_first_term_rewards_memorisation():
    assert pb.observed_error(0.0, 0.4) / 0.6 == pytest.approx(2 / 3)
    assert pb.observed_error(0.5, 0.4) == pytest.approx(0.5)
    assert pb.observed_error(0.9, 0.4, 10) == pytest.approx(0.4 + 0.9 * (1 - 4 / 9))


def test_theorem_1_fails_and_the_repaired_bound_holds_under_instance_dependent_noise():
    """Two inputs e_1, e_2, both of class +1; a share q of e_2, whose labels flip at rate r. w = (1, -1) errs on e_2.

    0-1 loss in expectation over the labels, constant on the ball; L(w) <= E L(w + eps) holds because q < 1/2.
    """
    q, r, n, rho = 0.3, 0.9, 100_000, 0.05
    rate, observed, error = q * r, q * (1 - r), q
    published = pb.theorem_1(observed, np.sqrt(2), rho=rho, K=2, n=n, Delta=rate)
    general = pb.repaired(observed, np.sqrt(2), rho=rho, K=2, n=n, largest_rate=r)
    moved = (1 - q) * ndtr(-1 / pb.posterior_std(rho, 2, n)) + q * ndtr(1 / pb.posterior_std(rho, 2, n))
    assert moved >= error
    assert published.total < 0.4 * error
    assert general.total > error
    assert general.sharpness == pytest.approx(error)  # tight: the large-sample limit is the error itself


@pytest.mark.parametrize(
    ("change", "message"),
    [({"K": 0}, "K"), ({"rho": 0.0}, "rho"), ({"Delta": 1.0}, "Delta"), ({"n": 1.5}, r"n \(1 - Delta\)")],
)
def test_bad_numbers_are_named(change, message):
    with pytest.raises(InputError, match=message):
        pb.theorem_1(0.1, 1.0, **({"rho": 0.1, "K": 2, "n": 100, "Delta": 0.4} | change))


def test_bad_rates_of_the_repaired_bound_are_named():
    with pytest.raises(InputError, match="largest_rate"):
        pb.repaired(0.1, 1.0, rho=0.1, K=2, n=100, largest_rate=1.0)
