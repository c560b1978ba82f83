r"""The PAC-Bayes bound of Xu et al. (2026), Theorem 1, with every step of its proof, and a repaired form.

n samples, of which n_s = (1 - Delta) n keep their true label; loss in [0, 1]; K parameters, w their values. With
probability >= 1 - delta, if the kept samples come from the test law and L(w) <= E L(w + eps), eps ~ N(0, sigma^2 I),

    L(w) <= max_{||eps|| <= rho} L_t(w + eps)/(1 - Delta) + 1/((1 - Delta) sqrt(n_s)) + sqrt(X(n_s)/(n_s - 1)),
    X(n) = (K/4) log(1 + ||w||^2/rho^2 (1 + sqrt(log n/K))^2) + 1/4 + log(n/delta) + 2 log(6 n + 3 K).

L_t is the loss on all n observed labels. This is a bound for SAM on noisy labels; the compensation does not enter it.
Sources: theorem and proof plan: Xu et al. (2026), equations 5-6 and Appendix A, after Foret et al. (2021); the
numbers, the remark on memorisation, the counterexample and `repaired` are derived here.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import binom

from spec.validation import require_integer, require_real


class Bound(NamedTuple):
    """The three terms: worst observed loss, mass outside the ball, complexity."""

    sharpness: float
    tail: float
    complexity: float

    @property
    def total(self) -> float:
        return self.sharpness + self.tail + self.complexity


def posterior_std(rho: float, K: int, n: float) -> float:
    """sigma = rho/(sqrt K (1 + sqrt(log n/K))): N(0, sigma^2 I) leaves the ball rho with probability <= 1/sqrt n.

    Checked by `xu2026.ball`.
    """
    return rho / (np.sqrt(K) * (1 + np.sqrt(np.log(n) / K)))


def complexity(norm: float, rho: float, K: int, n: float, confidence: float = 0.05) -> float:
    """X(n) of the module's formula; norm = ||w||, confidence = delta.

    Checked by `xu2026.union_over_priors`.
    """
    spread = norm**2 / rho**2 * (1 + np.sqrt(np.log(n) / K)) ** 2
    return K / 4 * np.log1p(spread) + 0.25 + np.log(n / confidence) + 2 * np.log(6 * n + 3 * K)


def halved_complexity(norm: float, rho: float, K: int, n: float, confidence: float = 0.05) -> float:
    """X(n) with both of its logarithms halved, which the proof supports as well (derived)."""
    logarithms = np.log(n / confidence) / 2 + np.log(6 * n + 3 * K)
    return complexity(norm, rho, K, n, confidence) - logarithms


def theorem_1(
    perturbed_loss: float, norm: float, *, rho: float, K: int, n: float, Delta: float, confidence: float = 0.05
) -> Bound:
    """The published bound; perturbed_loss = max over the ball of the observed loss. Raises InputError for n_s <= 1.

    Checked by `xu2026.theorem_1`, `xu2026.split`, `xu2026.vacuous`.
    """
    require_integer("K", K, at_least=1)
    require_real("rho", rho, low=0.0, low_open=True)
    require_real("Delta", Delta, low=0.0, high=1.0)
    kept = n * (1 - Delta)
    require_real("n (1 - Delta)", kept, low=1.0, low_open=True)
    slack = np.sqrt(complexity(norm, rho, K, kept, confidence) / (kept - 1))
    return Bound(perturbed_loss / (1 - Delta), 1 / ((1 - Delta) * np.sqrt(kept)), float(slack))


def repaired(
    perturbed_loss: float, norm: float, *, rho: float, K: int, n: float, largest_rate: float, confidence: float = 0.05
) -> Bound:
    r"""A bound that also holds when the flip rate p(x) <= largest_rate depends on the example (derived).

        L(w) <= (1/(1 - p_max)) { max L_t(w + eps) + 1/sqrt n + sqrt(X(n)/(n - 1)) }

    Proof. With flip indicators c_i, (1 - c_i) l_i lies in [0, 1], is at most the observed loss, and has expectation
    E[(1 - p(x)) l] >= (1 - p_max) L. Apply the PAC-Bayes step to it on all n samples. It needs
    E[(1 - p) l](w) <= E_eps E[(1 - p) l](w + eps). At a constant rate it is Theorem 1 up to a factor
    1/sqrt(1 - Delta) in the last term, the price of the generality.

    Checked by `xu2026.instance_dependent`.
    """
    require_integer("K", K, at_least=1)
    require_real("rho", rho, low=0.0, low_open=True)
    require_real("largest_rate", largest_rate, low=0.0, high=1.0)
    require_real("n", n, low=1.0, low_open=True)
    slack = np.sqrt(complexity(norm, rho, K, n, confidence) / (n - 1))
    return Bound(*(float(term) / (1 - largest_rate) for term in (perturbed_loss, 1 / np.sqrt(n), slack)))


def nominal_failures(n: float, Delta: float) -> float:
    r"""P(Bin(n, Delta) > n Delta): how often L_kept <= L_t/(1 - Delta) fails for independent flips at the nominal rate.

    For a classifier that is wrong on every right label L_kept = 1 and L_t is the share of right labels, so that it
    fails iff that share is below 1 - Delta. At the realised share it never fails: by total probability Theorem 1 then
    holds over both parts of the sample (Corollary 2). Derived.

    Checked by `xu2026.corollary_2`.
    """
    return float(binom.sf(np.floor(n * Delta + 1e-9), n, Delta))


def gaussian_divergence(norm: float, K: int, posterior: float, prior: float) -> float:
    r"""KL( N(w, posterior I) || N(0, prior I) ) = (1/2)[(K posterior + ||w||^2)/prior - K + K log(prior/posterior)].

    Checked by `xu2026.gaussian_divergence`.
    """
    return 0.5 * ((K * posterior + norm**2) / prior - K + K * np.log(prior / posterior))


class Prior(NamedTuple):
    """The j-th member of the grid of priors, its variance, and the share 6/(pi^2 j^2) of delta that it is given."""

    j: int
    variance: float
    share: float


def grid_prior(norm: float, K: int, n: float, variance: float) -> Prior:
    r"""The smallest prior variance c e^{(1 - j)/K} >= variance + ||w||^2/K, c = variance (1 + e^{4 n/K}).

    Raises InputError for ||w||^2 > K variance e^{4 n/K}, beyond the grid: there X(n) > n and the bound exceeds 1.
    """
    log_c = np.log(variance) + np.logaddexp(0, 4 * n / K)
    steps = K * (log_c - np.log(variance + norm**2 / K))
    require_real("log(c/v)", float(steps), low=0.0)
    j = 1 + int(np.floor(steps))
    return Prior(j, float(np.exp(log_c + (1 - j) / K)), 6 / (np.pi * j) ** 2)


class Step(NamedTuple):
    """An inequality left <= right of the proof."""

    says: str
    left: float
    right: float


def proof_steps(norm: float, *, rho: float, K: int, n: float, confidence: float = 0.05) -> tuple[Step, ...]:
    """The inequalities of the proof that do not involve the loss, with their two sides. n is n_s in Theorem 1."""
    std = posterior_std(rho, K, n)
    prior = grid_prior(norm, K, n, std**2)
    divergence = gaussian_divergence(norm, K, std**2, prior.variance)
    closed = 0.5 * (1 + K * np.log1p(norm**2 / (K * std**2)))
    log_weight = np.log(n / (confidence * prior.share))
    closed_weight = np.log(n / confidence) + 2 * np.log(6 * n + 3 * K)
    u = np.log(n) / 2
    return (
        Step("KL to the nearest prior of the grid", divergence, closed),
        Step("the price of the union over the grid", log_weight, closed_weight),
        Step("both together are at most X", (divergence + log_weight) / 2, complexity(norm, rho, K, n, confidence)),
        Step("||eps||^2 is below rho^2 with u = log sqrt n", chi_square_quantile_bound(K, u) * std**2, rho**2),
    )


def chi_square_quantile_bound(K: int, u: float) -> float:
    """K + 2 sqrt(K u) + 2 u, which a chi-square of K degrees exceeds with probability <= e^-u (Laurent-Massart)."""
    return K + 2 * np.sqrt(K * u) + 2 * u


def observed_error(error: float, Delta: float, classes: int = 2) -> float:
    r"""Delta + (1 - Delta C/(C - 1)) error: expected disagreement with symmetrically noisy labels of a classifier.

    For a classifier that does not know the flips. A perfect one has Delta, so that the first term of Theorem 1 is at
    least Delta/(1 - Delta); one that has memorised every observed label has 0. That term alone rewards memorisation.

    Checked by `xu2026.memorisation`.
    """
    require_integer("classes", classes, at_least=2)
    return Delta + (1 - Delta * classes / (classes - 1)) * error
