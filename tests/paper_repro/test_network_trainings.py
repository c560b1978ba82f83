"""Trainings of networks of a few units as experiments make them, against steps by hand."""

import numpy as np
import pytest

from paper_repro.beyond import simulated_networks
from paper_repro.beyond.simulated_networks import Descent, trace
from spec.problems import NoisyLinearTeacher, SignalNoiseMixture
from spec.rules import Regularised, Sam, Sgd
from spec.training import Training
from spec.validation import InputError
from tests.networks_by_hand import gradient
from theory.mean_field.networks import TwoLayer

NETWORK = TwoLayer((1.0, -0.5), "tanh", 0.9, 0.3, 0.4)
TRAINING = Training(0.6, 3, momentum=0.3, weight_decay=0.1)
RULES = (Sgd(), Sam(0.3), Sam(0.4, "batch"), Regularised(0.2, 0.1))


def by_hand(rule, normals: tuple[np.ndarray, np.ndarray], d: int, y: np.ndarray, s: np.ndarray, B: float):
    """(v, W) after three steps from the normals of a room."""
    W, x = (part[:, :d].copy() for part in normals)
    W[:, 0] = 0
    W *= np.sqrt(0.9**2 - 0.3**2) / np.linalg.norm(W, axis=1, keepdims=True)
    W[:, 0], v = 0.3, np.array(NETWORK.v)
    x, s = x[: len(s)], s
    y = np.sign(x[:, 0]) if B == 0 else y
    x[:, 0] += B * y
    U, u = np.zeros_like(W), np.zeros_like(v)
    for _ in range(3):
        G, g = gradient(rule, "tanh", x, s * y, W, v)
        U, u = 0.3 * U + G + 0.1 * W, 0.3 * u + g + 0.1 * v
        W, v = W - 0.6 * U, v - 0.6 * 0.4 * u
    return v, W


@pytest.mark.parametrize("problem", [SignalNoiseMixture(6, 5, 1.5, Delta=0.34), NoisyLinearTeacher(6, 5, 0.34)])
def test_a_training_in_a_larger_room_is_the_training(problem, monkeypatch) -> None:
    drawn = []
    plain = simulated_networks._normals
    monkeypatch.setattr(simulated_networks, "_normals", lambda *a: drawn.append(plain(*a)) or drawn[-1])
    found = trace([Descent(rule, problem, TRAINING, NETWORK) for rule in RULES], 5, 2, room=(18, 7))
    y, s = np.tile([1.0, -1.0], 3), np.array([-1.0, -1, 1, 1, 1, 1])
    B = problem.B if isinstance(problem, SignalNoiseMixture) else 0.0
    for k, rule in enumerate(RULES):
        for seed, normals in enumerate(drawn):
            v, W = by_hand(rule, normals, 5, y, s, B)
            np.testing.assert_allclose(found.v[k, seed, -1], v, rtol=1e-10)
            np.testing.assert_allclose(found.gram[k, seed, -1], W @ W.T, rtol=1e-10)
            np.testing.assert_allclose(found.signal[k, seed, -1], W[:, 0], rtol=1e-10)
    assert found.v.shape == (4, 2, 4, 2)


def test_a_room_holds_every_example_equally_often() -> None:
    with pytest.raises(InputError, match="room must be a multiple of n=6"):
        trace([Descent(Sgd(), SignalNoiseMixture(6, 5, 1.5, Delta=0.34), TRAINING, NETWORK)], 5, 2, room=(10, 7))
