"""Shares of groups for normal features: closed form against quadrature, scipy and sampling; the mixture."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from spec.problems import SignalNoiseMixture
from spec.validation import InputError
from theory.down_weighting import expected_shares
from theory.down_weighting import ratio as dw
from theory.down_weighting import shares as gf

CLEAN, NOISY = np.array([3.0, 3.5, 4.4]), np.array([1.0, 1.6, 2.9])


def tally(c, c_moved, n, n_moved):
    """Shares of every dominance and group among sampled parts, along the last axis."""
    group = dw.groups(dw.ratio(c + n, c_moved + n_moved))
    who = dw.dominance(c, n)
    who = np.where(who == "", "agree", who)
    return np.stack([[np.mean((who == a) & (group == b), axis=-1) for b in gf.COLUMNS] for a in gf.ROWS])


@pytest.mark.parametrize("k", [2, 3])
def test_orthant_probabilities(k, rng):
    root = rng.normal(size=(k, k + 2))
    covariance = root @ root.T
    known = stats.multivariate_normal(cov=covariance, abseps=1e-10, releps=1e-10, maxpts=10**6).cdf(np.zeros(k))
    assert gf.orthant(covariance) == pytest.approx(known, abs=1e-7)
    assert gf.orthant(np.eye(k)) == 2.0**-k


def test_a_variable_without_variance_is_never_negative():
    assert gf.orthant(np.diag([1.0, 2.0, 0.0])) == pytest.approx(0.25)


def test_fractions_are_those_of_sampled_parts(rng):
    clean, noisy = (rng.multivariate_normal([0, 0], [[a, b], [b, c]], 200_000).T for a, b, c in (CLEAN, NOISY))
    expected = gf.fractions(CLEAN, NOISY)
    assert expected.sum() == pytest.approx(1, abs=1e-14)
    assert (abs(tally(*clean, *noisy) - expected) < 5 * np.sqrt(expected / 200_000) + 1e-4).all()
    np.testing.assert_allclose(gf.fractions(7 * CLEAN, 7 * NOISY), expected, rtol=1e-12)


def test_without_perturbation_every_ratio_is_one():
    still = gf.fractions(np.full(3, 3.0), np.full(3, 1.0))
    np.testing.assert_allclose(still[:, 1:], 0, atol=1e-15)
    assert still[:, 0].sum() == pytest.approx(1)


def test_equal_factors_give_arctangents():
    """s' = a s in each group: |c|/|n| is a Cauchy variable, cut at the boundaries in kappa."""
    a_c, a_n, tau = 2.5, 1.6, 0.8
    clean, noisy = np.array([1, a_c, a_c**2]), tau**2 * np.array([1, a_n, a_n**2])
    share = lambda low, high: (np.arctan(high * tau) - np.arctan(low * tau)) / np.pi  # noqa: E731
    low, high = dw.reduced_interval(a_c, a_n)
    np.testing.assert_allclose(
        gf.fractions(clean, noisy)[0], [share(0, low), share(low, high), share(high, 1)], atol=1e-8
    )


def test_quadrature_equals_the_closed_form_without_a_mean():
    np.testing.assert_allclose(gf.shifted_fractions(np.zeros(4), CLEAN, NOISY), gf.fractions(CLEAN, NOISY), rtol=1e-11)


def test_quadrature_with_a_mean_equals_sampling(rng):
    mean = np.array([1.4, 1.9, 0.6, -0.5])
    clean, noisy = (rng.multivariate_normal(m, [[a, b], [b, c]], 200_000).T
                    for m, (a, b, c) in ((mean[:2], CLEAN), (mean[2:], NOISY)))  # fmt: skip
    expected = gf.shifted_fractions(mean, CLEAN, NOISY)
    assert expected.sum() == pytest.approx(1, abs=1e-10)
    assert (abs(tally(*clean, *noisy) - expected) < 5 * np.sqrt(expected / 200_000) + 1e-4).all()
    np.testing.assert_allclose(gf.shifted_fractions(-mean, CLEAN, NOISY), expected, rtol=1e-9)


def test_given_weights_shares_are_exact_at_small_n(rng):
    n, noisy = 7, np.arange(7) < 3
    s, moved = rng.uniform(0.1, 0.9, n), rng.uniform(0.2, 1.0, n)
    z = rng.normal(size=(n, 200_000))
    parts = [(v[mask] @ z[mask]) for mask in (~noisy, noisy) for v in (s, moved)]
    expected = gf.sample_fractions(s, moved, noisy)
    assert (abs(tally(*parts) - expected) < 5 * np.sqrt(expected / 200_000) + 1e-4).all()


