"""Training of networks of a few units in plain numpy: every example's own copy of all weights makes its own ascent.

The gradient of one example has rank one, so that copies need not be written out: an ascent moves the example's own
fields by a multiple of its own ||x||^2.
"""

from typing import Any

import numpy as np
from scipy.special import erf, expit, ndtri
from scipy.stats import qmc

from spec.problems import NoisyLinearTeacher
from spec.rules import DownWeight, Regularised, Sgd
from spec.training import Training
from theory.mean_field.networks import TwoLayer

UNITS = {
    "linear": (lambda h: h, np.ones_like),
    "tanh": (np.tanh, lambda h: 1 - np.tanh(h) ** 2),
    "erf": (erf, lambda h: h.dtype.type(2 / np.sqrt(np.pi)) * np.exp(-(h**2))),
    "relu": (lambda h: np.maximum(h, 0), lambda h: (h > 0).astype(h.dtype)),
}
READ = ("test_accuracy", "clean_accuracy", "mislabelled_accuracy", "mislabelled_loss", "last_norm", "first_norm")


def gradient(rule: Any, unit: str, x: np.ndarray, t: np.ndarray, W: np.ndarray, v: np.ndarray) -> Any:
    """(gradient of W, of v) of the mean loss over examples x (n, d), t (n,), at W (K, d), v (K,)."""
    if isinstance(rule, DownWeight):
        pairs = zip(*(gradient(r, unit, x, t, W, v) for r in (Sgd(), rule.base)), strict=True)
        return tuple(_masked(rule, g, h) for g, h in pairs)
    phi, slope = UNITS[unit]
    h = x @ W.T
    a, p, n = phi(h), v * slope(h), len(t)
    q = -t * expit(-t * (a @ v))
    if isinstance(rule, Regularised):
        size = np.linalg.norm(a, axis=1, keepdims=True)
        pull = rule.activation * a * slope(h) / np.where(size > 0, size, 1)
        return (q[:, None] * p + pull).T @ x / n, a.T @ q / n + rule.last_layer * v / np.linalg.norm(v)
    if isinstance(rule, Sgd):
        return (q[:, None] * p).T @ x / n, a.T @ q / n
    if rule.sharpness == "batch":
        G, g = (q[:, None] * p).T @ x / n, a.T @ q / n
        reach = rule.rho / np.sqrt(np.sum(G**2) + np.sum(g**2))
        moved, ahead = h + reach * (x @ G.T), v + reach * g
    else:
        square = np.sum(x**2, axis=1)
        size = np.sqrt(square * np.sum(p**2, axis=1) + np.sum(a**2, axis=1))
        reach = (rule.rho * np.sign(q) / np.where(size > 0, size, np.inf))[:, None]
        moved, ahead = h + reach * square[:, None] * p, v + reach * a
    if rule.perturbs_residual:
        q = -t * expit(-t * np.sum(phi(moved) * ahead, axis=1))
    if rule.perturbs_jacobian:
        a, p = phi(moved), ahead * slope(moved)
    return (q[:, None] * p).T @ x / n, a.T @ q / n


def _masked(rule: DownWeight, g: np.ndarray, h: np.ndarray) -> np.ndarray:
    """h, times 1 - alpha where h/g is in the group: A is [1, inf), B (0, 1), C (-inf, 0]."""
    same, least = g * h > 0, np.abs(h) >= np.abs(g)
    group = {"A": same & least, "B": same & ~least, "C": ~same & (g != 0)}[rule.group]
    return np.where(group, (1 - rule.alpha) * h, h)


def trained(
    rule: Any, problem: Any, training: Training, network: TwoLayer, rng: np.random.Generator, dtype: Any = np.float64
) -> np.ndarray:
    """READ before one training and after every step, (steps + 1, 6). Full batch, constant step size."""
    x, t, y = _drawn(problem, rng, dtype)
    W = rng.standard_normal((len(network.v), problem.d), dtype)
    W[:, 0] = 0
    W *= np.sqrt(network.scale**2 - network.overlap**2) / np.linalg.norm(W, axis=1, keepdims=True)
    W[:, 0], v = network.overlap, np.array(network.v, dtype)
    normals = ndtri(qmc.Sobol(1 + len(v), rng=rng).random_base2(13)).T
    U, u, records = np.zeros_like(W), np.zeros_like(v), [_read(problem, network.unit, x, t, y, W, v, normals)]
    momentum, decay, eta = (dtype(a) for a in (training.momentum, training.weight_decay, training.eta))
    for _ in range(training.epochs):
        G, g = gradient(rule, network.unit, x, t, W, v)
        U, u = momentum * U + G + decay * W, momentum * u + g + decay * v
        W, v = (W - eta * U).astype(dtype), (v - dtype(network.second) * eta * u).astype(dtype)
        records.append(_read(problem, network.unit, x, t, y, W, v, normals))
    return np.array(records)


def _drawn(problem: Any, rng: np.random.Generator, dtype: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    x = rng.standard_normal((problem.n, problem.d), dtype)
    if isinstance(problem, NoisyLinearTeacher):
        y = np.where(x[:, 0] > 0, 1, -1).astype(dtype)
    else:
        y = rng.permutation(np.where(np.arange(problem.n) < problem.n // 2, -1, 1)).astype(dtype)
        x *= dtype(problem.gamma)
        x[:, 0] += dtype(problem.B) * y
    t = y.copy()
    t[rng.permutation(problem.n)[: round(problem.Delta * problem.n)]] *= -1
    return x, t, y


def _read(
    problem: Any,
    unit: str,
    x: np.ndarray,
    t: np.ndarray,
    y: np.ndarray,
    W: np.ndarray,
    v: np.ndarray,
    normals: np.ndarray,
) -> list[float]:
    """The test accuracy is a mean over inputs: of all K fields and, of a teacher, of its own."""
    phi, teacher = UNITS[unit][0], isinstance(problem, NoisyLinearTeacher)
    size, M = (np.abs(normals[0]), W[:, 0]) if teacher else (np.full(normals.shape[1], problem.B), W[:, 0])
    gram = (W @ W.T).astype(float) - teacher * np.outer(M, M)
    fresh = (1.0 if teacher else problem.gamma) * np.linalg.cholesky(gram) @ normals[1:]
    test = np.mean([np.mean(s * (v @ phi(fresh + s * np.outer(M, size))) > 0) for s in (1, -1)])
    z, clean = t * (phi(x @ W.T) @ v), t == y
    fits = [float(np.mean(z[clean] > 0)), float(np.mean(z[~clean] > 0)), float(np.mean(np.logaddexp(0, -z[~clean])))]
    return [float(test), *fits, float(np.linalg.norm(v)), float(np.linalg.norm(W))]
