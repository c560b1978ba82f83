"""The derivations of theory.symbolic.reweighting against the numerical code."""

import numpy as np
import sympy as sp

from theory.reweighting import flow as mean_field
from theory.reweighting import recursion as mr
from theory.symbolic import reweighting as symbolic


def test_the_meta_gradient_is_the_coupling(rng):
    derived, m = symbolic.meta_gradient()
    symbols = [*m.theta, *(s for a in (*m.phi, *m.phi_clean) for s in a), *m.t, *m.t_clean, *m.w, symbolic.eta]
    f = sp.lambdify(symbols, derived)
    for _ in range(5):
        theta, phi, psi = rng.normal(size=2), rng.normal(size=(2, 2)), rng.normal(size=(2, 2))
        t, u, w, eta = rng.choice([-1.0, 1.0], 2), rng.choice([-1.0, 1.0], 2), rng.uniform(size=2), 0.3
        state = mr.State(w, phi @ theta - t, psi @ theta - u)
        K = mr.Blocks(phi @ phi.T, psi @ phi.T)
        expected = f(*theta, *phi.ravel(), *psi.ravel(), *t, *u, *w, eta)
        np.testing.assert_allclose(mr.coupling(K.clean, state.r, mr.look_ahead(K, state, eta)), expected, rtol=1e-10)


def test_the_mean_field_is_the_limit_of_the_recursion(rng):
    symbols = (symbolic.v, symbolic.rho, symbolic.q, symbolic.w_c, symbolic.w_n)
    f = sp.lambdify((*symbols, symbolic.p, symbolic.Lambda, symbolic.nu), list(symbolic.mean_field()))
    for _ in range(5):
        x, p, Lambda, nu = rng.uniform(0.1, 2, 5), *rng.uniform(0.1, 0.9, 3)
        np.testing.assert_allclose(mean_field.velocity(x, p, Lambda, nu), f(*x, p, Lambda, nu), rtol=1e-12)


def test_energy_is_kept_and_falls_once_clean_weights_are_cut():
    s = symbolic
    assert s.energy_slope(amplified=False) == 0
    assert sp.simplify(s.energy_slope(amplified=True) + 2 * s.Lambda * (1 - s.p) * s.rho * s.v) == 0


def test_final_clean_weight():
    square, w = symbolic.squared_final_clean_weight()
    expected = (w**2 + 1 / symbolic.Lambda) / (1 - symbolic.p)
    assert sp.simplify(square - expected) == 0


def test_time_on_the_ellipse_has_the_derived_speed():
    speed, angle = symbolic.slow_speed()
    w = next(s for s in speed.free_symbols if s.name == "w")
    f = sp.lambdify((angle, symbolic.p, w), speed)
    for p in (0.2, 0.6):
        a = np.linspace(np.arcsin(np.sqrt(1 - p)), 1.5, 7)[:-1]
        slope = (mean_field.slow_time(a + 1e-6, p, 0.7) - mean_field.slow_time(a - 1e-6, p, 0.7)) / 2e-6
        np.testing.assert_allclose(slope * f(a, p, 0.7), 1, rtol=1e-7)


def test_turning_ratio():
    expected = (1 - symbolic.p) * symbolic.rho / (symbolic.p * symbolic.q)
    assert sp.simplify(symbolic.turning_ratio() - expected) == 0


def test_the_identity_behind_the_regret_bound():
    assert symbolic.step_identity() == 0
