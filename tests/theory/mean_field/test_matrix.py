"""The data matrix in the limit is an operator: linear, with a transpose, and with the moments of a Gaussian matrix."""

import numpy as np
import pytest

from theory.mean_field.matrix import DataMatrix, Law
from theory.mean_field.weights import SIGNAL, START, WeightSpace

SAMPLES = 256


@pytest.fixture
def matrix(rng: np.random.Generator) -> DataMatrix:
    s = np.repeat([1.0, -1.0], [150, SAMPLES - 150])
    share = np.where(s > 0, 0.7 / 150, 0.3 / (SAMPLES - 150))
    law = Law(alpha=0.6, B=1.3, gamma=0.8)
    return DataMatrix(law, WeightSpace(12), s, share, rng.normal(size=(12, SAMPLES)))


def asked(matrix: DataMatrix, rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Weight vectors and example vectors in the span of a few half-steps of a nonlinear descent."""
    w = 0.5 * matrix.space.unit(START) + 0.2 * matrix.space.unit(SIGNAL)
    vectors, fields = [], []
    for _ in range(4):
        F = np.tanh(matrix.forward(w) + rng.normal(size=SAMPLES))
        vectors, fields = [*vectors, w], [*fields, F]
        w = w - 0.7 * matrix.backward(F)
    return vectors, fields


def test_forward_and_backward_are_transposes(matrix: DataMatrix, rng: np.random.Generator) -> None:
    vectors, fields = asked(matrix, rng)
    left = [[np.sum(matrix.share * F * matrix.forward(v)) for v in vectors] for F in fields]
    right = [[matrix.backward(F) @ v for v in vectors] for F in fields]
    np.testing.assert_allclose(left, right, atol=1e-12)


def test_forward_is_linear(matrix: DataMatrix, rng: np.random.Generator) -> None:
    (u, v, *_), _ = asked(matrix, rng)
    np.testing.assert_allclose(matrix.forward(2 * u - 3 * v), 2 * matrix.forward(u) - 3 * matrix.forward(v), atol=1e-12)


def test_a_second_product_asks_for_nothing_new(matrix: DataMatrix, rng: np.random.Generator) -> None:
    vectors, fields = asked(matrix, rng)
    counts = matrix.nu.count, matrix.phi.count
    for v, F in zip(vectors, fields, strict=True):
        matrix.forward(v)
        matrix.backward(F)
    assert (matrix.nu.count, matrix.phi.count) == counts == (4, 4)


def test_gradients_have_the_length_of_gaussian_sums(matrix: DataMatrix) -> None:
    """||(1/n) A^T F||^2 = gamma^2 E F^2/alpha + (B E s F)^2 for F that does not know the matrix."""
    F = np.where(matrix.s > 0, 2.0, 1.0)
    signal = 1.3 * (0.7 * 2 - 0.3)
    assert matrix.backward(F) @ matrix.backward(F) == pytest.approx(0.64 * (0.7 * 4 + 0.3) / 0.6 + signal**2)
