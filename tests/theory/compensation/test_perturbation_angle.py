"""Angles between noisy and clean perturbations against samples drawn from the definitions of spec.problems."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from spec.problems import NoisyLinearTeacher, SignalNoiseMixture
from spec.validation import InputError
from theory.compensation import angle as pa

SEEDS = 40
FAMILY_ERROR = 1e-4
ISOTROPIC = SignalNoiseMixture(n=1000, d=5, B=1.3, gamma=0.8, Delta=0.2)
ORTHOGONAL = replace(ISOTROPIC, noise="orthogonal", Delta=0.35)
TEACHER = NoisyLinearTeacher(n=1000, d=4, Delta=0.3)
PROBLEMS = [ISOTROPIC, ORTHOGONAL, TEACHER]


def label(problem):
    return getattr(problem, "noise", "teacher")


def draw(rng, problem, n):
    """(x, y, t) with independent flips."""
    z = rng.normal(size=(n, problem.d))
    if isinstance(problem, NoisyLinearTeacher):
        x, y = z, np.sign(z[:, 0])
    else:
        if problem.noise == "orthogonal":
            z[:, 0] = 0
        y = np.where(rng.uniform(size=n) < 0.5, 1.0, -1.0)
        x = y[:, None] * (problem.B * np.eye(1, problem.d) + problem.gamma * z)
    return x, y, np.where(rng.uniform(size=n) < problem.Delta, -y, y)


def gradient(w, x, t):
    return -(expit(-t * (x @ w)) * t) @ x / len(t)


def score(measured, predicted, points):
    error = measured.std(axis=0, ddof=1) / np.sqrt(len(measured))
    threshold = stats.t.isf(FAMILY_ERROR / (2 * points), len(measured) - 1)
    return float(np.max(np.abs(measured.mean(axis=0) - predicted) / error) / threshold)


@pytest.fixture
def weights(rng):
    """A direction off every axis, of moderate length."""
    return lambda problem: rng.normal(0.3, 0.5, problem.d)


@pytest.mark.parametrize("problem", PROBLEMS, ids=label)
def test_population_gradients(problem, weights, rng):
    w = weights(problem)
    pairs = []
    for _ in range(SEEDS):
        x, y, t = draw(rng, problem, 4000)
        pairs.append(np.stack([gradient(w, x, y), gradient(w, x, t)]))
    predicted = np.stack([pa.clean_gradient(problem, w), pa.noisy_gradient(problem, w)])
    assert score(np.stack(pairs), predicted, 40) <= 1
    wrong = np.stack([predicted[0], pa.noisy_gradient(replace(problem, Delta=problem.Delta / 2), w)])
    assert score(np.stack(pairs), wrong, 40) > 2


@pytest.mark.parametrize("problem", PROBLEMS, ids=label)
def test_closed_angle_is_the_angle_of_the_gradients(problem, weights):
    for _ in range(5):
        w = weights(problem)
        expected = pa.angle_between(pa.clean_gradient(problem, w), pa.noisy_gradient(problem, w))
        assert pa.perturbation_angle(problem, w) == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("problem", PROBLEMS, ids=label)
def test_angle_of_large_samples(problem, weights, rng):
    """The angle of sampled gradients is biased by O(1/n) only, below its standard error over seeds."""
    w, angles = weights(problem), []
    for _ in range(SEEDS):
        x, y, t = draw(rng, problem, 20000)
        angles.append(float(pa.angle_between(gradient(w, x, y), gradient(w, x, t))))
    assert score(np.array(angles), pa.perturbation_angle(problem, w), 3) <= 1
    assert score(np.array(angles), pa.perturbation_angle(replace(problem, Delta=problem.Delta / 2), w), 3) > 2


def test_angles_near_zero_and_pi_keep_their_digits():
    e = np.array([1.0, 0.0])
    for angle in (1e-9, np.pi - 1e-9):
        assert pa.angle_between(e, np.array([np.cos(angle), np.sin(angle)])) == pytest.approx(
            angle, rel=1e-12, abs=1e-15
        )
    assert pa.angle_between(e, 0 * e) == pytest.approx(np.pi / 2)
    assert pa.angle_between(0 * e, 0 * e) == 0


@pytest.mark.parametrize("problem", PROBLEMS, ids=label)
def test_on_the_axis_the_noise_reverses_exactly_the_overshoot_zone(problem):
    low, high = pa.overshoot_zone(problem)
    assert 0 < low < high
    end = high if np.isfinite(high) else 3 * low
    outside = [0.5 * low, low * (1 - 1e-6)] + ([high * (1 + 1e-6), 2 * high] if np.isfinite(high) else [])
    inside = [low * (1 + 1e-6), (low + end) / 2, end * (1 - 1e-6)]
    axis = np.eye(1, problem.d)[0]
    assert [pa.perturbation_angle(problem, a * axis) for a in outside] == [0.0] * len(outside)
    np.testing.assert_allclose([pa.perturbation_angle(problem, a * axis) for a in inside], np.pi, rtol=1e-12)
    np.testing.assert_allclose(pa.noisy_gradient(problem, low * axis)[0], 0, atol=1e-10)


def test_overshoot_zone_in_known_cases():
    assert pa.overshoot_zone(replace(ISOTROPIC, Delta=0.0)) == pytest.approx((2 * 1.3 / 0.64,) * 2)
    assert pa.overshoot_zone(replace(ORTHOGONAL, Delta=0.0)) == (np.inf, np.inf)
    assert pa.overshoot_zone(replace(TEACHER, Delta=0.0)) == (np.inf, np.inf)
    assert pa.overshoot_zone(ORTHOGONAL)[0] == pytest.approx(np.log(0.65 / 0.35) / 1.3)
    zones = [pa.overshoot_zone(replace(ISOTROPIC, Delta=D))[0] for D in (0.01, 0.1, 0.3, 0.49)]
    assert zones == sorted(zones, reverse=True)
    np.testing.assert_allclose(pa.clean_gradient(ISOTROPIC, 2 * 1.3 / 0.64 * np.eye(1, 5)[0]), 0, atol=1e-10)
    with pytest.raises(InputError, match="B"):
        pa.overshoot_zone(replace(ISOTROPIC, B=0.0))


@pytest.mark.parametrize("problem", [ISOTROPIC, ORTHOGONAL], ids=label)
def test_batch_moments(problem, weights, rng):
    w, batch, rows = weights(problem), 5, []
    for _ in range(SEEDS):
        x, y, t = draw(rng, problem, 1000 * batch)
        g, h = (-(expit(-u * (x @ w)) * u)[:, None] * x for u in (y, t))
        g, h = (a.reshape(-1, batch, problem.d).mean(axis=1) for a in (g, h))
        rows.append([np.mean(np.sum(a * b, axis=1)) for a, b in ((g, h), (g, g), (h, h))])
    moments = pa.batch_moments(problem, w, batch)
    assert score(np.array(rows), np.array(moments), 6) <= 1
    for wrong in (pa.batch_moments(problem, w, batch + 1), pa.batch_moments(replace(problem, Delta=0.05), w, batch)):
        assert score(np.array(rows), np.array(wrong), 6) > 2


def test_cosine_of_batches_tends_to_that_of_the_population_and_to_the_orthogonal_one():
    w = np.r_[0.9, 0.6, np.zeros(3)]
    theta = pa.perturbation_angle(ISOTROPIC, w)
    assert pa.batch_moments(ISOTROPIC, w, 10**9).cosine == pytest.approx(np.cos(theta), abs=1e-6)
    wide = SignalNoiseMixture(n=1000, d=200_000, B=0.1, gamma=1.0, Delta=0.3)
    cosine = pa.batch_moments(wide, np.zeros(200_000), 8).cosine
    assert cosine == pytest.approx(float(pa.orthogonal_cosine(0.5, 0.3)), abs=1e-3)


def test_orthogonal_cosine_turns_sign_when_clean_examples_are_fitted(rng):
    """On orthonormal inputs, written out."""
    n, Delta, s = 20, 0.3, 0.15
    x, _ = np.linalg.qr(rng.normal(size=(30, n)))
    y = np.where(rng.uniform(size=n) < 0.5, 1.0, -1.0)
    w = x @ (y * np.log(1 / s - 1))
    t = np.where(np.arange(n) < Delta * n, -y, y)
    g, h = gradient(w, x.T, y), gradient(w, x.T, t)
    expected = g @ h / np.linalg.norm(g) / np.linalg.norm(h)
    assert float(pa.orthogonal_cosine(s, Delta)) == pytest.approx(expected, rel=1e-10)
    assert expected < 0
    assert pa.orthogonal_cosine(0.3, 0.3) == 0
    assert pa.orthogonal_cosine(0.5, 0.3) == pytest.approx(0.4)
    assert np.isnan(pa.orthogonal_cosine(0.0, 0.0))


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_uniform_cosine_by_hand(classes):
    """Symmetric noise at uniform softmax, every class and every wrong label once."""
    Delta, residual = 0.3, 1 / classes - np.eye(classes)
    inner = (1 - Delta) * residual[0] @ residual[0] + Delta * np.mean([residual[0] @ r for r in residual[1:]])
    assert pa.uniform_cosine(Delta, classes) == pytest.approx(inner / (residual[0] @ residual[0]))


def test_unknown_problems_and_bad_numbers_are_refused():
    for function in (pa.overshoot_zone, pa.mean_example, lambda p: pa.clean_gradient(p, np.ones(2))):
        with pytest.raises(TypeError):
            function("mixture")
    for bad in (0, 1.5):
        with pytest.raises(InputError, match="batch"):
            pa.batch_moments(ISOTROPIC, np.ones(5), bad)
    with pytest.raises(InputError, match="classes"):
        pa.uniform_cosine(0.2, 1)
    with pytest.raises(InputError, match="Delta"):
        pa.uniform_cosine(1.2, 3)
