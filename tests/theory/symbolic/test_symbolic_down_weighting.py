"""The displayed formulas follow from the definitions: derived by sympy, and compared with the numerical code."""

import numpy as np
import sympy as sp

from spec.rules import Sam
from theory.down_weighting import ratio as dw
from theory.down_weighting import two_groups as tg
from theory.symbolic import down_weighting as derived
from theory.symbolic import logistic

m, m_c, m_n, delta, beta, kappa = (
    derived.m, derived.m_c, derived.m_n, derived.delta, derived.beta, derived.kappa,
)  # fmt: skip
minor, major = derived.a_minor, derived.a_major


def zero(expression):
    """Identically zero, by rewriting in exponentials."""
    return sp.simplify(sp.expand(sp.numer(sp.together(expression.rewrite(sp.exp))))) == 0


def test_amplification_falls_from_one_for_negative_shifts():
    assert derived.amplification_limits_of_a_falling_margin() == (1, sp.exp(logistic.C))
    slope = logistic.log_amplification_slope()
    assert zero(slope - logistic.sigmoid(logistic.z) + logistic.sigmoid(logistic.z - logistic.C))


def test_conflict_ratio_boundaries_and_slope():
    assert zero(derived.conflict_ratio() - (major - minor * kappa) / (1 - kappa))
    unit, reversal = derived.conflict_boundaries()
    assert zero(unit - (major - 1) / (minor - 1))
    assert zero(reversal - major / minor)
    assert zero(derived.conflict_slope() - (major - minor) / (1 - kappa) ** 2)


def test_the_inequality_of_the_theorem():
    large, small = derived.major, derived.minor
    assert zero(derived.excess() - ((major - 1) * large - (minor - 1) * small))


def test_bump_and_its_symmetry():
    D = derived.bump()
    half = delta / 2
    assert zero(D - sp.sinh(half) / (sp.cosh(half) + sp.cosh(m - half)))
    assert zero(D - D.subs(m, delta - m))
    # The slope has the sign of delta/2 - m: D^2 times a positive factor times sinh(delta/2 - m).
    assert zero(derived.bump_slope() - D**2 * sp.sinh(half - m) / sp.sinh(half))


def test_at_equal_sizes_two_factors_decide():
    """D(m_c) - D(m_n) has the sign of -(m_c - m_n)(m_c + m_n - delta)."""
    bumps = derived.bump(m_c) * derived.bump(m_n) / sp.sinh(delta / 2)
    product = 2 * sp.sinh((m_n - m_c) / 2) * sp.sinh((m_c + m_n - delta) / 2)
    assert zero(derived.bump_difference() - bumps * product)


def test_twins():
    assert zero(derived.twins_ratio() - (1 + sp.cosh(m)) / (sp.cosh(delta) + sp.cosh(m)))


def test_numbers_of_ratio_and_boundaries(rng):
    ratio = sp.lambdify((m_c, m_n, delta, beta), derived.two_group_ratio())
    curves = {name: [sp.lambdify((m_n, delta, beta), root) for root in roots]
              for name, roots in derived.boundary_margins().items()}  # fmt: skip
    for c, n in rng.normal(size=(20, 2)):
        d, b = rng.uniform(0.2, 2), rng.uniform(0.2, 0.9)
        np.testing.assert_allclose(tg.two_group_ratio(c, n, d, b), ratio(c, n, d, b), rtol=1e-8)
        found = tg.boundaries(n, d, b)
        np.testing.assert_allclose(np.exp(found.dominance), curves["dominance"][0](n, d, b), rtol=1e-9)
        np.testing.assert_allclose(np.exp(found.reversal), curves["reversal"][0](n, d, b), rtol=1e-9)
        units = sorted(root(n, d, b) for root in curves["unit"])
        np.testing.assert_allclose(np.exp([found.unit_low, found.unit_high]), units, rtol=1e-7)


def test_first_order_is_the_hessian_along_the_gradient(rng):
    slope, product, (w, xs, t) = derived.first_order()
    numeric = sp.lambdify((w, *xs, t), [slope, product])
    draw = [rng.normal(size=(2, 1)) for _ in range(3)]
    labels = np.array([[1.0], [-1.0]])
    slope, product = (np.ravel(v) for v in numeric(*(v[:, 0] for v in draw), labels[:, 0]))
    np.testing.assert_allclose(slope, product, rtol=1e-10)
    w, x, t = draw[0][:, 0], np.stack([draw[1][:, 0], draw[2][:, 0]]), labels[:, 0]
    g = dw.regression.gradient(Sam(0.0), w, x, t)
    np.testing.assert_allclose(dw.first_order_ratio(w, x, t, 0.3), 1 + 0.3 * slope / g, rtol=1e-9)


def test_constants():
    assert np.isclose(float(derived.largest_third_derivative()), dw.THIRD_DERIVATIVE, rtol=1e-15)
    c = sp.Symbol("c", real=True)
    assert zero(derived.orthant_slope() - sp.diff(sp.Rational(1, 4) + sp.asin(c) / (2 * sp.pi), c))
