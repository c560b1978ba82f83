"""The formulas of two-layer linear networks, derived by sympy and simplified to the displayed ones."""

import numpy as np
import pytest
import sympy as sp

from spec.rules import JacobianSam
from theory.linear_networks import gradients, margins
from theory.symbolic import networks as derived
from theory.symbolic.logistic import rho, sigmoid


@pytest.fixture
def net():
    return derived.network()


@pytest.mark.parametrize("sign", [1, -1])
def test_proposition_4_1_is_an_identity(sign, net):
    difference = (derived.jacobian_sam_gradient() - derived.penalised_gradient()).subs(net.t, sign)
    assert difference.applyfunc(sp.simplify) == sp.zeros(6, 1)
    wrong = (derived.jacobian_sam_gradient() - derived.penalised_gradient().subs(rho, rho / 2)).subs(net.t, sign)
    assert wrong.applyfunc(sp.simplify) != sp.zeros(6, 1)


def test_jacobian_sam_gradient_matches_the_code(net, rng):
    f = sp.lambdify([*net.w, *net.x, net.t, rho], derived.jacobian_sam_gradient())
    for t in (1.0, -1.0):
        W, v, x = rng.normal(size=(2, 2)), rng.normal(size=2), rng.normal(size=2)
        code = gradients.gradient(JacobianSam(0.7), W, v, x[None], np.array([t]))
        np.testing.assert_allclose(f(*W.ravel(), *v, *x, t, 0.7).ravel(), np.concatenate([a.ravel() for a in code]))


@pytest.mark.parametrize("sign", [1, -1])
def test_perturbed_output_is_the_displayed_one(sign, net):
    displayed = net.f * (1 + rho**2 * net.x.dot(net.x) / net.J**2) - rho * net.t * net.J
    assert sp.simplify((derived.perturbed_output() - displayed).subs(net.t, sign)) == 0
    assert sp.simplify((derived.perturbed_output() - net.f + rho * net.t * net.J).subs(net.t, sign)) != 0


@pytest.mark.parametrize("sign", [1, -1])
def test_margin_velocity_is_the_displayed_one(sign, net):
    m = net.t * net.f
    displayed = sigmoid(-m) * (net.J**2 - 2 * rho * net.x.dot(net.x) * m / net.J)
    assert sp.simplify((derived.margin_velocity() - displayed).subs(net.t, sign)) == 0
    assert sp.simplify((derived.margin_velocity() - displayed.subs(rho, 2 * rho)).subs(net.t, sign)) != 0


def test_margin_ceiling_is_the_displayed_one():
    ceiling, (J, c) = derived.margin_ceiling()
    assert sp.simplify(ceiling - J**3 / (2 * rho * c**2)) == 0
    code = margins.margin_ceiling(1.3, 0.8, 0.5)
    assert float(ceiling.subs({J: 1.3, c: 0.8, rho: 0.5})) == pytest.approx(float(code), rel=1e-14)


@pytest.mark.parametrize("sign", [1, -1])
def test_balance_velocity_is_the_displayed_one(sign, net):
    hidden, strength = net.W * net.x, rho * sigmoid(-net.t * net.f) / net.J
    displayed = -2 * strength * (net.x.dot(net.x) * net.v * net.v.T - hidden * hidden.T)
    assert (derived.balance_velocity() - displayed).subs(net.t, sign).applyfunc(sp.simplify) == sp.zeros(2, 2)


def test_the_identity_with_classes_holds_for_any_frozen_residual():
    moved, penalised, _ = derived.class_penalised_gradients()
    assert (moved - penalised).applyfunc(sp.simplify) == sp.zeros(*moved.shape)


@pytest.mark.parametrize("sign", [1, -1])
def test_any_network_has_the_same_penalty_to_first_order(sign):
    first_order, penalised, (_, t, _) = derived.expansion()
    assert (first_order - penalised).subs(t, sign).applyfunc(sp.simplify) == sp.zeros(2, 1)
    assert (first_order - penalised.subs(rho, -rho)).subs(t, sign).applyfunc(sp.simplify) != sp.zeros(2, 1)
