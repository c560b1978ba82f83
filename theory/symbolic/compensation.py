r"""The displayed formulas of theory.compensation, by sympy.

As in theory.symbolic.logistic, each function starts from definitions, performs the operation and returns what comes
out; the tests compare that with the displayed formulas and with the numerical code.
"""

from functools import cache
from typing import Any

import sympy as sp

from theory.symbolic.logistic import loss, vector

Expression = Any
Delta, gamma, precision, hit = sp.symbols("Delta gamma pi h", real=True)


def label_flip(size: int = 2) -> tuple[Expression, sp.Matrix, sp.Matrix, tuple[sp.Matrix, sp.Matrix, Expression]]:
    """(loss, gradient, Hessian) of one example under the flipped label minus those under y, and (w, x, y)."""
    w, x, y = vector("w", size), vector("x", size), sp.Symbol("y", real=True)
    difference = loss(w, x, -y) - loss(w, x, y)
    gradient = sp.Matrix([sp.simplify(sp.diff(difference, wi)) for wi in w])
    return difference, gradient, sp.simplify(gradient.jacobian(w)), (w, x, y)


def combined_gradient() -> tuple[Expression, Expression]:
    r"""The coefficients of g_0 and m in (g_observed + gamma g_flipped)/(1 + gamma), group of labels by group.

    A gradient whose labels are wrong on a share r of the examples is g_0 + r m.
    """
    g, m = sp.symbols("g m")
    observed = (1 - Delta) * g + Delta * (g + m)
    flipped = precision * (hit * g + (1 - hit) * (g + m)) + (1 - precision) * (g + m)
    combined = sp.expand((observed + gamma * flipped) / (1 + gamma))
    return sp.simplify(combined.coeff(g)), sp.simplify(combined.coeff(m))


def effective_rate() -> Expression:
    """The coefficient of m in combined_gradient."""
    return combined_gradient()[1]


def cancelling_gamma() -> Expression:
    """The zero of effective_rate in gamma."""
    (zero,) = sp.solve(effective_rate(), gamma)
    return zero


def effective_rate_slope() -> Expression:
    """d effective_rate/d gamma."""
    return sp.factor(sp.diff(effective_rate(), gamma))


def uniform_hit(classes: int) -> Expression:
    """P(uniform other label = true label | observed label wrong), by counting."""
    wrong, true = 0, 1
    targets = [c for c in range(classes) if c != wrong]
    return sp.Rational(sum(c == true for c in targets), len(targets))


def difference_rate() -> Expression:
    """The coefficient of m in g_observed + gamma (flipped - observed) over a selection, two classes."""
    g, m = sp.symbols("g m")
    flipped = precision * g + (1 - precision) * (g + m)
    observed = precision * (g + m) + (1 - precision) * g
    return sp.expand((1 - Delta) * g + Delta * (g + m) + gamma * (flipped - observed)).coeff(m)


@cache
def finite_batch_error() -> tuple[Expression, tuple[Expression, ...]]:
    r"""E|| (1/b) sum_i a_i u_i ||^2 with a = f - gamma (1 - 2 f), f ~ Bernoulli(Delta), u_i = y_i x_i; (b, T, M)."""
    b, T, M = sp.symbols("b T M", positive=True)
    values = {0: 1 - Delta, 1: Delta}
    first, second = (sum(q * (f - gamma * (1 - 2 * f)) ** k for f, q in values.items()) for k in (1, 2))
    return (b * second * T + b * (b - 1) * first**2 * M) / b**2, (b, T, M)


def finite_batch_optimum() -> Expression:
    """The stationary gamma of finite_batch_error."""
    (best,) = sp.solve(sp.diff(finite_batch_error()[0], gamma), gamma)
    return sp.simplify(best)


def reversal_batch() -> Expression:
    """The size of batch at which that gamma is zero."""
    b = finite_batch_error()[1][0]
    (size,) = sp.solve(sp.numer(sp.together(finite_batch_optimum())) / Delta, b)
    return sp.simplify(size)


