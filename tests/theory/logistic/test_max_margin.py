"""The maximum margin by its conditions and by a general solver, and the late margins by the pulls they make."""

import numpy as np
import pytest
from scipy.optimize import minimize

from spec.validation import InputError
from theory.logistic.max_margin import late_margins, maximum_margin


@pytest.fixture(params=[(5, 7), (12, 3)], ids=["n<d", "n>d"])
def data(request, rng):
    """Inputs of unequal norm, off the origin, with labels that some w gives."""
    n, d = request.param
    x = rng.normal(0.3, 1.0, (n, d)) * rng.uniform(0.5, 1.5, (n, 1))
    return x, np.where(x @ rng.normal(size=d) > 0, 1.0, -1.0)


def test_the_conditions_of_optimality(data):
    x, t = data
    w, alpha = maximum_margin(x, t)
    z = t * (x @ w)
    assert z.min() == pytest.approx(1, rel=1e-9)
    np.testing.assert_allclose(w, (alpha * t) @ x, rtol=1e-9, atol=1e-12)
    assert (alpha >= 0).all()
    np.testing.assert_allclose(alpha * (z - 1), 0, atol=1e-8)


def test_no_other_classifier_of_margin_one_is_shorter(data):
    x, t = data
    w = maximum_margin(x, t).w
    constraint = {"type": "ineq", "fun": lambda v: t * (x @ v) - 1}
    found = minimize(lambda v: v @ v / 2, 2 * w, jac=lambda v: v, constraints=constraint, tol=1e-12)
    np.testing.assert_allclose(w, found.x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rho", [0.0, 0.7])
def test_late_margins_make_the_pull_of_the_support_vectors_that_of_the_maximum_margin(data, rho):
    x, t = data
    limit = late_margins(x, t, rho, h=1e-9)
    pulls = np.exp(rho * np.linalg.norm(x, axis=1) - limit) / len(t)
    np.testing.assert_allclose((pulls * t) @ x, maximum_margin(x, t).w, rtol=1e-6, atol=1e-9)


def test_growing_steps_raise_late_margins(data):
    x, t = data
    large, small = (m[np.isfinite(m)] for m in (late_margins(x, t, 0.3, h=h) for h in (0.5, 1e-9)))
    np.testing.assert_allclose(large - small, np.log(0.5 / np.log(1.5)), rtol=1e-6)


def test_what_cannot_be_separated_is_refused():
    x = np.array([[1.0], [1.0]])
    with pytest.raises(InputError, match="x and t must be separable"):
        maximum_margin(x, np.array([1.0, -1.0]))
