"""The numerical formulas against the expressions that sympy derives from the definitions.

Every derived expression is evaluated with 50 digits at random points, so the comparison measures the code alone.
"""

import mpmath
import numpy as np
import pytest
import sympy as sp
from scipy.special import ndtr

from spec.problems import SignalNoiseMixture
from spec.rules import JacobianSam, LogitSam, Sam, Sgd
from theory.logistic import mixture, regression
from theory.symbolic import logistic as symbolic
from theory.symbolic.logistic import C, rho, sigmoid, z

POINTS = 60
TOLERANCE = 1e-10


def evaluate(expression, symbols, points):
    """The expression at every row of points, in 50 digits, rounded to float64 at the end."""
    f = sp.lambdify(list(symbols), expression, modules="mpmath")
    with mpmath.workdps(50):
        return np.array([float(f(*map(mpmath.mpf, map(float, row)))) for row in points])


def error(measured, expected):
    """The largest relative error, over values that must be finite and not all zero."""
    measured, expected = np.asarray(measured), np.asarray(expected)
    assert measured.shape == expected.shape
    assert np.isfinite(measured).all()
    assert np.abs(expected).min() > 0
    return float(np.max(np.abs(measured - expected) / np.abs(expected)))


def differs(measured, expected):
    """A wrong variant is far outside the tolerance at some point, by a factor of at least 1000."""
    return error(measured, expected) > 1000 * TOLERANCE


@pytest.fixture
def z_and_C(rng):
    """Margins of both signs with shifts up to 12, as rows (z, C)."""
    return np.stack([rng.uniform(-20, 20, POINTS), rng.uniform(0.01, 12, POINTS)], axis=1)


@pytest.fixture
def single_examples(rng):
    """Rows (w, x, t, rho) for one example in two dimensions, with both labels."""
    w, x = rng.normal(size=(POINTS, 2)), rng.normal(scale=1.7, size=(POINTS, 2))
    t = np.where(np.arange(POINTS) % 2 == 0, 1.0, -1.0)
    return w, x, t, rng.uniform(0.05, 3, POINTS)


# ---------------------------------------------------------------- amplification


def test_amplification_is_the_displayed_formula():
    """Lemma 3.1: (1 + e^z) / (1 + e^(z - C)), and the ratio of two sigmoids."""
    assert sp.simplify(symbolic.amplification() - (1 + sp.exp(z)) / (1 + sp.exp(z - C))) == 0
    assert sp.simplify(symbolic.amplification() - sigmoid(C - z) / sigmoid(-z)) == 0


def test_amplification_matches_the_code(z_and_C):
    derived = evaluate(symbolic.amplification(), (z, C), z_and_C)
    assert error(regression.amplification(*z_and_C.T), derived) < TOLERANCE
    assert differs(regression.amplification(z_and_C[:, 0], -z_and_C[:, 1]), derived)
    assert differs(regression.amplification(-z_and_C[:, 0], z_and_C[:, 1]), derived)


def test_amplification_slope_is_the_displayed_formula():
    displayed = sp.exp(z) * (1 - sp.exp(-C)) / (1 + sp.exp(z - C)) ** 2
    assert sp.simplify(symbolic.amplification_slope() - displayed) == 0
    assert sp.simplify(symbolic.amplification_slope() - symbolic.amplification() * (sigmoid(z) - sigmoid(z - C))) == 0


def test_a_slope_with_a_flipped_sign_is_not_the_derived_one():
    wrong = sp.exp(z) * (1 + sp.exp(-C)) / (1 + sp.exp(z - C)) ** 2
    assert sp.simplify(symbolic.amplification_slope() - wrong) != 0


def test_amplification_slope_matches_the_code(z_and_C):
    derived = evaluate(symbolic.amplification_slope(), (z, C), z_and_C)
    assert error(regression.amplification_slope(*z_and_C.T), derived) < TOLERANCE
    assert differs(regression.log_amplification_slope(*z_and_C.T), derived)


def test_log_amplification_slope_is_the_displayed_formula():
    assert sp.simplify(symbolic.log_amplification_slope() - (sigmoid(z) - sigmoid(z - C))) == 0


def test_log_amplification_slope_matches_the_code(z_and_C):
    derived = evaluate(symbolic.log_amplification_slope(), (z, C), z_and_C)
    assert error(regression.log_amplification_slope(*z_and_C.T), derived) < TOLERANCE
    assert differs(regression.log_amplification_slope(z_and_C[:, 0], 2 * z_and_C[:, 1]), derived)


