r"""Clipped meta-reweighting of a linearised network under squared loss: the exact recursion of residuals and weights.

Training examples i = 1..n with observed labels, a clean subset j = 1..m, residuals r = f - label, tangent kernel K.
One step of size eta descends sum_i w_i l_i, l = r^2/2 (a sum, not a mean); before it, the weights descend the mean loss
L of the clean subset after a trial step (the look-ahead), at rate alpha = beta/eta, and are cut to [0, 1]:

    r^_v  =  r_v - eta K_vt (w r)                                    look-ahead residuals of the clean subset
    c_i   =  r_i (1/m) sum_j K_ij r^_j                               coupling: -(1/eta) dL/dw_i
    w     <- clip(w + beta c),     r <- r - eta K_tt (w r),     r_v <- r_v - eta K_vt (w r)     with the new w

alpha = beta/eta cancels eta: beta alone sets the speed of the weights. Label-signed form: with true labels y, kernel
k(x, x') = y y' K(x, x') and rho = 1 - y f, a clean example has r = -y rho, a mislabelled one r = y (2 - rho), and

    G_i  =  (1/m) sum_j k_ij rho^_j,     c_i = rho_i G_i (clean),     c_i = -(2 - rho_i) G_i (mislabelled)
    rho_x <- rho_x - eta D_x,            D_x = sum_clean k_xi w_i rho_i - sum_mislabelled k_xi w_i (2 - rho_i)

so that everything is decided by the sign of G_i.
Source: the algorithm of Zhang et al. (2025); the recursion and the signed form are derived here.
Arrays: w, r (..., n), r_clean (..., m) with any leading axes, which run side by side. float64.
"""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from spec.validation import require, require_finite, require_integer, require_real

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class Blocks(NamedTuple):
    """train (n, n): the kernel between training examples; clean (m, n): between the clean subset and them."""

    train: FloatArray
    clean: FloatArray


class State(NamedTuple):
    """Weights w, residuals r of the training examples and r_clean of the clean subset, in plain or signed form."""

    w: FloatArray
    r: FloatArray
    r_clean: FloatArray


Noise = Callable[[int], FloatArray]
"""Step -> an error (..., m) that is added to the look-ahead residuals which the weights see at that step."""


def blocks(kernel: Callable[[FloatArray, FloatArray], FloatArray], x: FloatArray, x_clean: FloatArray) -> Blocks:
    """Both blocks of a kernel(x, x') -> (n, n')."""
    return Blocks(kernel(x, x), kernel(x_clean, x))


def start(t: FloatArray, t_clean: FloatArray, *, w: float = 0.5, f: FloatArray | None = None) -> State:
    """The state at outputs f (n + m,), training examples first (None: zero), with every weight w in [0, 1].

    t (n,), t_clean (m,): observed labels, -1 or 1. Raises InputError for other labels.
    """
    require_real("w", w, low=0.0, high=1.0, high_open=False)
    for name, labels in (("t", t), ("t_clean", t_clean)):
        require(bool(np.all(np.abs(labels) == 1)), name, labels, "labels -1 and 1")
    n = len(t)
    outputs = np.zeros(n + len(t_clean)) if f is None else f
    return State(np.full(n, w), outputs[:n] - t, outputs[n:] - t_clean)


def look_ahead(K: Blocks, state: State, eta: float) -> FloatArray:
    """r^_v = r_v - eta K_vt (w r): residuals of the clean subset after a step with the present weights."""
    return state.r_clean - eta * (state.w * state.r) @ K.clean.T


def coupling(cross: FloatArray, r: FloatArray, ahead: FloatArray) -> FloatArray:
    """c_i = r_i (1/m) sum_j K_ij r^_j, (..., n), for cross = K_vt (m, n): the meta-gradient over -eta."""
    return r * (ahead @ cross) / len(cross)


