r"""One coordinate shared by a clean and a mislabelled group, under 1-SAM: where it is reduced.

All clean examples have margin m_c, all mislabelled ones m_n, and every margin falls by the same delta = rho ||x|| > 0.
They pull the coordinate in opposite directions, in the proportion of sigma(-m_c) to beta sigma(-m_n): beta is the ratio
of mislabelled to clean examples where the feature has one size. So

    r(m_c, m_n) = (sigma(delta - m_c) - beta sigma(delta - m_n)) / (sigma(-m_c) - beta sigma(-m_n)),

and with the bump D(m) = sigma(delta - m) - sigma(-m), symmetric about delta/2 and falling on both sides of it,

    noise-dominated  <=>  sigma(-m_c) < beta sigma(-m_n);     there r < 1  <=>  D(m_c) > beta D(m_n);
    r < 0  <=>  sigma(-m_c) - beta sigma(-m_n) and sigma(delta - m_c) - beta sigma(delta - m_n) differ in sign.

For beta = 1, r < 1 <=> m_c + m_n < delta, whichever side dominates (noise does iff m_c > m_n), and r > 0: no group C.
Proof: r - 1 = (D(m_c) - D(m_n))/(sigma(-m_c) - sigma(-m_n)), whose denominator has the sign of m_n - m_c. D falls with
|m - delta/2|, so that the numerator has the sign of (m_n - m_c)(m_c + m_n - delta). For any beta a clean-dominated
point with m_c > m_n has r > 1: its dominated side is amplified less (theory.down_weighting.ratio.conflict_ratio).
All derived here. Arguments broadcast; margins are real, delta > 0, beta > 0.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from spec.validation import require_real
from theory.down_weighting import ratio
from theory.down_weighting.ratio import Labels

FloatArray = NDArray[np.float64]


def bump(m: ArrayLike, delta: ArrayLike) -> FloatArray:
    r"""D(m) = sigma(delta - m) - sigma(-m) = sinh(delta/2)/(cosh(delta/2) + cosh(m - delta/2))."""
    m, delta = np.asarray(m, dtype=float), np.asarray(delta, dtype=float)
    # As a product of probabilities: neither cancels nor overflows.
    return expit(delta - m) * expit(m) * -np.expm1(-delta)


def two_group_ratio(m_c: ArrayLike, m_n: ArrayLike, delta: ArrayLike, beta: ArrayLike = 1.0) -> FloatArray:
    """r(m_c, m_n); nan where the groups cancel exactly.

    Checked by `luong2026.two_group_ratio`.

    >>> round(float(two_group_ratio(m_c=1.0, m_n=-0.5, delta=1.0)), 4)
    0.8983
    """
    m_c, m_n, delta, beta = (np.asarray(a, dtype=float) for a in (m_c, m_n, delta, beta))
    plain, perturbed = (expit(shift - m_c) - beta * expit(shift - m_n) for shift in (0.0, delta))
    return ratio.ratio(np.broadcast_to(plain, perturbed.shape), perturbed)


def two_group_groups(m_c: ArrayLike, m_n: ArrayLike, delta: ArrayLike, beta: ArrayLike = 1.0) -> Labels:
    """The group by the inequalities above, without division: '' where the groups cancel exactly."""
    m_c, m_n, delta, beta = (np.asarray(a, dtype=float) for a in (m_c, m_n, delta, beta))
    plain, perturbed = (np.sign(expit(shift - m_c) - beta * expit(shift - m_n)) for shift in (0.0, delta))
    excess = np.sign(bump(m_c, delta) - beta * bump(m_n, delta))
    reduced, reversed_ = plain * excess < 0, plain * perturbed <= 0
    return np.select([plain == 0, reduced & reversed_, reduced], ["", "C", "B"], "A")


def equal_groups(m_c: ArrayLike, m_n: ArrayLike, delta: ArrayLike) -> Labels:
    """The group for beta = 1: 'B' where m_c + m_n < delta, else 'A', whichever side dominates.

    Checked by `luong2026.equal_groups`.
    """
    return np.where(np.asarray(m_c) + np.asarray(m_n) < np.asarray(delta), "B", "A")


def twins_ratio(m: ArrayLike, delta: ArrayLike) -> FloatArray:
    r"""r = (1 + cosh m)/(cosh delta + cosh m) for one input under both labels: m_c = m, m_n = -m, beta = 1.

    In (0, 1) for every m != 0 and delta > 0, and increasing in |m|.

    Checked by `luong2026.twins`.
    """
    return (1 + np.cosh(m)) / (np.cosh(delta) + np.cosh(m))


class Boundaries(NamedTuple):
    """Curves m_c(m_n) in the plane of margins, nan where there is none.

    dominance: the groups cancel. reversal: the perturbed groups cancel (r = 0). unit_low <= unit_high: where r = 1.
    """

    dominance: FloatArray
    reversal: FloatArray
    unit_low: FloatArray
    unit_high: FloatArray


def boundaries(m_n: ArrayLike, delta: float, beta: float = 1.0) -> Boundaries:
    r"""With E(a) = log((1 + e^a)/beta - 1):  dominance m_c = E(m_n),  reversal m_c = delta + E(m_n - delta),
    unit m_c = delta/2 -+ arccosh( (cosh(delta/2) (1 - beta) + cosh(m_n - delta/2))/beta ).

    For beta = 1: dominance and reversal are both m_c = m_n, the unit curves are m_c = m_n and m_c = delta - m_n.

    Checked by `luong2026.two_group_regions`.
    """
    require_real("delta", delta, low=0.0, low_open=True)
    require_real("beta", beta, low=0.0, low_open=True)
    m_n = np.asarray(m_n, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        dominance, reversal = (shift + np.log((1 - beta + np.exp(m_n - shift)) / beta) for shift in (0.0, delta))
        half = np.arccosh((np.cosh(delta / 2) * (1 - beta) + np.cosh(m_n - delta / 2)) / beta)
    return Boundaries(dominance, reversal, delta / 2 - half, delta / 2 + half)


def groups_between(m_c: ArrayLike, curves: Boundaries) -> Labels:
    """The group of m_c from the curves at its m_n; a curve that is nan lies below every m_c.

    Noise dominates above `dominance`, and above `reversal` after the perturbation; r - 1 turns at the unit curves.
    """
    m_c = np.asarray(m_c, dtype=float)
    dominance, reversal = (np.nan_to_num(c, nan=-np.inf) for c in curves[:2])
    noise, still = m_c > dominance, m_c > reversal
    inside = (m_c > curves.unit_low) & (m_c < curves.unit_high)
    return np.select([noise != still, noise == inside], ["C", "B"], "A")