def test_log_amplification_slope_in_C_is_the_displayed_formula():
    assert sp.simplify(symbolic.log_amplification_slope_in_C() - sigmoid(z - C)) == 0


def test_log_amplification_slope_in_C_matches_the_code(z_and_C):
    derived = evaluate(symbolic.log_amplification_slope_in_C(), (z, C), z_and_C)
    assert error(regression.log_amplification_slope_in_C(*z_and_C.T), derived) < TOLERANCE
    assert differs(1 - regression.log_amplification_slope_in_C(*z_and_C.T), derived)


@pytest.mark.parametrize(
    ("where", "displayed"),
    [("-inf", sp.Integer(1)), ("0", 2 / (1 + sp.exp(-C))), ("inf", sp.exp(C)), ("weight at C = inf", sp.Integer(1))],
)
def test_limits_are_the_displayed_ones(where, displayed):
    assert sp.simplify(symbolic.amplification_limits()[where] - displayed) == 0


@pytest.mark.parametrize(("where", "at"), [("-inf", -60.0), ("0", 0.0), ("inf", 60.0)])
def test_limits_match_the_code(where, at, rng):
    """The code at |z| = 60 is within rounding of the limit, because the rest is below e^-48."""
    shifts = rng.uniform(0.01, 12, POINTS)
    derived = evaluate(symbolic.amplification_limits()[where], (C,), shifts[:, None])
    assert error(regression.amplification(at, shifts), derived) < TOLERANCE
    assert differs(regression.amplification(at, shifts) / 2, derived)


# ---------------------------------------------------------------- 1-SAM


def test_one_sam_gradient_matches_the_code(single_examples):
    """Differentiate the loss, take the ascent step, substitute: the result is -s t x with the code's s."""
    w, x, t, radius = single_examples
    perturbed, _, (ws, xs, ts) = symbolic.one_sam_gradient()
    points = np.column_stack([w, x, t, radius])
    derived = np.stack([evaluate(component, (*ws, *xs, ts, rho), points) for component in perturbed], axis=1)
    rows = list(zip(radius, w, x, t, strict=True))
    code = np.stack([regression.example_gradients(Sam(float(r)), a, b[None], c[None])[0] for r, a, b, c in rows])
    other = np.stack([regression.example_gradients(Sam(2 * float(r)), a, b[None], c[None])[0] for r, a, b, c in rows])
    assert error(code, derived) < TOLERANCE
    assert differs(other, derived)


def test_unperturbed_gradient_matches_sgd_and_j_sam(single_examples):
    """The linear model has a constant Jacobian, so J-SAM sees the unperturbed gradient too."""
    w, x, t, radius = single_examples
    _, plain, (ws, xs, ts) = symbolic.one_sam_gradient()
    points = np.column_stack([w, x, t])
    derived = np.stack([evaluate(component, (*ws, *xs, ts), points) for component in plain], axis=1)
    for rule in (lambda _: Sgd(), lambda r: JacobianSam(float(r))):
        rows = zip(radius, w, x, t, strict=True)
        code = np.stack([regression.example_gradients(rule(r), a, b[None], c[None])[0] for r, a, b, c in rows])
        assert error(code, derived) < TOLERANCE
        assert differs(-code, derived)


@pytest.mark.parametrize("sign", [1, -1])
def test_one_sam_weight_matches_the_code(sign, single_examples):
    """1-SAM and L-SAM share one weight on a linear model, for either label."""
    w, x, _, radius = single_examples
    weight, _ = symbolic.one_sam_weight(sign)
    ws, xs = symbolic.vector("w", 2), symbolic.vector("x", 2)
    derived = evaluate(weight, (*ws, *xs, rho), np.column_stack([w, x, radius]))
    t = np.array([float(sign)])
    for rule in (Sam, LogitSam):
        rows = list(zip(radius, w, x, strict=True))
        code = np.array([regression.example_weights(rule(float(r)), a, b[None], t)[0] for r, a, b in rows])
        flipped = np.array([regression.example_weights(rule(float(r)), a, b[None], -t)[0] for r, a, b in rows])
        assert error(code, derived) < TOLERANCE
        assert differs(flipped, derived)


