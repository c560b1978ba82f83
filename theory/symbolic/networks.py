r"""The displayed formulas of theory.linear_networks, derived by sympy from the definitions.

As in theory.symbolic.logistic: every function starts from a loss, a network and an ascent step, differentiates and
substitutes.
"""

from functools import cache
from typing import Any

import sympy as sp

from theory.symbolic.logistic import norm, rho, sigmoid, vector

Expression = Any


class Network:
    """f = <v, W x> with symbols W (h, d), v (h), x (d), label t, and everything that follows by differentiation."""

    def __init__(self, h: int = 2, d: int = 2) -> None:
        self.W = sp.Matrix(h, d, sp.symbols(f"W:{h * d}", real=True))
        self.v, self.x = vector("v", h), vector("x", d)
        self.t = sp.Symbol("t", real=True)
        self.w = sp.Matrix([*self.W, *self.v])
        self.f = (self.v.T * self.W * self.x)[0]
        self.jacobian = _gradient(self.f, self.w)
        self.J = norm(self.jacobian)

    def ascent(self) -> sp.Matrix:
        """rho grad l/||grad l|| for t = +-1: grad l = -t sigma(-t f) grad f, whose length is sigma(-t f) J."""
        scale = sigmoid(-self.t * self.f)
        return rho * (-self.t * scale * self.jacobian) / (scale * self.J)

    def moved(self, expression: Expression) -> Expression:
        """The expression at w + eps."""
        return expression.subs(dict(zip(self.w, self.w + self.ascent(), strict=True)), simultaneous=True)


def _gradient(f: Expression, w: sp.Matrix) -> sp.Matrix:
    return sp.Matrix([sp.diff(f, wi) for wi in w])


@cache
def network(h: int = 2, d: int = 2) -> Network:
    """One network for each size."""
    return Network(h, d)


def jacobian_sam_gradient(h: int = 2, d: int = 2) -> sp.Matrix:
    """-t sigma(-t f(w)) grad f(w + eps), all entries of W row by row, then v."""
    net = network(h, d)
    return -net.t * sigmoid(-net.t * net.f) * net.moved(net.jacobian)


def penalised_gradient(h: int = 2, d: int = 2) -> sp.Matrix:
    """grad [ l + rho c ||grad f|| ] with c = sigma(-t f) put in after differentiating: Proposition 4.1."""
    net = network(h, d)
    c = sp.Symbol("c", positive=True)
    objective = sp.log(1 + sp.exp(-net.t * net.f)) + rho * c * net.J
    return _gradient(objective, net.w).subs(c, sigmoid(-net.t * net.f))


def perturbed_output(h: int = 2, d: int = 2) -> Expression:
    """f(w + eps)."""
    net = network(h, d)
    return net.moved(net.f)


def margin_velocity(h: int = 2, d: int = 2) -> Expression:
    """<grad (t f), - J-SAM gradient>: how the margin moves along the flow."""
    net = network(h, d)
    return (net.t * net.jacobian).dot(-jacobian_sam_gradient(h, d))


def margin_ceiling() -> tuple[Expression, tuple[Expression, Expression]]:
    """The margin at which J^2 - 2 rho c^2 m/J vanishes, solved for m; the symbols (J, c), c = ||x||."""
    J, c, m = sp.symbols("J c m", positive=True)
    (solution,) = sp.solve(J**2 - 2 * rho * c**2 * m / J, m)
    return solution, (J, c)


def balance_velocity(h: int = 2, d: int = 2) -> sp.Matrix:
    """d/dtau of v v^T - W W^T along the J-SAM flow of one example."""
    net = network(h, d)
    g = -jacobian_sam_gradient(h, d)
    dW, dv = sp.Matrix(h, d, list(g)[: h * d]), sp.Matrix(list(g)[h * d :])
    return dv * net.v.T + net.v * dv.T - dW * net.W.T - net.W * dW.T


def class_penalised_gradients(classes: int = 3, h: int = 2, d: int = 1) -> tuple[sp.Matrix, sp.Matrix, tuple[Any, ...]]:
    """(J-SAM, penalised) gradients of f = V W x for any frozen residual q, with the symbols (W, V, x, q).

    J-SAM: gradient of <q, f> at w + rho grad <q, f>/||grad <q, f>||. Penalised: of <q, f> + rho ||grad <q, f>||.
    """
    W = sp.Matrix(h, d, sp.symbols(f"W:{h * d}", real=True))
    V = sp.Matrix(classes, h, sp.symbols(f"V:{classes * h}", real=True))
    x, q = vector("x", d), vector("q", classes)
    w = sp.Matrix([*W, *V])
    contracted = (q.T * V * W * x)[0]
    g = _gradient(contracted, w)
    moved = g.subs(dict(zip(w, w + rho * g / norm(g), strict=True)), simultaneous=True)
    return moved, _gradient(contracted + rho * norm(g), w), (W, V, x, q)


@cache
def expansion(size: int = 2) -> tuple[sp.Matrix, sp.Matrix, tuple[Any, ...]]:
    r"""Any network f(w): (the J-SAM gradient to first order in rho, grad l + rho sigma(-t f) grad ||grad f||).

    f is an unspecified function of `size` weights; the first is the Taylor polynomial of the definition, for t^2 = 1.
    Baek et al. (2024) motivate their regulariser for deep networks by this reading; the expansion is derived here.
    """
    w, t = vector("w", size), sp.Symbol("t", real=True)
    f = sp.Function("f", real=True)(*w)
    g = _gradient(f, w)
    direction = -t * g / norm(g)
    # grad f at w + rho e, to first order in rho: grad f + rho Hess f e
    hessian = sp.Matrix(size, size, lambda i, j: sp.diff(f, w[i], w[j]))
    s = sigmoid(-t * f)
    first_order = (-t * s * (g + rho * hessian * direction)).subs(t**2, 1)
    penalised = _gradient(sp.log(1 + sp.exp(-t * f)), w) + rho * s * _gradient(norm(g), w)
    return first_order, penalised, (w, t, f)
