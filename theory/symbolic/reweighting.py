r"""The displayed formulas of theory.reweighting.recursion and its phases, derived by sympy from the definitions.

As in theory.symbolic.logistic: each function starts from a definition, does what the statement names and returns the
result.
"""

from functools import cache
from typing import Any, NamedTuple

import sympy as sp

from theory.symbolic.logistic import vector

eta, beta, Lambda, nu, p, n = sp.symbols("eta beta Lambda nu p n", positive=True)
v, rho, q, w_c, w_n = sp.symbols("v rho q w_c w_n", positive=True)
Expression = Any


class Linear(NamedTuple):
    """A model f = <theta, phi> with two training and two clean examples of two features, all symbols."""

    theta: sp.Matrix
    phi: list[sp.Matrix]
    phi_clean: list[sp.Matrix]
    t: sp.Matrix
    t_clean: sp.Matrix
    w: sp.Matrix


def linear() -> Linear:
    """The symbols."""
    phi, psi = ([vector(f"{name}{i}_", 2) for i in range(2)] for name in ("phi", "psi"))
    return Linear(vector("theta", 2), phi, psi, vector("t", 2), vector("u", 2), vector("w", 2))


@cache
def meta_gradient() -> tuple[list[Expression], Linear]:
    """-(1/eta) dL/dw_i by differentiating the mean clean loss at theta - eta grad sum_i w_i l_i, l = (f - t)^2/2."""
    m = linear()
    training = sum(m.w[i] * (m.theta.dot(m.phi[i]) - m.t[i]) ** 2 / 2 for i in range(2))
    moved = m.theta - eta * sp.Matrix([sp.diff(training, a) for a in m.theta])
    loss = sum((moved.dot(m.phi_clean[j]) - m.t_clean[j]) ** 2 / 2 for j in range(2)) / 2
    return [-sp.diff(loss, m.w[i]) / eta for i in range(2)], m


@cache
def mean_field() -> sp.Matrix:
    """d/ds of (v, rho, q, w_c, w_n): the signed recursion with kernel kbar, and kbar + delta on the diagonal, at

    eta = Lambda beta/n, delta = nu n kbar, divided by the time beta kbar of a step, as beta -> 0.
    """
    kbar = sp.Symbol("kbar", positive=True)
    rate, delta = Lambda * beta / n, nu * n * kbar

    def drift(weight_c: Expression, weight_n: Expression) -> Expression:
        return kbar * n * ((1 - p) * weight_c * rho - p * weight_n * q)

    G = kbar * (v - rate * drift(w_c, w_n))
    c, m = w_c + beta * rho * G, w_n - beta * q * G
    D = drift(c, m)
    change = [-rate * D, -rate * (D + delta * c * rho), rate * (D - delta * m * q), c - w_c, m - w_n]
    return sp.Matrix([sp.simplify(sp.limit(sp.expand(d) / (beta * kbar), beta, 0)) for d in change])


def energy() -> Expression:
    """v^2 + Lambda ((1 - p) w_c^2 + p w_n^2)."""
    return v**2 + Lambda * ((1 - p) * w_c**2 + p * w_n**2)


def energy_slope(*, amplified: bool) -> Expression:
    """Its derivative along the mean field; amplified: with w_c held at 1."""
    speed = mean_field()
    if amplified:
        speed[3] = 0
    slope = sum(sp.diff(energy(), x) * d for x, d in zip((v, rho, q, w_c, w_n), speed, strict=True))
    return sp.simplify(slope.subs(w_c, 1) if amplified else slope)


def squared_final_clean_weight() -> tuple[Expression, Expression]:
    """(w_c^2 at v = w_n = 0 with the energy of the start, v = 1 and both weights w; the symbol w)."""
    w, square = sp.symbols("w square", positive=True)
    end = energy().subs({v: 0, w_n: 0}).subs(w_c**2, square)
    return sp.solve(sp.Eq(end, energy().subs({v: 1, w_c: w, w_n: w})), square)[0], w


def slow_speed() -> tuple[Expression, Expression]:
    """(d angle/ds, its symbol) of slow weights at nu = 0: v solves dv/ds = 0, and the weights lie on the ellipse."""
    angle, w = sp.symbols("angle w", positive=True)
    balanced = sp.solve(mean_field()[0].subs({rho: v, q: 2 - v}), v)[0]
    ellipse = {w_c: w * sp.sin(angle) / sp.sqrt(1 - p), w_n: w * sp.cos(angle) / sp.sqrt(p)}
    return sp.simplify((balanced**2).subs(ellipse) / sp.diff(ellipse[w_c], angle)), angle


def turning_ratio() -> Expression:
    """w_n/w_c at which v stands still, in terms of rho and q."""
    return sp.solve(mean_field()[0], w_n)[0] / w_c


def step_identity(size: int = 2) -> Expression:
    """F(b) - F(u) - <grad F(a), b - u> - (b - a)^T H (b - a)/2 + (a - u)^T H (a - u)/2 for a general quadratic F:

    zero, from which the regret bound for squared loss follows with H >= 0.
    """
    a, b, u, g = (vector(name, size) for name in "abug")
    H = sp.Matrix(size, size, lambda i, j: sp.Symbol(f"h{min(i, j)}{max(i, j)}"))

    def F(x: sp.Matrix) -> Expression:
        return g.dot(x) + (x.T * H * x)[0] / 2

    gradient = g + H * a
    second = ((b - a).T * H * (b - a))[0] - ((a - u).T * H * (a - u))[0]
    return sp.expand(F(b) - F(u) - gradient.dot(b - u) - second / 2)