@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("sign", [1, -1])
def test_one_sam_weight_is_the_sigmoid_of_the_robust_margin(sign, size):
    """s = sigma(-(z - rho ||x||)), after replacing the last coordinate by what the norm N leaves for it."""
    weight, robust_margin = symbolic.one_sam_weight(sign, size)
    xs, N = symbolic.vector("x", size), sp.Symbol("N", positive=True)
    last = sp.sqrt(N**2 - sum(a**2 for a in xs[:-1]))
    difference = (weight - sigmoid(-robust_margin)).subs(xs[-1], last)
    assert sp.simplify(difference) == 0
    assert sp.simplify((weight - sigmoid(robust_margin)).subs(xs[-1], last)) != 0


@pytest.mark.parametrize("component", [0, 1])
@pytest.mark.parametrize("sign", [1, -1])
def test_robust_loss_gradient_is_the_one_sam_gradient(sign, component):
    """The gradient of the closed-form robust loss is the gradient at the ascent point, for both labels."""
    gradients = symbolic.robust_loss_gradient()[0], symbolic.one_sam_gradient()[0]
    xs, N = symbolic.vector("x", 2), sp.Symbol("N", positive=True)
    t = sp.Symbol("t", real=True)
    robust, perturbed = (sp.simplify((-g[component] / (t * xs[component])).subs(t, sign)) for g in gradients)
    assert sp.simplify((robust - perturbed).subs(xs[1], sp.sqrt(N**2 - xs[0] ** 2))) == 0


def test_robust_loss_gradient_matches_the_code(single_examples):
    w, x, t, radius = single_examples
    robust, (ws, xs, ts) = symbolic.robust_loss_gradient()
    points = np.column_stack([w, x, t, radius])
    derived = np.stack([evaluate(component, (*ws, *xs, ts, rho), points) for component in robust], axis=1)
    rows = list(zip(radius, w, x, t, strict=True))
    code = np.stack([regression.gradient(Sam(float(r)), a, b[None], c[None]) for r, a, b, c in rows])
    plain = np.stack([regression.gradient(Sgd(), a, b[None], c[None]) for _, a, b, c in rows])
    assert error(code, derived) < TOLERANCE
    assert differs(plain, derived)


# ---------------------------------------------------------------- pairs and groups


def test_relative_weight_log_slope_is_positive_for_the_larger_margin():
    """With z_i = z_j + gap and gap > 0 the slope factors into positive terms only: the ratio rises with C."""
    slope, (zi, zj) = symbolic.relative_weight_log_slope()
    displayed = sigmoid(zi - C) - sigmoid(zj - C)
    assert sp.simplify(slope - displayed) == 0
    gap = sp.Symbol("gap", positive=True)
    numerator, denominator = sp.fraction(sp.factor(sp.expand(slope.subs(zi, zj + gap), power_exp=True)))
    assert denominator.is_positive
    assert all(factor.is_positive for factor in sp.Mul.make_args(sp.factor(numerator)) if factor != sp.exp(gap) - 1)
    assert (sp.exp(gap) - 1) in sp.Mul.make_args(sp.factor(numerator))


def test_relative_weight_is_the_ratio_that_is_differentiated(rng):
    """The code has no slope of the log ratio, only the ratio itself: compare that first."""
    zi, zj = sp.symbols("z_i z_j", real=True)
    points = np.column_stack([rng.uniform(-12, 12, (POINTS, 2)), rng.uniform(0, 12, POINTS)])
    derived = evaluate(sigmoid(C - zi) / sigmoid(C - zj), (zi, zj, C), points)
    assert error(regression.relative_weight(*points.T), derived) < TOLERANCE
    assert differs(regression.relative_weight(points[:, 1], points[:, 0], points[:, 2]), derived)


def test_relative_weight_log_slope_is_the_slope_of_the_code(rng):
    """The difference quotient of the code's log ratio, extrapolated (Richardson), is exact to about 1e-12 here."""
    slope, (zi, zj) = symbolic.relative_weight_log_slope()
    points = np.column_stack([rng.uniform(-3, 3, (POINTS, 2)), rng.uniform(0, 3, POINTS)])
    derived = evaluate(slope, (zi, zj, C), points)

    def quotient(h):
        up, down = (regression.relative_weight(points[:, 0], points[:, 1], points[:, 2] + s) for s in (h, -h))
        return (np.log(up) - np.log(down)) / (2 * h)

    measured = (4 * quotient(1e-3) - quotient(2e-3)) / 3
    assert np.max(np.abs(measured - derived)) < TOLERANCE
    assert np.array_equal(np.sign(derived), np.sign(points[:, 0] - points[:, 1]))


