r"""Clipped meta-reweighting with one kernel value: a few ordinary differential equations, their limits and invariants.

Let the signed kernel be kbar for every pair and kbar + delta for a training example with itself, n examples of which a
fraction p is mislabelled, small steps, Lambda = eta n/beta = n/alpha, nu = delta/(n kbar), and time s = beta kbar t.
With v = 1 - y f on the clean subset, rho on clean and q = 2 - rho on mislabelled training examples, while unclipped

    w_c' = rho v,   w_n' = -q v,   v' = -Lambda D,   rho' = -Lambda (D + nu w_c rho),   q' = Lambda (D - nu w_n q),
    D = (1 - p) w_c rho - p w_n q,                    from v = rho = q = 1 and w_c = w_n = w.

Homogeneous case nu = 0: rho = v = 2 - q, two weights and one residual. For every nu (derived, tested symbolically)

    v^2 + Lambda ((1 - p) w_c^2 + p w_n^2)  is constant until w_c reaches 1, and falls after it,

which is the energy of theory.reweighting.regrowth. Its consequences for nu = 0:
the clean examples reach weight 1 iff 1/Lambda >= 1 - p - w^2, else they end at sqrt((w^2 + 1/Lambda)/(1 - p));
slow weights (Lambda -> inf) move on the ellipse (1 - p) w_c^2 + p w_n^2 = w^2 with v = 2 p w_n/((1 - p) w_c + p w_n);
fast weights (Lambda -> 0) empty the mislabelled at s = w; v falls from the start iff p < 1/2, else it first rises until
w_n/w_c = (1 - p) rho/(p q): to first order until s = w (2 p - 1).
Memorisation (nu > 0) of mislabelled residuals by their own kernel value: with slow weights, mu = Lambda nu, both groups
move by one flux X = (1 - p) w_c rho = p w_n q, so that with d tau = X ds
    w_n^2 = w^2 - (2/p) int v dtau,   q + v = 2 - mu tau/p,   rho - v = -mu tau/(1 - p),
and q = 0 at tau = 2 p (1 - p)/mu: while weights are near w, v = 2 p, and the mislabelled lose 8 p (1 - p)/mu of w_n^2.
Filtering needs alpha well above w^2 delta/(8 p (1 - p) kbar), where that is all of it.

Everything here is derived, not the statement of Zhang et al. (2025). Valid for 0 < p < 1; steps small beside 1.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.integrate import solve_ivp

from spec.validation import require_real
from theory.reweighting.recursion import FloatArray

V, RHO, Q, W_C, W_N = range(5)
_TOLERANCES: dict[str, Any] = {"rtol": 1e-9, "atol": 1e-11, "method": "LSODA"}


class MeanField(NamedTuple):
    """The solution at times s, and the moments that end phases, in units of s; inf: not within the times asked for.

    v, rho, q, w_clean, w_noisy (times,). filtered: the mislabelled reach weight 0; amplified: the clean reach 1;
    turning: v has its maximum, 0 where it falls from the start.
    """

    v: FloatArray
    rho: FloatArray
    q: FloatArray
    w_clean: FloatArray
    w_noisy: FloatArray
    filtered: float
    amplified: float
    turning: float


def velocity(x: FloatArray, p: float, Lambda: float, nu: float = 0.0) -> FloatArray:
    """d/ds of (v, rho, q, w_c, w_n), unclipped."""
    v, rho, q, w_c, w_n = x
    D = (1 - p) * w_c * rho - p * w_n * q
    return np.array([-Lambda * D, -Lambda * (D + nu * w_c * rho), Lambda * (D - nu * w_n * q), rho * v, -q * v])


def solve(s: FloatArray, *, p: float, Lambda: float, nu: float = 0.0, w: float = 0.5) -> MeanField:
    """Solve the clipped equations at increasing times s, which start at 0.

    v >= rho >= 0 and q >= 0 for all times, so that w_c never falls and w_n never rises: each is clipped once, for good.

    Checked by `zhang2025.mean_field`.
    """
    require_real("p", p, low=0.0, high=1.0, low_open=True)
    require_real("Lambda", Lambda, low=0.0)
    require_real("nu", nu, low=0.0)
    require_real("w", w, low=0.0, high=1.0, low_open=True)
    x, now, free = np.array([1.0, 1.0, 1.0, w, w]), 0.0, np.ones(5)
    path, ends, turning = np.empty((5, len(s))), {W_C: np.inf, W_N: np.inf}, np.inf if p > 0.5 else 0.0

    def moving(_: float, x: FloatArray) -> FloatArray:
        return free * velocity(x, p, Lambda, nu)

    def turn(_: float, x: FloatArray) -> float:
        return float(velocity(x, p, Lambda, nu)[V])

    while True:
        which = [i for i in (W_C, W_N) if free[i]]
        events = [_Crossing(i, float(i == W_C)) for i in which]
        turns = [turn] if np.isinf(turning) else []  # v turns at most once, from rising to falling
        here = s >= now
        part = solve_ivp(moving, (now, s[-1]), x, t_eval=s[here], events=[*events, *turns], **_TOLERANCES)
        path[:, np.flatnonzero(here)[: len(part.t)]] = part.y
        if turns and len(part.t_events[-1]):
            turning = float(part.t_events[-1][0])
        if part.status != 1:
            v, rho, q, w_c, w_n = path
            return MeanField(v, rho, q, w_c, w_n, ends[W_N], ends[W_C], turning)
        i = which[next(j for j in range(len(which)) if len(part.t_events[j]))]
        now, x = float(part.t_events[which.index(i)][0]), part.y_events[which.index(i)][0].copy()
        ends[i], free[i], x[i] = now, 0.0, float(i == W_C)


@dataclass(frozen=True)
class _Crossing:
    """A terminal event in scipy's form: component i reaches its end."""

    i: int
    end: float
    terminal: bool = True

    def __call__(self, _: float, x: FloatArray) -> float:
        return float(x[self.i] - self.end)


