"""n-SAM on signal and memory, against the gradients of all weights written out."""

import numpy as np
import pytest
from scipy.special import expit

from spec.rules import Sam, Sgd
from theory.down_weighting import batch_sam, transition
from theory.logistic import regression

MODEL = transition.SignalMemory(10, 1.3, 0.8, 0.3)
FAST = MODEL._replace(gamma=3.0)


def written_out(model, state):
    """w (n + 1,), x, t; the first examples are mislabelled."""
    y, noisy = np.where(np.arange(model.n) % 2, -1.0, 1.0), np.arange(model.n) < round(model.Delta * model.n)
    x, t = np.concatenate([model.B * y[:, None], model.gamma * np.eye(model.n)], axis=1), np.where(noisy, -y, y)
    return np.concatenate([[state[0]], t * np.where(noisy, state[2], state[1])]), x, t


@pytest.mark.parametrize("model", [MODEL, FAST])
@pytest.mark.parametrize("state", [(0.0, 0.0, 0.0), (0.9, 0.4, 0.7), (-0.3, 1.0, 2.0)])
def test_velocity_is_that_of_n_sam_on_all_weights(model, state):
    state = np.array(state)
    w, x, t = written_out(model, state)
    h = regression.gradient(Sam(0.6, "batch"), w, x, t)
    np.testing.assert_allclose(batch_sam.velocity(model, state, 0.6), [-h[0], -(t * h[1:])[-1], -(t * h[1:])[0]])
    g = regression.gradient(Sgd(), w, x, t)
    factors = np.array([1, 0.3])[((h / g > 0) & (h / g < 1)).astype(int)]
    kept = factors * h
    found = batch_sam.velocity(model, state, 0.6, alpha=0.7)
    np.testing.assert_allclose(found, [-kept[0], -(t * kept[1:])[-1], -(t * kept[1:])[0]])


@pytest.mark.parametrize(("model", "expected"), [(MODEL, True), (FAST, False)])
def test_the_condition_at_the_start_is_that_of_opposed_gradients(model, expected):
    w, x, t = written_out(model, np.zeros(3))
    noisy = np.arange(model.n) < 3
    assert batch_sam.reduces_memory_at_start(model) == expected
    np.testing.assert_array_equal(batch_sam.opposed(w, x, t), noisy & expected)
    assert (batch_sam.falls(model, np.zeros(3), 0.5)[1] < 0) == expected


def test_down_weighting_slows_the_memory_of_mislabelled_examples_until_the_signal_saturates():
    path = batch_sam.descend(MODEL, 0.6, eta=0.5, steps=400, alpha=np.array([0.0, 0.7]))
    assert (path[1:41, 1, 2] < path[1:41, 0, 2]).all()
    p_c, p_n = (expit(-m) for m in MODEL.margins(path[:, 0]))
    opposed = MODEL.B**2 * ((1 - MODEL.Delta) * p_c - MODEL.Delta * p_n) > MODEL.gamma**2 * p_n / MODEL.n
    np.testing.assert_array_equal(opposed, batch_sam.falls(MODEL, path[:, 0], 0.6)[1] < 0)
    assert opposed[0]
    assert not opposed[-1]
