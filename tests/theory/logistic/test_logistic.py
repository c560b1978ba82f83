"""Closed forms of SAM on logistic regression, against slow loops written from the definitions."""

import math

import mpmath
import numpy as np
import pytest

from spec.rules import JacobianSam, LogitSam, Sam, Sgd
from spec.validation import InputError
from theory.logistic import regression

N, D = 12, 5
SHARDED = [Sam(0.7), Sam(0.7, 1), Sam(0.7, 3), Sam(0.7, 4), Sam(0.7, "batch")]
ADAPTIVE = [Sam(0.7, "example", "adaptive"), LogitSam(0.7, 3, "adaptive"), Sam(0.7, "batch", "adaptive")]
RULES = [
    Sgd(),
    *SHARDED,
    LogitSam(0.7),
    LogitSam(0.7, 3),
    LogitSam(0.7, "batch"),
    JacobianSam(0.7),
    JacobianSam(0.7, 4),
    *ADAPTIVE,
    Sam(0.7, "example", "last"),
]


@pytest.fixture
def data(rng):
    """(w, x, t) with unequal norms, a non-unit scale and both labels."""
    x = rng.normal(size=(N, D)) * rng.uniform(0.4, 2.0, size=(N, 1))
    return 0.6 * rng.normal(size=D), x, np.where(np.arange(N) % 3 == 0, -1.0, 1.0)


# ---------------------------------------------------------------- slow definitions


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


def dot(a, b):
    return sum(float(p) * float(q) for p, q in zip(a, b, strict=True))


def slow_gradient_of_mean_loss(w, x, t):
    """sum_i dl_i/dz_i dz_i/dw / n for l = log(1 + e^-z), coordinate by coordinate."""
    g = [0.0] * len(w)
    for xi, ti in zip(x, t, strict=True):
        for k in range(len(w)):
            g[k] += -sigmoid(-ti * dot(w, xi)) * ti * xi[k] / len(t)
    return g


def slow_example_gradients(rule, w, x, t):
    """Shards, ascent step, residual and Jacobian, each as the rules' definition words it."""
    if isinstance(rule, Sgd):
        shard, radius = 1, 0.0
    else:
        shard, radius = {"example": 1, "batch": len(t)}.get(rule.sharpness, rule.sharpness), rule.rho
    rows = []
    for start in range(0, len(t), shard):
        g = slow_gradient_of_mean_loss(w, x[start : start + shard], t[start : start + shard])
        T = [abs(wk) + 0.01 if getattr(rule, "ascent", "all") == "adaptive" else 1.0 for wk in w]
        length = math.sqrt(sum((Tk * gk) ** 2 for Tk, gk in zip(T, g, strict=True)))
        moved = [wk + radius * Tk**2 * gk / length for wk, Tk, gk in zip(w, T, g, strict=True)]
        at = moved if isinstance(rule, Sam | LogitSam) else w
        for i in range(start, start + shard):
            residual = -t[i] * sigmoid(-t[i] * dot(at, x[i]))
            rows.append([residual * xk for xk in x[i]])  # the Jacobian of <w, x> is x wherever it is taken
    return np.array(rows)


def slow_robust_loss(w, x, t, rho):
    total = 0.0
    for xi, ti in zip(x, t, strict=True):
        total += math.log1p(math.exp(-ti * dot(w, xi) + rho * math.sqrt(dot(xi, xi))))
    return total / len(t)


def difference_quotient(f, w, h=1e-5):
    """Central differences of f along every coordinate; the last axis is the coordinate."""
    steps = h * np.eye(len(w))
    return np.stack([(np.asarray(f(w + e)) - np.asarray(f(w - e))) / (2 * h) for e in steps], axis=-1)


# ---------------------------------------------------------------- rules


def test_margins_are_the_label_times_the_output(data):
    w, x, t = data
    np.testing.assert_allclose(regression.margins(w, x, t), [t[i] * dot(w, x[i]) for i in range(N)], rtol=1e-13)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: f"{type(r).__name__}-{r.name}")
def test_example_gradients_follow_the_definition(rule, data):
    np.testing.assert_allclose(
        regression.example_gradients(rule, *data), slow_example_gradients(rule, *data), rtol=1e-11
    )