def energy(x: FloatArray, p: float, Lambda: float) -> FloatArray:
    """v^2 + Lambda ((1 - p) w_c^2 + p w_n^2) of (v, rho, q, w_c, w_n), the first axis of x."""
    return x[V] ** 2 + Lambda * ((1 - p) * x[W_C] ** 2 + p * x[W_N] ** 2)


def final_clean_weight(p: float, Lambda: float, w: float = 0.5) -> float:
    """min(1, sqrt((w^2 + 1/Lambda)/(1 - p))), the end of w_c for nu = 0; 1 for fast weights, Lambda = 0.

    Checked by `zhang2025.final_clean_weight`.
    """
    return 1.0 if Lambda == 0 else float(min(1.0, np.sqrt((w**2 + 1 / Lambda) / (1 - p))))


def amplification_ratio(p: float, w: float = 0.5) -> float:
    """The beta/(eta n) from which on clean examples reach weight 1: 1 - p - w^2 (nu = 0); 0 where they always do.

    Checked by `zhang2025.amplification_boundary`.
    """
    return max(1 - p - w**2, 0.0)


def turning_time(p: float, w: float = 0.5) -> float:
    """s at which v turns, to first order for fast weights: w (2 p - 1), and 0 for p <= 1/2.

    Both weights move at speed 1 until they are at w_n/w_c = (1 - p)/p; a clean weight that is clipped before, at 1 - w,
    leaves w_n = (1 - p)/p.

    Checked by `zhang2025.turning_time`.
    """
    if p <= 0.5:
        return 0.0
    free = w * (2 * p - 1)
    return free if w + free <= 1 else w - (1 - p) / p


def slow_time(angle: FloatArray, p: float, w: float = 0.5) -> FloatArray:
    r"""Slow weights: the time s at which they are at w_c = w sin(angle)/sqrt(1 - p), w_n = w cos(angle)/sqrt(p),

    (w/(4 p sqrt(1-p))) [ (2p-1) sin a - 2 sqrt(p(1-p)) cos a + (1-p) ln(1/cos a + tan a) ] from the start angle, where
    sin a = sqrt(1 - p). Valid until w_c = 1, and up to the time in which v falls from 1 to 2 p: O(1/Lambda).

    Checked by `zhang2025.slow_time`.
    """

    def primitive(a: FloatArray) -> FloatArray:
        log = np.log(1 / np.cos(a) + np.tan(a))
        return (2 * p - 1) * np.sin(a) - 2 * np.sqrt(p * (1 - p)) * np.cos(a) + (1 - p) * log

    begin = np.arcsin(np.sqrt(1 - p))
    return w / (4 * p * np.sqrt(1 - p)) * (primitive(np.asarray(angle)) - primitive(begin))


def memorisation_alpha(p: float, ratio: float, w: float = 0.5) -> float:
    """The alpha = beta/eta below which memorisation comes before filtering: w^2 delta/(8 p (1 - p) kbar).

    ratio: delta/kbar, the individual part of the kernel over the common one. For slow weights and alpha well below it,
    the mislabelled lose the share alpha/memorisation_alpha of their squared weight until they are memorised, and keep
    the rest. A scale, not a sharp boundary.

    Checked by `zhang2025.memorisation_alpha`.
    """
    return w**2 * ratio / (8 * p * (1 - p))