def test_reordering_radius_is_the_displayed_formula():
    solution, (zi, zj, ni, nj) = symbolic.reordering_radius()
    assert sp.simplify(solution - (zi - zj) / (ni - nj)) == 0


def test_reordering_radius_matches_the_code(rng):
    """At every point where the solution is positive the code returns it, elsewhere the order never changes."""
    solution, symbols = symbolic.reordering_radius()
    points = np.column_stack([rng.uniform(-5, 5, (4 * POINTS, 2)), rng.uniform(0.1, 5, (4 * POINTS, 2))])
    derived, code = evaluate(solution, symbols, points), regression.reordering_radius(*points.T)
    reached = derived > 0
    assert reached.sum() >= 50
    assert error(code[reached], derived[reached]) < TOLERANCE
    assert np.isinf(code[~reached]).all()
    assert differs(2 * code[reached], derived[reached])


@pytest.mark.parametrize(("count", "size"), [(2, 2), (3, 2), (2, 3)])
def test_shared_margin_shift_matches_the_code(count, size, rng):
    """The fall of every margin under rho grad L/||grad L||, for shards of several sizes and mixed labels."""
    shifts, (ws, xs, ts) = symbolic.shared_margin_shift(count, size)
    w, x = rng.normal(size=(POINTS, size)), rng.normal(scale=1.3, size=(POINTS, count, size))
    t, radius = rng.choice([-1.0, 1.0], size=(POINTS, count)), rng.uniform(0.05, 3, POINTS)
    symbols = (*ws, *(a for row in xs for a in row), *ts, rho)
    points = np.column_stack([w, x.reshape(POINTS, -1), t, radius])
    derived = np.stack([evaluate(shift, symbols, points) for shift in shifts], axis=1)
    rows = list(zip(w, x, t, radius, strict=True))
    code = np.stack([regression.shared_margin_shift(a, b, c, float(r)) for a, b, c, r in rows])
    single = np.stack([np.linalg.norm(b, axis=1) * r for _, b, _, r in rows])
    assert error(code, derived) < TOLERANCE
    assert differs(-code, derived)
    assert differs(single, derived)


def test_shared_margin_shift_is_the_displayed_formula():
    """rho t_i <x_i, u>: the mean's factor 1/count cancels in the normalised sum.

    Every exponential becomes a positive symbol first; what is left is algebra.
    """
    shifts, (w, xs, t) = symbolic.shared_margin_shift()
    exponentials = {sp.exp(-t[i] * w.dot(xs[i])): sp.Symbol(f"e{i}", positive=True) for i in range(2)}
    weights = [e / (1 + e) for e in exponentials.values()]
    descent = sum((weights[i] * t[i] * xs[i] for i in range(2)), sp.zeros(2, 1))
    length = sp.Symbol("length", positive=True)
    root = sp.sqrt(sp.expand(descent.dot(descent) / 4))
    for i, shift in enumerate(shifts):
        algebraic = shift.subs(exponentials).replace(
            lambda a: a.is_Pow and a.exp == sp.Rational(-1, 2),
            lambda a: (2 / length) if sp.simplify(a.base - root**2) == 0 else a,
        )
        assert algebraic.has(length)
        assert sp.simplify(algebraic - rho * t[i] * xs[i].dot(descent) / length) == 0
        assert sp.simplify(algebraic - rho * t[i] * xs[i].dot(descent) / (2 * length)) != 0


def test_clean_noisy_ratio_log_slope_matches_the_code(rng):
    slope, (zc, nc, zm, nm) = symbolic.clean_noisy_ratio_log_slope()
    margins, norms = rng.normal(scale=2, size=(POINTS, 4)), rng.uniform(0.3, 3, (POINTS, 4))
    radius = rng.uniform(0, 2, POINTS)
    points = np.column_stack([margins[:, :2], norms[:, :2], margins[:, 2:], norms[:, 2:], radius])
    derived = evaluate(slope, (*zc, *nc, *zm, *nm, rho), points)
    mislabelled = np.array([False, False, True, True])
    rows = list(zip(margins, norms, radius, strict=True))
    code = [regression.clean_noisy_ratio_log_slope(a, b, mislabelled, float(r)) for a, b, r in rows]
    swapped = [regression.clean_noisy_ratio_log_slope(a, b, ~mislabelled, float(r)) for a, b, r in rows]
    assert error(code, derived) < TOLERANCE
    assert differs(swapped, derived)


