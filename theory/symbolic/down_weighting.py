r"""The displayed formulas of theory.down_weighting (ratio, two_groups), derived by sympy from the definitions.

As in theory.symbolic.logistic: each function starts from a definition and performs the operation the statement names.
"""

from functools import cache
from typing import Any

import sympy as sp

from theory.symbolic import logistic
from theory.symbolic.logistic import C, rho, sigmoid, vector, z

kappa, a_minor, a_major, m, m_c, m_n = sp.symbols("kappa a_minor a_major m m_c m_n", real=True)
delta, beta, minor, major = sp.symbols("delta beta G_minor G_major", positive=True)
Expression = Any


def amplification_limits_of_a_falling_margin() -> tuple[Expression, Expression]:
    """Limits of the amplification at z -> -inf and z -> inf for a shift C < 0."""
    size = sp.Symbol("size", positive=True)
    f = logistic.amplification().subs(C, -size)
    return tuple(sp.simplify(sp.limit(f, z, end)).subs(size, -C) for end in (-sp.oo, sp.oo))


def conflict_ratio() -> Expression:
    """(a_minor G_minor - a_major G_major)/(G_minor - G_major) with G_minor = kappa G_major: parts of opposite sign."""
    r = (a_minor * minor - a_major * major) / (minor - major)
    return sp.simplify(r.subs(minor, kappa * major))


def conflict_boundaries() -> tuple[Expression, Expression]:
    """The kappa at which the conflict ratio is 1, and the one at which it is 0."""
    return tuple(sp.solve(sp.Eq(conflict_ratio(), value), kappa)[0] for value in (1, 0))


def conflict_slope() -> Expression:
    """d/dkappa of the conflict ratio."""
    return sp.diff(conflict_ratio(), kappa)


def excess() -> Expression:
    """(r - 1)(G_major - G_minor) of a coordinate whose sides have sizes G and factors a."""
    r = (a_major * major - a_minor * minor) / (major - minor)
    return sp.expand(sp.simplify((r - 1) * (major - minor)))


def two_group_ratio() -> Expression:
    """Perturbed over plain gradient of a shared coordinate, from the logistic losses of both groups."""
    shift = sp.Symbol("shift", real=True)

    def weight(margin: Expression) -> Expression:  # minus the derivative of the loss at the margin lowered by a shift
        return -sp.diff(sp.log(1 + sp.exp(-m)), m).subs(m, margin - shift)

    gradient = weight(m_c) - beta * weight(m_n)
    return gradient.subs(shift, delta) / gradient.subs(shift, 0)


def bump(margin: Expression = m) -> Expression:
    """sigma(delta - m) - sigma(-m)."""
    return sigmoid(delta - margin) - sigmoid(-margin)


def bump_slope() -> Expression:
    """dD/dm."""
    return sp.diff(bump(), m)


def bump_difference() -> Expression:
    """D(m_c) - D(m_n), whose sign decides between A and B at beta = 1."""
    return bump(m_c) - bump(m_n)


def twins_ratio() -> Expression:
    """The two-group ratio of one input under both labels."""
    return two_group_ratio().subs({beta: 1, m_c: m, m_n: -m}, simultaneous=True)


def boundary_margins() -> dict[str, Expression]:
    """exp(m_c) on the curves where the groups cancel, where they cancel after the perturbation, and where r = 1."""
    e_c, e_n, e_d = sp.symbols("e_c e_n e_delta", positive=True)  # exponentials of m_c, m_n and delta

    def weight(e: Expression, shift: Expression) -> Expression:
        return 1 / (1 + e / shift)

    plain, moved = (weight(e_c, shift) - beta * weight(e_n, shift) for shift in (1, e_d))
    back = {e_n: sp.exp(m_n), e_d: sp.exp(delta)}
    curves = {"dominance": plain, "reversal": moved, "unit": moved - plain}
    return {name: [root.subs(back) for root in sp.solve(sp.numer(sp.together(f)), e_c)] for name, f in curves.items()}


@cache
def first_order(count: int = 2, size: int = 2) -> tuple[sp.Matrix, sp.Matrix, tuple[Any, ...]]:
    """(d/drho at rho = 0 of the gradient of the mean loss at w + rho g/||g||, H g/||g|| from second derivatives)."""
    w, t = vector("w", size), vector("t", count)
    xs = [vector(f"x{i}_", size) for i in range(count)]
    loss = sum(logistic.loss(w, xs[i], t[i]) for i in range(count)) / count
    g = sp.Matrix([sp.diff(loss, wi) for wi in w])
    direction = g / logistic.norm(g)
    moved = g.subs(dict(zip(w, w + rho * direction, strict=True)), simultaneous=True)
    return moved.diff(rho).subs(rho, 0), sp.hessian(loss, list(w)) * direction, (w, xs, t)


def largest_third_derivative() -> Expression:
    """The largest |sigma''|, at a stationary point of sigma'', as a function of p = sigma in (0, 1)."""
    p = sp.Symbol("p", positive=True)
    second = p * (1 - p) * (1 - 2 * p)  # sigma'' = sigma (1 - sigma)(1 - 2 sigma), checked below by differentiation
    a = sp.Symbol("a", real=True)
    assert sp.simplify(sp.diff(sigmoid(a), a, 2) - second.subs(p, sigmoid(a))) == 0
    return sp.simplify(sp.Max(*[sp.Abs(second.subs(p, root)) for root in sp.solve(sp.diff(second, p), p)]))


def orthant_slope() -> Expression:
    """d/dcorrelation of P(X > 0, Y > 0) for standard normals: their density at (0, 0), by Plackett's identity."""
    c, u, v = sp.symbols("c u v", real=True)
    precision = sp.Matrix([[1, c], [c, 1]]).inv()
    quadratic = (sp.Matrix([[u, v]]) * precision * sp.Matrix([u, v]))[0]
    density = sp.exp(-quadratic / 2) / (2 * sp.pi * sp.sqrt(1 - c**2))
    return sp.simplify(density.subs({u: 0, v: 0}))
