"""Selection without replacement, against sums over all orders of drawing."""

from itertools import permutations

import numpy as np
import pytest

from spec.validation import InputError
from theory.compensation import selection


def by_orders(gap, k):
    """Inclusion by going through every ordered draw of k examples."""
    v, found = 1 / (1 + np.asarray(gap)), np.zeros(len(gap))
    for order in permutations(range(len(gap)), k):
        left, chance = v.sum(), 1.0
        for i in order:
            chance, left = chance * v[i] / left, left - v[i]
        found[list(order)] += chance
    return found


@pytest.mark.parametrize("k", [1, 2, 4])
def test_inclusion_is_that_of_successive_draws(k, rng):
    gap = rng.exponential(2.0, 5)
    np.testing.assert_allclose(selection.inclusion(gap, k), by_orders(gap, k), rtol=1e-6)
    assert selection.inclusion(gap, k).sum() == pytest.approx(k)


def test_equal_gaps_are_drawn_alike_and_all_are_when_k_is_all():
    np.testing.assert_allclose(selection.inclusion(np.ones(6), 2), 1 / 3)
    np.testing.assert_allclose(selection.inclusion([0.0, 3.0, 1.0], 3), 1)


def test_schedule_and_clusters_at_their_ends():
    np.testing.assert_allclose(selection.schedule([0.0, 0.25, 0.5, 1.0]), [0, 0.3125, 1, 1])
    rates = selection.cluster_rates([1.0, 3.0, 2.0, 0.0, 0.0], [0, 0, 1, 2, 2], 0.6)
    np.testing.assert_allclose(rates, [0.2, 0.2, 0, 0, 0])
    assert selection.highest_other([[1.0, 3.0, 2.0], [5.0, 1.0, 0.0]], [1, 2]).tolist() == [2, 0]


def test_no_selection_is_refused():
    with pytest.raises(InputError, match="k must be"):
        selection.inclusion([1.0, 2.0], 0)
