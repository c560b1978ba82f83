"""Predicted curves against plain numpy training, closed forms, and themselves with other draws."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr
from scipy.special import expit, ndtr

from spec.problems import SignalNoiseMixture
from spec.rules import DownWeight, JacobianSam, LogitSam, RandomMask, Sam, Sgd
from spec.training import Training
from spec.validation import InputError
from theory.down_weighting import transition
from theory.logistic.mixture import mean_classifier_accuracy_limit
from theory.mean_field import Accuracy, Start, curves

PROBLEM = SignalNoiseMixture(n=800, d=1000, B=1.5, gamma=1.2, Delta=0.25)
QUICK = Accuracy(samples=1024, repeats=4)
NAMES = ("test_accuracy", "clean_accuracy", "mislabelled_accuracy", "mislabelled_loss", "noise_norm")


def slope(z: np.ndarray) -> np.ndarray:
    return -expit(-z)


def one_sam(A: np.ndarray, w: np.ndarray, rho: float) -> np.ndarray:
    return A.T @ slope(A @ w - rho * np.linalg.norm(A, axis=1)) / len(A)


def n_sam(A: np.ndarray, w: np.ndarray, rho: float) -> np.ndarray:
    g = A.T @ slope(A @ w) / len(A)
    return A.T @ slope(A @ (w + rho * g / np.linalg.norm(g))) / len(A)


def saner(A: np.ndarray, w: np.ndarray, rho: float) -> np.ndarray:
    g, h = A.T @ slope(A @ w) / len(A), n_sam(A, w, rho)
    return np.where((g * h > 0) & (np.abs(h) < np.abs(g)), 0.0, h)


def trained(gradient: Callable, training: Training, rho: float, start: float, rng: np.random.Generator) -> np.ndarray:
    """Final values of NAMES in one training of PROBLEM."""
    p = PROBLEM
    s = np.where(np.arange(p.n) < round(p.Delta * p.n), -1.0, 1.0)
    A = p.gamma * rng.normal(size=(p.n, p.d))
    A[:, 0] += s * p.B
    w, v = start * rng.normal(size=p.d) / np.sqrt(p.d), np.zeros(p.d)
    size = training.batch or p.n
    for _ in range(training.epochs):
        for places in np.array_split(rng.permutation(p.n), p.n // size):
            v = training.momentum * v + gradient(A[places], w, rho) + training.weight_decay * w
            w = w - training.eta * v
    z = A @ w
    test = ndtr(p.B * w[0] / (p.gamma * np.linalg.norm(w)))
    fits = [np.mean(z[s == sign] > 0) for sign in (1, -1)]
    return np.array([test, *fits, np.mean(np.logaddexp(0, -z[s < 0])), np.linalg.norm(w[1:])])


@pytest.mark.parametrize(
    ("rule", "gradient", "training"),
    [
        (Sam(0.03), one_sam, Training(0.5, 12, momentum=0.5, weight_decay=0.05)),
        (Sam(0.03), one_sam, Training(0.3, 4, batch=200)),
        (Sam(0.8, "batch"), n_sam, Training(0.5, 8)),
        (DownWeight(Sam(0.8, "batch"), 1.0), saner, Training(0.5, 8)),
    ],
    ids=["1-SAM", "1-SAM in batches", "n-SAM", "SANER"],
)
def test_curves_are_those_of_training(rule, gradient, training, rng) -> None:
    """Within five standard errors of the mean over trainings, and the limit's own error of order 1/d."""
    predicted = curves(rule, PROBLEM, training, Start(0.7), accuracy=QUICK).isel(epoch=-1)
    measured = np.array([trained(gradient, training, rule_rho(rule), 0.7, rng) for _ in range(16)])
    error = np.hypot(measured.std(axis=0, ddof=1) / 4, [float(predicted[f"{n}_error"]) for n in NAMES])
    difference = np.abs(measured.mean(axis=0) - [float(predicted[n]) for n in NAMES])
    assert np.all(difference < 5 * error + 3 / PROBLEM.d), dict(zip(NAMES, difference / error, strict=True))
    assert np.all(error < [0.01, 0.005, 0.01, 0.02, 0.02])


def rule_rho(rule) -> float:
    return getattr(rule, "base", rule).rho


def test_one_step_from_zero_is_the_mean_classifier() -> None:
    for problem in (PROBLEM, SignalNoiseMixture(n=300, d=700, B=2.0, Delta=0.1, noise="orthogonal")):
        curve = curves(Sam(0.02), problem, Training(0.3, 1), accuracy=QUICK)
        assert float(curve.test_accuracy[-1]) == pytest.approx(mean_classifier_accuracy_limit(problem), abs=1e-12)
        c = 0.02 * np.hypot(problem.B, problem.gamma * np.sqrt(problem.d))
        overlap = 0.3 * expit(c) * problem.B * (1 - 2 * problem.Delta)
        assert float(curve.signal_overlap[-1]) == pytest.approx(overlap, rel=1e-12)


