"""Exact expectations on the mixture and on the teacher, against samples drawn from the definitions of spec.problems.

Every Monte-Carlo check has 40 independent batches, and a wrong variant that lies beyond twice its Student-t threshold.
The family error 1e-4 is that of the whole file: the chance that any of its checks fails for a correct formula.
"""

import math
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from scipy import stats
from scipy.special import expit

from spec.problems import NoisyLinearTeacher, SignalNoiseMixture
from spec.validation import InputError
from theory.logistic import mixture

BATCHES = 40
FAMILY_ERROR = 1e-4
CHECKS = 40  # at least the number of calls of agrees in this file, over all parameters
ISOTROPIC = SignalNoiseMixture(n=60, d=37, B=1.3, gamma=0.7, Delta=0.3)
ORTHOGONAL = replace(ISOTROPIC, noise="orthogonal")
# Few examples in few dimensions: here the noise along the signal is felt.
SMALL = SignalNoiseMixture(n=10, d=4, B=1.3, gamma=0.7, Delta=0.3)
SMALL_ORTHOGONAL = replace(SMALL, noise="orthogonal")
PROBLEMS = [ISOTROPIC, ORTHOGONAL, SMALL, SMALL_ORTHOGONAL]


def label(value):
    return f"{value.noise}-{value.flips}-n{value.n}" if isinstance(value, SignalNoiseMixture) else str(value)


# ---------------------------------------------------------------- samples and statistics


def noise(rng, problem, shape):
    """z: standard normal in d dimensions, without the component along e_1 when it is orthogonal."""
    z = rng.normal(size=(*shape, problem.d))
    if problem.noise == "orthogonal":
        z[..., 0] = 0
    return z


def inputs(rng, problem, y):
    """x = y (B e_1 + gamma z) for given labels y."""
    x = problem.gamma * noise(rng, problem, y.shape)
    x[..., 0] += problem.B
    return y[..., None] * x