def simulate(problem, w, rho, seeds, rng):
    """Shares over coordinates of each of many samples of the mixture, from its definition."""
    rows = []
    for _ in range(seeds):
        y = np.where(np.arange(problem.n) < problem.n // 2, 1.0, -1.0)
        z = rng.normal(size=(problem.n, problem.d))
        if problem.noise == "orthogonal":
            z[:, 0] = 0
        x = y[:, None] * (problem.B * np.eye(problem.d)[0] + problem.gamma * z)
        flipped = rng.permutation(np.arange(problem.n) < round(problem.Delta * problem.n))
        if problem.flips == "bernoulli":
            flipped = rng.uniform(size=problem.n) < problem.Delta
        t = np.where(flipped, -y, y)
        m = t * (x @ w)
        g, h = (-(expit(shift - m) * t)[:, None] * x for shift in (0.0, rho * np.linalg.norm(x, axis=1)))
        parts = [v[mask].sum(axis=0)[1:] for mask in (~flipped, flipped) for v in (g, h)]
        rows.append(tally(*parts))
    return np.array(rows)


@pytest.mark.parametrize(
    ("problem", "weights"),
    [
        (SignalNoiseMixture(n=30, d=40, B=1.5, gamma=0.8, Delta=0.3, noise="orthogonal"), "dense"),
        (SignalNoiseMixture(n=40, d=25, B=1.2, gamma=1.1, Delta=0.2, noise="orthogonal", flips="bernoulli"), "dense"),
        (SignalNoiseMixture(n=30, d=40, B=1.5, gamma=0.8, Delta=0.4, noise="orthogonal"), "signal only"),
    ],
    ids=["stratified", "bernoulli", "signal only"],
)
def test_expected_fractions_of_the_mixture(problem, weights, rng):
    """A family of nine means over 1500 samples, within 4.5 standard errors; the leading order alone would miss some."""
    w = np.zeros(problem.d)
    if weights == "dense":
        w = rng.uniform(0.5, 1.5, problem.d) * rng.choice([-1, 1], problem.d) / np.sqrt(problem.d)
    w[0] = 0.9
    shares = simulate(problem, w, 0.35, 1500, rng)
    error = shares.std(axis=0, ddof=1) / np.sqrt(len(shares))
    expected = expected_shares.expected_fractions(problem, w, 0.35)
    assert expected.sum() == pytest.approx(1, abs=1e-6)
    assert (abs(shares.mean(axis=0) - expected) < 4.5 * error).all()


def last_of_three(n, samples, rng):
    """Mean shares of the last of three coordinates over many samples at once."""
    noisy = np.arange(n) < round(0.25 * n)
    e, z = np.where(noisy, -1.0, 1.0), 0.9 * rng.normal(size=(samples, n, 3))
    z[..., 0] = 1.4
    m = e * (z @ np.array([0.8, 1.4, 0.0]))
    weights = [expit(shift - m) for shift in (0.0, 0.3 * np.linalg.norm(z, axis=2))]
    parts = [np.sum(e * s * z[..., 2] * mask, axis=1) for mask in (~noisy, noisy) for s in weights]
    return tally(*parts).ravel()


def test_in_few_dimensions_parts_are_coordinates_on_spheres(rng):
    """d = 3, where a part of given length is a sign. With normal parts the error is of the order 1/(n d)."""
    w = np.array([0.8, 1.4, 0.0])
    for n, normal_is_off in ((24, 5.5), (48, 0.0)):
        law = SignalNoiseMixture(n=n, d=3, B=1.4, gamma=0.9, Delta=0.25, noise="orthogonal")
        rows = np.array([last_of_three(n, 4000, rng) for _ in range(32)])
        mean, error = rows.mean(axis=0), rows.std(axis=0, ddof=1) / np.sqrt(32)
        stated = expected_shares.expected_fractions(law, w, 0.3, rtol=1e-3).ravel()
        assert (abs(mean - stated) < 4.5 * error).all()
        sums = expected_shares.sums(law, w, 0.3, rtol=1e-3)
        normal = expected_shares.second_order(sums.mean, sums.covariance, 0.0).ravel()
        assert (abs(mean - normal) > normal_is_off * error).any()


def test_noise_along_the_signal_changes_little_but_is_counted(rng):
    """Isotropic noise, at a coarse tolerance: three variables instead of two."""
    problem = SignalNoiseMixture(n=40, d=20, B=1.3, gamma=0.9, Delta=0.3)
    w = np.ones(20) / 4
    shares = simulate(problem, w, 0.3, 1000, rng)
    error = shares.std(axis=0, ddof=1) / np.sqrt(len(shares))
    expected = expected_shares.expected_fractions(problem, w, 0.3, rtol=1e-3)
    assert (abs(shares.mean(axis=0) - expected) < 4.5 * error + 2e-4).all()


def test_bad_input_is_refused():
    law = SignalNoiseMixture(n=30, d=5, Delta=0.3, noise="orthogonal")
    with pytest.raises(InputError, match=r"w must have shape \(5,\)"):
        expected_shares.expected_fractions(law, np.ones(4), 0.1)
    with pytest.raises(InputError, match="w must leave a coordinate"):
        expected_shares.expected_fractions(SignalNoiseMixture(n=30, d=3, Delta=0.3), np.ones(3), 0.1)
    with pytest.raises(InputError, match="rho must be"):
        expected_shares.expected_fractions(law, np.ones(5), 0.0)
    with pytest.raises(InputError, match="Delta must be positive"):
        expected_shares.expected_fractions(SignalNoiseMixture(n=30, d=5, Delta=0.0), np.ones(5), 0.1)
