r"""The displayed formulas of theory.logistic, derived by sympy from the definitions.

Each function starts from a definition (a loss, an ascent step, a law), performs the operation the statement names
(differentiate, substitute, take a limit) and returns the derived expression. The tests compare these with the numerical
code at random points and simplify the difference to the displayed formula to zero: nothing here restates a result.
"""

from functools import cache
from typing import Any

import sympy as sp

z, C, rho = sp.symbols("z C rho", real=True)
Expression = Any


def sigmoid(a: Expression) -> Expression:
    """1/(1 + e^{-a})."""
    return 1 / (1 + sp.exp(-a))


def vector(name: str, size: int) -> sp.Matrix:
    """A column of real symbols name0, name1, ..."""
    return sp.Matrix(sp.symbols(f"{name}:{size}", real=True))


def loss(w: sp.Matrix, x: sp.Matrix, t: Expression) -> Expression:
    """log(1 + exp(-t <w, x>))."""
    return sp.log(1 + sp.exp(-t * w.dot(x)))


def norm(v: sp.Matrix) -> Expression:
    """Euclidean length."""
    return sp.sqrt(v.dot(v))


def _gradient(f: Expression, w: sp.Matrix) -> sp.Matrix:
    return sp.Matrix([sp.diff(f, wi) for wi in w])


def _ascent(g: sp.Matrix) -> sp.Matrix:
    return rho * g / norm(g)


@cache
def one_sam_gradient(size: int = 2) -> tuple[Expression, sp.Matrix, tuple[sp.Matrix, sp.Matrix, Expression]]:
    """(gradient of l at w + rho grad l/||grad l||, the plain gradient, the symbols (w, x, t))."""
    w, x, t = vector("w", size), vector("x", size), sp.Symbol("t", real=True)
    g = _gradient(loss(w, x, t), w)
    perturbed = g.subs(dict(zip(w, w + _ascent(g), strict=True)), simultaneous=True)
    return perturbed, g, (w, x, t)


def one_sam_weight(sign: int, size: int = 2) -> tuple[Expression, Expression]:
    """(the weight s with perturbed gradient = -s t x for t = sign, the robust margin z - rho ||x||), derived."""
    perturbed, _, (w, x, t) = one_sam_gradient(size)
    weight = (-perturbed[0] / (t * x[0])).subs(t, sign)
    return sp.simplify(weight), sign * w.dot(x) - rho * norm(x)


@cache
def amplification() -> Expression:
    """Weight at shift C over weight at shift 0, from the derivative of log(1 + exp(-z + C)) with respect to -z."""
    m = sp.Symbol("m", real=True)
    weight = -sp.diff(sp.log(1 + sp.exp(-m)), m)
    return sp.simplify(weight.subs(m, z - C) / weight.subs(m, z))


def amplification_slope() -> Expression:
    """d/dz of the derived amplification."""
    return sp.diff(amplification(), z)


def log_amplification_slope() -> Expression:
    """d/dz of its logarithm."""
    return sp.diff(sp.log(amplification()), z)


def log_amplification_slope_in_C() -> Expression:
    """d/dC of its logarithm."""
    return sp.diff(sp.log(amplification()), C)


def amplification_limits() -> dict[str, Expression]:
    """Limits at z -> -inf, z = 0, z -> inf, and C -> inf of the weight itself."""
    positive = sp.Symbol("C", positive=True)
    f = amplification().subs(C, positive)
    return {
        "-inf": sp.limit(f, z, -sp.oo).subs(positive, C),
        "0": sp.simplify(f.subs(z, 0)).subs(positive, C),
        "inf": sp.limit(f, z, sp.oo).subs(positive, C),
        "weight at C = inf": sp.limit(sigmoid(C - z), C, sp.oo),
    }


@cache
def robust_loss_gradient(size: int = 2) -> tuple[sp.Matrix, tuple[sp.Matrix, sp.Matrix, Expression]]:
    """Gradient of log(1 + exp(-t<w,x> + rho||x||)) by differentiation."""
    w, x, t = vector("w", size), vector("x", size), sp.Symbol("t", real=True)
    return _gradient(sp.log(1 + sp.exp(-t * w.dot(x) + rho * norm(x))), w), (w, x, t)


def relative_weight_log_slope() -> tuple[Expression, tuple[Expression, Expression]]:
    """d/dC of log( sigma(C - z_i) / sigma(C - z_j) ) and its symbols: positive for z_i > z_j."""
    zi, zj = sp.symbols("z_i z_j", real=True)
    return sp.simplify(sp.diff(sp.log(sigmoid(C - zi) / sigmoid(C - zj)), C)), (zi, zj)