@pytest.mark.parametrize("rule", RULES, ids=lambda r: f"{type(r).__name__}-{r.name}")
def test_gradient_is_the_mean_of_the_example_gradients(rule, data):
    expected = sum(slow_example_gradients(rule, *data)) / N
    np.testing.assert_allclose(regression.gradient(rule, *data), expected, rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: f"{type(r).__name__}-{r.name}")
def test_example_weights_multiply_minus_t_x(rule, data):
    """Every coordinate of the slow gradient gives back the same weight."""
    _, x, t = data
    ratios = -slow_example_gradients(rule, *data) / (t[:, None] * x)
    s = regression.example_weights(rule, *data)
    assert s.shape == (N,)
    np.testing.assert_allclose(np.broadcast_to(s[:, None], ratios.shape), ratios, rtol=1e-11)
    assert ((s > 0) & (s < 1)).all()


def test_the_rules_differ(data):
    """The comparisons above have power: no two distinct sharpness levels share their weights."""
    rules = (Sgd(), Sam(0.7), Sam(0.7, 3), Sam(0.7, "batch"), *ADAPTIVE)
    weights = [regression.example_weights(rule, *data) for rule in rules]
    for i in range(len(rules)):
        for j in range(i):
            assert np.max(np.abs(weights[i] - weights[j])) > 1e-3


def test_an_example_is_a_shard_of_one(data):
    np.testing.assert_allclose(
        regression.example_weights(Sam(0.7), *data), regression.example_weights(Sam(0.7, 1), *data), rtol=1e-13
    )


def test_the_batch_is_a_shard_of_n(data):
    batch, shard = (regression.example_weights(Sam(0.7, m), *data) for m in ("batch", N))
    np.testing.assert_array_equal(batch, shard)


def test_shards_are_consecutive_examples(data):
    """m-SAM on the batch is n-SAM on each run of m examples; a permutation of the batch changes it."""
    w, x, t = data
    pieces = [regression.example_weights(Sam(0.7, "batch"), w, x[i : i + 3], t[i : i + 3]) for i in range(0, N, 3)]
    np.testing.assert_allclose(regression.example_weights(Sam(0.7, 3), w, x, t), np.concatenate(pieces), rtol=1e-13)
    order = np.arange(N).reshape(3, -1).T.ravel()
    permuted = regression.example_weights(Sam(0.7, 3), w, x[order], t[order])
    assert np.max(np.abs(permuted - np.concatenate(pieces)[order])) > 1e-3


@pytest.mark.parametrize("sharpness", ["example", 3, "batch"])
def test_a_linear_model_feels_sam_through_the_logits_only(sharpness, data):
    """L-SAM is SAM and J-SAM is SGD, since the Jacobian is constant in w."""
    sam, logit, jacobian = (regression.gradient(kind(0.7, sharpness), *data) for kind in (Sam, LogitSam, JacobianSam))
    np.testing.assert_array_equal(sam, logit)
    np.testing.assert_array_equal(jacobian, regression.gradient(Sgd(), *data))


@pytest.mark.parametrize("sharpness", ["example", 3, "batch"])
def test_radius_zero_is_sgd(sharpness, data):
    np.testing.assert_array_equal(regression.gradient(Sam(0.0, sharpness), *data), regression.gradient(Sgd(), *data))


def test_a_shared_shift_of_one_example_is_rho_times_its_norm(data):
    w, x, t = data
    for i in range(N):
        shift = regression.shared_margin_shift(w, x[i : i + 1], t[i : i + 1], 0.7)
        np.testing.assert_allclose(shift, [0.7 * np.linalg.norm(x[i])], rtol=1e-13)


def test_shared_shift_is_the_fall_of_the_margins_along_the_slow_ascent(data):
    w, x, t = data
    g = slow_gradient_of_mean_loss(w, x, t)
    length = math.sqrt(dot(g, g))
    moved = [wk + 0.7 * gk / length for wk, gk in zip(w, g, strict=True)]
    falls = [t[i] * dot(w, x[i]) - t[i] * dot(moved, x[i]) for i in range(N)]
    np.testing.assert_allclose(regression.shared_margin_shift(w, x, t, 0.7), falls, rtol=1e-10, atol=1e-13)


