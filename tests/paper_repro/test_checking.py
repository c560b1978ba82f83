"""The judge: what is right is accepted as often as it says, what is wrong rejected, and what cannot be told fails."""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from paper_repro import checking, console, workflow
from paper_repro.checking import Trial, check
from spec.claims import (
    AtLeast,
    AtMost,
    Claim,
    Exact,
    MonteCarlo,
    Mutant,
    Ordering,
    Sample,
    Tolerance,
)
from spec.validation import InputError

SEEDS = 32


def claim(
    tolerance: Tolerance, predicted: Callable[[Any], Any], measured: Callable[[Any], Any], *mutants: Mutant
) -> Claim:
    return Claim(
        id="test.claim",
        origin="derived",
        source="test",
        statement="test",
        regime="test",
        tolerance=tolerance,
        setup=lambda s: np.random.default_rng(s.seed).normal(size=(s.count, 3)),
        predicted=predicted,
        measured=measured,
        mutants=mutants,
        theory="test",
    )


def outcome(tolerance: Tolerance, predicted: Any, measured: Any, case: Any = None) -> checking.Outcome:
    """The judge's numbers on given sides."""
    sides = (np.atleast_1d(np.asarray(side, dtype=float)) for side in (predicted, measured))
    return checking.outcome(claim(tolerance, abs, abs), Trial(case, *sides))


def accepts(tolerance: Tolerance, predicted: Any, measured: Any) -> bool:
    found = outcome(tolerance, predicted, measured)
    return found.worst <= found.threshold


def doubled(case: Any) -> Any:
    return 2 * case


TRIPLED = Mutant("3", predicted=lambda c: 3 * c)


# ---------------------------------------------------------------- what every claim needs


def test_a_check_without_power_fails_even_when_it_accepts() -> None:
    verdict = check(claim(Exact(), doubled, doubled, Mutant("the same", predicted=lambda c: c + c)))
    assert verdict.worst <= verdict.threshold
    assert not verdict.ok
    assert verdict.power < 1


@pytest.mark.parametrize("order", [1, -1], ids=["first", "last"])
def test_every_mutant_has_to_be_rejected(order: int) -> None:
    mutants = (TRIPLED, Mutant("the same", predicted=doubled))[::order]
    verdict = check(claim(Exact(), doubled, doubled, *mutants))
    assert [m.rejected for m in verdict.mutants] == [True, False][::order]
    assert verdict.power == min(m.score for m in verdict.mutants) < 1
    assert not verdict.ok


def test_a_wrong_claim_fails_although_its_mutants_are_rejected() -> None:
    verdict = check(claim(Exact(), doubled, lambda c: 5 * c, TRIPLED))
    assert verdict.power >= 1
    assert not verdict.ok


def test_a_claim_without_mutants_is_refused() -> None:
    with pytest.raises(InputError, match="mutants"):
        check(claim(Exact(), doubled, doubled))


def test_a_mutant_of_either_side_is_tried_on_that_side() -> None:
    """Mutants that are right on the other side only."""
    verdict = check(
        claim(Exact(), lambda c: 0 * c + 2, lambda c: 0 * c + 2, Mutant("p", predicted=lambda c: 0 * c + 3))
    )
    assert verdict.ok
    both = Mutant("both", predicted=lambda c: 0 * c + 3, measured=lambda c: 0 * c + 3)
    assert not check(claim(Exact(), lambda c: 0 * c + 2, lambda c: 0 * c + 2, both)).ok


def test_a_mutant_that_raises_does_not_count_as_rejected() -> None:
    def broken(case: Any) -> Any:
        raise ZeroDivisionError("a slip in the mutant")

    with pytest.raises(ZeroDivisionError, match="slip"):
        check(claim(Exact(), doubled, doubled, TRIPLED, Mutant("raises", predicted=broken)))


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("tolerance", [Exact(), MonteCarlo(), Ordering(), AtMost(), AtLeast()], ids=str)
def test_a_mutant_without_numbers_does_not_count_as_rejected(tolerance: Tolerance, value: float) -> None:
    nothing = Mutant("not a number", measured=lambda c: c * value)
    verdict = check(claim(tolerance, lambda c: np.ones(3), lambda c: c + 1, nothing))
    assert not verdict.mutants[-1].rejected
    assert not verdict.ok


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@pytest.mark.parametrize("rows", [1, SEEDS])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("tolerance", [Exact(), MonteCarlo(), Ordering(), AtMost(), AtLeast()], ids=str)
def test_what_is_not_a_number_never_passes(tolerance: Tolerance, value: float, rows: int) -> None:
    measured = np.tile([1.0, 2.0, 3.0], (rows, 1)) + np.linspace(0, 1e-13, rows)[:, None]
    measured[-1, 1] = value
    if isinstance(tolerance, MonteCarlo) and rows == 1:
        return
    for sides in ([1.0, 2.0, 3.0], measured), (measured[-1], np.where(np.isfinite(measured), measured, 2.0)):
        if not isinstance(tolerance, Ordering) or np.isnan(value) or sides[1] is measured:
            assert not accepts(tolerance, *sides)