def reordering_radius() -> tuple[Expression, tuple[Expression, ...]]:
    """The rho at which sigma(rho n_i - z_i) = sigma(rho n_j - z_j)."""
    zi, zj, ni, nj = sp.symbols("z_i z_j n_i n_j", real=True)
    # sigma is strictly increasing, so equal weights mean equal arguments.
    (solution,) = sp.solve(sp.Eq(rho * ni - zi, rho * nj - zj), rho)
    return solution, (zi, zj, ni, nj)


@cache
def shared_margin_shift(count: int = 2, size: int = 2) -> tuple[list[Expression], tuple[Any, Any, Any]]:
    """z_i(w) - z_i(w + eps) for eps = rho grad L/||grad L|| of the mean loss of `count` examples."""
    w, t = vector("w", size), vector("t", count)
    xs = [vector(f"x{i}_", size) for i in range(count)]
    g = _gradient(sum(loss(w, xs[i], t[i]) for i in range(count)) / count, w)
    eps = _ascent(g)
    return [t[i] * w.dot(xs[i]) - t[i] * (w + eps).dot(xs[i]) for i in range(count)], (w, xs, t)


@cache
def clean_noisy_ratio_log_slope(count: int = 2) -> tuple[Expression, tuple[sp.Matrix, ...]]:
    """d/d rho of log( sum_clean s ||x|| / sum_mislabelled s ||x|| ) for `count` examples in each group."""
    groups = [(vector(f"z{g}_", count), vector(f"n{g}_", count)) for g in ("c", "m")]
    clean, noisy = (sum(sigmoid(rho * n - m) * n for m, n in zip(ms, ns, strict=True)) for ms, ns in groups)
    return sp.diff(sp.log(clean / noisy), rho), (groups[0][0], groups[0][1], groups[1][0], groups[1][1])


def _normal_moment(order: int) -> Expression:
    u = sp.Symbol("u", real=True)
    return sp.integrate(u**order * sp.exp(-(u**2) / 2) / sp.sqrt(2 * sp.pi), (u, -sp.oo, sp.oo))


@cache
def margin_law(size: int = 3) -> tuple[Expression, Expression, tuple[sp.Matrix, Expression, Expression]]:
    """Mean and variance of y <w, x> for isotropic noise, from x = y (B e_1 + gamma z), y^2 = 1."""
    w, B, gamma = vector("w", size), sp.Symbol("B", real=True), sp.Symbol("gamma", positive=True)
    noise = vector("g", size)
    margin = w[0] * (B + gamma * noise[0]) + sum(w[i] * gamma * noise[i] for i in range(1, size))
    moments = [_normal_moment(k) for k in range(3)]

    def mean(f: Expression) -> Expression:  # of a polynomial of degree <= 2 in independent standard normals
        terms = sp.Poly(sp.expand(f), *noise).terms()
        return sum(coefficient * sp.prod([moments[k] for k in powers]) for powers, coefficient in terms)

    return sp.expand(mean(margin)), sp.expand(mean(margin**2) - mean(margin) ** 2), (w, B, gamma)


def normal_sign_probability() -> tuple[Expression, tuple[Expression, Expression]]:
    """P(N(m, v^2) > 0) by integration of the density."""
    m, v, u = sp.Symbol("m", real=True), sp.Symbol("v", positive=True), sp.Symbol("u", real=True)
    density = sp.exp(-((u - m) ** 2) / (2 * v**2)) / (v * sp.sqrt(2 * sp.pi))
    return sp.simplify(sp.integrate(density, (u, 0, sp.oo))), (m, v)


def group_mean_given_total() -> Expression:
    """Regression coefficient of a group's mean noise on the total mean noise: Cov / Var, with n_g of n in the group.

    It is 1, which turns E<m_group, m>/||m|| into a function of m alone (theory.logistic.mixture.batch_shift_at_zero).
    """
    n, n_g, gamma = sp.symbols("n n_g gamma", positive=True)
    variance_of_group_mean, share = gamma**2 / n_g, n_g / n
    covariance = share * variance_of_group_mean  # the other group is independent
    variance = share**2 * variance_of_group_mean + (1 - share) ** 2 * gamma**2 / (n - n_g)
    return sp.simplify(covariance / variance)
