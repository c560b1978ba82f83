"""Rules with more fields - example weights, corrected and adaptive ascents, shards - against plain numpy training."""

from collections.abc import Callable

import numpy as np
import pytest
from scipy.special import expit, ndtr

from spec.clean_subset import CleanSubset
from spec.problems import SignalNoiseMixture
from spec.rules import (
    ClusterSelection,
    CompensationSchedule,
    DownWeight,
    FeatureReweight,
    Fsam,
    Gsam,
    MetaReweight,
    NoiseCompensated,
    OracleAscent,
    OracleSelection,
    Sam,
    Vasso,
)
from spec.training import Training
from spec.validation import InputError
from theory.mean_field import Accuracy, Start, curves

PROBLEM = SignalNoiseMixture(n=480, d=600, B=1.5, Delta=0.25)
TRAINING = Training(0.6, 6)
QUICK = Accuracy(samples=1024, repeats=4)
M = 150
RHO = 0.06
NAMES = ("test_accuracy", "clean_loss", "mislabelled_loss", "noise_norm")


class Run:
    """One training: A = t x (n, d), s (n,), clean rows C (M, d), example weights and memory of the rule."""

    def __init__(self, rng: np.random.Generator) -> None:
        p, self.rng = PROBLEM, rng
        self.s = np.where(rng.permutation(p.n) < p.Delta * p.n, -1.0, 1.0)
        self.A, self.C = rng.normal(size=(p.n, p.d)), rng.normal(size=(M, p.d))
        self.A[:, 0] += p.B * self.s
        self.C[:, 0] += p.B
        self.w = rng.normal(size=p.d) / np.sqrt(p.d)
        self.weights, self.memory = np.full(p.n, 0.5), None

    def gradient(self, w: np.ndarray, weights: np.ndarray | float = 1.0) -> np.ndarray:
        return self.A.T @ (-expit(-self.A @ w) * weights) / len(self.A)

    def moved(self, towards: np.ndarray, rho: float = 1.0) -> np.ndarray:
        return self.gradient(self.w + rho * towards / np.linalg.norm(towards))

    def observed(self) -> list[float]:
        z, loss = self.A @ self.w, lambda z: float(np.mean(np.logaddexp(0, -z)))
        test = ndtr(PROBLEM.B * self.w[0] / np.linalg.norm(self.w))
        return [test, loss(z[self.s > 0]), loss(z[self.s < 0]), float(np.linalg.norm(self.w[1:]))]


def meta(run: Run) -> np.ndarray:
    F = -expit(-run.A @ run.w)
    ahead = run.w - 0.6 * run.gradient(run.w, run.weights)
    L = run.C.T @ -expit(-run.C @ ahead) / M
    run.weights = np.clip(run.weights + 0.8 * F * (run.A @ L), 0, 1)
    return run.gradient(run.w, run.weights)


def fbr(run: Run) -> np.ndarray:
    return run.gradient(run.w, (run.A @ run.C.mean(axis=0) > 0).astype(float))


def corrected(run: Run) -> np.ndarray:
    m = round(0.3 * len(run.s))
    wrong, right = np.flatnonzero(run.s < 0), np.flatnonzero(run.s > 0)
    chosen = np.concatenate(
        [run.rng.choice(wrong, round(0.6 * m), False), run.rng.choice(right, m - round(0.6 * m), False)]
    )
    g = run.gradient(run.w)
    noise = run.A[chosen].T @ expit(run.A[chosen] @ run.w) / m
    eps = 0.8 * g / np.linalg.norm(g) - 0.5 * noise
    return run.gradient(run.w + eps * min(1, 0.8 / np.linalg.norm(eps)))


def oracle(run: Run) -> np.ndarray:
    falls = RHO * np.linalg.norm(run.A, axis=1) * run.s
    return run.A.T @ -expit(falls - run.A @ run.w) / len(run.A)


def adaptive(run: Run) -> np.ndarray:
    T, g = np.abs(run.w) + 0.01, run.gradient(run.w)
    return run.gradient(run.w + 0.8 * T**2 * g / np.linalg.norm(T * g))


def shards(run: Run) -> np.ndarray:
    """Of two examples each."""
    A = run.A.reshape(-1, 2, run.A.shape[1])
    g = np.einsum("kmd,km->kd", A, -expit(-A @ run.w))
    eps = RHO * g / np.linalg.norm(g, axis=1, keepdims=True)
    F = -expit(-(A @ run.w + np.einsum("kmd,kd->km", A, eps)))
    return run.A.T @ F.ravel() / len(run.A)


