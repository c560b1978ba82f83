"""Tilt and compensation on samples, written out as loops, and in population by Monte Carlo with paired batches."""

import numpy as np
import pytest
from scipy import optimize, stats
from scipy.special import expit, log_softmax, softmax

from spec.rules import Sam, Sgd
from spec.validation import InputError
from theory.compensation import correction as nc
from theory.logistic import regression

N, D = 14, 4
SEEDS = 40
FAMILY_ERROR = 1e-4


@pytest.fixture
def data(rng):
    """(w, x, y, t, mislabelled), off the origin."""
    y = np.where(rng.uniform(size=N) < 0.5, 1.0, -1.0)
    mislabelled = np.arange(N) % 3 == 0
    return rng.normal(size=D), rng.normal(0.4, 1.3, (N, D)), y, np.where(mislabelled, -y, y), mislabelled


def mean_loss(w, x, t):
    return np.mean(np.logaddexp(0, -t * (x @ w)))


def within(measured, predicted, points):
    """|mean - predicted| over its threshold, one row of measured for each seed."""
    error = measured.std(axis=0, ddof=1) / np.sqrt(len(measured))
    threshold = stats.t.isf(FAMILY_ERROR / (2 * points), len(measured) - 1)
    return float(np.max(np.abs(measured.mean(axis=0) - predicted) / error) / threshold)


# ---------------------------------------------------------------- tilt


def test_observed_labels_tilt_the_loss_the_gradient_and_not_the_hessian(data):
    w, x, y, t, mislabelled = data
    c = nc.tilt(x, y, mislabelled)
    np.testing.assert_allclose(c, sum(y[i] * x[i] for i in range(N) if t[i] != y[i]) / N, rtol=1e-13)
    np.testing.assert_allclose(mean_loss(w, x, t) - mean_loss(w, x, y), w @ c, rtol=1e-10)
    difference = regression.gradient(Sgd(), w, x, t) - regression.gradient(Sgd(), w, x, y)
    np.testing.assert_allclose(difference, c, rtol=1e-12)
    np.testing.assert_allclose(nc.hessian(w, x, t), nc.hessian(w, x, y), rtol=1e-12)


def test_hessian_is_that_of_the_loss(data):
    w, x, _, t, _ = data
    step = 1e-6 * np.eye(D)
    columns = [(regression.gradient(Sgd(), w + e, x, t) - regression.gradient(Sgd(), w - e, x, t)) / 2e-6 for e in step]
    np.testing.assert_allclose(nc.hessian(w, x, t), np.stack(columns), atol=1e-9)


def test_class_tilt_is_the_difference_of_softmax_gradients(rng):
    classes, x, y = 3, rng.normal(size=(N, D)), rng.integers(3, size=N)
    t = np.where(np.arange(N) % 3 == 0, (y + 1) % 3, y)
    w = rng.normal(size=(classes, D))

    def gradient(labels):
        return sum(np.outer(softmax(w @ x[i]) - np.eye(classes)[labels[i]], x[i]) for i in range(N)) / N

    np.testing.assert_allclose(nc.class_tilt(x, y, t, classes), gradient(t) - gradient(y), atol=1e-14)
    losses = [-np.mean(log_softmax(x @ w.T, axis=1)[np.arange(N), labels]) for labels in (t, y)]
    np.testing.assert_allclose(losses[0] - losses[1], np.sum(w * nc.class_tilt(x, y, t, classes)), rtol=1e-10)


# ---------------------------------------------------------------- effective rates


def selection(rng, mislabelled, size, precision):
    """`size` examples, round(precision size) of them mislabelled, whatever their inputs."""
    chosen = np.zeros(len(mislabelled), bool)
    right = round(precision * size)
    for group, count in ((mislabelled, right), (~mislabelled, size - right)):
        chosen[rng.choice(np.flatnonzero(group), count, replace=False)] = True
    return chosen


