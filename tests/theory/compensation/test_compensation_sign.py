"""The sign theorem: by algebra, against gradients written out, and by Monte Carlo over batches."""

import numpy as np
import pytest
import sympy as sp
from scipy.special import expit, softmax

from spec.problems import SignalNoiseMixture
from spec.validation import InputError
from theory.compensation import sign
from theory.compensation.correction import helpful_sign


def cosine(u, v):
    return u @ v / np.linalg.norm(u) / np.linalg.norm(v)


def logistic_gradient(w, x, labels):
    return -(labels * expit(-labels * (x @ w))) @ x / len(x)


def measured_slope(noisy, clean, star, step=1e-6):
    return (cosine(noisy + step * star, clean) - cosine(noisy - step * star, clean)) / (2 * step)


@pytest.fixture
def batch(rng):
    return drawn(rng)


def drawn(rng):
    """Inputs of unequal length that overlap, off-origin weights, three of eleven labels wrong."""
    x = rng.normal(0.3, 1.0, (11, 7)) * rng.uniform(0.5, 2, (11, 1))
    y = np.where(rng.uniform(size=11) < 0.5, 1.0, -1.0)
    wrong = np.arange(11) < 3
    return x, y, np.where(wrong, -y, y), wrong, rng.normal(size=7)


def residuals(w, x, labels):
    return -labels * expit(-labels * (x @ w))


# ---------------------------------------------------------------- theorem 1 and 2


def test_the_slope_is_the_derivative_of_the_cosine_and_linear_in_the_share(batch):
    x, y, t, wrong, w = batch
    terms = sign.sample_terms(x @ x.T, residuals(w, x, y), residuals(w, x, t), residuals(w, x, -t), wrong)
    clean, noisy = (logistic_gradient(w, x, labels) for labels in (y, t))
    right, false = (logistic_gradient(w, x[kind], -t[kind]) for kind in (wrong, ~wrong))
    for share in (0.0, 0.3, 1.0):
        star = share * right + (1 - share) * false
        stated = sign.cosine_slope(terms.of_batch(11), (share, 1 - share), clean @ clean)
        assert stated == pytest.approx(measured_slope(noisy, clean, star), rel=1e-6)


def test_the_turn_is_the_change_of_the_cosine(batch):
    x, y, t, wrong, w = batch
    terms = sign.sample_terms(x @ x.T, residuals(w, x, y), residuals(w, x, t), residuals(w, x, -t), wrong).of_batch(11)
    clean, noisy = (logistic_gradient(w, x, labels) for labels in (y, t))
    star = logistic_gradient(w, x[wrong], -t[wrong])
    size = np.linalg.norm(clean)
    for gamma in (-0.7, 0.5, 40.0):
        change = cosine(noisy + gamma * star, clean) - cosine(noisy, clean)
        assert sign.turn(terms, (1.0, 0.0), star @ star, gamma) / size == pytest.approx(change, rel=1e-9)


def test_the_turn_overshoots_beyond_its_window():
    clean, noisy, star = np.array([1.0, 0.0]), np.array([1.0, 1.0]), np.array([-0.2, -1.0])
    products = np.array([[v @ clean, v @ noisy] for v in (noisy, star)])
    ty, sy, D = noisy @ clean, star @ clean, sign.slopes(products)[0]
    end = 2 * ty * D / (ty**2 * (star @ star) - sy**2 * (noisy @ noisy))
    before, at, after = (sign.turn(products, (1.0,), star @ star, end * k) for k in (0.99, 1.0, 1.01))
    assert before > 0 > after
    assert at == pytest.approx(0, abs=1e-12)


def test_the_slope_turns_sign_at_the_threshold_and_has_none_where_it_does_not_rise(rng):
    found = 0
    for x, y, t, wrong, w in (drawn(rng) for _ in range(40)):
        terms = sign.sample_terms(x @ x.T, residuals(w, x, y), residuals(w, x, t), residuals(w, x, -t), wrong)
        products = terms.of_batch(11)
        all_right, all_wrong = (sign.cosine_slope(products, shares, 1.0) for shares in ((1.0, 0.0), (0.0, 1.0)))
        at = float(sign.threshold(products))
        assert np.isfinite(at) == (all_right > all_wrong)
        if np.isfinite(at):
            found += 1
            below, here, above = (sign.cosine_slope(products, (p, 1 - p), 1.0) for p in (at - 0.1, at, at + 0.1))
            assert below < 0 < above
            assert abs(here) < 1e-12 * max(abs(all_right), abs(all_wrong), above)
    assert found >= 20