def halves(run: Run) -> np.ndarray:
    """Two shards, half of the examples each."""
    total = np.zeros_like(run.w)
    for A in np.split(run.A, 2):
        g = A.T @ -expit(-A @ run.w)
        total += A.T @ -expit(-A @ (run.w + 0.8 * g / np.linalg.norm(g))) / len(run.A)
    return total


def gsam(run: Run) -> np.ndarray:
    g = run.gradient(run.w)
    h = run.moved(g, 0.8)
    u = h / np.linalg.norm(h)
    return h - 0.5 * (g - (g @ u) * u)


def fsam(run: Run) -> np.ndarray:
    g = run.gradient(run.w)
    new = g if run.memory is None else g - 0.5 * run.memory
    run.memory = g if run.memory is None else 0.7 * run.memory + 0.3 * g
    return run.moved(new, 0.8)


def vasso(run: Run) -> np.ndarray:
    g = run.gradient(run.w)
    run.memory = g if run.memory is None else 0.7 * run.memory + 0.3 * g
    return run.moved(run.memory, 0.8)


SCHEDULE = CompensationSchedule(epochs=6, steps=1, shape="constant")
CORRECTED = NoiseCompensated(Sam(0.8, "batch"), 0.5, SCHEDULE, OracleSelection(0.3, 0.6), sign=-1)
CASES = [
    (MetaReweight(0.8, 0.6), meta),
    (FeatureReweight(), fbr),
    (CORRECTED, corrected),
    (OracleAscent(Sam(RHO)), oracle),
    (Sam(0.8, "batch", "adaptive"), adaptive),
    (Sam(RHO, 2), shards),
    (Sam(0.8, 240), halves),
    (Gsam(0.8, 0.5), gsam),
    (Fsam(0.8, 0.5, 0.7), fsam),
    (Vasso(0.8, 0.3), vasso),
]


@pytest.mark.parametrize(("rule", "gradient"), CASES, ids=lambda c: getattr(c, "name", ""))
def test_curves_are_those_of_training(rule, gradient: Callable[[Run], np.ndarray], rng) -> None:
    """Within five standard errors of the mean over trainings, and the limit's own error of order 1/d."""
    predicted = curves(rule, PROBLEM, TRAINING, Start(1.0), clean=CleanSubset(M), accuracy=QUICK).isel(epoch=-1)
    measured = np.array([_trained(gradient, rng) for _ in range(24)])
    error = np.hypot(measured.std(axis=0, ddof=1) / 24**0.5, [float(predicted[f"{n}_error"]) for n in NAMES])
    difference = np.abs(measured.mean(axis=0) - [float(predicted[n]) for n in NAMES])
    assert np.all(difference < 5 * error + 4 / PROBLEM.d), dict(zip(NAMES, difference / error, strict=True))
    assert np.all(error < [0.01, 0.02, 0.03, 0.03])


def _trained(gradient: Callable[[Run], np.ndarray], rng: np.random.Generator) -> list[float]:
    run = Run(rng)
    for _ in range(TRAINING.epochs):
        run.w = run.w - TRAINING.eta * gradient(run)
    return run.observed()


@pytest.mark.parametrize(
    ("rule", "clean", "words"),
    [
        (MetaReweight(0.1, 0.1), None, "clean must be a clean subset"),
        (FeatureReweight(centred=False), CleanSubset(M), "keep <x, mu>"),
        (NoiseCompensated(Sam(0.1), 0.1, SCHEDULE, ClusterSelection(0.4)), None, "k-means"),
        (NoiseCompensated(Sam(0.1, 2), 0.1, SCHEDULE), None, "under a correction"),
        (DownWeight(NoiseCompensated(Sam(0.1), 0.1, CompensationSchedule(9, 1))), None, "schedule .* 6 epochs of 1 st"),
        (NoiseCompensated(Sam(0.1), 0.1, CompensationSchedule(6, 2)), None, "schedule must be as long as the training"),
    ],
)
def test_what_has_no_limit_is_refused_in_one_sentence(rule, clean, words) -> None:
    with pytest.raises(InputError, match=words):
        curves(rule, PROBLEM, TRAINING, clean=clean)


def test_the_precision_of_an_oracle_selection_is_the_one_asked_for() -> None:
    curve = curves(CORRECTED, PROBLEM, Training(0.6, 1), accuracy=QUICK)
    assert float(curve.selection_precision[0]) == pytest.approx(0.6, abs=0.005)