def test_shared_shift_never_exceeds_the_shift_of_the_example_alone(data):
    """Cauchy-Schwarz: the example's own ascent direction is its worst one."""
    w, x, t = data
    assert (np.abs(regression.shared_margin_shift(w, x, t, 0.7)) < 0.7 * np.linalg.norm(x, axis=1)).all()


def test_duplicates_with_opposite_labels_do_not_move():
    """At w = 0 their gradients cancel exactly: there is no ascent direction, and the weights are SGD's."""
    x, t, w = np.array([[1.0, 2.0], [1.0, 2.0]]), np.array([1.0, -1.0]), np.zeros(2)
    with np.errstate(all="raise"):
        np.testing.assert_array_equal(regression.shared_margin_shift(w, x, t, 0.7), [0.0, 0.0])
        np.testing.assert_array_equal(regression.example_weights(Sam(0.7, "batch"), w, x, t), [0.5, 0.5])
        np.testing.assert_array_equal(regression.gradient(Sam(0.7, "batch"), w, x, t), [0.0, 0.0])


def test_a_shard_without_direction_leaves_the_other_shards_alone():
    x, t = np.array([[1.0, 2.0], [1.0, 2.0], [3.0, 4.0], [3.0, 4.0]]), np.array([1.0, -1.0, 1.0, 1.0])
    s = regression.example_weights(Sam(0.7, 2), np.zeros(2), x, t)
    np.testing.assert_allclose(s, [0.5, 0.5, sigmoid(3.5), sigmoid(3.5)], rtol=1e-13)


def test_example_at_the_origin_has_no_gradient(data):
    """x = 0: the weight is 1/2 and the gradient 0, for 1-SAM and SGD alike."""
    w, _, _ = data
    for rule in (Sgd(), Sam(0.7), Sam(0.7, "batch")):
        assert regression.example_weights(rule, w, np.zeros((1, D)), np.ones(1)) == [0.5]
        np.testing.assert_array_equal(
            regression.example_gradients(rule, w, np.zeros((1, D)), np.ones(1)), np.zeros((1, D))
        )


def test_weights_tend_to_one_with_the_radius(data):
    """1 - s = sigma(z - rho ||x||), so 1-SAM ends at the mean of -t x."""
    w, x, t = data
    np.testing.assert_array_equal(regression.example_weights(Sam(1e4), w, x, t), np.ones(N))
    np.testing.assert_allclose(regression.gradient(Sam(1e4), w, x, t), -(t[:, None] * x).mean(axis=0), rtol=1e-12)


def test_the_rest_of_a_large_weight_is_exponentially_small(data):
    w, x, t = data
    rest = 1 - regression.example_weights(Sam(15.0), w, x, t)
    bound = np.exp(regression.margins(w, x, t) - 15.0 * np.linalg.norm(x, axis=1))
    assert (rest <= bound + 1e-15).all()


def test_weights_of_n_sam_become_zero_or_one():
    """With one shared direction u the limit is 1 where t<x, u> > 0 and 0 where it is negative."""
    x, t = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0], [-0.5, 0.5]]), np.array([1.0, 1.0, 1.0, 1.0])
    s = regression.example_weights(Sam(1e4, "batch"), np.zeros(2), x, t)
    np.testing.assert_array_equal(s, [1.0, 1.0, 1.0, 0.0])


@pytest.mark.parametrize("rule", [Sgd(), Sam(0.0), Sam(0.5), LogitSam(0.5), JacobianSam(0.5)])
def test_weights_at_extreme_margins(rule):
    """z = 800 has no weight left, z = -800 has all of it, also after a shift by 400; nothing overflows."""
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        s = regression.example_weights(rule, np.ones(1), np.array([[800.0], [800.0]]), np.array([1.0, -1.0]))
    np.testing.assert_allclose(s, [0.0, 1.0], rtol=0, atol=1e-150)


def test_unknown_rules_have_no_closed_form(data):
    with pytest.raises(TypeError, match="no closed form for 'sam' on logistic regression"):
        regression.example_weights("sam", *data)


