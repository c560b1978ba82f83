"""Expectations over independent normal and chi variables, against moments and integrals known in other ways."""

import math

import numpy as np
import pytest
from scipy import integrate, stats
from scipy.special import expit, gammaln, ndtr

from spec.validation import InputError
from theory import gaussian
from theory.gaussian import chi, expectation, normal


def chi_moment(k, p):
    """E r^p = 2^(p/2) Gamma((k + p)/2) / Gamma(k/2)."""
    return math.exp(p / 2 * math.log(2) + gammaln((k + p) / 2) - gammaln(k / 2))


# ---------------------------------------------------------------- one variable


@pytest.mark.parametrize(("power", "moment"), [(0, 1), (1, 0), (2, 1), (3, 0), (4, 3), (6, 15), (8, 105)])
def test_normal_moments(power, moment):
    result = expectation(lambda u: u**power, normal())
    assert result.value == pytest.approx(moment, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("power", [0, 1, 2, 3, 4])
@pytest.mark.parametrize("k", [1, 2, 36, 999])
def test_chi_moments(k, power):
    """k = 1 has its density's maximum at the edge 0; k = 999 is a narrow peak far from 0."""
    result = expectation(lambda r: r**power, chi(k))
    assert result.value == pytest.approx(chi_moment(k, power), rel=1e-9)


def test_chi_counts_its_degrees_of_freedom():
    """The mean tells 999 degrees from 998: the moments above have power."""
    assert abs(chi_moment(999, 1) / chi_moment(998, 1) - 1) > 1e5 * 1e-9


@pytest.mark.parametrize("variable", [normal(), chi(1), chi(2), chi(999)], ids=["normal", "chi1", "chi2", "chi999"])
def test_variables_hold_all_of_their_mass(variable):
    assert variable.low < variable.high
    assert expectation(lambda u: np.ones_like(u), variable).value == pytest.approx(1, abs=1e-11)


def reference_sigmoid(scale, centre):
    """E sigma(scale (u - centre)) by scipy.integrate.quad, split where the sigmoid rises so that it sees the step."""
    width = 40 / scale
    edges = sorted({-10.0, max(centre - width, -10.0), centre, min(centre + width, 10.0), 10.0})
    parts = [
        integrate.quad(lambda u: expit(scale * (u - centre)) * stats.norm.pdf(u), a, b, epsabs=1e-14, epsrel=1e-12)[0]
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]
    return math.fsum(parts)


@pytest.mark.parametrize("scale", [0.3, 1.0, 7.0, 50.0])
def test_sigmoids(scale, rng):
    """The integrands of the theory: scale is the spread of the margins of a group."""
    for centre in map(float, rng.uniform(-2, 2, 6)):
        result = expectation(lambda u, c=centre: expit(scale * (u - c)), normal())
        assert result.value == pytest.approx(reference_sigmoid(scale, centre), rel=1e-9)


@pytest.mark.parametrize("centre", [-2.1, -1.4, -0.9, -0.35, 0.35, 0.9, 1.4, 2.1])
def test_very_steep_sigmoids(centre):
    """Far steeper than any margin law of the project: nearly a step, nearly a tail probability."""
    result = expectation(lambda u: expit(1e3 * (u - centre)), normal())
    assert result.value == pytest.approx(reference_sigmoid(1e3, centre), rel=1e-9)
    assert result.value == pytest.approx(ndtr(-centre), abs=1e-6)


def test_a_custom_variable_uses_its_own_density():
    """Exponential with rate 3, cut where e^-90 is left: mean 1/3, second moment 2/9."""
    waiting = gaussian.Variable(lambda u: 3 * np.exp(-3 * u), 0.0, 30.0)
    result = expectation(lambda u: np.stack([u, u**2], axis=1), waiting)
    np.testing.assert_allclose(result.value, [1 / 3, 2 / 9], rtol=1e-9)


# ---------------------------------------------------------------- several variables


def test_two_normals_add_in_quadrature(rng):
    """A sigmoid of a u + b v is a sigmoid of hypot(a, b) u."""
    for a, b in rng.uniform(-2, 2, (5, 2)):
        double = expectation(lambda u, v, a=a, b=b: expit(a * u + b * v - 0.4), normal(), normal())
        single = expectation(lambda u, a=a, b=b: expit(np.hypot(a, b) * u - 0.4), normal())
        assert double.value == pytest.approx(single.value, rel=1e-9)


def test_variables_keep_their_order(rng):
    """f gets the normal first and the chi second: E u^2 r = E r, while E u r^2 = 0."""
    k = int(rng.integers(2, 40))
    result = expectation(lambda u, r: np.stack([u**2 * r, u * r**2], axis=1), normal(), chi(k))
    np.testing.assert_allclose(result.value, [chi_moment(k, 1), 0], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("k", [1, 2, 998])
def test_a_normal_and_a_chi_make_a_longer_chi(k):
    result = expectation(lambda u, r: np.hypot(u, r), normal(), chi(k))
    assert result.value == pytest.approx(chi_moment(k + 1, 1), rel=1e-9)


def test_three_normals_have_the_gaussian_characteristic_function(rng):
    a = rng.uniform(-1.5, 1.5, 3)
    result = expectation(lambda u, v, w: np.cos(a[0] * u + a[1] * v + a[2] * w), normal(), normal(), normal())
    assert result.value == pytest.approx(math.exp(-(a @ a) / 2), rel=1e-9)


def test_three_different_variables(rng):
    """E (u^2 + a v)^2 r for independent u, v normal and r chi: (3 + a^2) E r."""
    a, k = float(rng.uniform(0.5, 2)), int(rng.integers(2, 40))
    result = expectation(lambda u, v, r: (u**2 + a * v) ** 2 * r, normal(), normal(), chi(k))
    assert result.value == pytest.approx((3 + a**2) * chi_moment(k, 1), rel=1e-9)


# ---------------------------------------------------------------- shapes and errors


def test_one_expectation_is_a_plain_number():
    result = expectation(lambda u: u**2, normal())
    assert isinstance(result.value, float)
    assert isinstance(result.error, float)


def test_several_expectations_at_once_keep_their_shape(rng):
    powers = rng.permutation(6).reshape(2, 3)
    result = expectation(lambda u: np.abs(u)[:, None, None] ** powers, normal())
    assert result.value.shape == (2, 3)
    np.testing.assert_allclose(result.value, np.vectorize(lambda p: chi_moment(1, p))(powers), rtol=1e-9)


ROUNDING = 1e-14  # granted on top of the stated error: rounding of the sums and of the reference


@pytest.mark.parametrize("rtol", [1e-8, 1e-10])
def test_the_stated_error_bounds_the_true_error_of_sigmoids(rtol, rng):
    """At the tolerances that the theory uses, for margin spreads up to 50."""
    for scale, centre in zip(rng.uniform(0.5, 50, 40), map(float, rng.uniform(-2, 2, 40)), strict=True):
        result = expectation(lambda u, s=scale, c=centre: expit(s * (u - c)), normal(), rtol=rtol)
        assert abs(result.value - reference_sigmoid(scale, centre)) <= result.error + ROUNDING


@pytest.mark.parametrize("rtol", [1e-8, 1e-10])
def test_the_stated_error_bounds_the_true_error_of_waves(rtol, rng):
    for a in rng.uniform(0, 10, 40):
        result = expectation(lambda u, a=a: 1 + np.cos(a * u), normal(), rtol=rtol)
        assert abs(result.value - (1 + math.exp(-(a**2) / 2))) <= result.error + ROUNDING


@pytest.mark.parametrize("rtol", [1e-8, 1e-10])
def test_the_stated_error_bounds_the_true_error_in_two_dimensions(rtol, rng):
    for a in rng.uniform(-3, 3, (10, 2)):
        result = expectation(lambda u, v, a=a: 1 + np.cos(a[0] * u + a[1] * v), normal(), normal(), rtol=rtol)
        assert abs(result.value - (1 + math.exp(-(a @ a) / 2))) <= result.error + ROUNDING


def test_the_stated_error_covers_every_component():
    """Zero is integrated without error; the wave next to it is not, and the one stated number covers both."""
    pair = expectation(lambda u: np.stack([np.zeros_like(u), 1 + np.cos(5 * u)], axis=1), normal(), rtol=1e-3)
    assert pair.error > 0
    assert (np.abs(pair.value - [0, 1 + math.exp(-12.5)]) <= pair.error).all()


def test_the_tolerance_is_reached():
    for rtol in (1e-3, 1e-6, 1e-9):
        result = expectation(lambda u: np.abs(u - 0.3), normal(), rtol=rtol, atol=0.0)
        assert result.error <= rtol * result.value


def test_a_wild_oscillation_is_refused():
    """More waves than the 2000 subdivisions can follow: no number is returned."""
    with pytest.raises(ArithmeticError, match=r"expectation not converged: error \d.*, asked for 1e-12"):
        expectation(lambda u: 1 + np.cos(1e6 * u), normal(), rtol=1e-12, atol=0.0)


def test_an_expectation_needs_a_variable():
    with pytest.raises(InputError, match=r"variables must be at least one variable, got \(\)"):
        expectation(lambda: np.ones(1))


@pytest.mark.parametrize(("steepness", "centre"), [(1e3, 0.004727927958749), (1e4, 0.01561657417712), (1e5, -0.7)])
def test_a_step_beside_a_symmetric_edge_is_not_missed(steepness, centre):
    """One subdivision, halved at zero, has no node near such a step and would call a wrong number converged."""
    value, _ = expectation(lambda u: expit(steepness * (u + centre)), normal(), rtol=1e-8)
    # A step of width 1/steepness differs from a jump by a term of second order in that width.
    second_order = (np.pi / steepness) ** 2 / 6 * centre * stats.norm.pdf(centre)
    assert value == pytest.approx(stats.norm.cdf(centre) - second_order, abs=1e-9 + 20 / steepness**4)


def test_random_steep_steps_are_right_or_refused(rng):
    wrong = 0
    for centre in rng.uniform(-2, 2, 200):
        try:
            value = expectation(lambda u, c=centre: expit(1e3 * (u + c)), normal(), rtol=1e-8).value
        except ArithmeticError:
            continue
        wrong += abs(value - stats.norm.cdf(centre)) > 1e-5
    assert wrong == 0