def test_merged_kinds_have_the_slope_of_the_selection():
    products, shares = np.array([[1.0, 2.0], [3.0, 1.0], [-1.0, 2.0], [0.5, -1.0]]), np.array([0.5, 0.2, 0.3])
    two = sign.merged(products, shares)
    assert np.dot((0.5, 0.5), sign.slopes(two)) == pytest.approx(shares @ sign.slopes(products))
    np.testing.assert_allclose(sign.merged(products, (1.0, 0.0, 0.0))[2], [-0.25, 0.5])


def test_without_a_rising_slope_there_is_no_threshold():
    assert np.isnan(sign.threshold([[1.0, 2.0], [0.0, 1.0], [1.0, 0.0]]))


def test_population_terms_give_one_minus_delta_whatever_the_weights():
    """Pairs only: right = g_0, wrong = g_0 + m, observed = g_0 + Delta m."""
    g, h, M, D = sp.symbols("g h M Delta", real=True)  # ||g_0||^2, <g_0, m>, ||m||^2
    rows = [(g + D * h, g + 2 * D * h + D**2 * M), (g, g + D * h), (g + h, g + D * h + h + D * M)]
    right, wrong = (r[0] * rows[0][1] - rows[0][0] * r[1] for r in rows[1:])
    assert sp.simplify(right - D**2 * (g * M - h**2)) == 0
    assert sp.simplify(-wrong / (right - wrong) - (1 - D)) == 0


# ---------------------------------------------------------------- theorem 3


def test_batches_of_the_mixture_have_the_stated_means(rng):
    """Conditioned on the first example of a batch being selected; the mutants are other batch sizes and precisions."""
    law = SignalNoiseMixture(n=2, d=5, B=1.3, gamma=0.8, Delta=0.3, flips="bernoulli")
    w, size, rows = np.array([0.7, 0.5, -0.2, 0.1, 0.3]), 4, []
    for _ in range(40):
        y = np.where(rng.uniform(size=(4000, size)) < 0.5, 1.0, -1.0)
        x = law.gamma * rng.normal(size=(4000, size, 5)) * y[..., None]
        x[..., 0] += law.B * y
        wrong = rng.uniform(size=y.shape) < law.Delta
        t = np.where(wrong, -y, y)
        f = x @ w
        clean, noisy = (-np.einsum("kb,kbd->kd", v * expit(-v * f), x) / size for v in (y, t))
        star = (t * expit(t * f))[:, 0, None] * x[:, 0]
        each = np.stack([np.sum(a * b, axis=1) for a in (noisy, star) for b in (clean, noisy)])
        first = wrong[:, 0]
        rows.append(np.concatenate([each[:2].mean(1), each[2:, first].mean(1), each[2:, ~first].mean(1)]))
    mean, error = np.mean(rows, axis=0), np.std(rows, axis=0, ddof=1) / np.sqrt(40)
    terms = sign.mixture_terms(law, w)
    assert np.max(np.abs(mean - terms.of_batch(size).ravel()) / error) < 4.5
    for mutant in (terms.of_batch(size + 1), terms.of_batch(10**9), terms.pair, terms.own / size):
        assert np.max(np.abs(mean - mutant.ravel()) / error) > 9


@pytest.mark.parametrize("Delta", [0.1, 0.3])
def test_large_batches_have_the_population_threshold_and_small_ones_the_orthogonal_one(Delta):
    law = SignalNoiseMixture(n=2, d=6, B=1.3, gamma=0.8, Delta=Delta, flips="bernoulli")
    w = np.array([0.7, 0.5, -0.2, 0.1, 0.3, 0.0])
    found = [float(sign.threshold(sign.mixture_terms(law, w).of_batch(b))) for b in (10, 100, 10**3, 10**8)]
    assert found[-1] == pytest.approx(1 - Delta, abs=1e-5)
    assert (np.diff(found) != 0).all()
    assert helpful_sign(Delta, found[-1] + 1e-3) > 0 > helpful_sign(Delta, found[-1] - 1e-3)
    wide = SignalNoiseMixture(n=2, d=10**6, B=1e-3, gamma=1.0, Delta=Delta, flips="bernoulli")
    small = float(sign.threshold(sign.mixture_terms(wide, 1e-9 * np.eye(1, 10**6)[0]).of_batch(8)))
    assert small == pytest.approx(sign.orthogonal_threshold(0.5, 0.5, Delta), abs=1e-3)


# ---------------------------------------------------------------- orthogonal inputs, memorised labels