@pytest.mark.parametrize("size", [5, 7, 24])
def test_sharpness_must_divide_the_number_of_examples(size, data):
    with pytest.raises(InputError, match=f"sharpness must divide the number of examples, got {size} with n=12"):
        regression.gradient(Sam(0.7, size), *data)


def test_negative_radius_is_refused(data):
    with pytest.raises(InputError, match=r"rho must be a number in \[0, inf\), got -0.1"):
        regression.shared_margin_shift(*data, -0.1)


# ---------------------------------------------------------------- descent


def test_descend_is_a_loop_of_steps(data):
    w, x, t = data
    path, expected = regression.descend(Sam(0.7, 3), w, x, t, eta=0.3, steps=4), [w]
    for _ in range(4):
        expected.append(expected[-1] - 0.3 * sum(slow_example_gradients(Sam(0.7, 3), expected[-1], x, t)) / N)
    assert path.shape == (5, D)
    np.testing.assert_allclose(path, expected, rtol=1e-10)


def test_descend_without_steps_stays_and_leaves_its_input_alone(data):
    w, x, t = data
    before = w.copy()
    np.testing.assert_array_equal(regression.descend(Sgd(), w, x, t, eta=0.3, steps=0), before[None])
    regression.descend(Sgd(), w, x, t, eta=0.3, steps=2)
    np.testing.assert_array_equal(w, before)


def test_descend_accepts_whole_numbers(data):
    """An integer start must not truncate the path."""
    _, x, t = data
    whole, real = (regression.descend(Sgd(), np.zeros(D, kind), x, t, eta=0.3, steps=2) for kind in (int, float))
    np.testing.assert_array_equal(whole, real)


# ---------------------------------------------------------------- robust loss


@pytest.mark.parametrize("rho", [0.0, 0.3, 2.0])
def test_robust_loss_is_the_mean_over_examples(rho, data):
    assert regression.robust_loss(*data, rho) == pytest.approx(slow_robust_loss(*data, rho), rel=1e-13)


@pytest.mark.parametrize("rho", [0.0, 0.3, 2.0])
def test_gradient_of_robust_loss_is_the_one_sam_gradient(rho, data):
    w, x, t = data
    measured = difference_quotient(lambda v: regression.robust_loss(v, x, t, rho), w)
    np.testing.assert_allclose(measured, regression.gradient(Sam(rho), w, x, t), rtol=0, atol=1e-9)
    for wrong in (Sam(rho + 0.1), Sam(rho + 0.1, "batch")):
        assert np.max(np.abs(measured - regression.gradient(wrong, w, x, t))) > 1e-6


def test_n_sam_is_not_the_gradient_of_the_robust_loss(data):
    w, x, t = data
    measured = difference_quotient(lambda v: regression.robust_loss(v, x, t, 0.7), w)
    assert np.max(np.abs(measured - regression.gradient(Sam(0.7, "batch"), w, x, t))) > 1e-2


def test_robust_loss_is_the_worst_case_over_private_steps(data, rng):
    """No set of steps of length <= rho beats it, and the steps -rho t x/||x|| reach it."""
    w, x, t = data

    def perturbed_loss(steps):
        return sum(slow_robust_loss(w + steps[i], x[i : i + 1], t[i : i + 1], 0.0) for i in range(N)) / N

    worst = regression.robust_loss(w, x, t, 0.7)
    for _ in range(50):
        steps = rng.normal(size=(N, D))
        steps *= 0.7 * rng.uniform(size=(N, 1)) / np.linalg.norm(steps, axis=1, keepdims=True)
        assert perturbed_loss(steps) < worst
    reaching = -0.7 * t[:, None] * x / np.linalg.norm(x, axis=1, keepdims=True)
    assert perturbed_loss(reaching) == pytest.approx(worst, rel=1e-13)


def slow_hessian(w, x, t, rho):
    """mean s (1 - s) x x^T, entry by entry."""
    h = np.zeros((D, D))
    for xi, ti in zip(x, t, strict=True):
        s = sigmoid(-ti * dot(w, xi) + rho * math.sqrt(dot(xi, xi)))
        for a in range(D):
            for b in range(D):
                h[a, b] += s * (1 - s) * xi[a] * xi[b] / len(t)
    return h


