"""Intervals and the decisions read from them."""

import numpy as np
import pytest
from scipy import stats

from paper_repro.statistics import Interval, decision, interval
from spec.validation import InputError


def test_interval_is_students(rng: np.random.Generator) -> None:
    values = rng.normal(3.0, 2.0, 11)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    np.testing.assert_allclose(interval(values), (values.mean(), low, high), rtol=1e-12)


def test_interval_covers_the_mean_as_often_as_it_says(rng: np.random.Generator) -> None:
    hits = sum(low <= 0 <= high for _, low, high in (interval(rng.normal(size=5)) for _ in range(2000)))
    assert stats.binomtest(hits, 2000, 0.95).pvalue > 1e-4


def test_one_seed_has_no_interval() -> None:
    with pytest.raises(InputError, match="two seeds"):
        interval(np.ones(1))


@pytest.mark.parametrize(
    ("gap", "claim", "expected"),
    [
        (Interval(0.05, 0.01, 0.09), "larger", "shown"),
        (Interval(0.01, -0.01, 0.03), "larger", "not shown"),
        (Interval(-0.05, -0.09, -0.01), "larger", "reversed"),
        (Interval(0.0, -0.01, 0.01), "close", "shown (within 2 points)"),
        (Interval(0.05, 0.03, 0.07), "close", "larger"),
        (Interval(-0.05, -0.07, -0.03), "close", "smaller"),
        (Interval(0.0, -0.05, 0.05), "close", "undecided"),
    ],
)
def test_decisions(gap: Interval, claim: str, expected: str) -> None:
    assert decision(gap, claim) == expected