@pytest.mark.parametrize("Delta", [0.2, 0.4])
@pytest.mark.parametrize(("clean", "mislabelled"), [(0.05, 0.95), (0.3, 0.3), (0.7, 0.7), (0.1, 0.6)])
def test_orthogonal_products_are_those_of_orthonormal_inputs(clean, mislabelled, Delta, rng):
    """The memorisation regime: a derivative of a cosine that the population rule has the wrong sign of."""
    n = 20
    x = np.linalg.qr(rng.normal(size=(30, n)))[0].T
    y, wrong = np.where(rng.uniform(size=n) < 0.5, 1.0, -1.0), np.arange(n) < round(Delta * n)
    t, s = np.where(wrong, -y, y), np.where(wrong, mislabelled, clean)
    w = (y * np.log(1 / s - 1)) @ x
    g = [logistic_gradient(w, x, labels) for labels in (y, t)]
    kinds = [logistic_gradient(w, x[kind], -t[kind]) for kind in (wrong, ~wrong)]
    measured = np.array([[a @ b for b in g] for a in (g[1], *kinds)])
    np.testing.assert_allclose(measured, sign.orthogonal_products(clean, mislabelled, Delta) / n, atol=1e-12)
    at = sign.orthogonal_threshold(clean, mislabelled, Delta)
    for share in (at - 0.05, at + 0.05):
        star = share * kinds[0] + (1 - share) * kinds[1]
        assert np.sign(measured_slope(g[1], g[0], star)) == np.sign(share - at)


def test_the_two_closed_forms_of_orthogonal_inputs():
    s, D = sp.symbols("s Delta", positive=True)
    for c, form in ((s, 1 - s - s * (1 - s) * (s - D) / ((1 - D) * s**2 + D * (1 - s) ** 2)), (1 - s, D)):
        rows = [
            ((1 - D) * s**2 - D * c * (1 - c), (1 - D) * s**2 + D * (1 - c) ** 2),
            (c**2, -c * (1 - c)),
            (-s * (1 - s), -s * (1 - s)),
        ]
        right, wrong = (r[0] * rows[0][1] - rows[0][0] * r[1] for r in rows[1:])
        assert sp.simplify(-wrong / (right - wrong) - form) == 0
    reported = [sign.orthogonal_threshold(v, v, 0.3) for v in (0.05, 0.3, 0.5, 0.7)]
    np.testing.assert_allclose(reported, [0.994, 0.70, 0.30, 0.073], atol=5e-3)


def test_memorised_to_a_common_residual_the_threshold_is_delta_on_any_inputs(rng):
    """Correlated inputs of unequal norm: nothing but the common residual of observed labels is used."""
    n, s = 20, 0.07
    x = rng.normal(0.4, 1.0, (n, 25)) * rng.uniform(0.3, 3, (n, 1))
    wrong = np.arange(n) < 6
    y = np.where(rng.uniform(size=n) < 0.5, 1.0, -1.0)
    t = np.where(wrong, -y, y)
    w = np.linalg.lstsq(x, t * np.log(1 / s - 1), rcond=None)[0]
    terms = sign.sample_terms(x @ x.T, residuals(w, x, y), residuals(w, x, t), residuals(w, x, -t), wrong)
    assert sign.threshold(terms.of_batch(n)) == pytest.approx(sign.memorised_threshold(0.3), rel=1e-8)


# ---------------------------------------------------------------- classes


@pytest.mark.parametrize("classes", [2, 5, 10])
def test_class_products_are_those_of_softmax_residuals(classes, rng):
    """Orthonormal inputs: the products are means of those of residuals q - e_label, which are written out here."""
    n, Delta, observed = 20, 0.3, 0.8
    other = (1 - observed) / (classes - 1)
    t = rng.integers(classes, size=n)
    wrong = np.arange(n) < 6
    named = (t + 1) % classes
    y = np.where(wrong, named, t)
    q = softmax(np.where(np.arange(classes) == t[:, None], np.log(observed), np.log(other)), axis=1)
    unit = np.eye(classes)
    r = {name: q - unit[labels] for name, labels in (("y", y), ("t", t), ("star", named))}
    terms = sign.sample_terms(np.eye(n), r["y"], r["t"], r["star"], wrong)
    stated = sign.class_products(observed, other, other, Delta, classes)
    np.testing.assert_allclose(terms.of_batch(n), stated / n, atol=1e-13)


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_the_two_closed_forms_of_classes(classes):
    Delta = 0.3
    assert sign.uniform_threshold(Delta, classes) == pytest.approx(Delta / (classes - 1))
    for s in (1e-2, 1e-4):
        fitted = sign.class_products(1 - s, s / (classes - 1), s / (classes - 1), Delta, classes)
        assert sign.threshold(fitted) == pytest.approx(sign.memorised_class_threshold(Delta, classes), abs=s)


def test_bad_input_is_named():
    with pytest.raises(InputError, match="right must be both kinds"):
        sign.sample_terms(np.eye(2), [1, 1], [1, 1], [1, 1], [True, True])
    with pytest.raises(InputError, match="mislabelled"):
        sign.orthogonal_products(0.5, 1.5, 0.2)
    with pytest.raises(InputError, match="classes"):
        sign.uniform_threshold(0.2, 1)