def test_clean_noisy_ratio_log_slope_with_equal_norms_is_the_displayed_formula():
    """c [ sum_m s^2 / sum_m s - sum_c s^2 / sum_c s ] with every norm equal to c; exponentials become symbols first."""
    slope, (zc, nc, zm, nm) = symbolic.clean_noisy_ratio_log_slope()
    c, exponentials = sp.Symbol("c", positive=True), sp.symbols("e0:4", positive=True)
    equal = slope.subs(dict.fromkeys([*nc, *nm], c))
    # e^(m - c rho) = e_i, that is s = 1 / (1 + e_i)
    equal = equal.subs({m: sp.log(e) + c * rho for m, e in zip([*zc, *zm], exponentials, strict=True)})
    s = [1 / (1 + e) for e in exponentials]
    noisy, clean = ((a**2 + b**2) / (a + b) for a, b in (s[2:], s[:2]))
    assert sp.simplify(equal - c * (noisy - clean)) == 0
    assert sp.simplify(equal - c * (clean - noisy)) != 0


# ---------------------------------------------------------------- laws


@pytest.mark.parametrize("size", [2, 3])
def test_margin_law_is_the_displayed_one(size):
    """Mean B w_1 and variance gamma^2 ||w||^2 under isotropic noise."""
    mean, variance, (w, B, gamma) = symbolic.margin_law(size)
    assert sp.simplify(mean - B * w[0]) == 0
    assert sp.simplify(variance - gamma**2 * w.dot(w)) == 0
    assert sp.simplify(variance - gamma**2 * (w.dot(w) - w[0] ** 2)) != 0


def test_normal_sign_probability_is_phi():
    probability, (m, v) = symbolic.normal_sign_probability()
    assert sp.simplify(probability.rewrite(sp.erf) - (1 + sp.erf(m / (v * sp.sqrt(2)))) / 2) == 0
    assert sp.simplify(probability.rewrite(sp.erf) - (1 - sp.erf(m / (v * sp.sqrt(2)))) / 2) != 0


def test_normal_sign_probability_matches_the_code(rng):
    probability, symbols = symbolic.normal_sign_probability()
    points = np.column_stack([rng.uniform(-6, 6, POINTS), rng.uniform(0.5, 4, POINTS)])
    derived = evaluate(probability, symbols, points)
    assert error(ndtr(points[:, 0] / points[:, 1]), derived) < TOLERANCE
    assert differs(ndtr(-points[:, 0] / points[:, 1]), derived)


def test_derived_margin_law_gives_the_accuracy_of_the_code(rng):
    """The sign probability at the derived mean and variance is the exact accuracy of the mixture, w in 3 dimensions."""
    mean, variance, (ws, B, gamma) = symbolic.margin_law(3)
    probability, (m, v) = symbolic.normal_sign_probability()
    expression = probability.subs({m: mean, v: sp.sqrt(variance)})
    w, signal, scale = rng.normal(size=(POINTS, 3)), rng.uniform(0.1, 2, POINTS), rng.uniform(0.4, 2, POINTS)
    derived = evaluate(expression, (*ws, B, gamma), np.column_stack([w, signal, scale]))

    def accuracies(noise):
        laws = [SignalNoiseMixture(d=3, B=b, gamma=g, noise=noise) for b, g in zip(signal, scale, strict=True)]
        return np.array([mixture.accuracy(law, a) for law, a in zip(laws, w, strict=True)])

    assert error(accuracies("isotropic"), derived) < TOLERANCE
    assert differs(accuracies("orthogonal"), derived)


def test_group_mean_follows_the_total_mean_one_to_one():
    assert symbolic.group_mean_given_total() == 1


def test_group_mean_coefficient_from_explicit_loadings(rng):
    """Numerically: Cov(group mean, total mean) / Var(total mean) from explicit loadings on the n noise vectors."""
    n, n_g = 60, int(rng.integers(5, 55))
    group, total = np.where(np.arange(n) < n_g, 1 / n_g, 0.0), np.full(n, 1 / n)
    assert group @ total / (total @ total) == pytest.approx(float(symbolic.group_mean_given_total()), rel=1e-12)