@pytest.mark.parametrize("rho", [0.0, 0.3, 2.0])
def test_hessian_of_robust_loss(rho, data):
    w, x, t = data
    measured = difference_quotient(lambda v: regression.gradient(Sam(rho), v, x, t), w)
    np.testing.assert_allclose(measured, slow_hessian(w, x, t, rho), rtol=0, atol=1e-9)


@pytest.mark.parametrize("rho", [0.0, 0.3, 2.0])
def test_robust_loss_is_convex_and_as_smooth_as_the_loss(rho, data, rng):
    """Eigenvalues in [0, smoothness] everywhere, also far from w."""
    _, x, t = data
    for scale in (0.0, 0.1, 1.0, 5.0):
        eigenvalues = np.linalg.eigvalsh(slow_hessian(scale * rng.normal(size=D), x, t, rho))
        assert eigenvalues[0] >= -1e-14
        assert eigenvalues[-1] <= regression.smoothness(x) * (1 + 1e-12)


def test_smoothness_is_the_hessian_at_the_origin(data):
    """At w = 0, rho = 0 every s (1 - s) is 1/4, so the bound is attained: a smaller constant would be wrong."""
    _, x, t = data
    largest = np.linalg.eigvalsh(slow_hessian(np.zeros(D), x, t, 0.0))[-1]
    assert regression.smoothness(x) == pytest.approx(largest, rel=1e-12)


def test_robust_loss_at_extreme_margins():
    """log(1 + e^800) is 800 and log(1 + e^-800) is 0, without overflow."""
    x = np.array([[800.0]])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        assert regression.robust_loss(np.ones(1), x, -np.ones(1), 0.0) == 800
        assert regression.robust_loss(np.ones(1), x, np.ones(1), 0.0) == 0
        assert regression.robust_loss(np.ones(1), x, -np.ones(1), 1.0) == 1600


# ---------------------------------------------------------------- amplification


def exact_amplification(z, C):
    """The ratio of sigmoids with 50 digits."""
    with mpmath.workdps(50):
        return float((1 + mpmath.exp(mpmath.mpf(z))) / (1 + mpmath.exp(mpmath.mpf(z) - mpmath.mpf(C))))


def test_amplification_has_thirteen_digits(rng):
    z, C = rng.uniform(-40, 60, 300), rng.choice([0.0, 1e-8, 0.3, 5.0, 50.0], 300)
    expected = [exact_amplification(float(a), float(b)) for a, b in zip(z, C, strict=True)]
    np.testing.assert_allclose(regression.amplification(z, C), expected, rtol=1e-13)


@pytest.mark.parametrize("C", [0.0, 3e-12, 1 / 3, 50.0])
@pytest.mark.parametrize("z", [-1e6, -800.0, -40.0, 0.0, 40.0, 800.0, 1e6])
def test_amplification_at_extreme_arguments(z, C):
    """A difference of logarithms of size 1e6 loses three digits more than allowed, unless the code avoids it."""
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        value = regression.amplification(z, C)
    assert value == pytest.approx(exact_amplification(z, C), rel=1e-13, abs=0)


@pytest.mark.parametrize("C", [0.0, 1e-8, 1.0, 50.0])
def test_amplification_limits(C):
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        low, middle, high = regression.amplification([-800.0, 0.0, 800.0], C)
    assert low == 1
    assert middle == pytest.approx(2 / (1 + math.exp(-C)), rel=1e-14, abs=0)
    assert high == pytest.approx(math.exp(C), rel=1e-14, abs=0)


def test_amplification_without_shift_is_one(rng):
    np.testing.assert_array_equal(regression.amplification(rng.uniform(-800, 800, 100), 0.0), np.ones(100))


def test_amplification_is_the_ratio_of_one_sam_to_sgd_weights(data):
    w, x, t = data
    ratio = regression.example_weights(Sam(0.7), w, x, t) / regression.example_weights(Sgd(), w, x, t)
    C = 0.7 * np.linalg.norm(x, axis=1)
    np.testing.assert_allclose(regression.amplification(regression.margins(w, x, t), C), ratio, rtol=1e-12)


