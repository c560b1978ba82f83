r"""The three phases of clipped meta-reweighting in the tangent-kernel regime, with constants, as times in steps.

Everything is stated for the label-signed recursion of theory.reweighting.recursion. With the signed kernel k, its row
means kbar_i = (1/m) sum_j k_ij over the clean subset and a_i = (1/m) sum_j |k_ij|, let S = max_x sum_i |k_xi| over all
inputs x and delta_t = (1 + eta S)^t (1 + delta_0) - 1, delta_0 = max |f| at the start.

Drift.       |rho_x(t) - 1| <= delta_t for every x, whatever the weights do, since |D_x| <= S (1 + max |rho - 1|).
Sign.        Where G_i > 0 and 0 < rho_i < 2, clean weights do not fall and mislabelled ones do not rise.
Alignment.   |G_i(t) - kbar_i| <= delta_{t+1} a_i: while delta_{t+1} a_i < |kbar_i| and delta_t < 1 a weight moves one
             way, to the right end (1 if clean, 0 if mislabelled) where kbar_i > 0, to the WRONG end where kbar_i < 0;
             its step lies within beta (1 -+ delta_t)(|kbar_i| -+ delta_{t+1} a_i), which bounds when it arrives.
Under strict separation, k_ij > 0, a_i = kbar_i; the relaxed (row-mean) condition is kbar_i > 0 alone. To first order in
the drift the arrival time is room/(beta |kbar_i|), whatever the noise rate.
Filtering.   Weights frozen at w on the clean examples and at 0 on the mislabelled: rho_C <- (I - eta k_CC W) rho_C and
             rho_v(t) = rho_v(0) - k_vC k_CC^{-1} (rho_C(0) - rho_C(t)). A clean subset held out stays at the error of
             kernel interpolation, one contained in the training set tends to zero.

The three phases are those of Zhang et al. (2025); statements, proofs and constants are derived here.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from spec.validation import require, require_integer, require_real
from theory.reweighting.recursion import Blocks, BoolArray, FloatArray


class Separation(NamedTuple):
    """Of a signed kernel: gamma = min k_ij between training and clean examples; row_mean kbar_i and row_abs a_i (n,);

    kappa = max |k|; drift S = max_x sum_i |k_xi|. Strict separation is gamma > 0, the relaxed one min row_mean > 0.
    """

    gamma: float
    row_mean: FloatArray
    row_abs: FloatArray
    kappa: float
    drift: float


def separation(k: Blocks) -> Separation:
    """The constants of a signed kernel."""
    every = np.abs(np.concatenate(k))
    return Separation(
        float(k.clean.min()),
        k.clean.mean(axis=0),
        np.abs(k.clean).mean(axis=0),
        float(every.max()),
        float(every.sum(axis=1).max()),
    )


def drift_bound(s: Separation, eta: float, steps: int, *, start: float = 0.0) -> FloatArray:
    """delta_0, ..., delta_steps: no rho is further than this from 1, for any weights in [0, 1].

    Checked by `zhang2025.drift`.
    """
    require_integer("steps", steps, at_least=0)
    return np.exp(np.log1p(eta * s.drift) * np.arange(steps + 1)) * (1 + start) - 1


class Arrival(NamedTuple):
    """For every training example the end its weight goes to, and the first steps at which it can and must be there.

    target (n,): 0 or 1. earliest, latest (n,): in steps; latest is inf where the drift is too fast for the theorem.
    first_order (n,): room/(beta |kbar_i|).
    """

    target: FloatArray
    earliest: FloatArray
    latest: FloatArray
    first_order: FloatArray


def arrival(
    s: Separation,
    mislabelled: BoolArray,
    *,
    beta: float,
    eta: float,
    w: float,
    start: float = 0.0,
    horizon: int = 10_000,
) -> Arrival:
    """The alignment theorem: where every weight goes from w, and bounds on when it arrives.

    start: delta_0 = max |f| at the start. Times beyond `horizon` steps count as inf. Raises InputError where a row mean
    is zero, as such a weight has no direction.

    Checked by `zhang2025.alignment_times`, `zhang2025.wrong_way`.
    """
    require_real("beta", beta, low=0.0, low_open=True)
    require_real("w", w, low=0.0, high=1.0, high_open=False)
    require(bool(np.all(s.row_mean != 0)), "row_mean", s.row_mean, "without zeros")
    target = np.where((s.row_mean > 0) != mislabelled, 1.0, 0.0)
    room, mean = np.abs(target - w), np.abs(s.row_mean)
    # Beyond delta = 1 nothing pushes a weight for certain.
    proved = int(np.clip(np.log(2 / (1 + start)) / np.log1p(eta * s.drift), 0, horizon - 1))
    delta = drift_bound(s, eta, proved + 1, start=start)[:, None]
    slowest = np.maximum(1 - delta[:-1], 0) * np.maximum(mean - delta[1:] * s.row_abs, 0)
    fastest = (1 + delta[:-1]) * (mean + delta[1:] * s.row_abs)
    # Rounding in the sums must not move a bound by a step.
    earliest = _first(beta * np.cumsum(fastest, axis=0) >= room * (1 - 1e-12))
    latest = _first(beta * np.cumsum(slowest, axis=0) >= room * (1 + 1e-12))
    earliest = np.where(np.isinf(earliest), proved + 2.0, earliest)
    return Arrival(target, np.where(room == 0, 0.0, earliest), np.where(room == 0, 0.0, latest), room / (beta * mean))


def _first(reached: BoolArray) -> FloatArray:
    """The first row, counted from 1, at which each column is true; inf where none is."""
    return np.where(reached.any(axis=0), reached.argmax(axis=0) + 1.0, np.inf)


class Alignment(NamedTuple):
    """By step `time` all weights are at their right ends, provided that `holds`."""

    time: int
    holds: bool


def strict_alignment(s: Separation, *, beta: float, eta: float, w: float, start: float = 0.0) -> Alignment:
    """In closed form: if k_ij >= gamma > 0, time = ceil(16 max(w, 1 - w)/(9 beta gamma)), provided that

    time ln(1 + eta S) <= ln((5/4)/(1 + delta_0)): then rho and rho^ stay in [3/4, 5/4]. Any noise rate.

    Checked by `zhang2025.alignment_closed_form`.
    """
    if s.gamma <= 0:
        return Alignment(0, False)
    time = int(np.ceil(16 * max(w, 1 - w) / (9 * beta * s.gamma)))
    return Alignment(time, time * np.log1p(eta * s.drift) <= np.log(1.25 / (1 + start)))


def relaxed_alignment(s: Separation, *, beta: float, eta: float, w: float, start: float = 0.0) -> Alignment:
    """If only row means are >= gamma > 0: time = ceil(4 max(w, 1 - w)/(beta gamma)), provided that

    time ln(1 + eta S) <= ln((1 + gamma/(2 kappa))/(1 + delta_0)): then G_i >= gamma/2 and rho_i, 2 - rho_i >= 1/2.
    """
    gamma = float(s.row_mean.min())
    if gamma <= 0:
        return Alignment(0, False)
    time = int(np.ceil(4 * max(w, 1 - w) / (beta * gamma)))
    return Alignment(time, time * np.log1p(eta * s.drift) <= np.log((1 + gamma / (2 * s.kappa)) / (1 + start)))


def measured_arrival(w: FloatArray, target: FloatArray) -> FloatArray:
    """The first step at which each weight of a trajectory (steps + 1, n) is exactly at its target; inf: never."""
    return _first(w == target) - 1


@dataclass(frozen=True, eq=False)
class Filtering:
    """Residuals once weights are frozen: w (n_C,) in (0, 1] on the clean training examples, 0 on the mislabelled ones.

    k: the signed kernel, its columns cut to the clean training examples, train (n_C, n_C) and clean (m, n_C);
    rho (n_C,), rho_clean (m,): residuals at time 0. Exact for as long as the weights stay where they are.

    Checked by `zhang2025.filtering`, `zhang2025.contraction_rates`, `zhang2025.filtering_end`.
    """

    k: Blocks
    rho: FloatArray
    rho_clean: FloatArray
    w: FloatArray
    eta: float

    def __post_init__(self) -> None:
        require(bool(np.all((self.w > 0) & (self.w <= 1))), "w", self.w, "weights in (0, 1]")
        require_real("eta", self.eta, low=0.0, low_open=True)

    @cached_property
    def modes(self) -> tuple[FloatArray, FloatArray]:
        """Eigenvalues, ascending, and eigenvectors of W^{1/2} k_CC W^{1/2}."""
        root = np.sqrt(self.w)
        return np.linalg.eigh(root[:, None] * root * self.k.train)

    @property
    def rates(self) -> tuple[float, float]:
        """(1 - eta lambda_min)^2, (1 - eta lambda_max)^2: by which the loss falls at each step, in the slowest mode and
        in the leading one, which holds the class means.
        """
        slow, fast = (1 - self.eta * self.modes[0][[0, -1]]) ** 2
        return float(slow), float(fast)

    def residuals(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """rho_C and rho_v at the given times, (times, n_C) and (times, m)."""
        value, vector = self.modes
        root = np.sqrt(self.w)
        start, t = vector.T @ (root * self.rho), np.asarray(times, dtype=float)[:, None]
        # sum_{s<t} (1 - eta l)^s = (1 - (1 - eta l)^t)/(eta l), which is t for a mode without curvature.
        rate = self.eta * value
        power, flat = (1 - rate) ** t, np.abs(rate) < 1e-14
        total = np.where(flat, t, (1 - power) / np.where(flat, 1, rate))
        moved = self.eta * ((total * start) @ vector.T * root) @ self.k.clean.T
        return (power * start) @ vector.T / root, self.rho_clean - moved

    @property
    def plateau(self) -> FloatArray:
        """rho_v at the end, (m,): the kernel-interpolation error; zero where the clean subset is contained.

        Needs a positive definite k_CC. It does not depend on the weights.
        """
        return self.rho_clean - self.k.clean @ np.linalg.solve(self.k.train, self.rho)

    def end(self, zeta: float, cross: FloatArray, horizon: int) -> float:
        """The first of the times 0..horizon at which some training example has G_i = (1/m) sum_j k_ij rho_v,j <= zeta,
        an additive error of the coupling that can then turn its update round; inf: never.

        cross (m, n'): the signed kernel between the clean subset and the examples of interest. The look-ahead is left
        out: it is the residual of the next step.
        """
        rho = self.residuals(np.arange(horizon + 1.0))[1]
        return float(_first(np.any(rho @ cross / len(cross) <= zeta, axis=1, keepdims=True))[0] - 1)


def first_order_end(coupling: float, zeta: float, rate: float) -> float:
    """Steps until one decaying mode, G (1 - eta lambda)^t with rate = eta lambda, meets an additive error zeta:

    ln(G/zeta)/(-ln(1 - rate)); zero where G <= zeta.

    Checked by `zhang2025.first_order_end`.
    """
    require_real("rate", rate, low=0.0, high=1.0, low_open=True)
    return max(float(np.log(coupling / zeta) / -np.log1p(-rate)), 0.0)