@pytest.mark.parametrize("gamma", [0.7, -0.4])
@pytest.mark.parametrize("precision", [0.9, 0.2])
def test_effective_rate_is_that_of_the_combined_gradient(gamma, precision, rng):
    """Paired: the clean gradient of the same inputs is subtracted, what is left is Delta' m."""
    n, Delta, mean = 4000, 0.3, np.array([1.1, 0.0, 0.4])
    w, left = rng.normal(size=3), []
    for _ in range(SEEDS):
        v = mean + rng.normal(size=(n, 3))
        y = np.where(np.arange(n) % 2 == 0, 1.0, -1.0)
        mislabelled = rng.permutation(np.arange(n) < Delta * n)
        x, t = y[:, None] * v, np.where(mislabelled, -y, y)
        chosen = selection(rng, mislabelled, 600, precision)
        flipped = regression.gradient(Sgd(), w, x[chosen], -t[chosen])
        combined = (regression.gradient(Sgd(), w, x, t) + gamma * flipped) / (1 + gamma)
        left.append(combined - regression.gradient(Sgd(), w, x, y))
    rate = nc.effective_rate(Delta, gamma, precision)
    assert within(np.stack(left), rate * mean, 12) <= 1
    for wrong in (nc.effective_rate(Delta, -gamma, precision), nc.effective_rate(Delta, gamma, 1 - precision),
                  nc.effective_rate(1 - Delta, gamma, precision)):  # fmt: skip
        assert within(np.stack(left), wrong * mean, 12) > 2


def test_the_zero_is_one_and_its_sign_rule():
    Delta, precision = np.meshgrid([0.05, 0.2, 0.45], [0.0, 0.3, 0.5, 0.9, 0.99])
    zero = nc.cancelling_gamma(Delta, precision)
    np.testing.assert_allclose(nc.effective_rate(Delta, zero, precision), 0, atol=1e-12)
    assert (zero < 0).all()
    np.testing.assert_array_equal(zero > -1, precision < 1 - Delta)
    small = 1e-3 * nc.helpful_sign(Delta, precision)
    moved = np.abs(precision - (1 - Delta)) > 1e-12
    assert (nc.effective_rate(Delta, small, precision) < Delta)[moved].all()
    assert (nc.effective_rate(Delta, -small, precision) > Delta)[moved].all()
    assert nc.cancelling_gamma(0.2, 1.0) == -np.inf
    assert nc.cancelling_gamma(0.0, 1.0) == 0


def test_random_flips_of_everything_drive_the_rate_through_one_half():
    rates = nc.effective_rate(0.3, np.array([0.0, 1.0, 1e9]), 0.3)
    np.testing.assert_allclose(rates, [0.3, 0.5, 0.7], rtol=1e-8)


def test_many_classes_need_more_precision_than_there_is():
    """With a uniform other label of C > 2 classes a flip is right too rarely for adding to help at Delta < 1/2."""
    assert (nc.helpful_sign(np.linspace(0.01, 0.49, 9), 1.0, 1 / 2) == -1).all()
    np.testing.assert_allclose(nc.cancelling_gamma(0.4, 0.4, 1 / 4), -0.4 / (1 - 0.4 / 4))


def test_difference_estimator_with_the_oracle_is_the_tilt_itself(data):
    w, x, y, t, mislabelled = data
    difference = np.mean((t[:, None] * x)[mislabelled], axis=0)
    gamma = nc.cancelling_difference(mislabelled.mean(), 1.0)
    corrected = regression.gradient(Sgd(), w, x, t) + gamma * difference
    np.testing.assert_allclose(corrected, regression.gradient(Sgd(), w, x, y), rtol=1e-12)


def test_difference_turns_sign_at_precision_one_half():
    assert nc.cancelling_difference(0.2, 0.2) == pytest.approx(-0.2 / 0.6)
    assert nc.cancelling_difference(0.2, 0.6) > 0
    assert np.isinf(nc.cancelling_difference(0.2, 0.5))


# ---------------------------------------------------------------- finite batches


def test_finite_batch_error_is_that_of_sampled_batches(rng):
    Delta, batch, mean = 0.2, 6, np.array([0.8, 0.3, 0.0])
    moments = {"second_moment": 3 + mean @ mean, "mean_square": mean @ mean}
    gammas, rows = np.array([-0.5, 0.0, 0.6]), []
    for _ in range(SEEDS):
        u = mean + rng.normal(size=(3000, batch, 3))
        flips = rng.uniform(size=(3000, batch)) < Delta
        a = flips - gammas[:, None, None] * (1 - 2 * flips)
        rows.append(np.mean(np.sum(np.einsum("gkb,kbd->gkd", a, u) ** 2, axis=2), axis=1) / batch**2)
    assert within(np.stack(rows), nc.finite_batch_error(gammas, Delta, batch, **moments), 3) <= 1
    assert within(np.stack(rows), nc.finite_batch_error(-gammas, Delta, batch, **moments), 3) > 2
    assert within(np.stack(rows), nc.finite_batch_error(gammas, Delta, batch + 1, **moments), 3) > 2