@pytest.mark.parametrize("C", [0.01, 1.0, 20.0])
def test_amplification_rises_strictly_with_the_margin(C):
    """Lemma 3.1, on a grid where float64 can still tell neighbours apart."""
    assert (np.diff(regression.amplification(np.linspace(-12, 12, 500), C)) > 0).all()


def test_amplification_broadcasts():
    table = regression.amplification(np.arange(3.0)[:, None], np.arange(4.0))
    assert table.shape == (3, 4)
    assert table[2, 3] == pytest.approx(exact_amplification(2.0, 3.0), rel=1e-14)


def slow_slope(f, *args, k):
    """The 50-digit derivative of f in its argument number k."""
    with mpmath.workdps(50):
        return float(mpmath.diff(f, tuple(map(mpmath.mpf, args)), n=tuple(int(i == k) for i in range(len(args)))))


def mp_amplification(z, C):
    return (1 + mpmath.exp(z)) / (1 + mpmath.exp(z - C))


def mp_log_amplification(z, C):
    return mpmath.log(mp_amplification(z, C))


@pytest.mark.parametrize(
    ("code", "definition", "k"),
    [
        (regression.amplification_slope, mp_amplification, 0),
        (regression.log_amplification_slope, mp_log_amplification, 0),
        (regression.log_amplification_slope_in_C, mp_log_amplification, 1),
    ],
)
def test_slopes_are_the_derivatives(code, definition, k, rng):
    z, C = rng.uniform(-15, 15, 50), rng.uniform(0.01, 12, 50)
    expected = [slow_slope(definition, float(a), float(b), k=k) for a, b in zip(z, C, strict=True)]
    np.testing.assert_allclose(code(z, C), expected, rtol=1e-12)


def test_log_slope_keeps_its_digits_in_both_tails():
    """sigma(z) - sigma(z - C) would cancel completely at z = 60."""
    z = np.array([-60.0, 60.0])
    expected = [slow_slope(mp_log_amplification, float(a), 2.0, k=0) for a in z]
    np.testing.assert_allclose(regression.log_amplification_slope(z, 2.0), expected, rtol=1e-12)


@pytest.mark.parametrize("C", [0.0, 50.0])
def test_slopes_at_extreme_margins(C):
    """Flat on both sides; the log slope is 1 between 0 and C, where C is large."""
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        slopes = regression.amplification_slope([-800.0, 800.0], C)
        log_slopes = regression.log_amplification_slope([-800.0, C / 2, 800.0], C)
        in_C = regression.log_amplification_slope_in_C([-800.0, 800.0], C)
    np.testing.assert_allclose(slopes, 0, atol=1e-200)
    np.testing.assert_allclose(log_slopes, [0, 1 if C else 0, 0], atol=1e-10)
    np.testing.assert_allclose(in_C, [0, 1], atol=1e-200)


# ---------------------------------------------------------------- order of two examples


def test_relative_weight_is_a_ratio_of_weights(data):
    w, x, t = data
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    s, z = regression.example_weights(Sam(0.7), w, x, t), regression.margins(w, x, t)
    np.testing.assert_allclose(regression.relative_weight(z[:, None], z, 0.7), s[:, None] / s, rtol=1e-12)


def test_relative_weight_rises_to_one_and_never_passes_it(rng):
    """For z_i > z_j: strictly between 0 and 1, strictly increasing in C, and 1 in the limit."""
    z_j = rng.uniform(-4, 4, 100)
    z_i = z_j + rng.uniform(0.1, 4, 100)
    ratios = np.stack([regression.relative_weight(z_i, z_j, C) for C in np.linspace(0, 20, 30)])
    assert ((ratios > 0) & (ratios < 1)).all()
    assert (np.diff(ratios, axis=0) > 0).all()
    np.testing.assert_array_equal(regression.relative_weight(z_i, z_j, 100.0), np.ones(100))


def test_relative_weight_at_extreme_margins():
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        ratios = regression.relative_weight([800.0, 800.0, -800.0, -800.0], [800.0, 799.0, -800.0, -799.0], 50.0)
    np.testing.assert_allclose(ratios, [1, math.exp(-1), 1, 1], rtol=1e-12)