def test_the_draw_is_fixed_by_the_name_and_the_shift(monkeypatch: pytest.MonkeyPatch) -> None:
    draws: list[Sample] = []
    probe = claim(Exact(), doubled, doubled, TRIPLED)
    spied = dataclasses.replace(probe, setup=lambda s: draws.append(s) or np.ones(3))
    check(spied)
    check(spied)
    check(dataclasses.replace(spied, id="test.other"))
    monkeypatch.setenv("SEED_SHIFT", "12345")
    check(spied)
    assert draws[0] == draws[1]
    assert len({draws[0].seed, draws[2].seed, draws[3].seed}) == 3


def test_presets_draw_their_numbers_of_seeds() -> None:
    made = claim(Exact(), doubled, doubled)
    assert [len(checking.trial(made, p).case) for p in ("smoke", "standard", "full")] == [32, 64, 256]


# ---------------------------------------------------------------- Exact


def test_exact_accepts_rounding_and_rejects_a_small_bias() -> None:
    assert check(claim(Exact(), doubled, lambda c: c + c, TRIPLED)).ok
    assert not check(claim(Exact(), doubled, lambda c: 2 * c + 1e-8, TRIPLED)).ok


def test_exact_is_relative_to_the_largest_prediction() -> None:
    predicted = np.array([1e-3, 50.0])
    for size, right in ((0.9, True), (1.1, False)):
        assert accepts(Exact(), predicted, predicted + np.array([50e-10 * size, 0])) == right
        assert accepts(Exact(1e-6), predicted, predicted - np.array([0, 50e-6 * size])) == right
    found = outcome(Exact(), predicted, predicted + np.array([0.0, 5e-5]))
    np.testing.assert_allclose([found.worst, found.rejection], [1e-6, 10.0], rtol=1e-6)


def test_exact_follows_the_conditioning_of_each_point() -> None:
    """100 eps condition where that exceeds `relative`; the well-conditioned points are checked as before."""
    tolerance = Exact(condition=lambda case: case)
    predicted, condition = np.array([1.0, 1.0, -2.0]), np.array([1.0, 1e8, 1e3])
    allowed = 2 * np.array([1e-10, 1e8 * 100 * np.finfo(float).eps, 1e-10])
    for i in range(3):
        for size, right in ((0.99, True), (1.01, False)):
            found = outcome(tolerance, predicted, predicted + size * allowed * np.eye(3)[i], condition)
            assert (found.worst <= found.threshold) == right
            np.testing.assert_allclose(found.rejection, size / 1000, rtol=1e-3)


# ---------------------------------------------------------------- thresholds


def test_monte_carlo_is_students_two_sided_test(rng: np.random.Generator) -> None:
    """Statistic and threshold of scipy's t test: two tails, n - 1 degrees of freedom, the family over all points."""
    measured = rng.normal(1.0, 2.0, (40, 5))
    predicted = rng.normal(1.0, 0.3, 5)
    test = stats.ttest_1samp(measured, predicted)
    found = outcome(MonteCarlo(0.01), predicted, measured)
    np.testing.assert_allclose(found.worst, np.abs(test.statistic).max(), rtol=1e-12)
    np.testing.assert_allclose(2 * stats.t.sf(found.threshold, 39), 0.01 / 5, rtol=1e-9)
    for family in np.min(test.pvalue) * 5 * np.array([0.999, 1.001]):
        assert accepts(MonteCarlo(family), predicted, measured) == (np.min(test.pvalue) > family / 5)


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_orders_and_bounds_are_students_one_sided_tests(side: float, rng: np.random.Generator) -> None:
    measured = rng.normal(0.0, 2.0, (40, 5))
    greater = stats.ttest_1samp(measured, 0.0, alternative="greater" if side > 0 else "less")
    ordered = outcome(Ordering(0.01), side * np.ones(5), measured)
    bounded = outcome(AtMost(0.01) if side > 0 else AtLeast(0.01), np.zeros(5), measured)
    np.testing.assert_allclose(-ordered.worst, (side * greater.statistic).min(), rtol=1e-12)
    np.testing.assert_allclose(bounded.worst, (side * greater.statistic).max(), rtol=1e-12)
    for threshold in (-ordered.threshold, bounded.threshold):
        np.testing.assert_allclose(stats.t.sf(threshold, 39), 0.01 / 5, rtol=1e-9)


