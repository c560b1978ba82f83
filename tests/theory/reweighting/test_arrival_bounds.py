"""Both bounds on the time of alignment allow for the look-ahead: cases in which one step decides."""

import numpy as np
import pytest

from theory.reweighting import phases
from theory.reweighting import recursion as mr

N, M, ETA = 5, 2, 0.1


def first_step(k, mislabelled, beta):
    """(weights after one step from 1, the bounds) for outputs zero."""
    state = mr.State(np.ones(N), np.ones(N), np.ones(M))
    moved = mr.signed_step(k, state, mislabelled, beta=beta, eta=ETA)
    return moved.w, phases.arrival(phases.separation(k), mislabelled, beta=beta, eta=ETA, w=1.0)


def test_a_weight_can_arrive_as_early_as_its_bound():
    """All clean, k = -1, weights one: the residual that a weight sees has risen by eta n, and pulls the wrong way.

    Without the look-ahead the bound would be two steps, later than what happens.
    """
    k = mr.Blocks(-np.ones((N, N)), -np.ones((M, N)))
    w, found = first_step(k, np.zeros(N, bool), beta=1.0001 / (1 + ETA * N))
    np.testing.assert_array_equal(w, 0)
    np.testing.assert_array_equal(found.target, 0)
    np.testing.assert_array_equal(found.earliest, 1)


def test_a_weight_can_be_later_than_without_the_look_ahead():
    """Four clean and one mislabelled, k = 1: the clean residuals have fallen where the weights see them."""
    k = mr.Blocks(np.ones((N, N)), np.ones((M, N)))
    mislabelled = np.arange(N) == 0
    w, found = first_step(k, mislabelled, beta=1.0001)
    assert w[0] == pytest.approx(1 - 1.0001 * (1 - ETA * (N - 2)))
    assert found.target[0] == 0
    assert found.latest[0] > 1
    assert found.first_order[0] < 1
