"""Limits with a rate: false alarms, power against other rates and against limits that are a little off."""

from typing import Any

import numpy as np
import pytest
from scipy import stats

from paper_repro import checking, rates
from paper_repro.checking import Trial
from spec.claims import Asymptotic, Claim, Mutant
from spec.validation import InputError

SIZES = (25, 50, 100, 200, 400)
PLAIN = Asymptotic(SIZES, -0.5, (0.0, -1.0))
CENTRED = Asymptotic(SIZES, -0.5, (0.0, -1.0), mean_exponent=-1.0)
ZERO = np.zeros(len(SIZES))


def claim(tolerance: Asymptotic) -> Claim:
    mutant = Mutant("another limit", predicted=lambda c: np.full(len(SIZES), 1.0))
    return Claim("test.rate", "derived", "", "", "", tolerance, abs, abs, abs, (mutant,), "test")  # type: ignore[arg-type]


def judged(tolerance: Asymptotic, predicted: Any, measured: np.ndarray) -> Any:
    return checking.judged(claim(tolerance), Trial(None, np.asarray(predicted, dtype=float), measured))


def accepts(tolerance: Asymptotic, predicted: Any, measured: np.ndarray) -> bool:
    found = checking.outcome(claim(tolerance), Trial(None, np.asarray(predicted, dtype=float), measured))
    return found.worst <= found.threshold


def scatter(rng: np.random.Generator, seeds: int, *, power: float = -0.5, bias: float = 0.0) -> np.ndarray:
    """Errors of standard deviation size**power around bias/size, independent in every cell."""
    n = np.array(SIZES, dtype=float)
    return n**power * rng.normal(size=(seeds, len(n))) + bias / n


# ---------------------------------------------------------------- the rate


def test_one_row_is_judged_without_sampling_error() -> None:
    n = np.array(SIZES, dtype=float)
    for off, right in ((0.14, True), (0.16, False), (-0.14, True), (-0.16, False)):
        assert accepts(PLAIN, ZERO, n[None] ** (-0.5 + off)) == right
    assert not accepts(PLAIN, ZERO, n[None] ** -0.5 + 0.1)  # a floor


def test_the_last_error_must_not_exceed_the_extrapolated_one() -> None:
    """The log of the last error over the mean of the others; what a slope error of 0.15 adds is allowed, no more."""
    errors = np.array(SIZES, dtype=float) ** -0.5
    x = np.log(SIZES)
    allowed = 0.15 * (x[-1] - x[:-1].mean())
    found = rates.distances(PLAIN, ZERO, (errors * np.array([1, 1, 1, 1, np.exp(allowed)]))[None])
    np.testing.assert_allclose((found.errors + 0.5 * found.sizes)[1] / found.bias[1], 1.0, rtol=1e-12)
    assert accepts(PLAIN, ZERO, (errors * np.array([1, 1, 1, 1, 0.6]))[None])  # a small last error is no fault


def test_few_rows_are_refused() -> None:
    with pytest.raises(InputError, match="32"):
        accepts(PLAIN, ZERO, np.ones((8, len(SIZES))))


def test_the_slope_has_the_standard_error_that_it_says(rng: np.random.Generator) -> None:
    """Spread of the slope over 200 samples against the mean of the delta method's, also when sizes are correlated."""
    for shared in (0.0, 0.9):
        slopes, errors = [], []
        for _ in range(200):
            common = rng.normal(size=(64, 1))
            rows = np.sqrt(shared) * common + np.sqrt(1 - shared) * rng.normal(size=(64, len(SIZES)))
            found = rates.distances(PLAIN, ZERO, np.array(SIZES) ** -0.5 * rows)
            slopes.append(found.slope)
            errors.append(found.sampling[0] / stats.t.isf(1e-4 / 3, 63))
        assert np.std(slopes) == pytest.approx(np.mean(errors), rel=0.3)
        assert np.mean(slopes) == pytest.approx(-0.5, abs=0.02)


@pytest.mark.parametrize("tolerance", [PLAIN, CENTRED], ids=["rate", "rate and limit"])
def test_the_right_law_is_accepted_and_every_wrong_one_rejected(
    tolerance: Asymptotic, rng: np.random.Generator
) -> None:
    """300 draws at 128 seeds; a false alarm has at most the probability 1e-4."""
    right = [accepts(tolerance, ZERO, scatter(rng, 128, bias=0.3)) for _ in range(300)]
    assert np.sum(~np.array(right)) <= 1
    for _ in range(20):
        verdict = judged(tolerance, ZERO, scatter(rng, 128))
        assert [m.rejected for m in verdict.mutants if m.wrong.startswith("exponent")] == [True, True]
        assert not accepts(tolerance, ZERO, scatter(rng, 128, power=-1.0))
        assert not accepts(tolerance, ZERO, scatter(rng, 128) + 0.3)


# ---------------------------------------------------------------- the limit


def test_the_intercept_cancels_the_bias_and_has_the_least_variance() -> None:
    n = np.array(SIZES, dtype=float)
    a = rates.intercept(CENTRED)
    np.testing.assert_allclose([a.sum(), a @ n**-1.0], [1, 0], atol=1e-12)
    other = a + 0.1 * np.linalg.svd(np.stack([np.ones_like(n), 1 / n]))[2][2]
    assert a @ (a / n) < other @ (other / n)


def test_the_limit_is_students_two_sided_test(rng: np.random.Generator) -> None:
    measured = 1 + scatter(rng, 64)
    expected = stats.ttest_1samp((measured - 1.02) @ rates.intercept(CENTRED), 0.0)
    ratio, rejection = rates.limit(CENTRED, np.full(len(SIZES), 1.02), measured)
    threshold = stats.t.isf(1e-4 / 5, 63)
    np.testing.assert_allclose(ratio, abs(expected.statistic) / threshold, rtol=1e-9)
    np.testing.assert_allclose(rejection, abs(expected.statistic) / max(2 * threshold, 10), rtol=1e-9)


def test_false_alarms_of_the_limit_at_a_visible_level(rng: np.random.Generator) -> None:
    """With the mean off by 5/size, which is what the extrapolation is for."""
    visible = Asymptotic(SIZES, -0.5, (0.0,), mean_exponent=-1.0, family_error=0.25)
    alarms = sum(rates.limit(visible, ZERO, scatter(rng, 32, bias=5.0))[0] > 1 for _ in range(2000))
    assert stats.binomtest(alarms, 2000, 2 * 0.25 / 5).pvalue > 1e-5


def test_a_limit_that_is_a_little_off_is_rejected_where_a_rate_alone_accepts_it(rng: np.random.Generator) -> None:
    """Errors of 3 % at the largest size, a limit that is 2 % off: the rate sees nothing, the mean does."""
    seen = {False: 0, True: 0}
    for _ in range(100):
        measured = 1 + 0.6 * scatter(rng, 512, bias=0.5)
        for centred, tolerance in ((False, PLAIN), (True, CENTRED)):
            seen[centred] += not accepts(tolerance, np.full(len(SIZES), 1.02), measured)
    assert seen[False] < 20
    assert seen[True] == 100


def test_a_limit_must_resolve_what_it_says(rng: np.random.Generator) -> None:
    for seeds, spread, resolved in ((512, 0.6, True), (32, 2.0, False)):
        verdict = judged(CENTRED, np.ones(len(SIZES)), 1 + spread * scatter(rng, seeds))
        off = [m for m in verdict.mutants if "limit off" in m.wrong]
        assert len(off) == 2
        assert all(m.rejected == resolved for m in off)
