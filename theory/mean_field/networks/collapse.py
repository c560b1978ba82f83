r"""Collapse of the last layer: under a large shift c, J-SAM and 1-SAM shrink v to nothing.

To first order in v and c, with q = -t/2 + f/4 and f = <v, phi(H)>, the ascent of the Jacobian adds c/2 times the
gradient of a norm of v to the gradient of v, a pull that does not fade as v does:

    N(v) = E ||v * phi'(H)||,    v' = (r/2) (b - c grad N(v) - A v/2),    b_k' = S_k v_k/2,

with b = E[t phi(H)], A = E phi(H) phi(H)^T, S_k = ||E[t phi'(H_k) x]||^2 + gamma^2 E phi'(H_k)^2/alpha, the squared
length of the direction in which w_k grows, all at the start, and r the step size of v over that of W. As in a lasso of
groups, v reaches 0 in finite time where its drive b is small in the dual norm, |<b, u>| <= c N(u) for all u, and then
stays: b grows with v alone. c* is the least c from which that happens. Linear units have N = ||v||, so that v keeps its
direction u where b is along it, such as b = 0. Two equations are left then, for a = ||v|| and <b, u>, and with
s = E <u, H>^2

    c* = <b, u> + a (sqrt(s^2/16 + S/r) - s/4).

tanh and erf units are pulled less, where they are saturated. N has another kink for ReLU units: where an example
activates one unit alone, at v_k = 0. Single units go first.
At finite d the ascent leads along v as much as along W where ||phi(H)|| is not small beside ||v|| ||x||: v comes to
rest near d^(-1/2), and what single trainings do there is noise; in the limit steps are longer than v and turn it over.
Where ||v|| is of order one there is no such equation: q is not near -t/2, and fields have left their start before v is
small, so that nothing short of the whole curve says whether it collapses. Tests find c* within a tenth at ||v|| = .4.
"""

from typing import NamedTuple

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.integrate import solve_ivp

from spec.validation import InputError
from theory.mean_field.networks.inputs import Problem, inputs
from theory.mean_field.networks.units import TwoLayer, slope, value
from theory.mean_field.setting import Accuracy, Draws
from theory.mean_field.weights import WeightSpace

FloatArray = NDArray[np.float64]
USUAL = Accuracy(samples=2048)
LARGEST_RATIO = 0.25  # of ||phi(H)|| to ||v|| ||x||
SMALLEST, GROWN, ROUNDED = 0.02, 3.0, 1e-3  # ||v|| over that of the start, where the flow has decided; kinks of N
HALVINGS = 12


class Flow(NamedTuple):
    """What the first order needs: v and b at the start, A, S, r, and phi' of samples with shares."""

    v: FloatArray
    b: FloatArray
    A: FloatArray
    S: FloatArray
    r: float
    slopes: FloatArray
    share: FloatArray

    def pull(self, v: FloatArray) -> FloatArray:
        """The gradient of N, rounded at its kinks."""
        p = v[:, None] * self.slopes
        return (p * self.slopes / np.hypot(np.linalg.norm(p, axis=0), ROUNDED * np.linalg.norm(self.v))) @ self.share

    def velocity(self, c: float, state: FloatArray) -> FloatArray:
        """(v', b') at (v, b)."""
        v, b = np.split(state, 2)
        return np.concatenate([self.r / 2 * (b - c * self.pull(v) - self.A @ v / 2), self.S * v / 2])

    def falls(self, c: float) -> bool:
        """Whether ||v|| becomes small before it has grown."""
        size = float(np.linalg.norm(self.v))

        def fallen(time: float, state: FloatArray) -> float:
            return float(np.linalg.norm(state[: len(self.v)])) - SMALLEST * size

        def grown(time: float, state: FloatArray) -> float:
            return float(np.linalg.norm(state[: len(self.v)])) - GROWN * size

        fallen.terminal = grown.terminal = True  # type: ignore[attr-defined]
        begun, late = np.concatenate([self.v, self.b]), 100 / float(np.sqrt(self.r * np.min(self.S)))
        found = solve_ivp(
            lambda time, state: self.velocity(c, state), (0, late), begun, "LSODA", events=(fallen, grown), rtol=1e-6
        )
        return not len(found.t_events[1])


def threshold(problem: Problem, network: TwoLayer, accuracy: Accuracy = USUAL) -> float:
    """c* to first order in v, by bisection; c = rho ||x||. For descent in small steps, without weight decay.

    Raises InputError for a last layer that does not learn.
    Checked by `beyond.network_collapse`, `beyond.network_collapse_relu`.

    Checked by `beyond.network_collapse`, `beyond.network_collapse_relu`.
    """
    if network.second == 0:
        raise InputError(f"network must have a last layer that learns, got {network!r}")
    flow = at_start(problem, network, accuracy)
    low, high = 0.0, float(np.linalg.norm(flow.v))
    while not flow.falls(high):
        low, high = high, 2 * high
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (low, middle) if flow.falls(middle) else (middle, high)
    return (low + high) / 2


def at_start(problem: Problem, network: TwoLayer, accuracy: Accuracy) -> Flow:
    """The flow of samples of the first fields."""
    K, draws = len(network.v), Draws(accuracy, 0)
    matrix = inputs(problem, WeightSpace(K), draws, accuracy.samples)
    rest = np.sqrt(network.scale**2 - network.overlap**2)
    along, noise = matrix.law.B * matrix.s, matrix.draws[: K + 1]
    if matrix.law.along_signal:
        along = along + matrix.law.gamma * noise[K]
    H = network.overlap * along + rest * matrix.law.gamma * noise[:K]
    a, p, share, t = value(network.unit, H), slope(network.unit, H), matrix.share, matrix.t
    means = np.stack([(t * p * part) @ share for part in (along, matrix.law.gamma * noise[:K])])
    S = np.sum(means**2, axis=0) + matrix.law.gamma**2 * p**2 @ share / matrix.law.alpha
    return Flow(np.array(network.v), (t * a) @ share, (share * a) @ a.T, S, network.second, p, share)


def collapsed(curve: xr.Dataset) -> int | None:
    """The first recorded epoch at which v has turned over or is small beside what it reads; None: there is none."""
    fallen = (curve["turned"].values > 0) | (curve["reading_ratio"].values > LARGEST_RATIO)
    return int(curve["epoch"].values[np.argmax(fallen)]) if fallen.any() else None