def test_thresholds_by_tables() -> None:
    """Student's quantiles at 31 degrees of freedom, as printed: 2.0395 at 2.5 %, 2.7440 at 0.5 %."""
    rows = np.random.default_rng(0).normal(size=(32, 1))
    assert outcome(MonteCarlo(0.05), 0.0, rows).threshold == pytest.approx(2.0395, abs=1e-4)
    assert outcome(MonteCarlo(0.01), 0.0, rows).threshold == pytest.approx(2.7440, abs=1e-4)
    assert outcome(Ordering(0.025), 1.0, rows).threshold == pytest.approx(-2.0395, abs=1e-4)
    assert outcome(AtMost(0.025), 0.0, rows).threshold == pytest.approx(2.0395, abs=1e-4)
    assert outcome(AtLeast(0.05), 0.0, np.tile(rows, 10)).threshold == pytest.approx(2.7440, abs=1e-4)
    assert outcome(MonteCarlo(0.05), 0.0, np.tile(rows, 5)).threshold == pytest.approx(2.7440, abs=1e-4)


@pytest.mark.parametrize("kind", [MonteCarlo, Ordering, AtMost, AtLeast])
def test_the_level_in_use(kind: type) -> None:
    """At 1e-4 over the points, one or two tails: the formula that the rates below measure at a visible level."""
    assert kind().family_error == 1e-4
    tails = 2 if kind is MonteCarlo else 1
    for points, seeds in ((1, 32), (12, 64), (300, 256)):
        rows = np.random.default_rng(0).normal(size=(seeds, points))
        threshold = abs(outcome(kind(), np.ones(points), rows).threshold)
        np.testing.assert_allclose(points * tails * stats.t.sf(threshold, seeds - 1), 1e-4, rtol=1e-6)


# ---------------------------------------------------------------- rates of error, by 10,000 draws

DRAWS, POINTS, LEVEL = 10_000, 3, 0.05


def accepted(kind: type, mean: float, rng: np.random.Generator) -> int:
    """How many of 10,000 points with this mean are accepted at LEVEL each (for Ordering: seen as positive).

    Bounds and orders count their points, so that the draws are the points of one trial; expectations one by one.
    """
    rows = mean + rng.normal(size=(SEEDS, DRAWS))
    if kind is MonteCarlo:
        return sum(accepts(MonteCarlo(LEVEL), 0.0, column[:, None]) for column in rows.T)
    found = outcome(kind(LEVEL * DRAWS), np.ones(DRAWS) if kind is Ordering else np.zeros(DRAWS), rows)
    return int(found.summary.split()[0])


def consistent(count: int, expected: float) -> bool:
    return stats.binomtest(count, DRAWS, expected).pvalue > 1e-5


@pytest.mark.parametrize(
    ("kind", "expected"),
    # An order has to be shown: its error is to see one where there is none.
    [(MonteCarlo, 1 - LEVEL), (AtMost, 1 - LEVEL), (AtLeast, 1 - LEVEL), (Ordering, LEVEL)],
)
def test_false_alarms_under_the_null(kind: type, expected: float, rng: np.random.Generator) -> None:
    assert consistent(accepted(kind, 0.0, rng), expected)


def test_false_alarms_of_a_family(rng: np.random.Generator) -> None:
    """Over independent points the level of the family is nearly attained."""
    draws = rng.normal(size=(2000, SEEDS, POINTS))
    count = sum(accepts(MonteCarlo(LEVEL), np.zeros(POINTS), rows) for rows in draws)
    assert stats.binomtest(count, 2000, (1 - LEVEL / POINTS) ** POINTS).pvalue > 1e-5


