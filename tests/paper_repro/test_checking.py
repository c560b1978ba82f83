"""The checks themselves: they accept what is right, reject what is wrong, and fail when they could not tell."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from paper_repro.checking import check
from spec.claims import Asymptotic, Claim, Exact, MonteCarlo, Mutant, Ordering, Sample, Tolerance
from spec.validation import InputError


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


def doubled(case: Any) -> Any:
    return 2 * case


def test_exact_accepts_rounding_and_rejects_a_small_bias() -> None:
    right = claim(Exact(), doubled, lambda c: c + c, Mutant("3", predicted=lambda c: 3 * c))
    assert check(right).ok
    biased = claim(Exact(), doubled, lambda c: 2 * c + 1e-8, Mutant("3", predicted=lambda c: 3 * c))
    assert not check(biased).ok


def test_exact_never_accepts_nan() -> None:
    verdict = check(claim(Exact(), doubled, lambda c: c * np.nan, Mutant("3", predicted=lambda c: 3 * c)))
    assert not verdict.ok
    assert verdict.worst == np.inf


def test_a_check_without_power_fails_even_when_it_accepts() -> None:
    verdict = check(claim(Exact(), doubled, doubled, Mutant("the same", predicted=lambda c: c + c)))
    assert verdict.worst <= verdict.threshold
    assert not verdict.ok
    assert verdict.power < 1


def test_a_claim_without_mutants_is_refused() -> None:
    with pytest.raises(InputError, match="mutants"):
        check(claim(Exact(), doubled, doubled))


SHIFT = Mutant("shifted", predicted=lambda c: np.full(3, 3.0))


def test_monte_carlo_accepts_the_mean_and_rejects_a_shift() -> None:
    assert check(claim(MonteCarlo(), lambda c: np.zeros(3), lambda c: c, SHIFT)).ok
    assert not check(claim(MonteCarlo(), lambda c: np.ones(3), lambda c: c, SHIFT)).ok


def test_monte_carlo_demands_enough_seeds() -> None:
    with pytest.raises(InputError, match="32"):
        check(claim(MonteCarlo(), lambda c: np.zeros(3), lambda c: c[:8], SHIFT))


def test_monte_carlo_has_no_power_against_an_effect_it_cannot_resolve() -> None:
    faint = Mutant("faint", predicted=lambda c: np.full(3, 0.01))
    assert not check(claim(MonteCarlo(), lambda c: np.zeros(3), lambda c: c, faint)).ok


def test_monte_carlo_rejects_a_wrong_constant_without_spread() -> None:
    constant = claim(MonteCarlo(), lambda c: np.zeros(3), lambda c: np.ones((64, 3)), SHIFT)
    assert check(constant).worst == np.inf


def test_ordering_of_one_row_is_deterministic() -> None:
    row = np.array([[1e-12, 2.0]])
    against = Mutant("negative", measured=lambda c: -row)
    assert check(claim(Ordering(), lambda c: np.ones(2), lambda c: row, against)).ok
    assert not check(claim(Ordering(), lambda c: np.array([1.0, -1.0]), lambda c: row, against)).ok
    assert not check(claim(Ordering(), lambda c: np.ones(2), lambda c: np.array([[0.0, 1.0]]), against)).ok


def test_ordering_over_seeds_needs_significance() -> None:
    against = Mutant("negative", measured=lambda c: -(c + 3))
    assert check(claim(Ordering(), lambda c: np.ones(3), lambda c: c + 3, against)).ok
    assert not check(claim(Ordering(), lambda c: np.ones(3), lambda c: c + 0.05, against)).ok


SIZES = (10, 30, 100, 300, 1000)


def decaying(power: float, floor: float = 0.0) -> Callable[[Any], Any]:
    return lambda c: floor + np.array(SIZES) ** power * np.tile(c[:, :1], (1, len(SIZES)))


def test_asymptotic_accepts_its_rate_and_rejects_others() -> None:
    tolerance = Asymptotic(SIZES, -0.5, (0.0, -1.0))
    floor = Mutant("another limit", predicted=lambda c: np.full(len(SIZES), 1.0))
    assert check(claim(tolerance, lambda c: np.zeros(len(SIZES)), decaying(-0.5), floor)).ok
    assert not check(claim(tolerance, lambda c: np.zeros(len(SIZES)), decaying(-1.0), floor)).ok
    assert not check(claim(tolerance, lambda c: np.zeros(len(SIZES)), decaying(-0.5, floor=0.2), floor)).ok


def test_the_draw_is_fixed_by_the_name_and_the_shift(monkeypatch: pytest.MonkeyPatch) -> None:
    draws: list[Sample] = []
    probe = claim(Exact(), doubled, doubled, Mutant("3", predicted=lambda c: 3 * c))
    spied = Claim(**{**probe.__dict__, "setup": lambda s: draws.append(s) or np.ones(3)})
    check(spied)
    check(spied)
    monkeypatch.setenv("SEED_SHIFT", "12345")
    check(spied)
    assert draws[0] == draws[1] != draws[2]