def test_one_sam_keeps_the_order_of_examples_of_equal_norm(data):
    w, x, t = data
    x = 1.7 * x / np.linalg.norm(x, axis=1, keepdims=True)
    orders = [np.argsort(regression.example_weights(Sam(rho), w, x, t)) for rho in (0.0, 0.1, 0.5, 1.0, 3.0)]
    for order in orders:
        np.testing.assert_array_equal(order, np.argsort(-regression.margins(w, x, t)))


def test_one_sam_reorders_examples_of_unequal_norm_at_the_radius(rng):
    """The order of the weights turns around between 0.999 and 1.001 times the radius, and they tie on it."""
    # The larger norm sits at the larger margin, and no margin exceeds its norm (||w|| = 1 below).
    norms = np.stack([rng.uniform(2.0, 3.0, 30), rng.uniform(1.0, 1.5, 30)], axis=1)
    margins = np.stack([rng.uniform(1.0, 2.0, 30), rng.uniform(-1.0, 0.5, 30)], axis=1)
    w, t = np.array([1.0, 0.0]), np.ones(2)
    for n, z in zip(norms, margins, strict=True):
        x = np.stack([z, np.sqrt(n**2 - z**2)], axis=1)
        radius = float(regression.reordering_radius(*z, *n))
        below, on, above = (regression.example_weights(Sam(radius * k), w, x, t) for k in (0.999, 1.0, 1.001))
        assert below[0] < below[1]
        assert above[0] > above[1]
        assert on[0] == pytest.approx(on[1], rel=1e-12)


def test_reordering_radius_is_symmetric_in_the_two_examples(rng):
    z_i, z_j, n_i, n_j = rng.uniform(0.1, 3, (4, 50))
    np.testing.assert_array_equal(
        regression.reordering_radius(z_i, z_j, n_i, n_j), regression.reordering_radius(z_j, z_i, n_j, n_i)
    )


@pytest.mark.parametrize(("norm_i", "norm_j"), [(1.3, 1.3), (0.8, 1.3)])
def test_no_radius_reorders_when_the_larger_margin_has_no_larger_norm(norm_i, norm_j):
    with np.errstate(all="raise"):
        assert regression.reordering_radius(2.0, 1.0, norm_i, norm_j) == np.inf
    robust_margins = [(2.0 - rho * norm_i, 1.0 - rho * norm_j) for rho in np.linspace(0, 100, 200)]
    assert all(a > b for a, b in robust_margins)


# ---------------------------------------------------------------- clean and mislabelled groups


@pytest.fixture
def groups(rng):
    """(z, norms, mislabelled) with unequal group sizes, mislabelled margins lower."""
    mislabelled = np.arange(20) % 3 == 1
    return rng.normal(size=20) + np.where(mislabelled, -0.7, 0.9), rng.uniform(0.5, 2, 20), mislabelled


def slow_ratio(z, norms, mislabelled, rho):
    sums, counts = [0.0, 0.0], [0, 0]
    for zi, ni, bad in zip(z, norms, mislabelled, strict=True):
        sums[int(bad)] += sigmoid(rho * ni - zi) * ni
        counts[int(bad)] += 1
    return (sums[0] / counts[0]) / (sums[1] / counts[1])


@pytest.mark.parametrize("rho", [0.0, 0.4, 3.0])
def test_clean_noisy_ratio_is_a_ratio_of_means(rho, groups):
    z, norms, mislabelled = groups
    expected = slow_ratio(*groups, rho)
    assert regression.clean_noisy_ratio(*groups, rho) == pytest.approx(expected, rel=1e-13)
    assert regression.clean_noisy_ratio(z, norms, ~mislabelled, rho) == pytest.approx(1 / expected, rel=1e-13)


def test_clean_noisy_ratio_is_a_ratio_of_mean_gradient_norms(data):
    w, x, t = data
    mislabelled = np.arange(N) < 4
    norms = np.linalg.norm(slow_example_gradients(Sam(0.7), w, x, t), axis=1)
    expected = norms[4:].mean() / norms[:4].mean()
    z, lengths = regression.margins(w, x, t), np.linalg.norm(x, axis=1)
    assert regression.clean_noisy_ratio(z, lengths, mislabelled, 0.7) == pytest.approx(expected, rel=1e-12)


