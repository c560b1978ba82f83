r"""In which order the transition of theory.down_weighting.transition passes through the groups, and where it unlearns.

The flow of 1-SAM moves the two margins by three numbers alone: the noise rate Delta, the shift delta = rho ||x|| and

    kappa = gamma^2/(n (1 - Delta) B^2),     the speed of a memory coordinate over that of the signal:

    m_c' = (s_c - beta s_n) + kappa s_c,   m_n' = -(s_c - beta s_n) + kappa s_n,   s = sigma(delta - m), m(0) = 0.

Write P = sigma(-m_c) - beta sigma(-m_n) and Q = s_c - beta s_n, so that r = Q/P; w_1 falls iff Q < 0. For any delta,
kappa > 0 and 0 < Delta < 1/2:

1. m_c > m_n for t > 0: where they are equal, m_c' - m_n' = 2 (1 - beta) s > 0.
2. While P > 0 the group is A (m_c > m_n and clean-dominated: theory.down_weighting.two_groups). At P = 0 Q > 0, because
   s is a strictly concave function h of sigma(-m) with h(0) = 0, so that h(beta p) > beta h(p). Hence the first exit
   from A, if there is one, is into C.
3. By the same concavity Q < 0 only where P < 0: 1-SAM unlearns the signal only where plain descent does. So w_1 falls
   exactly in B and in the *noise-dominated* part of A ('a' below), where 1-SAM unlearns faster than plain descent.
   Removing group B slows the unlearning in B and misses that in 'a'.
4. r is continuous but at P = 0, so that the order is a walk on A - C - B - a.
5. Late, sigma(-m_c)/sigma(-m_n) tends to (2 beta + kappa)/(2 + kappa) > beta: the last group is A.
6. As kappa -> 0 the signal first saturates (Q = 0) and then follows the memory with Q = kappa s_c (h_n - h_c)/(h_c +
   beta h_n), h = s (1 - s): it is unlearned while s_n > 1 - Delta, and s_n + s_c > 1 when it starts. The order is then
   A, C, B, C, A for every delta.

That every walk goes out and comes back once, so that there are the four ORDERS, is seen and not proved.
"""

import numpy as np
from scipy.integrate import solve_ivp

from spec.validation import require_real
from theory.down_weighting.transition import SignalMemory

ORDERS = ("A", "ACA", "ACBCA", "ACBaBCA")
"""a: noise-dominated A. The memory is fast, then slower; the last needs a large delta, and is gone as kappa -> 0."""


def memory_rate(model: SignalMemory) -> float:
    """kappa = gamma^2/(n (1 - Delta) B^2)."""
    return model.gamma**2 / (model.n * (1 - model.Delta) * model.B**2)


def order(kappa: float, delta: float, Delta: float) -> str:
    """The groups in order, one letter for each phase: the phase diagram in the reduced parameters.

    The flow is followed in the time in which mislabelled examples have speed kappa, until both margins are far beyond
    delta. Raises InputError for parameters out of range.

    Checked by `luong2026.transition_orders`, `luong2026.unlearning`.

    >>> order(kappa=0.1, delta=1.5, Delta=0.3), order(kappa=11.1, delta=1.0, Delta=0.2)
    ('ACBCA', 'A')
    """
    for name, value in (("kappa", kappa), ("delta", delta)):
        require_real(name, value, low=0.0, low_open=True)
    require_real("Delta", Delta, low=0.0, high=0.5, low_open=True)
    beta, end = Delta / (1 - Delta), 60 + (20 + 4 * delta) / kappa

    def velocity(_: float, m: np.ndarray) -> list[float]:
        signal = np.exp(_log_residual(m[0], delta) - _log_residual(m[1], delta)) - beta
        return [signal + kappa * (signal + beta), kappa - signal]

    # Each changes sign where the group can change: P, Q and 1 - r.
    events = [lambda _, m, which=k: float(_signs(m, delta, beta)[which]) for k in range(3)]
    flow = solve_ivp(
        velocity, (0.0, end), [0.0, 0.0], method="LSODA", events=events, dense_output=True, rtol=1e-9, atol=1e-11
    )
    times = [0.0, *sorted(time for found in flow.t_events for time in found), end]
    letters = [_letter(*_signs(flow.sol((a + b) / 2), delta, beta)) for a, b in zip(times[:-1], times[1:], strict=True)]
    return "".join(x for k, x in enumerate(letters) if k == 0 or letters[k - 1] != x)


def _log_residual(m: float, shift: float) -> float:
    return float(-np.logaddexp(0, m - shift))


def _signs(m: np.ndarray, delta: float, beta: float) -> tuple[float, float, float]:
    """Logarithms of clean over beta times mislabelled: plain residuals, perturbed ones, and their differences."""
    plain, perturbed = ([_log_residual(x, shift) for x in m] for shift in (0.0, delta))
    gaps = [a + b + x for a, b, x in zip(plain, perturbed, m, strict=True)]  # log of the bump, up to a constant
    return tuple(float(v[0] - v[1] - np.log(beta)) for v in (plain, perturbed, gaps))  # type: ignore[return-value]


def _letter(plain: float, perturbed: float, gap: float) -> str:
    """The group by the signs of P, Q and D(m_c) - beta D(m_n); lower case where mislabelled examples dominate A."""
    if plain * perturbed < 0:
        return "C"
    if plain > 0:
        return "A" if gap > 0 else "B"
    return "B" if gap > 0 else "a"
