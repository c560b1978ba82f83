"""The end of 1-SAM with weight decay: against the curve it is the end of, against minimisation, and at its limits."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from spec.problems import SignalNoiseMixture
from spec.rules import Sam
from spec.training import Training
from spec.validation import InputError
from theory.logistic.mixture import accuracy, mean_classifier_accuracy_limit
from theory.mean_field import Accuracy, curves
from theory.mean_field.long_time import largest_margin, minimum, prox

ISOTROPIC = SignalNoiseMixture(n=800, d=1000, B=1.5, gamma=1.2, Delta=0.25)
ORTHOGONAL = SignalNoiseMixture(n=900, d=400, B=1.0, Delta=0.2, noise="orthogonal")
BOTH = pytest.mark.parametrize("problem", [ISOTROPIC, ORTHOGONAL], ids=["isotropic", "orthogonal"])


@BOTH
def test_training_ends_there(problem: SignalNoiseMixture) -> None:
    length = np.sqrt(problem.B**2 + problem.gamma**2 * problem.d)
    end = minimum(problem, 0.03 * length, 0.2)
    training = Training(1.0, 60, momentum=0.6, weight_decay=0.2, record_every=60)
    curve = curves(Sam(0.03), problem, training, accuracy=Accuracy(1024, 4)).isel(epoch=-1)
    values = {"signal_overlap": end.overlap, "noise_norm": end.noise_norm, "test_accuracy": end.test_accuracy}
    for name, value in values.items():
        assert float(curve[name]) == pytest.approx(value, abs=6 * float(curve[f"{name}_error"]) + 1e-3), name


@BOTH
def test_minimisation_on_samples_ends_there(problem: SignalNoiseMixture, rng: np.random.Generator) -> None:
    c, decay, found = 1.0, 0.1, []
    for _ in range(12):
        s = np.where(np.arange(problem.n) < round(problem.Delta * problem.n), -1.0, 1.0)
        A = problem.gamma * rng.normal(size=(problem.n, problem.d))
        A[:, 0] = s * problem.B + (A[:, 0] if problem.noise == "isotropic" else 0)

        def objective(w: np.ndarray, A: np.ndarray = A) -> tuple[float, np.ndarray]:
            z = A @ w
            gradient = A.T @ -expit(c - z) / len(A) + decay * w
            return float(np.mean(np.logaddexp(0, c - z)) + decay * w @ w / 2), gradient

        w = minimize(objective, np.zeros(problem.d), jac=True, method="L-BFGS-B").x
        fits = A @ w > 0
        found.append([accuracy(problem, w), np.linalg.norm(w[1:]), np.mean(fits[s > 0]), np.mean(fits[s < 0])])
    end = minimum(problem, c, decay)
    expected = [end.test_accuracy, end.noise_norm, end.clean_accuracy, end.mislabelled_accuracy]
    error = np.std(found, axis=0, ddof=1) / np.sqrt(12)
    assert np.all(np.abs(np.mean(found, axis=0) - expected) < 6 * error + 4 / problem.d)
    assert np.all(error < [0.01, 0.02, 0.005, 0.02])


@BOTH
def test_its_ends_are_the_mean_classifier_and_the_largest_margin(problem: SignalNoiseMixture) -> None:
    mean = mean_classifier_accuracy_limit(problem)
    assert minimum(problem, 1.0, 1e4).test_accuracy == pytest.approx(mean, abs=1e-4)
    assert minimum(problem, 200.0, 0.1).test_accuracy == pytest.approx(mean, abs=1e-4)
    if problem is ISOTROPIC:
        margin, at_margin = largest_margin(problem)
        gaps = [minimum(problem, c, 1e-6).test_accuracy - at_margin for c in (0.0, 2.0)]
        earlier = [minimum(problem, c, 1e-3).test_accuracy - at_margin for c in (0.0, 2.0)]
        assert margin > 0
        assert all(0 < late < 0.6 * early for late, early in zip(gaps, earlier, strict=True))
        assert gaps[0] == pytest.approx(gaps[1], abs=1e-3)


def test_prox_solves_its_equation() -> None:
    x = np.linspace(-30, 30, 101)
    for kappa, c in ((0.1, 0.0), (5.0, 2.0), (1e4, 1.0)):
        H = prox(x, kappa, c)
        np.testing.assert_allclose(H - kappa * expit(c - H), x, atol=1e-9 * max(1, kappa))


def test_labels_that_cannot_be_separated_are_refused() -> None:
    with pytest.raises(InputError, match="can be separated"):
        largest_margin(SignalNoiseMixture(n=4000, d=100, B=0.5, Delta=0.4))
    with pytest.raises(InputError, match="weight_decay"):
        minimum(ISOTROPIC, 1.0, 0.0)