@pytest.mark.parametrize("kind", [MonteCarlo, AtMost, AtLeast, Ordering])
def test_power_is_that_of_the_noncentral_t(kind: type, rng: np.random.Generator) -> None:
    """A point that is off by 2 t* standard errors, which is what a mutant must exceed, is seen as often as theory says.

    For Ordering the point is right by 2 t*, and seen.
    """
    tails = 2 if kind is MonteCarlo else 1
    threshold = stats.t.isf(LEVEL / tails, SEEDS - 1)
    effect = 2 * threshold / np.sqrt(SEEDS) * (-1 if kind is AtLeast else 1)
    seen = stats.nct.sf(threshold, SEEDS - 1, 2 * threshold)
    count = accepted(kind, effect, rng)
    assert consistent(count if kind is Ordering else DRAWS - count, seen)
    assert seen > 0.95


@pytest.mark.parametrize("kind", [MonteCarlo, AtMost])
def test_a_mutant_is_rejected_beyond_twice_the_threshold_and_ten_standard_errors(kind: type) -> None:
    rows = np.random.default_rng(1).normal(size=(SEEDS, 2))
    mean, error = rows.mean(axis=0), rows.std(axis=0, ddof=1) / np.sqrt(SEEDS)
    for family, needed in ((1e-6, "2 t*"), (0.2, "ten")):
        threshold = outcome(kind(family), mean, rows).threshold
        effect = 2 * threshold if needed == "2 t*" else 10.0
        assert (2 * threshold > 10) == (needed == "2 t*")
        for size, rejected in ((0.99, False), (1.01, True)):
            wrong = mean - np.array([0.0, size * effect]) * error
            assert (outcome(kind(family), wrong, rows).rejection >= 1) == rejected


# ---------------------------------------------------------------- seeds

SHIFT = Mutant("shifted", predicted=lambda c: np.full(3, 3.0))


@pytest.mark.parametrize("kind", [MonteCarlo, Ordering, AtMost, AtLeast])
def test_several_seeds_are_at_least_thirty_two(kind: type) -> None:
    rows = np.random.default_rng(0).normal(size=(32, 3)) + 5
    outcome(kind(), np.ones(3), rows)
    for few in (2, 8, 31):
        with pytest.raises(InputError, match="32"):
            outcome(kind(), np.ones(3), rows[:few])


def test_one_row_is_no_expectation() -> None:
    with pytest.raises(InputError, match="32"):
        outcome(MonteCarlo(), 1.0, np.ones((1, 3)))


def test_monte_carlo_accepts_the_mean_and_rejects_a_shift() -> None:
    assert check(claim(MonteCarlo(), lambda c: np.zeros(3), lambda c: c, SHIFT)).ok
    assert not check(claim(MonteCarlo(), lambda c: np.ones(3), lambda c: c, SHIFT)).ok


def test_monte_carlo_has_no_power_against_an_effect_it_cannot_resolve() -> None:
    faint = Mutant("faint", predicted=lambda c: np.full(3, 0.01))
    assert not check(claim(MonteCarlo(), lambda c: np.zeros(3), lambda c: c, faint)).ok


def test_monte_carlo_rejects_a_wrong_constant_without_spread() -> None:
    assert outcome(MonteCarlo(), np.zeros(3), np.ones((64, 3))).worst == np.inf


# ---------------------------------------------------------------- Ordering and bounds of one row


def test_ordering_of_one_row_is_deterministic() -> None:
    row = np.array([[1e-12, 2.0]])
    against = Mutant("negative", measured=lambda c: -row)
    assert check(claim(Ordering(), lambda c: np.ones(2), lambda c: row, against)).ok
    assert accepts(Ordering(), [0.3, 7.0], row)  # the sign of the prediction counts
    assert not accepts(Ordering(), [1.0, -1.0], row)
    assert not accepts(Ordering(), np.ones(2), np.array([[0.0, 1.0]]))
    assert not accepts(Ordering(), [1.0, 0.0], row)


def test_ordering_over_seeds_needs_significance() -> None:
    against = Mutant("negative", measured=lambda c: -(c + 3))
    assert check(claim(Ordering(), lambda c: np.ones(3), lambda c: c + 3, against)).ok
    assert not check(claim(Ordering(), lambda c: np.ones(3), lambda c: c + 0.05, against)).ok


def test_an_order_that_can_be_swapped_has_no_power() -> None:
    verdict = check(claim(Ordering(), lambda c: np.ones(3), lambda c: c + 3, SHIFT))
    assert [m.wrong for m in verdict.mutants] == ["swapped order", "shifted"]
    assert verdict.mutants[0].rejected
    weak = check(claim(Ordering(), lambda c: np.ones(3), lambda c: c + 0.05, SHIFT))
    assert not weak.mutants[0].rejected