def test_many_examples_follow_the_population() -> None:
    """alpha -> inf: training does not touch an example, margins stay normal, and one number describes the weights."""
    problem, training = SignalNoiseMixture(n=10**7, d=100, B=1.0, Delta=0.3), Training(0.5, 10)
    curve = curves(Sam(0.05), problem, training, accuracy=QUICK)
    x, weights = np.polynomial.hermite_e.hermegauss(80)
    M, c = 0.0, 0.05 * np.hypot(1.0, 10.0)
    for _ in range(10):
        clean, noisy = (-expit(c - (sign * M + M * x)) for sign in (1, -1))
        mean = 0.7 * clean * (1 + x) + 0.3 * noisy * (x - 1)
        M -= 0.5 * float(weights @ mean) / np.sqrt(2 * np.pi)
    assert float(curve.signal_overlap[-1]) == pytest.approx(M, rel=1e-3)


def test_few_examples_follow_the_transition_of_orthogonal_ones() -> None:
    """n/d -> 0 at a fixed speed of memory over signal: the distance falls as n/d."""
    n, Delta, kappa, errors = 200, 0.3, 0.1, []
    for alpha in (0.2, 0.05):
        problem = SignalNoiseMixture(
            n=n, d=round(n / alpha), B=float(1 / np.sqrt(alpha * kappa * (1 - Delta))), Delta=Delta, noise="orthogonal"
        )
        rho = 1.5 / float(np.hypot(problem.B, problem.d**0.5))
        curve = curves(Sam(rho), problem, Training(0.5 * alpha, 30), accuracy=QUICK)
        model = transition.SignalMemory(n, problem.B, float(np.sqrt(problem.d - 1)), Delta)
        stated = problem.B * transition.descend(model, rho, eta=0.5 * alpha, steps=30)[-1, 0]
        errors.append(problem.B * float(curve.signal_overlap[-1]) - stated)
    assert 0 < errors[1] < errors[0] / 3 < 0.05


def test_margins_have_their_densities() -> None:
    curve = curves(Sam(0.03), PROBLEM, Training(0.5, 3), Start(1.0), accuracy=QUICK).isel(epoch=-1)
    width = float(curve.margin[1] - curve.margin[0])
    for group in ("clean", "mislabelled"):
        density = curve[f"{group}_margins"]
        assert float(density.sum()) * width == pytest.approx(1)
        positive = float(density.where(curve.margin > 0, 0).sum()) * width
        assert positive == pytest.approx(float(curve[f"{group}_accuracy"]), abs=1e-12)


def test_logit_and_jacobian_sam_are_one_sam_and_descent() -> None:
    training = Training(0.5, 5)
    of = lambda rule: curves(rule, PROBLEM, training, accuracy=QUICK)  # noqa: E731
    xr.testing.assert_identical(of(LogitSam(0.03)), of(Sam(0.03)))
    xr.testing.assert_identical(of(JacobianSam(0.03)), of(Sgd()))


def test_more_samples_change_nothing_beyond_the_stated_error() -> None:
    rule, training = Sam(0.8, "batch"), Training(0.5, 8)
    few, many = (curves(rule, PROBLEM, training, accuracy=Accuracy(m, 4, f"doubling {m}")) for m in (1024, 4096))
    for name in NAMES:
        error = np.hypot(few[f"{name}_error"], many[f"{name}_error"])
        assert bool((np.abs(few[name] - many[name]) <= 8 * error + 1e-9).all()), name
    assert float(few.test_accuracy_error.max()) < 1e-3
    assert float(many.dropped.max()) <= 1e-4


@pytest.mark.parametrize(
    ("rule", "problem", "training", "words"),
    [
        (RandomMask(Sam(0.1, "batch")), PROBLEM, Training(0.1, 2), "single coin"),
        (Sam(0.1, 20), PROBLEM, Training(0.1, 2), "in between, neither closure holds"),
        (Sam(0.1, 400, "adaptive"), PROBLEM, Training(0.1, 2), "adaptive"),
        (Sam(0.1, 300), PROBLEM, Training(0.1, 2), "divide the batch"),
        (Sgd(), SignalNoiseMixture(flips="bernoulli"), Training(0.1, 2), "stratified"),
        (Sgd(), PROBLEM, Training(0.1, 2, batch=801), "batch must be at most"),
        (Sgd(), "mnist", Training(0.1, 2), "SignalNoiseMixture"),
        ("Adam", PROBLEM, Training(0.1, 2), "rule must be"),
    ],
)
def test_what_has_no_limit_is_refused_in_one_sentence(rule, problem, training, words) -> None:
    with pytest.raises(InputError, match=words):
        curves(rule, problem, training)


def test_bad_arguments_are_named() -> None:
    for n, d in ((0, 100), (-5, 100), (100, 0)):  # n/d <= 0, and none
        with pytest.raises(InputError, match=r"^[nd] must be an integer"):
            curves(Sgd(), SignalNoiseMixture(n=n, d=d), Training(0.1, 2))
    with pytest.raises(InputError, match="samples must be a power of two"):
        Accuracy(samples=1000)
    with pytest.raises(InputError, match="overlap"):
        Start(0.1, 0.2)