def tangent() -> tuple[Expression, tuple[Expression, ...]]:
    """(tan theta)^2 between (u_1, u_2) and (u_1 + Delta M, u_2), from cross and scalar product; (u_1, u_2, M)."""
    first, second, M = sp.symbols("u_1 u_2 M", real=True)
    g, h = sp.Matrix([first, second, 0]), sp.Matrix([first + Delta * M, second, 0])
    cross = g.cross(h)
    return cross.dot(cross) / g.dot(h) ** 2, (first, second, M)


def stein_remainder(degree: int = 3) -> Expression:
    r"""E[phi(w v) v] - B E phi(w v) - g^2 w E phi'(w v) for v ~ N(B, g^2) and a general polynomial phi, integrated."""
    w, B, v = sp.symbols("w_1 B v", real=True)
    g = sp.Symbol("g", positive=True)
    coefficients = sp.symbols(f"c:{degree + 1}", real=True)
    s = sp.Symbol("s")
    phi = sum(c * s**k for k, c in enumerate(coefficients))
    density = sp.exp(-((v - B) ** 2) / (2 * g**2)) / (g * sp.sqrt(2 * sp.pi))

    def mean(f: Expression) -> Expression:
        return sp.integrate(sp.expand(f) * density, (v, -sp.oo, sp.oo))

    value, slope = phi.subs(s, w * v), sp.diff(phi, s).subs(s, w * v)
    return sp.simplify(mean(value * v) - B * mean(value) - g**2 * w * mean(slope))


@cache
def orthogonal_cosine() -> tuple[Expression, Expression]:
    """(inner product over lengths) of the residuals under true and observed labels on orthogonal inputs, and s."""
    s = sp.Symbol("s", positive=True)
    groups = ((1 - Delta, -s), (Delta, 1 - s))  # residual y d l/d f: -sigma(-z) under y, sigma(z) under -y
    inner = sum(share * -s * r for share, r in groups)
    lengths = sp.sqrt(s**2) * sp.sqrt(sum(share * r**2 for share, r in groups))
    return sp.simplify(inner / lengths), s


def uniform_cosine() -> tuple[Expression, Expression]:
    """The same for C classes at softmax 1/C, residual 1/C - e_label, and C."""
    C = sp.Symbol("C", positive=True)
    square = (1 / C - 1) ** 2 + (C - 1) / C**2
    other = 2 * (1 / C - 1) / C + (C - 2) / C**2
    return sp.simplify(((1 - Delta) * square + Delta * other) / square), C


@cache
def gaussian_divergence() -> tuple[Expression, tuple[Expression, ...]]:
    """KL( N(w, q) || N(0, p) ) in one dimension, by integrating the density; (w, q, p)."""
    e, w = sp.symbols("e w", real=True)
    q, p = sp.symbols("q p", positive=True)

    def log_density(mean: Expression, variance: Expression) -> Expression:
        return -((e - mean) ** 2) / (2 * variance) - sp.log(2 * sp.pi * variance) / 2

    density = sp.exp(-((e - w) ** 2) / (2 * q)) / sp.sqrt(2 * sp.pi * q)
    value = sp.integrate(density * sp.expand(log_density(w, q) - log_density(0, p)), (e, -sp.oo, sp.oo))
    return sp.simplify(value), (w, q, p)


def observed_error() -> tuple[Expression, tuple[Expression, Expression]]:
    """P(prediction != observed label) for a classifier of error e, symmetric noise over C classes; (e, C)."""
    e, C = sp.symbols("e C", positive=True)
    right_prediction = (1 - e) * Delta  # disagrees iff the label moved
    wrong_prediction = e * (1 - Delta / (C - 1))  # unless the label moved exactly there
    return sp.expand(right_prediction + wrong_prediction), (e, C)
