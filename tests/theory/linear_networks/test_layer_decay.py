"""The decay of layers under J-SAM against closed-form gradients of two-layer linear networks, one example at a time."""

import numpy as np
import pytest

from spec.rules import JacobianSam, Sgd
from spec.validation import InputError
from theory.linear_networks import gradients
from theory.linear_networks.layer_decay import decay


@pytest.fixture
def network(rng):
    return rng.normal(size=(4, 3)), rng.normal(size=4), rng.normal(size=(7, 3)), rng.choice([-1.0, 1.0], size=7)


def squares(W, v, x, t):
    rows = []
    for xi, ti in zip(x, t, strict=True):
        parts = gradients.gradient(Sgd(), W, v, xi[None], np.array([ti]))
        rows.append([np.sum(part**2) for part in parts])
    return np.array(rows)


def test_two_layers_decay_exactly_so(network):
    W, v, *_ = network
    moved, plain = (gradients.gradient(rule, *network) for rule in (JacobianSam(0.7), Sgd()))
    measured = [np.sum(w * (a - b)) for w, a, b in zip((W, v), moved, plain, strict=True)]
    np.testing.assert_allclose(decay(0.7, squares(*network)), measured, rtol=1e-12)


def test_the_sum_over_layers_counts_the_others(rng):
    s = rng.uniform(size=(5, 4))
    assert np.sum(decay(0.3, s)) == pytest.approx(3 * 0.3 * np.mean(np.sqrt(s.sum(axis=1))))


def test_stationary_examples_do_not_count(rng):
    s = np.vstack([np.zeros((1, 3)), rng.uniform(size=(1, 3))])
    np.testing.assert_allclose(decay(1.0, s), decay(1.0, s[1:]) / 2)


@pytest.mark.parametrize("wrong", [np.ones(3), -np.ones((2, 2))])
def test_squares_are_a_table_of_squares(wrong):
    with pytest.raises(InputError, match="squares must be numbers >= 0 of shape"):
        decay(0.1, wrong)
