"""Claims on the proof of Theorem 1: its divergence, the union over priors and the ball."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from paper_repro.xu2026.claims.measured_gradients import for_every_seed
from spec.claims import AtMost, Claim, MonteCarlo, Mutant, Sample
from theory.compensation import pac_bayes

PROOF = "Xu et al. (2026), Appendix A"


def _settings(sample: Sample) -> list[dict[str, Any]]:
    """Random sizes over decades, inside the grid of priors: norm, rho, K, n."""
    rng = np.random.default_rng(sample.seed)
    result = []
    for _ in range(sample.count):
        K, n = int(10 ** rng.uniform(0, 4)), int(10 ** rng.uniform(1, 5))
        rho = 10 ** rng.uniform(-2, 0.5)
        reach = np.sqrt(K) * pac_bayes.posterior_std(rho, K, n) * np.exp(min(2 * n / K, 8.0))
        result.append({"norm": reach * rng.uniform(0.01, 0.9), "rho": rho, "K": K, "n": n})
    return result


def _divergences(sample: Sample, mean: float = 1.2) -> np.ndarray:
    """Mean of log(Q/P) over draws from Q = N(w, q I), P = N(0, p I), for two pairs of variances; rows are seeds."""

    def one(key: jax.Array) -> jax.Array:
        columns = []
        for q, p in ((0.3, 0.8), (0.5, 0.4)):
            w = jnp.zeros(5).at[0].set(mean)
            e = w[None] + jnp.sqrt(q) * jax.random.normal(key, (2000, 5))
            log_q = -jnp.sum((e - w[None]) ** 2, axis=1) / (2 * q) - 2.5 * jnp.log(q)
            log_p = -jnp.sum(e**2, axis=1) / (2 * p) - 2.5 * jnp.log(p)
            columns.append(jnp.mean(log_q - log_p))
        return jnp.stack(columns)

    return for_every_seed(sample, one)


def _stated_divergences(sample: Sample, norm: float = 1.2, K: int = 5, swapped: bool = False) -> np.ndarray:
    pairs = ((0.3, 0.8), (0.5, 0.4))
    return np.array([pac_bayes.gaussian_divergence(norm, K, *(pair[::-1] if swapped else pair)) for pair in pairs])


DIVERGENCE = Claim(
    id="xu2026.gaussian_divergence",
    origin="paper",
    source=PROOF + ", step 3",
    statement="KL(N(w, q I) || N(0, p I)) = ((K q + ||w||^2)/p - K + K log(p/q))/2.",
    regime="any K, w, q, p",
    tolerance=MonteCarlo(),
    setup=lambda s: s,
    predicted=_stated_divergences,
    measured=_divergences,
    mutants=(
        Mutant("prior and posterior exchanged", predicted=partial(_stated_divergences, swapped=True)),
        Mutant("without the norm", predicted=partial(_stated_divergences, norm=0.0)),
        Mutant("one dimension fewer", predicted=partial(_stated_divergences, K=4)),
    ),
    theory="theory.compensation.pac_bayes.gaussian_divergence",
)


def _best_costs(settings: Any) -> np.ndarray:
    """What the best prior of the grid costs, by going through the grid; one row, twice."""
    row = []
    for s in settings:
        K, n, norm, rho = s["K"], s["n"], s["norm"], s["rho"]
        q = pac_bayes.posterior_std(rho, K, n) ** 2
        j = np.arange(1, int(1 + K * np.log(2) + 4 * n + 2))
        log_prior = np.log(q) + np.logaddexp(0, 4 * n / K) + (1 - j) / K
        divergence = 0.5 * (np.exp(np.log(K * q + norm**2) - log_prior) - K + K * (log_prior - np.log(q)))
        row.append(np.min(divergence + np.log(n * (np.pi * j) ** 2 / 6 / 0.05)) / 2)
    return np.tile(row, 2)[None]


def _stated_costs(settings: Any, union: float = 1.0, quarter: float = 0.25) -> np.ndarray:
    """X, and X with its logarithms halved; union: share of the price of the union, quarter: instead of K/4."""
    published, halved = [], []
    for s in settings:
        price, spread = np.log(6 * s["n"] + 3 * s["K"]), np.log1p((s["norm"] / pac_bayes.posterior_std(
            s["rho"], s["K"], s["n"])) ** 2 / s["K"])  # fmt: skip
        left_out = (0.25 - quarter) * s["K"] * spread
        published.append(pac_bayes.complexity(**s) - 2 * (1 - union) * price - left_out)
        halved.append(pac_bayes.halved_complexity(**s) - (1 - union) * price - left_out)
    return np.array(published + halved)


UNION = Claim(
    id="xu2026.union_over_priors",
    origin="paper",
    source=PROOF + ", step 3; that half of the logarithms would do is ours",
    statement="Half of KL plus log(n/delta_j) of the best prior in the grid is at most X, and stays so when both "
    "logarithms of X are halved.",
    regime="||w|| inside the grid; beyond it X > n and the bound says nothing",
    tolerance=AtMost(),
    setup=_settings,
    predicted=_stated_costs,
    measured=_best_costs,
    mutants=(
        Mutant("price of the union left out", predicted=partial(_stated_costs, union=0.0)),
        Mutant("K/8 for K/4", predicted=partial(_stated_costs, quarter=0.125)),
    ),
    theory="theory.compensation.pac_bayes.complexity",
)


def _leaving(settings: Any, logarithm: float = 1.0) -> np.ndarray:
    """The exact probability of leaving the ball, one row."""
    row = []
    for s in settings:
        radius = s["K"] * (1 + logarithm * np.sqrt(np.log(s["n"]) / s["K"])) ** 2
        if logarithm == 1.0:
            radius = (s["rho"] / pac_bayes.posterior_std(s["rho"], s["K"], s["n"])) ** 2
        row.append(stats.chi2.sf(radius, s["K"]))
    return np.array(row)[None]


BALL = Claim(
    id="xu2026.ball",
    origin="paper",
    source=PROOF + ", steps 4 and 5",
    statement="N(0, sigma^2 I) leaves the ball rho with probability at most 1/sqrt n.",
    regime="sigma = rho/(sqrt K (1 + sqrt(log n/K))), n > 1",
    tolerance=AtMost(),
    setup=_settings,
    predicted=lambda settings: np.array([1 / np.sqrt(s["n"]) for s in settings]),
    measured=_leaving,
    mutants=(
        Mutant("without the logarithm", measured=partial(_leaving, logarithm=0.0)),
        Mutant("half the logarithm's root", measured=partial(_leaving, logarithm=0.5)),
    ),
    theory="theory.compensation.pac_bayes.posterior_std",
)


CLAIMS = (DIVERGENCE, UNION, BALL)
