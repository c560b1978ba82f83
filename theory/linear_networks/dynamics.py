r"""Training of two-layer linear networks as a closed system in P = V W, K = W^T W and N = V V^T (derived here).

With the drift (A, S, T) of theory.linear_networks.gradients, which depends on (P, K, N) and the data alone, the
gradient flow dW/dtau = -(V^T A + W S), dV/dtau = -(A W^T + T V) of every rule gives

    dP = -(N A + P S + A K + T P)
    dK = -(P^T A + K S) - (.)^T
    dN = -(P A^T + N T^T) - (.)^T

and steps of size eta the exact map `step`. No limit is taken: exact for any data, width and initialisation.

Conservation: Q = V^T V - W W^T (v v^T - W W^T for two labels) is constant along the flow of SGD and of L-SAM. J-SAM and
1-SAM move it by `balance_velocity`; it decays as a whole only where all inputs are parallel. Steps of size eta add
eta^2 (g_V^T g_V - g_W g_W^T) under every rule.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.special import expit

from spec.rules import SamFamily
from spec.validation import require_integer, require_real
from theory.linear_networks.gradients import FloatArray, Statistics, drift, statistics


def velocity(rule: SamFamily, at: Statistics, x: FloatArray, t: NDArray) -> Statistics:
    """(dP, dK, dN) along the gradient flow."""
    P, K, N = at
    A, S, T = drift(rule, at, x, t)
    dK, dN = P.T @ A + K @ S, P @ A.T + N @ T.T
    return Statistics(-(N @ A + P @ S + A @ K + T @ P), -(dK + dK.T), -(dN + dN.T))


def step(rule: SamFamily, at: Statistics, x: FloatArray, t: NDArray, eta: float) -> Statistics:
    """(P, K, N) after one full-batch step: W <- W - eta (V^T A + W S), V <- V - eta (A W^T + T V).

    Checked by `baek2024.network_path`, `baek2024.class_path`.
    """
    P, K, N = at
    A, S, T = drift(rule, at, x, t)
    F, L = np.eye(len(S)) - eta * S, np.eye(len(T)) - eta * T  # W F - eta V^T A and L V - eta A W^T
    cross, other = F.T @ P.T @ A, L @ P @ A.T
    return Statistics(
        L @ P @ F - eta * (L @ N @ A + A @ K @ F) + eta**2 * A @ P.T @ A,
        F.T @ K @ F - eta * (cross + cross.T) + eta**2 * A.T @ N @ A,
        L @ N @ L.T - eta * (other + other.T) + eta**2 * A @ K @ A.T,
    )


def descend(rule: SamFamily, at: Statistics, x: FloatArray, t: NDArray, *, eta: float, steps: int) -> Statistics:
    """The statistics before and after every full-batch step, with a leading axis of steps + 1."""
    require_real("eta", eta, low=0.0)
    require_integer("steps", steps, at_least=0)
    path = [at]
    for _ in range(steps):
        path.append(step(rule, path[-1], x, t, eta))
    return _stacked(path)


def flow(rule: SamFamily, at: Statistics, x: FloatArray, t: NDArray, times: FloatArray) -> Statistics:
    """The statistics along the gradient flow at increasing times >= 0, started at time 0; a leading axis of times.

    Checked by `baek2024.network_flow`.
    """
    ends = np.cumsum([a.size for a in at])[:-1]

    def unpacked(y: FloatArray) -> Statistics:
        return Statistics(*(part.reshape(a.shape) for part, a in zip(np.split(y, ends), at, strict=True)))

    def field(y: FloatArray) -> FloatArray:
        return _flat(velocity(rule, unpacked(y), x, t))

    return _stacked([unpacked(y) for y in integrate(field, _flat(at), times)])


def integrate(field: Callable[[FloatArray], FloatArray], start: FloatArray, times: FloatArray) -> FloatArray:
    """dy/dtau = field(y) from y = start at time 0, to rounding (relative 1e-11): (times, len(start))."""
    span = (0.0, float(times[-1]))
    solution = solve_ivp(lambda _, y: field(y), span, start, "DOP853", times, rtol=1e-11, atol=1e-13)
    if not solution.success:
        raise ArithmeticError(f"the flow could not be integrated: {solution.message}")
    return solution.y.T


def balance(at: Statistics) -> tuple[FloatArray, FloatArray]:
    """(tr Q, ||Q||_F) of Q = V^T V - W W^T: tr N - tr K, and sqrt(||N||^2 - 2 ||P||^2 + ||K||^2). Any leading axes."""
    traces = np.trace(at.N, axis1=-2, axis2=-1) - np.trace(at.K, axis1=-2, axis2=-1)
    squares = sum(c * np.sum(a**2, axis=(-2, -1)) for c, a in zip((-2, 1, 1), at, strict=True))
    return traces, np.sqrt(np.maximum(squares, 0.0))


def balance_velocity(rule: SamFamily, W: FloatArray, v: FloatArray, x: FloatArray, t: NDArray) -> FloatArray:
    r"""dQ/dtau = W (S + S^T) W^T - V^T (T + T^T) V along the flow, (h, h): zero for SGD and L-SAM, where S = T = 0.

    With two labels and a per-example ascent it is

        -2 mean_i kappa_i (||x_i||^2 v v^T - W x_i x_i^T W^T),   kappa_i = rho s_i/J_i,

    s_i the example weight. For parallel inputs and W in their span this is -2 (mean kappa_i ||x_i||^2) Q: decay. For n
    orthogonal inputs it drives W W^T towards n v v^T instead, away from balance: every example shrinks all of v, but
    only its own direction of W.

    Checked by `baek2024.balance_velocity`.
    """
    V = np.atleast_2d(v)
    _, S, T = drift(rule, statistics(W, v), x, t)
    return W @ (S + S.T) @ W.T - V.T @ (T + T.T) @ V


def balance_decay(rho: float, W: FloatArray, v: FloatArray, x: FloatArray, t: NDArray) -> FloatArray:
    r"""-2 mean_i (rho sigma(-m_i) ||x_i||^2/J_i) (v v^T - W W^T), (h, h): balance_velocity for one input direction.

    For two labels, J-SAM or 1-SAM up to their example weights, and W in the span of the inputs, J_i > 0.

    Checked by `baek2024.balance_decay`.
    """
    hidden = x @ W.T
    squares = np.sum(x**2, axis=1)
    J = np.sqrt(np.sum(hidden**2, axis=1) + squares * (v @ v))
    rate = 2 * np.mean(rho * squares / J * expit(-t * (hidden @ v)))
    return -rate * (np.outer(v, v) - W @ W.T)


def _flat(at: Statistics) -> FloatArray:
    return np.concatenate([a.ravel() for a in at])


def _stacked(path: list[Statistics]) -> Statistics:
    return Statistics(*(np.stack(parts) for parts in zip(*path, strict=True)))
