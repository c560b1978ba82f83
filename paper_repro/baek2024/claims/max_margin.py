"""Claims on the end of 1-SAM on separable data: the maximum margin, and what is left of rho there. Ours."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.baek2024.claims.predicted_gradients import OURS
from paper_repro.shared.at_rho import FamilyAt, n_sam, stacked
from paper_repro.shared.logistic_cases import LINEAR
from sims import objectives, rules
from spec.claims import Asymptotic, Claim, Exact, Mutant, Sample
from spec.rules import Sam
from theory.logistic import max_margin

N, D, PROBLEMS, STEPS = 6, 8, 10, 3000
READ = (1, 2, 4)  # log tau in quarters of its last value
SETTLED = 25.0  # what is not stationary yet is below e^-25
REGIME = (
    "separable data (here n < d, random labels, unequal norms, off-origin), linearly independent support vectors; "
    "steps that grow with time tau, so that log tau reaches hundreds"
)


class Separable(NamedTuple):
    """Problems (k, ...): a start w, data, radius rho, growth h of the steps, and which examples are support vectors."""

    w: np.ndarray
    x: np.ndarray
    t: np.ndarray
    rho: np.ndarray
    h: np.ndarray
    support: np.ndarray


def separable(sample: Sample) -> Separable:
    """Random problems that settle within STEPS, by which log tau is at most 550."""
    rng, rows = np.random.default_rng(sample.seed), list[tuple[Any, ...]]()
    while len(rows) < PROBLEMS:
        x = rng.normal(0.3, 1.0, (N, D)) * rng.uniform(0.5, 1.5, (N, 1))
        t = np.where(rng.uniform(size=N) < 0.4, 1.0, -1.0)
        slowest, fastest = _rates(x, t)
        h = min(0.5 / fastest, 0.2)
        if slowest * STEPS * np.log1p(h) > SETTLED:
            support = max_margin.maximum_margin(x, t).alpha > 0
            rows.append((rng.normal(0.2, 0.5, D), x, t, rng.uniform(0.1, 1.0), h, support))
    return Separable(*map(np.array, zip(*rows, strict=True)))


def _rates(x: np.ndarray, t: np.ndarray) -> tuple[float, float]:
    """The slowest and the fastest power of 1/tau at which the margins approach their limits."""
    w, alpha = max_margin.maximum_margin(x, t)
    support, z = alpha > 0, t * (x @ w)
    pulls = np.sqrt(alpha[support])[:, None] * (t[:, None] * x)[support]
    powers = np.linalg.eigvalsh(pulls @ pulls.T)
    return min(powers[0], (z[~support] - 1).min(initial=np.inf)), powers[-1]


@jax.jit
def _paths(rules_at: Any, w: Any, x: Any, t: Any, h: Any) -> jax.Array:
    """Weights at READ quarters of the steps, (k, len(READ), d)."""

    def one(rule: Any, w: Any, x: Any, t: Any, h: Any) -> Any:
        def step(w: Any, k: Any) -> Any:
            g = rules.gradient(rule, (), LINEAR, {"w": w}, objectives.Batch(x, t))[0]["w"]
            w = w - h * jnp.exp(k * jnp.log1p(h)) * g
            return w, w

        return jax.lax.scan(step, w, jnp.arange(STEPS))[1][np.array(READ) * STEPS // max(READ) - 1]

    return jax.vmap(one)(rules_at, w, x, t, h)


def _trained(case: Separable, rule: FamilyAt, factor: float = 1.0) -> np.ndarray:
    return np.asarray(_paths(stacked(rule, factor * case.rho), case.w, case.x, case.t, case.h))


def _margins(case: Separable, rule: FamilyAt = Sam, factor: float = 1.0) -> np.ndarray:
    """z - log tau of all support vectors at the end."""
    z = case.t * np.einsum("knd,kd->kn", case.x, _trained(case, rule, factor)[:, -1])
    return (z - STEPS * np.log1p(case.h)[:, None])[case.support]


def _stated_margins(case: Separable, norms: bool = True, factor: float = 1.0) -> np.ndarray:
    """norms: with ||x|| in the shift."""
    rows = zip(case.x, case.t, factor * case.rho, case.h, case.support, strict=True)
    found = []
    for x, t, rho, h, support in rows:
        limit = max_margin.late_margins(x, t, rho, h=h)
        found.append((limit if norms else limit + rho * (1 - np.linalg.norm(x, axis=1)))[support])
    return np.concatenate(found)


MARGINS = Claim(
    id="baek2024.late_margins",
    origin="derived",
    source=OURS,
    statement="At the end of 1-SAM on separable data the margin of a support vector is log tau + rho||x|| - "
    "log(n alpha): rho||x|| larger than without SAM.",
    regime=REGIME,
    tolerance=Exact(1e-8),
    setup=separable,
    predicted=_stated_margins,
    measured=_margins,
    mutants=(
        Mutant("as without SAM", predicted=partial(_stated_margins, factor=0.0)),
        Mutant("rho for rho||x||", predicted=partial(_stated_margins, norms=False)),
        Mutant("n-SAM", measured=partial(_margins, rule=n_sam)),
        Mutant("descent instead of ascent", measured=partial(_margins, factor=-1.0)),
    ),
    theory="theory.logistic.max_margin.late_margins",
    figure="baek2024.toy_gain",
)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def _distances(case: Separable, mean: bool = False) -> np.ndarray:
    """Root mean square over problems of the distance of unit vectors, (1, len(READ)); mean: from the mean of t x."""
    rows = zip(case.x, case.t, strict=True)
    end = np.stack([t @ x if mean else max_margin.maximum_margin(x, t).w for x, t in rows])
    off = np.linalg.norm(_unit(_trained(case, Sam)) - _unit(end)[:, None], axis=2)
    return np.sqrt(np.mean(off**2, axis=0))[None]


DIRECTION = Claim(
    id="baek2024.maximum_margin",
    origin="derived",
    source=OURS + "; gradient descent: Soudry et al. (2018)",
    statement="On separable data, noisy labels included, the direction of 1-SAM tends to the maximum margin of the "
    "observed labels like 1/log tau, whatever rho: the limit of gradient descent.",
    regime=REGIME,
    tolerance=Asymptotic(sizes=READ, exponent=-1.0, wrong_exponents=(0.0, -2.0)),
    setup=separable,
    predicted=lambda case: np.zeros(len(READ)),
    measured=_distances,
    mutants=(Mutant("the mean classifier", measured=partial(_distances, mean=True)),),
    theory="theory.logistic.max_margin.maximum_margin",
    figure="baek2024.toy_gain",
)

CLAIMS = (DIRECTION, MARGINS)
