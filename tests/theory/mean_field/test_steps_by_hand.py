"""Pieces of the limit by hand: falls of margins, divisions of a batch, groups of entries."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from spec.rules import CompensationSchedule, FixedReweight, Sam
from theory.down_weighting import ratio
from theory.mean_field import compensation, examples, masks, rules, schemes
from theory.mean_field.basis import Basis


def test_a_margin_falls_by_rho_times_the_length_of_its_example() -> None:
    batch: Any = SimpleNamespace(length=2.5, d=100, n=8)
    assert rules.falls(Sam(0.3), batch, np.zeros(3), np.zeros(4)) == pytest.approx(0.75)


def test_the_slope_of_the_loss_is_steep_where_examples_are_misfit() -> None:
    np.testing.assert_allclose(examples.slope(np.array([-30.0, 0.0, 30.0])), [-1, -0.5, 0], atol=1e-12)


def test_divisions_have_parts_of_equal_share_in_both_groups(rng: np.random.Generator) -> None:
    s = np.repeat([1.0, -1.0], [12, 8])
    part = examples.division(s, 4, rng)
    np.testing.assert_array_equal(np.bincount(part[s > 0]), 3)
    np.testing.assert_array_equal(np.bincount(part[s < 0]), 2)


def test_groups_of_entries_are_those_of_the_ratio() -> None:
    g = np.array([2.0, 2, 2, -2, 2, 0, -1])
    h = np.array([2.0, 3, 1, -1, 0, 1, 3])
    found = np.select([masks.in_group(k, g, h) for k in ("A", "B", "C")], ["A", "B", "C"], "")
    np.testing.assert_array_equal(found, ratio.groups(ratio.ratio(g, h)))


def test_a_basis_is_orthonormal_in_its_weights_and_gives_vectors_back(rng: np.random.Generator) -> None:
    basis = Basis(6, np.arange(1, 7) / 21)
    vectors = rng.normal(size=(3, 6))
    for v in vectors:
        basis.extend(v)
    np.testing.assert_allclose(basis.rows * basis.weights @ basis.rows.T, np.eye(3), atol=1e-12)
    coordinates, rest = basis.split(vectors.sum(axis=0))
    np.testing.assert_allclose(coordinates @ basis.rows, vectors.sum(axis=0), atol=1e-12)
    np.testing.assert_allclose(rest, 0, atol=1e-12)
    assert basis.extend(2 * vectors[0], 1e-6)[1] < 1e-12
    assert basis.count == 3


def test_compensation_is_at_full_strength_from_half_time_on() -> None:
    schedule = CompensationSchedule(epochs=10, steps=2)
    found = [compensation.progress(schedule, step) for step in (0, 1, 2, 8, 19)]
    np.testing.assert_allclose(found, [0.056, 0.056, 2 * 2.6 * 0.04, 1, 1])


def test_fixed_weights_follow_who_is_mislabelled() -> None:
    np.testing.assert_array_equal(schemes._initial(FixedReweight(0.25, 0.75), np.array([1.0, -1.0])), [0.25, 0.75])
