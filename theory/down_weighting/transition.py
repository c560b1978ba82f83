r"""The transitional phase in time: a signal that all examples share, and a memory coordinate for each of them.

    x_j = (B y_j, gamma e_j),   n examples, a fraction Delta of them with t_j = -y_j,   logistic loss, 1-SAM, w(0) = 0.

By symmetry the path has three numbers: the signal weight w_1 and the memory weights v_c, v_n (t_j times the weight of
example j), so that m_c = B w_1 + gamma v_c and m_n = -B w_1 + gamma v_n. The signal coordinate is the two-group
coordinate of theory.down_weighting.two_groups with beta = Delta/(1 - Delta) and delta = rho sqrt(B^2 + gamma^2); a
memory coordinate belongs to one example, so that its ratio is an amplification: group A for ever. While mislabelled
examples dominate the signal coordinate, plain descent unlearns the signal (w_1 falls). There group C means that 1-SAM
still learns it, group B that 1-SAM unlearns it too, only more slowly, and group A that it unlearns it faster. Which of
these occur, and in which order: theory.down_weighting.orders.
All derived here.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.integrate import solve_ivp
from scipy.special import expit

from spec.validation import require, require_integer, require_real
from theory.down_weighting.two_groups import bump, two_group_groups

FloatArray = NDArray[np.float64]


class SignalMemory(NamedTuple):
    """The sizes of the model: n examples, signal B, memory gamma, noise rate Delta."""

    n: int
    B: float
    gamma: float
    Delta: float

    @property
    def beta(self) -> float:
        """Mislabelled examples for each clean one."""
        return self.Delta / (1 - self.Delta)

    def delta(self, rho: ArrayLike) -> FloatArray:
        """rho ||x||, the shift of every margin under 1-SAM."""
        return np.asarray(rho, dtype=float) * np.hypot(self.B, self.gamma)

    def margins(self, state: FloatArray) -> tuple[FloatArray, FloatArray]:
        """(m_c, m_n) of states (w_1, v_c, v_n), shape (..., 3)."""
        signal, memory = self.B * state[..., 0], self.gamma * state[..., 1:]
        return signal + memory[..., 0], memory[..., 1] - signal


def signal_groups(model: SignalMemory, state: FloatArray, rho: ArrayLike) -> NDArray[np.str_]:
    """The group of the signal coordinate at states (..., 3)."""
    return two_group_groups(*model.margins(state), model.delta(rho), model.beta)


def velocity(model: SignalMemory, state: FloatArray, rho: ArrayLike, alpha: ArrayLike = 0.0) -> FloatArray:
    r"""Minus the 1-SAM gradient of the mean loss for (w_1, v_c, v_n), with a fraction alpha of group B removed:

    B (1 - Delta) (s_c - beta s_n) (1 - alpha 1[B]),   gamma s_c/n,   gamma s_n/n,    s = sigma(delta - m).
    """
    s_c, s_n = (expit(model.delta(rho) - m) for m in model.margins(state))
    kept = 1 - np.asarray(alpha) * (signal_groups(model, state, rho) == "B")
    signal = model.B * (1 - model.Delta) * (s_c - model.beta * s_n) * kept
    return np.stack([signal, model.gamma * s_c / model.n, model.gamma * s_n / model.n], axis=-1)


def descend(model: SignalMemory, rho: ArrayLike, *, eta: float, steps: int, alpha: ArrayLike = 0.0) -> FloatArray:
    """The path of gradient descent from zero: exact for the n + 1 weights of the model.

    rho and alpha broadcast to a shape s; the result has shape (steps + 1, *s, 3).

    Checked by `luong2026.signal_memory_path`.
    """
    path = [np.zeros((*np.broadcast(rho, alpha).shape, 3))]
    for _ in range(steps):
        path.append(path[-1] + eta * velocity(model, path[-1], rho, alpha))
    return np.stack(path)


class Phase(NamedTuple):
    """The signal coordinate is in `group` from time `start` to time `end`."""

    start: float
    end: float
    group: str


def phases(model: SignalMemory, rho: float, *, end: float) -> tuple[Phase, ...]:
    r"""The groups of the signal coordinate along the flow of 1-SAM up to time `end` (step size times steps), in order.

    It starts in A, clean-dominated, and leaves it, if at all, by a pole of r, where the parts cancel, into C: there the
    clean side has the larger margin and so the larger amplification. w_1 falls in B and where A is noise-dominated.
    The possible orders, and their conditions: theory.down_weighting.orders.
    Descent with step eta changes group within O(1) steps of time/eta. Raises InputError for parameters out of range.

    >>> from theory.down_weighting.transition import SignalMemory
    >>> [phase.group for phase in phases(SignalMemory(200, 1.0, 3.0, 0.3), 0.5, end=100.0)]
    ['A', 'C', 'B', 'C']
    """
    require_integer("n", model.n, at_least=1)
    require_real("Delta", model.Delta, low=0.0, high=0.5, low_open=True)
    require_real("rho", rho, low=0.0, low_open=True)
    require_real("end", end, low=0.0, low_open=True)
    delta, beta = model.delta(rho), model.beta

    # Each quotient passes 1 where the group can change; a quotient, since both of its terms become small together.
    def quotient(of: Callable[[FloatArray], FloatArray]) -> Callable[[float, FloatArray], float]:
        def minus_one(_: float, state: FloatArray) -> float:
            m_c, m_n = model.margins(state)
            return float(of(m_c) / (beta * of(m_n)) - 1)

        return minus_one

    flow = solve_ivp(
        lambda _, state: velocity(model, state, rho),
        (0.0, end),
        np.zeros(3),
        method="LSODA",
        events=[
            quotient(lambda m: expit(-m)),
            quotient(lambda m: expit(delta - m)),
            quotient(lambda m: bump(m, delta)),
        ],
        dense_output=True,
        rtol=1e-11,
        atol=1e-13,
    )
    require(flow.success, "end", end, f"a time the flow can be integrated to ({flow.message})")
    times = [0.0, *sorted(float(time) for found in flow.t_events for time in found), end]
    result: list[Phase] = []
    for start, stop in zip(times[:-1], times[1:], strict=True):
        group = str(signal_groups(model, flow.sol((start + stop) / 2), rho))
        joined = result.pop().start if result and result[-1].group == group else start
        result.append(Phase(joined, stop, group))
    return tuple(result)
