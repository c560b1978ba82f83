r"""Which examples NCSAM selects, under which labels, and how strongly: equations 15 to 18 of Xu et al. (2026).

Schedule (15): s(t) = kappa min(1, 2 (3 - 2 t) t^2) at the share t of the training, which is kappa from t = 1/2 on.

Selection (16, 17): k examples one after another without replacement, with weights v_i = 1/(1 + gap_i), gap_i >= 0 the
difference of the two largest logits. Equivalently the k smallest of independent exponential clocks of rates v_i, so
that example i is selected with the probability

    P_i = int_0^1 P( fewer than k of the others have rung at t(u) ) du,   t(u) = -log(u)/v_i,                   (*)

where the number of others is a sum of independent events of chances 1 - u^{v_j/v_i}. 'Without replacement', the
equivalence and (*) are ours.

Target (18): the class of the largest logit but the observed one.
Clusters (released code): an example of cluster k is selected with probability r_k = r (1 - mean gap of k/largest of k).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spec.validation import require_integer

FloatArray = NDArray[np.float64]
NODES = 200  # of Gauss-Legendre


def schedule(t: ArrayLike) -> FloatArray:
    """min(1, 2 (3 - 2 t) t^2) for t in [0, 1].

    Checked by `xu2026.schedule`.
    """
    t = np.asarray(t, dtype=float)
    return np.minimum(1, 2 * (3 - 2 * t) * t**2)


def inclusion(gap: ArrayLike, k: int) -> FloatArray:
    """P_i of formula (*), (n,): the probability that an example is among the k selected; they sum to k.

    Checked by `xu2026.margin_selection`.

    >>> inclusion([0.0, 1.0], 1).round(6)
    array([0.666667, 0.333333])
    """
    v = 1 / (1 + np.asarray(gap, dtype=float))
    require_integer("k", k, at_least=1)
    x, weights = np.polynomial.legendre.leggauss(NODES)
    u = (x + 1) / 2
    found = [weights / 2 @ _fewer(1 - u[:, None] ** (np.delete(v, i) / v[i]), k) for i in range(len(v))]
    return np.array(found)


def _fewer(chances: FloatArray, k: int) -> FloatArray:
    """P(fewer than k of independent events happen), for chances (points, events)."""
    counts = np.zeros((len(chances), k + 1))
    counts[:, 0] = 1
    for p in chances.T[..., None]:
        counts[:, 1:] = counts[:, 1:] * (1 - p) + counts[:, :-1] * p
        counts[:, :1] *= 1 - p
        counts[:, k] = 0  # k or more: no way back
    return counts[:, :k].sum(axis=1)


def highest_other(logits: ArrayLike, t: ArrayLike) -> NDArray[np.int_]:
    """argmax over c != t_i of the logits (n, classes), (n,).

    Checked by `xu2026.highest_target`.
    """
    logits, t = np.array(logits, dtype=float), np.asarray(t)
    logits[np.arange(len(t)), t] = -np.inf
    return np.asarray(np.argmax(logits, axis=1))


def cluster_rates(gap: ArrayLike, cluster: ArrayLike, largest_rate: float) -> FloatArray:
    """r (1 - mean gap/largest gap) of every example's cluster, (n,); 0 where all gaps of a cluster are zero.

    Checked by `xu2026.cluster_selection`.
    """
    gap, cluster = np.asarray(gap, dtype=float), np.asarray(cluster)
    rates = np.zeros(len(gap))
    for k in np.unique(cluster):
        inside = cluster == k
        if gap[inside].max() > 0:
            rates[inside] = largest_rate * (1 - gap[inside].mean() / gap[inside].max())
    return rates
