"""What is read from networks in the limit: settings, gains, and the accuracy of simulated weights."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import xarray as xr
from scipy.special import ndtr

from paper_repro.beyond.claims import wrong_networks
from paper_repro.beyond.experiments import networks, shares


def test_shares_are_gains_over_sgd_in_points_and_settings_differ_in_one_thing():
    config = shares.Shares()
    found = shares.points(config)
    assert [point.name for point in found][:4] == ["base", "teacher", "c = 0.5", "c = 2"]
    assert found[3].config == replace(config.base, c=2.0)
    assert found[-2].config.network == replace(config.base.network, second=0.1)
    made = xr.Dataset({"last": ("rule", [0.6, 0.65])}, {"rule": ["SGD", "L-SAM"]})
    np.testing.assert_allclose(shares.gains(made, "last"), [0, 5])


def test_rules_of_networks_move_fields_by_c():
    law = networks.problem(networks.Networks(), 500)
    for rule in networks.rules(law, 1.2)[1:]:
        assert rule.rho * np.sqrt(law.B**2 + 500 * law.gamma**2) == pytest.approx(1.2)


def test_accuracy_of_simulated_weights_is_that_of_their_fields():
    """Two rows of W with a known overlap and Gram matrix; linear units, so that the answer is a normal integral."""
    W, v = np.array([[0.5, 0.3, 0.0], [0.1, -0.4, 0.8]]), np.array([1.0, 0.5])
    parts = [np.broadcast_to(part, (2, 3, *part.shape)) for part in (v, W[:, 0], W @ W.T)]
    network = networks.TwoLayer((1.0, 0.5), "linear")
    descent = networks.descents(networks.Networks(network=network), 500)[0]
    found = networks.exact(descent, networks.Trace(*parts, None, None))
    np.testing.assert_allclose(found, ndtr(1.5 * (v @ W)[0] / np.linalg.norm(v @ W)), rtol=1e-12)


def test_wrong_steps_have_the_length_of_the_right_one():
    look: Any = SimpleNamespace(t=np.array([1.0, -1.0]))
    found = wrong_networks._step(look, 0.6, np.array([[3.0, 0.0], [4.0, 2.0]]))
    np.testing.assert_allclose(found, [-0.12, 0.3])