@pytest.mark.parametrize("batch", [1, 4, 300])
def test_finite_batch_optimum_minimises_and_turns_sign(batch):
    moments = {"second_moment": 8.0, "mean_square": 0.7}
    found = optimize.minimize_scalar(
        lambda g: float(nc.finite_batch_error(g, 0.3, batch, **moments)), (-2, 2), tol=1e-12
    )
    assert nc.finite_batch_optimum(0.3, batch, **moments) == pytest.approx(found.x, abs=1e-6)
    larger = batch > nc.reversal_batch(0.3, **moments)
    assert (nc.finite_batch_optimum(0.3, batch, **moments) > 0) == larger


def test_large_batches_reach_the_population_value():
    value = nc.finite_batch_optimum(0.3, 10**9, second_moment=8.0, mean_square=0.7)
    assert value == pytest.approx(-nc.cancelling_difference(0.3, 0.3), rel=1e-7)


# ---------------------------------------------------------------- shift and step


def test_no_perturbation_removes_the_tilt_of_the_descent(data, rng):
    w, x, y, t, mislabelled = data
    for eps in rng.normal(size=(5, D)):
        bias = regression.gradient(Sgd(), w + eps, x, t) - regression.gradient(Sgd(), w + eps, x, y)
        np.testing.assert_allclose(bias, nc.tilt(x, y, mislabelled), rtol=1e-10)


def test_the_shift_does_to_first_order(rng):
    """Halving the tilt quarters what the shift leaves; the opposite shift leaves twice the tilt."""
    x, y, w = rng.normal(0.4, 1.0, (400, D)), np.where(rng.uniform(size=400) < 0.5, 1.0, -1.0), 0.3 * rng.normal(size=D)

    def left(count, sign=1):
        mislabelled = np.arange(400) < count
        shift = sign * nc.cancelling_shift(w, x, y, mislabelled)
        t = np.where(mislabelled, -y, y)
        return np.linalg.norm(regression.gradient(Sgd(), w + shift, x, t) - regression.gradient(Sgd(), w, x, y))

    errors = np.array([left(c) for c in (4, 8, 16)])
    sizes = np.array([np.linalg.norm(nc.tilt(x, y, np.arange(400) < c)) for c in (4, 8, 16)])
    assert (errors < 2 * sizes**2).all()
    assert left(16, sign=-1) > 1.8 * sizes[2]


def test_compensated_step_by_hand(data):
    w, x, _, t, mislabelled = data
    g = sum(-expit(-t[i] * (x[i] @ w)) * t[i] * x[i] for i in range(N)) / N
    flipped = np.mean([expit(t[i] * (x[i] @ w)) * t[i] * x[i] for i in range(N) if mislabelled[i]], axis=0)
    for sign in (1, -1):
        free = 0.3 * g / np.linalg.norm(g) + sign * 0.8 * flipped
        step = {p: nc.compensated_step(w, x, t, mislabelled, rho=0.3, strength=0.8, sign=sign, project=p)
                for p in (None, "ball", "sphere")}  # fmt: skip
        np.testing.assert_allclose(step[None], free, rtol=1e-12)
        np.testing.assert_allclose(step["ball"], free * min(1, 0.3 / np.linalg.norm(free)), rtol=1e-12)
        np.testing.assert_allclose(step["sphere"], free * 0.3 / np.linalg.norm(free), rtol=1e-12)


def test_without_selection_or_strength_the_step_is_that_of_sam(data):
    w, x, _, t, mislabelled = data
    for chosen, strength in ((np.zeros(N, bool), 0.8), (mislabelled, 0.0)):
        step = nc.compensated_step(w, x, t, chosen, rho=0.3, strength=strength)
        moved = regression.gradient(Sgd(), w + step, x, t)
        np.testing.assert_allclose(moved, regression.gradient(Sam(0.3, "batch"), w, x, t), rtol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [({"rho": -1.0}, "rho"), ({"sign": 0}, "sign"), ({"project": "cube"}, "project")],
)
def test_bad_steps_are_named(change, message, data):
    w, x, _, t, mislabelled = data
    with pytest.raises(InputError, match=message):
        nc.compensated_step(w, x, t, mislabelled, **({"rho": 0.1, "strength": 1.0} | change))


@pytest.mark.parametrize(
    ("Delta", "batch", "T", "M", "message"),
    [
        (0.5, 4, 2.0, 1.0, "Delta"),
        (0.2, 0, 2.0, 1.0, "batch"),
        (0.2, 4, 0.5, 1.0, "second"),
        (0.2, 4, 1.0, 0.0, "mean"),
    ],
)
def test_bad_batches_are_named(Delta, batch, T, M, message):
    with pytest.raises(InputError, match=message):
        nc.finite_batch_optimum(Delta, batch, second_moment=T, mean_square=M)