def test_clean_noisy_ratio_tends_to_the_ratio_of_mean_norms(groups):
    z, norms, mislabelled = groups
    limit = norms[~mislabelled].mean() / norms[mislabelled].mean()
    assert regression.clean_noisy_ratio(z, norms, mislabelled, 1e3) == pytest.approx(limit, rel=1e-14)


@pytest.mark.parametrize("rho", [0.2, 0.4, 3.0])
def test_log_slope_is_the_difference_quotient_of_the_log_ratio(rho, groups):
    h = 1e-5
    measured = (math.log(slow_ratio(*groups, rho + h)) - math.log(slow_ratio(*groups, rho - h))) / (2 * h)
    slope = regression.clean_noisy_ratio_log_slope(*groups, rho)
    assert slope == pytest.approx(measured, abs=1e-9)
    assert abs(2 * slope - measured) > 1e-6
    assert abs(-slope - measured) > 1e-6


def test_log_slope_with_equal_norms_compares_self_weighted_weights(groups):
    """c [ sum_m s^2 / sum_m s - sum_c s^2 / sum_c s ]."""
    z, _, mislabelled = groups
    s = np.array([sigmoid(0.4 * 1.7 - a) for a in z])
    expected = 1.7 * (sum(s[mislabelled] ** 2) / sum(s[mislabelled]) - sum(s[~mislabelled] ** 2) / sum(s[~mislabelled]))
    slope = regression.clean_noisy_ratio_log_slope(z, np.full(20, 1.7), mislabelled, 0.4)
    assert slope == pytest.approx(expected, rel=1e-12)


def test_log_slope_is_positive_when_the_mislabelled_margins_are_the_lower_ones():
    """All norms are 1: a larger rho then raises the clean share, and the swapped groups give the opposite."""
    z, mislabelled = np.array([3.0, 1.0, 2.0, -1.0, -2.0]), np.array([False, False, False, True, True])
    for rho in (0.0, 0.4, 3.0):
        assert regression.clean_noisy_ratio_log_slope(z, np.ones(5), mislabelled, rho) > 0
        assert regression.clean_noisy_ratio_log_slope(z, np.ones(5), ~mislabelled, rho) < 0


@pytest.mark.parametrize("function", [regression.clean_noisy_ratio, regression.clean_noisy_ratio_log_slope])
@pytest.mark.parametrize(("fill", "count"), [(False, 0), (True, 6)])
def test_both_groups_must_have_examples(function, fill, count):
    message = f"mislabelled must mark at least one and not all examples, got {count} of 6"
    with pytest.raises(InputError, match=message):
        function(np.zeros(6), np.ones(6), np.full(6, fill), 0.4)


def test_the_shared_direction_survives_large_margins():
    """At margins beyond 370 the squares of the weights underflow; the direction must not."""
    x, t = np.array([[1.0, 0.0], [0.0, 2.0]]), np.ones(2)
    moderate = regression.shared_margin_shift(np.array([35.0, 17.5]), x, t, 1.0)
    np.testing.assert_allclose(regression.shared_margin_shift(np.array([700.0, 350.0]), x, t, 1.0), moderate, rtol=1e-9)


def test_ratios_survive_large_margins_and_integer_masks():
    z, norms, noisy = np.full(4, 800.0), np.array([1.0, 2.0, 1.0, 1.0]), np.array([0, 0, 1, 1])
    assert regression.clean_noisy_ratio(z, norms, noisy, 0.0) == pytest.approx(1.5, rel=1e-12)
    assert regression.clean_noisy_ratio_log_slope(z, norms, noisy, 0.0) == pytest.approx(5 / 3 - 1, rel=1e-12)


def test_the_slope_survives_where_its_factors_do_not():
    assert regression.amplification_slope(2000.0, 800.0) == pytest.approx(np.exp(-400.0), rel=1e-9)
    assert regression.amplification_slope(900.0, 700.0) == pytest.approx(np.exp(700.0 - 200.0), rel=1e-9)
    assert regression.reordering_radius(1e-170, 0.0, 1e-170, 0.0) == 1.0
