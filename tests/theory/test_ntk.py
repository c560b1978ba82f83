"""The limit kernels against integrals over the circle, the recursion written for two numbers, and its symmetries."""

import math

import numpy as np
import pytest

from spec.validation import InputError
from theory import ntk


def by_circle(order, cosine):
    """2 E[f(u) f(v)] in polar coordinates: E[r^2] = 2 for relu, 1 for its derivative; then a mean over directions."""
    phi = (np.arange(200_000) + 0.5) * 2 * np.pi / 200_000
    u, v = np.cos(phi), np.cos(phi - math.acos(cosine))
    f = (lambda a: (a > 0).astype(float)) if order == 0 else (lambda a: np.maximum(a, 0))
    return 2 * (1 if order == 0 else 2) * float(np.mean(f(u) * f(v)))


@pytest.mark.parametrize("order", [0, 1])
def test_arc_cosine_kernels_are_gaussian_expectations(order):
    for cosine in (-1.0, -0.6, 0.0, 0.3, 0.99, 1.0):
        assert ntk.arc_cosine(order, np.array(cosine)) == pytest.approx(by_circle(order, cosine), abs=2e-5)


def slow(x, y, hidden):
    """(covariance, tangent kernel) of two inputs: expectations layer by layer, the chain rule for the rest."""
    gains = [2.0] * hidden + [1.0]
    xx, xy, yy = (
        gains[0] / len(x) * sum(a * b for a, b in zip(p, q, strict=True)) for p, q in ((x, x), (x, y), (y, y))
    )
    tangent = xy + 1
    for gain in gains[1:]:
        theta = math.acos(max(-1.0, min(1.0, xy / math.sqrt(xx * yy))))
        slope = (math.pi - theta) / (2 * math.pi)
        xy = math.sqrt(xx * yy) / (2 * math.pi) * (math.sin(theta) + (math.pi - theta) * math.cos(theta))
        xx, xy, yy = gain * xx / 2, gain * xy, gain * yy / 2
        tangent = xy + 1 + gain * slope * tangent
    return xy, tangent


@pytest.mark.parametrize("hidden", [0, 1, 2, 4])
def test_kernels_follow_the_recursion(hidden, rng):
    x, other = rng.normal(size=(4, 5)), rng.normal(size=(3, 5)) * 2
    kernels = ntk.relu(x, other, hidden=hidden)
    for i, j in np.ndindex(4, 3):
        covariance, tangent = slow(x[i], other[j], hidden)
        assert kernels.covariance[i, j] == pytest.approx(covariance, rel=1e-12, abs=1e-15)
        assert kernels.tangent[i, j] == pytest.approx(tangent, rel=1e-12)


def test_the_diagonal_is_exact(rng):
    """Theta(x, x) = (1 + s) + ... in powers of the squared length s = 2 ||x||^2/d, which every hidden layer keeps."""
    x = rng.normal(size=(6, 7)) * 10 ** rng.uniform(-3, 3, (6, 1))
    s = 2 * np.sum(x**2, axis=1) / 7
    for hidden in (1, 2, 5):
        kernels = ntk.relu(x, hidden=hidden)
        np.testing.assert_allclose(np.diag(kernels.covariance), s / 2, rtol=1e-14)
        np.testing.assert_allclose(np.diag(kernels.tangent), (hidden * (s + 1) + s) / 2 + 1, rtol=1e-13)


def test_kernels_are_symmetric_and_positive(rng):
    for kernel in ntk.relu(rng.normal(size=(20, 4)), hidden=3):
        np.testing.assert_allclose(kernel, kernel.T, rtol=1e-14)
        assert np.linalg.eigvalsh(kernel).min() > 0


def test_an_input_with_itself_is_an_input_with_another(rng):
    x = rng.normal(size=(5, 4))
    for one, two in zip(ntk.relu(x, hidden=2), ntk.relu(x, x.copy(), hidden=2), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-7)  # kappa_0 next to the diagonal keeps half of the digits


def test_centred_kernels_are_products_of_centred_features(rng):
    x, other, centres = rng.normal(size=(5, 3)), rng.normal(size=(4, 3)), rng.normal(size=(6, 3))
    weights = rng.uniform(size=6)
    weights /= weights.sum()
    mu, c = weights @ centres, 7.0  # the constant must drop out
    kernels = (x @ other.T + c, x @ centres.T + c, other @ centres.T + c, centres @ centres.T + c)
    np.testing.assert_allclose(ntk.centred(*kernels, weights), (x - mu) @ (other - mu).T, atol=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ntk.relu(np.zeros((1, 2))), "x must be without rows of zeros"),
        (lambda: ntk.relu(np.ones((2, 3)), np.ones((2, 2))), r"other must be inputs of shape \(n, 3\)"),
        (lambda: ntk.relu(np.array([[1.0, np.nan]])), "x must be finite everywhere"),
        (lambda: ntk.relu(np.ones((1, 2)), hidden=-1), "hidden must be an integer >= 0, got -1"),
        (lambda: ntk.centred(*[np.ones((2, 2))] * 4, np.ones(2)), "weights must be numbers that sum to 1"),
        (lambda: ntk.arc_cosine(2, np.array(0.0)), "order must be 0 or 1, got 2"),
        (lambda: ntk.arc_cosine(1, np.array(1.5)), "cosine must be within"),
    ],
)
def test_wrong_arguments_are_named(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_strict_agreement_keeps_the_leading_class_alone():
    """Class means of the kernel by hand: first, second and third place, and nobody behind."""
    t_clean = np.array([0, 0, 1, 2])
    rows = np.array([[3.0, 1.0, 0.5, 0.0], [3.0, 1.0, 0.5, 0.0], [3.0, 1.0, 0.5, 0.0], [0.0, 0.0, 0.2, 0.0]])
    np.testing.assert_allclose(ntk.agreement_weights(rows, np.array([0, 1, 2, 1]), t_clean, 3), [1, 0, 0, 0.7])
    np.testing.assert_array_equal(ntk.agreement_weights(rows[:2], np.array([0, 1]), t_clean, 3), 1)
