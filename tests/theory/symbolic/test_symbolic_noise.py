"""What sympy derives on label noise against the displayed formulas, and those against the numerical code."""

import numpy as np
import pytest
import sympy as sp

from theory.compensation import angle, correction, pac_bayes
from theory.symbolic import compensation as derived
from theory.symbolic.compensation import Delta, gamma, hit, precision

POINTS = 40


def zero(expression):
    return sp.simplify(expression) == 0


def agree(code, expression, symbols, points):
    """The code equals the expression at every row, and a value off by a thousandth would not."""
    expected = np.array([float(expression.subs(dict(zip(symbols, map(float, row), strict=True)))) for row in points])
    measured = np.array([code(*row) for row in points], dtype=float)
    assert np.isfinite(expected).all()
    np.testing.assert_allclose(measured, expected, rtol=1e-10, atol=1e-12)
    assert np.abs(expected).max() > 1e-3


@pytest.fixture
def rates(rng):
    """Rows (Delta, gamma, precision, hit)."""
    return np.column_stack([rng.uniform(0.05, 0.45, POINTS), *rng.uniform(0.05, 0.95, (3, POINTS))])


def test_a_flipped_label_tilts_the_loss_and_never_bends_it():
    difference, gradient, hessian, (w, x, y) = derived.label_flip()
    assert zero(sp.exp(difference) - sp.exp(y * w.dot(x)))
    assert gradient == y * x
    assert hessian == sp.zeros(2, 2)


def test_effective_rate(rates):
    of_g, of_m = derived.combined_gradient()
    assert of_g == 1
    assert zero(of_m - (Delta + gamma * (1 - precision * hit)) / (1 + gamma))
    agree(correction.effective_rate, of_m, (Delta, gamma, precision, hit), rates)


def test_its_zero_and_its_slope(rates):
    assert zero(derived.cancelling_gamma() + Delta / (1 - precision * hit))
    assert zero(derived.effective_rate_slope() - (1 - precision * hit - Delta) / (1 + gamma) ** 2)
    three = np.delete(rates, 1, axis=1)
    agree(correction.cancelling_gamma, derived.cancelling_gamma(), (Delta, precision, hit), three)
    at_zero = sp.lambdify((Delta, precision, hit), derived.effective_rate_slope().subs(gamma, 0))
    slopes = [at_zero(*row) for row in three]
    np.testing.assert_array_equal(correction.helpful_sign(*three.T), -np.sign(slopes))


def test_difference_estimator(rates):
    rate = derived.difference_rate()
    assert zero(rate - Delta - gamma * (1 - 2 * precision))
    agree(correction.difference_rate, rate, (Delta, gamma, precision), rates[:, :3])
    (root,) = sp.solve(rate, gamma)
    agree(correction.cancelling_difference, root, (Delta, precision), rates[:, [0, 2]])


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_a_uniform_flip_hits_the_true_class_at_the_counted_rate(classes):
    assert derived.uniform_hit(classes) == sp.Rational(1, classes - 1)


def test_finite_batches(rng):
    error, (b, T, M) = derived.finite_batch_error()
    displayed = ((gamma**2 + 2 * Delta * gamma + Delta) * T + (b - 1) * (Delta - gamma * (1 - 2 * Delta)) ** 2 * M) / b
    assert zero(error - displayed)
    assert zero(derived.reversal_batch() - 1 - T / ((1 - 2 * Delta) * M))
    points = np.column_stack([rng.uniform(0.05, 0.45, POINTS), rng.integers(2, 200, POINTS), rng.uniform(2, 9, POINTS),
                              rng.uniform(0.2, 2, POINTS), rng.uniform(-1, 1, POINTS)])  # fmt: skip

    def of(function):
        return lambda D, b, T, M: function(D, int(b), second_moment=T, mean_square=M)

    agree(of(correction.finite_batch_optimum), derived.finite_batch_optimum(), (Delta, b, T, M), points[:, :4])
    agree(
        lambda D, n, t, m, g: correction.finite_batch_error(g, D, int(n), second_moment=t, mean_square=m),
        error,
        (Delta, b, T, M, gamma),
        points,
    )


def test_tangent_of_the_angle():
    squared, (u_1, u_2, M) = derived.tangent()
    displayed = Delta * M * u_2 / (u_1 * (u_1 + Delta * M) + u_2**2)
    assert zero(squared - displayed**2)


def test_stein_gives_the_class_conditional_gradient():
    assert derived.stein_remainder() == 0


def test_cosines(rng):
    cosine, s = derived.orthogonal_cosine()
    assert zero(cosine - (s - Delta) / sp.sqrt((1 - Delta) * s**2 + Delta * (1 - s) ** 2))
    points = np.column_stack([rng.uniform(0.01, 0.9, POINTS), rng.uniform(0.01, 0.45, POINTS)])
    agree(angle.orthogonal_cosine, cosine, (s, Delta), points)
    uniform, C = derived.uniform_cosine()
    assert zero(uniform - (1 - Delta * C / (C - 1)))
    agree(angle.uniform_cosine, uniform, (Delta, C), [(0.3, 2), (0.4, 10), (0.2, 3)])


def test_divergence_of_gaussians(rng):
    divergence, (w, q, p) = derived.gaussian_divergence()
    points = np.column_stack([rng.normal(size=POINTS), rng.uniform(0.1, 2, (POINTS, 2))])
    agree(lambda norm, a, b: pac_bayes.gaussian_divergence(abs(norm), 1, a, b), divergence, (w, q, p), points)


@pytest.mark.parametrize("classes", [2, 7])
def test_observed_error(classes, rng):
    value, (e, C) = derived.observed_error()
    assert zero(value - Delta - (1 - Delta * C / (C - 1)) * e)
    points = rng.uniform(0.05, 0.45, (POINTS, 2))
    agree(lambda a, b: pac_bayes.observed_error(a, b, classes), value.subs(C, classes), (e, Delta), points)