def step(
    K: Blocks,
    state: State,
    *,
    beta: float,
    eta: float,
    error: FloatArray | float = 0.0,
    meta: FloatArray | None = None,
) -> State:
    """One update of weights, then residuals. error: added to the look-ahead residuals that the weights see.

    meta: another kernel (m, n) for the coupling alone, such as one with errors.

    Checked by `zhang2025.recursion`.
    """
    ahead = look_ahead(K, state, eta) + error
    w = np.clip(state.w + beta * coupling(K.clean if meta is None else meta, state.r, ahead), 0, 1)
    pull = eta * w * state.r
    return State(w, state.r - pull @ K.train.T, state.r_clean - pull @ K.clean.T)


def states(
    K: Blocks, state: State, *, beta: float, eta: float, noise: Noise | None = None, meta: FloatArray | None = None
) -> Iterator[State]:
    """The states at steps 0, 1, 2, ... without end. Raises InputError for beta < 0, eta <= 0 or a kernel not finite."""
    require_real("beta", beta, low=0.0)
    require_real("eta", eta, low=0.0, low_open=True)
    for name, block in zip(K._fields, K, strict=True):
        require_finite(f"kernel ({name})", block)
    t = 0
    while True:
        yield state
        state = step(K, state, beta=beta, eta=eta, error=0.0 if noise is None else noise(t), meta=meta)
        t += 1


def trajectory(
    K: Blocks,
    state: State,
    *,
    beta: float,
    eta: float,
    steps: int,
    every: int = 1,
    noise: Noise | None = None,
    meta: FloatArray | None = None,
) -> State:
    """The states at steps 0, every, 2 every, ..., <= steps, stacked along a new first axis."""
    require_integer("steps", steps, at_least=0)
    require_integer("every", every, at_least=1)
    path = states(K, state, beta=beta, eta=eta, noise=noise, meta=meta)
    return State(*map(np.stack, zip(*islice(path, 0, steps + 1, every), strict=True)))


# ---------------------------------------------------------------- label-signed form


def signed_blocks(K: Blocks, y: FloatArray, y_clean: FloatArray) -> Blocks:
    """k(x, x') = y y' K(x, x') for true labels y (n,) and y_clean (m,)."""
    return Blocks(y[:, None] * y * K.train, y_clean[:, None] * y * K.clean)


def signed_state(state: State, y: FloatArray, y_clean: FloatArray, mislabelled: BoolArray) -> State:
    """rho = 1 - y f in place of residuals: -y r on clean examples, 2 - y r on mislabelled ones."""
    return State(state.w, np.where(mislabelled, 2 - y * state.r, -y * state.r), -y_clean * state.r_clean)


def plain_state(state: State, y: FloatArray, y_clean: FloatArray, mislabelled: BoolArray) -> State:
    """Residuals in place of rho: r = -y rho on clean examples, y (2 - rho) on mislabelled ones."""
    return State(state.w, y * np.where(mislabelled, 2 - state.r, -state.r), -y_clean * state.r_clean)


def signed_drift(k: Blocks, state: State, mislabelled: BoolArray) -> tuple[FloatArray, FloatArray]:
    """D_x at the training examples and at the clean subset, for a signed state."""
    pull = state.w * np.where(mislabelled, state.r - 2, state.r)
    return pull @ k.train.T, pull @ k.clean.T


def signed_coupling(k: Blocks, state: State, eta: float, mislabelled: BoolArray) -> tuple[FloatArray, FloatArray]:
    """(G, c): G_i = (1/m) sum_j k_ij rho^_j, and c_i = rho_i G_i or -(2 - rho_i) G_i, for a signed state.

    Checked by `zhang2025.signed_coupling`.
    """
    ahead = state.r_clean - eta * signed_drift(k, state, mislabelled)[1]
    G = ahead @ k.clean / len(k.clean)
    return G, np.where(mislabelled, state.r - 2, state.r) * G


def signed_step(k: Blocks, state: State, mislabelled: BoolArray, *, beta: float, eta: float) -> State:
    """One step in signed form. It is `step` in other letters; both are kept so that each can check the other."""
    c = signed_coupling(k, state, eta, mislabelled)[1]
    new = state._replace(w=np.clip(state.w + beta * c, 0, 1))
    drift, drift_clean = signed_drift(k, new, mislabelled)
    return State(new.w, state.r - eta * drift, state.r_clean - eta * drift_clean)