def data_sets(rng, problem, count):
    """(x, t, mislabelled) of `count` independent data sets: half of y is +1, flips by the problem's law."""
    y = np.broadcast_to(np.where(np.arange(problem.n) < problem.n // 2, 1.0, -1.0), (count, problem.n))
    draws = rng.uniform(size=(count, problem.n))
    if problem.flips == "stratified":
        mislabelled = np.argsort(np.argsort(draws, axis=1), axis=1) < round(problem.Delta * problem.n)
    else:
        mislabelled = draws < problem.Delta
    return inputs(rng, problem, y), np.where(mislabelled, -y, y), mislabelled


def score(measured, predicted):
    """|mean - predicted| over its threshold at the worst point; measured has one row for each batch."""
    measured = np.reshape(measured, (BATCHES, -1))
    standard_error = measured.std(axis=0, ddof=1) / math.sqrt(BATCHES)
    threshold = stats.t.isf(FAMILY_ERROR / (2 * CHECKS * measured.shape[1]), BATCHES - 1)
    return float(np.max(np.abs(measured.mean(axis=0) - predicted) / standard_error) / threshold)


def agrees(measured, predicted):
    return score(measured, predicted) <= 1


def rejects(measured, wrong):
    return score(measured, wrong) > 2


@pytest.fixture
def w(rng):
    """A classifier with a signal part and a noise part of different sizes."""
    direction = 0.25 * rng.normal(size=ISOTROPIC.d)
    direction[0] = 0.9
    return direction


# ---------------------------------------------------------------- accuracy of a given classifier


@pytest.mark.parametrize(("problem", "other"), [(ISOTROPIC, ORTHOGONAL), (ORTHOGONAL, ISOTROPIC)], ids=label)
def test_accuracy_of_a_classifier_on_the_mixture(problem, other, w, rng):
    y = rng.choice([-1.0, 1.0], size=(BATCHES, 2000))
    correct = np.sign(inputs(rng, problem, y) @ w) == y
    measured = correct.mean(axis=1)
    assert agrees(measured, mixture.accuracy(problem, w))
    assert rejects(measured, mixture.accuracy(other, w))
    assert rejects(measured, mixture.accuracy(replace(problem, gamma=1.0), w))
    assert rejects(measured, mixture.accuracy(replace(problem, B=1.0), w))


def test_accuracy_of_a_classifier_on_the_teacher(rng):
    problem = NoisyLinearTeacher(n=60, d=7)
    w = 0.5 * rng.normal(size=7)
    w[0] = 0.9
    x = rng.normal(size=(BATCHES, 2000, 7))
    measured = (np.sign(x @ w) == np.sign(x[..., 0])).mean(axis=1)
    angle = math.acos(w[0] / math.sqrt(sum(w**2)))
    assert agrees(measured, mixture.accuracy(problem, w))
    assert mixture.accuracy(problem, w) == pytest.approx(1 - angle / math.pi, rel=1e-14, abs=0)
    assert rejects(measured, 1 - angle / (2 * math.pi))
    assert rejects(measured, 1 - math.acos(np.clip(w[0], -1, 1)) / math.pi)


@pytest.mark.parametrize("problem", [ISOTROPIC, ORTHOGONAL, NoisyLinearTeacher(d=37)], ids=label)
def test_accuracy_depends_on_the_direction_only(problem, w):
    value = mixture.accuracy(problem, w)
    for scale in (1e-9, 7.3, 1e9):
        assert mixture.accuracy(problem, scale * w) == pytest.approx(value, rel=1e-14, abs=0)
    assert mixture.accuracy(problem, -w) == pytest.approx(1 - value, rel=1e-13, abs=0)


@pytest.mark.parametrize("problem", [ISOTROPIC, ORTHOGONAL, NoisyLinearTeacher(d=37)], ids=label)
def test_the_zero_classifier_tosses_a_coin(problem):
    with np.errstate(all="raise"):
        assert mixture.accuracy(problem, np.zeros(37)) == 0.5


@pytest.mark.parametrize("problem", [ISOTROPIC, ORTHOGONAL, NoisyLinearTeacher(d=37)], ids=label)
def test_accuracy_of_many_classifiers_at_once(problem, rng):
    """Shape (..., d) in, shape (...) out, also with a zero among them."""
    many = rng.normal(size=(2, 3, 37))
    many[1, 2] = 0
    table = mixture.accuracy(problem, many)
    assert table.shape == (2, 3)
    for i in range(2):
        for j in range(3):
            assert table[i, j] == mixture.accuracy(problem, many[i, j])


def test_without_noise_along_the_signal_the_signal_classifier_is_perfect():
    """Orthogonal noise never touches e_1; isotropic noise leaves Phi(B / gamma)."""
    e_1 = np.eye(37)[0]
    assert mixture.accuracy(ORTHOGONAL, e_1) == 1
    assert mixture.accuracy(ORTHOGONAL, -e_1) == 0
    assert mixture.accuracy(ISOTROPIC, e_1) == pytest.approx(stats.norm.cdf(1.3 / 0.7), rel=1e-14, abs=0)


def test_the_teacher_resolves_small_angles():
    """arccos would round an angle of 1e-9 to 0."""
    w = np.array([1.0, 1e-9])
    assert 1 - mixture.accuracy(NoisyLinearTeacher(d=2), w) == pytest.approx(1e-9 / math.pi, rel=1e-6, abs=0)


def test_overlaps_are_all_that_accuracy_needs(w):
    value = mixture.accuracy_of_overlaps(ISOTROPIC, w[0], np.linalg.norm(w[1:]))
    assert value == pytest.approx(mixture.accuracy(ISOTROPIC, w), rel=1e-14, abs=0)


def test_accuracy_of_an_unknown_problem_is_refused(w):
    with pytest.raises(TypeError, match="no exact test accuracy for 'toy'"):
        mixture.accuracy("toy", w)


# ---------------------------------------------------------------- mean classifier


@pytest.mark.parametrize("flips", ["stratified", "bernoulli"])
@pytest.mark.parametrize("problem", PROBLEMS, ids=label)
def test_mean_classifier_accuracy(problem, flips, rng):
    """Draw data sets, average t x, and draw n fresh examples for each average."""
    problem = replace(problem, flips=flips)
    x, t, _ = data_sets(rng, problem, BATCHES * (400 if problem.n == SMALL.n else 25))
    means = np.einsum("si,sid->sd", t, x) / problem.n
    y = rng.choice([-1.0, 1.0], size=t.shape)
    correct = np.sign(np.einsum("sid,sd->si", inputs(rng, problem, y), means)) == y
    measured = correct.reshape(BATCHES, -1).mean(axis=1)
    assert agrees(measured, mixture.mean_classifier_accuracy(problem).value)
    other = "orthogonal" if problem.noise == "isotropic" else "isotropic"
    assert rejects(measured, mixture.mean_classifier_accuracy(replace(problem, noise=other)).value)
    assert rejects(measured, mixture.mean_classifier_accuracy(replace(problem, Delta=0.0)).value)


@pytest.mark.parametrize("problem", [SMALL, SMALL_ORTHOGONAL], ids=label)
def test_bernoulli_flips_average_over_the_number_of_flips(problem, rng):
    """The accuracies of the sampled averages, without the noise of a finite test set: the two flip laws differ."""
    measured = {}
    for flips in ("stratified", "bernoulli"):
        x, t, _ = data_sets(rng, replace(problem, flips=flips), BATCHES * 100)
        accuracies = mixture.accuracy(problem, np.einsum("si,sid->sd", t, x) / problem.n)
        measured[flips] = accuracies.reshape(BATCHES, -1).mean(axis=1)
    exact = {flips: mixture.mean_classifier_accuracy(replace(problem, flips=flips)).value for flips in measured}
    assert agrees(measured["stratified"], exact["stratified"])
    assert agrees(measured["bernoulli"], exact["bernoulli"])
    assert rejects(measured["stratified"], exact["bernoulli"])
    assert rejects(measured["bernoulli"], exact["stratified"])


def test_without_flips_the_two_flip_laws_agree():
    clean = replace(ISOTROPIC, Delta=0.0)
    stratified, bernoulli = (
        mixture.mean_classifier_accuracy(replace(clean, flips=flips)).value for flips in ("stratified", "bernoulli")
    )
    assert stratified == pytest.approx(bernoulli, rel=1e-12, abs=0)


def growing(problem):
    """n = 50, 200, 800 with (d - 1)/n = 0.6 throughout."""
    return [replace(problem, n=n, d=1 + 3 * n // 5) for n in (50, 200, 800)]


def extrapolated(values):
    """The limit of three values at n, 4n, 16n whose error is a series in 1/n (Richardson)."""
    once = [(4 * b - a) / 3 for a, b in zip(values[:-1], values[1:], strict=True)]
    return (16 * once[1] - once[0]) / 15


@pytest.mark.parametrize("flips", ["stratified", "bernoulli"])
@pytest.mark.parametrize("noise", ["isotropic", "orthogonal"])
def test_mean_classifier_accuracy_tends_to_its_limit(noise, flips):
    """The finite values approach the limit one after the other, and extrapolate to it far beyond the last of them."""
    laws = growing(replace(ISOTROPIC, noise=noise, flips=flips))
    values = [mixture.mean_classifier_accuracy(law).value for law in laws]
    (limit,) = {mixture.mean_classifier_accuracy_limit(law) for law in laws}
    errors = np.abs(np.subtract(values, limit))
    assert (errors[1:] < errors[:-1] / 3).all()
    assert abs(extrapolated(values) - limit) < errors[-1] / 20


# ---------------------------------------------------------------- margin shifts at w = 0


def measured_shifts(rng, problem, rho, count):
    """Mean fall of the margins of the (clean, mislabelled) examples from w = 0 to w + eps, one row for each batch."""
    x, t, mislabelled = data_sets(rng, problem, BATCHES * count)
    gradients = -0.5 * np.einsum("si,sid->sd", t, x) / problem.n  # sigma(0) = 1/2
    steps = rho * gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
    falls = 0.0 - t * np.einsum("sid,sd->si", x, steps)
    means = [(falls * group).sum(axis=1) / group.sum(axis=1) for group in (~mislabelled, mislabelled)]
    return np.stack(means, axis=1).reshape(BATCHES, count, 2).mean(axis=1)


def predicted_shifts(problem, rho):
    return np.array([mixture.batch_shift_at_zero(problem, rho, mislabelled=m).value for m in (False, True)])


@pytest.mark.parametrize("problem", PROBLEMS, ids=label)
def test_batch_shift_at_zero(problem, rng):
    measured, predicted = measured_shifts(rng, problem, 0.8, 25), predicted_shifts(problem, 0.8)
    assert agrees(measured, predicted)
    assert rejects(measured, predicted[::-1])
    assert rejects(measured, 2 * predicted)
    assert rejects(measured, predicted_shifts(replace(problem, Delta=0.1), 0.8))


@pytest.mark.parametrize(("problem", "other"), [(SMALL, SMALL_ORTHOGONAL), (SMALL_ORTHOGONAL, SMALL)], ids=label)
def test_batch_shift_at_zero_feels_the_noise_along_the_signal(problem, other, rng):
    """Ten examples in four dimensions: ignoring gamma_1 is a visible mistake."""
    measured = measured_shifts(rng, problem, 0.8, 500)
    assert agrees(measured, predicted_shifts(problem, 0.8))
    assert rejects(measured, predicted_shifts(other, 0.8))


def test_batch_shift_is_proportional_to_the_radius():
    np.testing.assert_allclose(predicted_shifts(SMALL, 2.4), 3 * predicted_shifts(SMALL, 0.8), rtol=1e-9)
    np.testing.assert_array_equal(predicted_shifts(SMALL, 0.0), [0.0, 0.0])


@pytest.mark.parametrize("mislabelled", [False, True])
@pytest.mark.parametrize("noise", ["isotropic", "orthogonal"])
def test_batch_shift_tends_to_its_limit(noise, mislabelled):
    """As above, for either group; the other group's limit is far away."""
    problem = replace(ISOTROPIC, noise=noise)

    laws = growing(problem)
    values = [mixture.batch_shift_at_zero(law, 0.8, mislabelled=mislabelled).value for law in laws]
    limit, other = (
        mixture.batch_shift_at_zero_limit(laws[0], 0.8, mislabelled=m) for m in (mislabelled, not mislabelled)
    )
    errors = np.abs(np.subtract(values, limit))
    assert (errors[1:] < errors[:-1] / 3).all()
    assert abs(extrapolated(values) - limit) < errors[-1] / 20
    assert abs(extrapolated(values) - other) > 0.1


def test_batch_shift_needs_stratified_flips():
    with pytest.raises(InputError, match="flips must be 'stratified' for the margin shifts at w = 0, got 'bernoulli'"):
        mixture.batch_shift_at_zero(replace(ISOTROPIC, flips="bernoulli"), 0.8, mislabelled=True)


def test_negative_radius_is_refused(w):
    for call in (
        lambda: mixture.batch_shift_at_zero(ISOTROPIC, -0.1, mislabelled=True),
        lambda: mixture.expected_gradient_norm(ISOTROPIC, w, -0.1, mislabelled=True),
    ):
        with pytest.raises(InputError, match=r"rho must be a number in \[0, inf\), got -0.1"):
            call()


# ---------------------------------------------------------------- fresh examples


def fresh_examples(rng, problem, w, mislabelled, count):
    """(margins, norms) of `count` fresh examples of a group in every batch: z = t<w, x> with t = -y if mislabelled."""
    y = rng.choice([-1.0, 1.0], size=(BATCHES, count))
    x = inputs(rng, problem, y)
    return (-y if mislabelled else y) * (x @ w), np.linalg.norm(x, axis=-1)


@pytest.mark.parametrize("mislabelled", [False, True])
@pytest.mark.parametrize(("problem", "other"), [(SMALL, SMALL_ORTHOGONAL), (SMALL_ORTHOGONAL, SMALL)], ids=label)
def test_expected_gradient_norm_of_fresh_examples(problem, other, mislabelled, w, rng):
    """Four dimensions, where ||x|| and z depend on each other through both g and a."""
    w = np.append(w[:1], 0.8 * rng.normal(size=3))
    z, norms = fresh_examples(rng, problem, w, mislabelled, 20000)
    measured = (expit(0.6 * norms - z) * norms).mean(axis=1)

    def predicted(law, rho, group):
        return mixture.expected_gradient_norm(law, w, rho, mislabelled=group).value

    assert agrees(measured, predicted(problem, 0.6, mislabelled))
    assert rejects(measured, predicted(problem, 0.6, not mislabelled))
    assert rejects(measured, predicted(other, 0.6, mislabelled))
    assert rejects(measured, predicted(problem, 0.0, mislabelled))


@pytest.mark.parametrize("mislabelled", [False, True])
@pytest.mark.parametrize("problem", [ISOTROPIC, ORTHOGONAL], ids=label)
def test_expected_gradient_norm_in_37_dimensions(problem, mislabelled, w, rng):
    z, norms = fresh_examples(rng, problem, w, mislabelled, 1000)
    measured = (expit(0.3 * norms - z) * norms).mean(axis=1)
    assert agrees(measured, mixture.expected_gradient_norm(problem, w, 0.3, mislabelled=mislabelled).value)
    assert rejects(measured, mixture.expected_gradient_norm(problem, w, 0.3, mislabelled=not mislabelled).value)


@pytest.mark.parametrize("mislabelled", [False, True])
@pytest.mark.parametrize("problem", [ISOTROPIC, ORTHOGONAL], ids=label)
def test_example_expectation_gives_the_moments_of_the_law(problem, mislabelled, w):
    """E z, E z^2, E ||x||^2 and E z ||x||^2 have short closed forms, and several f share one call."""
    sign, along = -1 if mislabelled else 1, 0.7 if problem.noise == "isotropic" else 0.0
    mean, variance = 1.3 * w[0], along**2 * w[0] ** 2 + 0.7**2 * sum(w[1:] ** 2)
    squared_norm = 1.3**2 + along**2 + 36 * 0.7**2
    # Only u^2 in ||x||^2 is correlated with z: Cov(w_1 u, u^2) = 2 B gamma_1^2 w_1.
    product = mean * squared_norm + 2 * 1.3 * along**2 * w[0]

    def f(z, norm):
        return np.stack([z, z**2, norm**2, z * norm**2], axis=1)

    value = mixture.example_expectation(problem, w, f, mislabelled=mislabelled).value
    expected = [sign * mean, mean**2 + variance, squared_norm, sign * product]
    np.testing.assert_allclose(value, expected, rtol=1e-7)


def test_example_expectation_in_the_smallest_dimension(rng):
    """d = 3 leaves one degree of freedom for the chi variable."""
    problem, w = replace(SMALL, d=3), rng.normal(size=3)
    z, norms = fresh_examples(rng, problem, w, False, 1000)
    exact = mixture.example_expectation(problem, w, lambda z, norm: np.stack([z, norm], axis=1), mislabelled=False)
    assert agrees(np.stack([z.mean(axis=1), norms.mean(axis=1)], axis=1), exact.value)


# ---------------------------------------------------------------- one common shift


@pytest.mark.parametrize("mislabelled", [False, True])
@pytest.mark.parametrize(("problem", "other"), [(ISOTROPIC, ORTHOGONAL), (ORTHOGONAL, ISOTROPIC)], ids=label)
def test_fixed_shift_moments(problem, other, mislabelled, w, rng):
    w = np.where(np.arange(37) == 0, 1.6, w)  # more signal: ignoring gamma_1 is a visible mistake
    z, _ = fresh_examples(rng, problem, w, mislabelled, 2000)
    s = expit(0.8 - z)
    measured = np.stack([s.mean(axis=1), (s * (1 - s)).mean(axis=1)], axis=1)
    assert agrees(measured, mixture.fixed_shift_moments(problem, w, 0.8, mislabelled=mislabelled))
    assert rejects(measured, mixture.fixed_shift_moments(problem, w, 0.8, mislabelled=not mislabelled))
    assert rejects(measured, mixture.fixed_shift_moments(other, w, 0.8, mislabelled=mislabelled))
    assert rejects(measured, mixture.fixed_shift_moments(problem, w, -0.8, mislabelled=mislabelled))


def test_fixed_shift_moments_without_spread_are_a_sigmoid():
    """w along the signal and orthogonal noise: every margin equals B w_1."""
    w = 0.9 * np.eye(37)[0]
    s = expit(0.8 + 1.3 * 0.9)
    np.testing.assert_allclose(
        mixture.fixed_shift_moments(ORTHOGONAL, w, 0.8, mislabelled=True), [s, s * (1 - s)], rtol=1e-10
    )


def test_fixed_shift_moments_are_a_case_of_example_expectation(w):
    """The one-dimensional and the three-dimensional integrals agree."""

    def f(z, _norm):
        s = expit(0.8 - z)
        return np.stack([s, s * (1 - s)], axis=1)

    general = mixture.example_expectation(ISOTROPIC, w, f, mislabelled=True).value
    np.testing.assert_allclose(mixture.fixed_shift_moments(ISOTROPIC, w, 0.8, mislabelled=True), general, rtol=1e-7)


def test_fixed_shift_ratio_is_clean_over_mislabelled(w):
    clean, noisy = (mixture.fixed_shift_moments(ISOTROPIC, w, 0.8, mislabelled=m)[0] for m in (False, True))
    assert mixture.fixed_shift_ratio(ISOTROPIC, w, 0.8) == pytest.approx(clean / noisy, rel=1e-12, abs=0)
    assert mixture.fixed_shift_ratio(ISOTROPIC, w, 0.8) < 1


@pytest.mark.parametrize("problem", [ISOTROPIC, ORTHOGONAL], ids=label)
def test_log_slope_is_the_difference_quotient_of_the_log_ratio(problem, rng):
    h = 1e-3
    for _ in range(5):
        w, C = 0.4 * rng.normal(size=37), float(rng.uniform(-1, 3))
        up, down = (math.log(mixture.fixed_shift_ratio(problem, w, C + s)) for s in (h, -h))
        slope = mixture.fixed_shift_ratio_log_slope(problem, w, C)
        assert slope == pytest.approx((up - down) / (2 * h), abs=1e-6)


@pytest.mark.parametrize("problem", [ISOTROPIC, ORTHOGONAL], ids=label)
def test_sign_theorem(problem, rng):
    """The sign of the log slope is the sign of w_1, whatever the shift, the scale and the noise part of w."""
    for k in range(60):
        w = rng.choice([0.05, 0.3, 1.0]) * rng.normal(size=37)
        w[0] = (1 if k % 2 else -1) * rng.uniform(0.05, 2)
        C = float(rng.uniform(-6, 12))
        assert np.sign(mixture.fixed_shift_ratio_log_slope(problem, w, C)) == np.sign(w[0])


def test_sign_theorem_at_zero_overlap(w):
    """With w_1 = 0 both groups have one margin law: no slope, ratio 1."""
    w[0] = 0
    assert mixture.fixed_shift_ratio_log_slope(ISOTROPIC, w, 0.8) == pytest.approx(0, abs=1e-12)
    assert mixture.fixed_shift_ratio(ISOTROPIC, w, 0.8) == pytest.approx(1, rel=1e-12, abs=0)


def test_log_slope_changes_sign_with_the_classifier(w):
    """-w exchanges the two margin laws up to reflection, and the slope with them."""
    slope = mixture.fixed_shift_ratio_log_slope(ISOTROPIC, w, 0.8)
    reflected = np.where(np.arange(37) == 0, -w, w)
    assert slope > 1e-3
    assert mixture.fixed_shift_ratio_log_slope(ISOTROPIC, reflected, 0.8) == pytest.approx(-slope, rel=1e-12, abs=0)


def test_the_sign_survives_saturation():
    """At C = 40 every weight is one to rounding; the slope is a difference of tiny numbers, not of ones."""
    w = np.full(37, 0.02)
    assert 0 < mixture.fixed_shift_ratio_log_slope(ISOTROPIC, w, 40.0) < 1e-15
    assert 0 > mixture.fixed_shift_ratio_log_slope(ISOTROPIC, -w, 40.0) > -1e-15


def test_weights_beyond_the_quadrature_are_refused():
    w = np.zeros(37)
    w[:2] = 100.0, 2.0
    with pytest.raises(ArithmeticError, match="too small"):
        mixture.fixed_shift_ratio(replace(ISOTROPIC, gamma=0.1), w, 0.0)


def test_an_empty_group_has_no_shift():
    with pytest.raises(InputError, match=r"^Delta must be positive"):
        mixture.batch_shift_at_zero(replace(ISOTROPIC, Delta=0.0), 1.0, mislabelled=True)


def test_shards_of_one_move_by_the_norm_and_large_ones_by_the_signal():
    law = SignalNoiseMixture(n=2, d=6, B=1.3, gamma=0.8, Delta=0.2, flips="bernoulli")
    norm = mixture.example_expectation(law, np.zeros(6), lambda z, norm: norm, mislabelled=False).value
    shift = partial(mixture.shard_shift_at_zero, law, 0.7)
    assert shift(1, mislabelled=True) == pytest.approx(0.7 * norm)
    assert shift(1, mislabelled=False) == pytest.approx(0.7 * norm)
    # Those of mislabelled examples start on the wrong side, and come to -rho B with the error of a mean over the shard.
    gaps = [shift(m, mislabelled=True) + 0.7 * 1.3 for m in (8, 16, 32)]
    np.testing.assert_allclose(np.divide(gaps[:-1], gaps[1:]), 2, rtol=0.15)
    assert shift(32, mislabelled=False) == pytest.approx(0.7 * 1.3, rel=0.02)