@pytest.mark.parametrize(("kind", "side"), [(AtMost, 1.0), (AtLeast, -1.0)])
def test_a_bound_may_be_attained_up_to_rounding(kind: type, side: float) -> None:
    bound = np.array([2.0, -3.0, 0.0])
    for excess, right in ((-1.0, True), (0.0, True), (5e-13, True), (5e-12, False), (1.0, False)):
        measured = (bound + side * excess * np.array([2.0, 3.0, 0.0]))[None]
        assert accepts(kind(), bound, measured) == right
    assert accepts(kind(), 0.0, np.array([[-side]]))
    assert not accepts(kind(), 0.0, np.array([[side * 1e-30]]))  # nothing is small beside zero


@pytest.mark.parametrize(("kind", "side"), [(AtMost, 1.0), (AtLeast, -1.0)])
def test_a_bound_without_one_of_its_terms_is_rejected_somewhere(kind: type, side: float) -> None:
    def terms(case: Any) -> Any:
        return case[0] ** 2, 2 * np.abs(case[0]), np.ones(3)

    def measured(case: Any) -> Any:
        return side * (np.abs(case[:1]) + 0.99) ** 2

    def bound(kept: tuple[int, ...]) -> Callable[[Any], Any]:
        return lambda case: side * sum(terms(case)[i] for i in kept)

    left_out = [Mutant(f"without {i}", predicted=bound(tuple({0, 1, 2} - {i}))) for i in range(3)]
    assert check(claim(kind(), bound((0, 1, 2)), measured, *left_out)).ok
    loose = Mutant("a term that is never needed", predicted=lambda case: bound((0, 1, 2))(case) + side * 1e-3)
    assert not check(claim(kind(), bound((0, 1, 2)), measured, loose)).ok


# ---------------------------------------------------------------- what a reader sees


@pytest.mark.parametrize(
    ("tolerance", "predicted", "measured", "words"),
    [
        (Ordering(), np.ones(24), np.arange(1.0, 25)[None], "24 of 24 signs agree"),
        (Ordering(), -np.ones(4), np.array([[1.0, -2.0, -3.0, np.nan]]), "2 of 4 signs agree"),
        (AtMost(), np.ones(3), np.array([[0.0, 1.0, 2.0]]), "2 of 3 points within the bound"),
        (Exact(), 2.0, np.array([2.0]), "relative error 0 <= 1e-10"),
    ],
)
def test_the_outcome_in_words(tolerance: Tolerance, predicted: Any, measured: Any, words: str) -> None:
    assert outcome(tolerance, predicted, measured).summary == words


def test_the_terminal_shows_the_outcome_and_the_mutants_that_survive(capsys: pytest.CaptureFixture[str]) -> None:
    row = np.array([[1.0, 2.0, 3.0]])
    made = claim(Ordering(), lambda c: np.ones(3), lambda c: row, Mutant("survives", measured=lambda c: row))
    console.show_verdict(made, check(made), 0.1)
    shown = capsys.readouterr().out
    assert "signs: 3 of 3 signs agree" in shown
    assert "not rejected: survives" in shown
    assert "FAILS" in shown


@pytest.mark.parametrize("tolerance", [Exact(), MonteCarlo(), Ordering(), AtMost(), AtLeast()])
def test_every_kind_has_a_name(tolerance: Tolerance) -> None:
    assert console.kind(claim(tolerance, abs, abs))


# ---------------------------------------------------------------- several claims


@pytest.mark.parametrize("order", [1, -1], ids=["holds last", "fails last"])
def test_several_claims_hold_only_if_every_one_does(
    order: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = claim(Exact(), doubled, doubled, TRIPLED)
    wrong = dataclasses.replace(right, id="test.wrong", measured=lambda c: 5 * c)
    monkeypatch.setattr(workflow.keys, "of_claim", lambda made: "code")
    with ThreadPoolExecutor(1) as executor:
        for claims, all_hold in (((wrong, right)[::order], False), ((right, right), True), ((wrong,), False)):
            found = workflow.check(claims, "smoke", tmp_path, executor=executor, as_json=False)
            assert found == all_hold
    shown = capsys.readouterr().out
    assert "1 of 2 claims hold" in shown
    assert "2 of 2 claims hold" in shown
    assert "failed: test.wrong" in shown
