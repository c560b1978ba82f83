"""Claims on the two-group coordinate. All of them are ours."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.luong2026.claims.random_problems import LINEAR_MODEL, OURS, numbers
from sims import objectives, rules
from spec.claims import Claim, Exact, Mutant, Sample
from spec.rules import Sam, Sgd
from theory.down_weighting import two_groups

CLEAN = 5


class Margins(NamedTuple):
    """Margins of both groups, the shift, and the number of mislabelled examples for CLEAN clean ones, each (k,)."""

    m_c: np.ndarray
    m_n: np.ndarray
    delta: np.ndarray
    noisy: np.ndarray


def _margins(sample: Sample) -> Margins:
    rng = np.random.default_rng(sample.seed)
    k = 20 * sample.count
    m_c, m_n = rng.normal(0, 2.5, (2, k))
    return Margins(m_c, m_n, rng.uniform(0.2, 3, k), rng.integers(1, CLEAN + 3, k))


def simulated_ratio(m: Margins, sharpness: Any = "example") -> np.ndarray:
    """The ratio of a feature that CLEAN clean and `noisy` mislabelled examples share, from the rules of sims, (k,).

    Every example also has a feature of its group, by which the weights set the margins.
    """
    x = np.array([[1.0, 0.5, 0.0]] * CLEAN + [[1.0, 0.0, 0.5]] * int(np.max(m.noisy)))
    return np.asarray(_simulated(jnp.asarray(x), m, sharpness, int(np.max(m.noisy))))


@partial(jax.jit, static_argnums=(2, 3))
def _simulated(x: jax.Array, m: Any, sharpness: Any, most: int) -> Any:
    t = jnp.where(jnp.arange(CLEAN + most) < CLEAN, 1.0, -1.0)

    def one(m: Any) -> Any:
        # Copies beyond `noisy` are moved to the origin, where they contribute nothing to the shared feature.
        kept = jnp.arange(CLEAN + most) < CLEAN + m.noisy
        rho = m.delta / jnp.sqrt(1.25)
        w = {"w": jnp.stack([jnp.zeros(()), 2 * m.m_c, -2 * m.m_n])}
        batch = objectives.Batch(jnp.where(kept[:, None], x, 0), t)
        objective = objectives.Objective(LINEAR_MODEL, objectives.logistic)
        g, h = (rules.gradient(r, (), objective, w, batch)[0]["w"][0] for r in (Sgd(), Sam(rho, sharpness)))
        return h / g

    return jax.vmap(one)(m)


def _stated(m: Margins, beta: float | None = None, sign: float = 1.0, factor: float = 1.0) -> np.ndarray:
    return np.arctan(
        two_groups.two_group_ratio(m.m_c, sign * m.m_n, factor * m.delta, m.noisy / CLEAN if beta is None else beta)
    )


RATIO = Claim(
    id="luong2026.two_group_ratio",
    origin="derived",
    source=OURS,
    statement="r = (sigma(delta - m_c) - beta sigma(delta - m_n))/(sigma(-m_c) - beta sigma(-m_n)).",
    regime="logistic regression, 1-SAM, a feature shared by two groups of equal margins and norms; as arctan r",
    tolerance=Exact(),
    setup=_margins,
    predicted=_stated,
    measured=lambda m: np.arctan(simulated_ratio(m)),
    mutants=(
        Mutant("groups of equal size", predicted=partial(_stated, beta=1.0)),
        Mutant("margin of the mislabelled with the wrong sign", predicted=partial(_stated, sign=-1.0)),
        Mutant("shift doubled", predicted=partial(_stated, factor=2.0)),
        Mutant("n-SAM", measured=lambda m: np.arctan(simulated_ratio(m, "batch"))),
    ),
    theory="theory.down_weighting.two_groups.two_group_ratio",
    figure="luong2026.ratio_regions",
)


def _equal(sample: Sample) -> Margins:
    m = _margins(sample)
    return m._replace(noisy=np.full(len(m.m_c), CLEAN))


def _stated_equal(m: Margins, threshold: float = 1.0) -> np.ndarray:
    return numbers(two_groups.equal_groups(m.m_c, m.m_n, threshold * m.delta))


def _simulated_groups(m: Margins, sharpness: Any = "example") -> np.ndarray:
    r = simulated_ratio(m, sharpness)
    return np.where(r >= 1, 0.0, np.where(r > 0, 1.0, 2.0))


EQUAL_GROUPS = Claim(
    id="luong2026.equal_groups",
    origin="derived",
    source=OURS,
    statement="For beta = 1 it is in B iff m_c + m_n < delta, else in A, whichever side dominates; never in C.",
    regime="as above with beta = 1",
    tolerance=Exact(),
    setup=_equal,
    predicted=_stated_equal,
    measured=_simulated_groups,
    mutants=(
        Mutant("threshold 0", predicted=partial(_stated_equal, threshold=0.0)),
        Mutant("threshold 2 delta", predicted=partial(_stated_equal, threshold=2.0)),
        Mutant("always in B", predicted=lambda m: 1.0),
        Mutant("n-SAM", measured=partial(_simulated_groups, sharpness="batch")),
    ),
    theory="theory.down_weighting.two_groups.equal_groups",
    figure="luong2026.ratio_regions",
)


def _between_curves(m: Margins, beta: float | None = None, exchanged: bool = False) -> np.ndarray:
    """The group of every point by the curves of theory.down_weighting.two_groups.boundaries."""
    m_c, m_n = (m.m_n, m.m_c) if exchanged else (m.m_c, m.m_n)
    betas = m.noisy / CLEAN if beta is None else np.full(len(m_c), beta)
    curves = [two_groups.boundaries(*row) for row in zip(m_n, m.delta, betas, strict=True)]
    return numbers(two_groups.groups_between(m_c, two_groups.Boundaries(*np.transpose(curves))))


BOUNDARIES = Claim(
    id="luong2026.two_group_regions",
    origin="derived",
    source=OURS,
    statement="For any beta the groups A, B and C are bounded by the curves of dominance, reversal and r = 1.",
    regime="as above with any beta; no mismatch",
    tolerance=Exact(),
    setup=_margins,
    predicted=_between_curves,
    measured=_simulated_groups,
    mutants=(
        Mutant("beta = 1", predicted=partial(_between_curves, beta=1.0)),
        Mutant("margins exchanged", predicted=partial(_between_curves, exchanged=True)),
        Mutant("mask inverted", measured=lambda m: 2 - _simulated_groups(m)),
    ),
    theory="theory.down_weighting.two_groups.boundaries",
    figure="luong2026.ratio_regions",
)

TWINS = Claim(
    id="luong2026.twins",
    origin="derived",
    source=OURS,
    statement="For one input under both labels r = (1 + cosh m)/(cosh delta + cosh m), in (0, 1).",
    regime="1-SAM, m_c = m, m_n = -m, beta = 1",
    tolerance=Exact(),
    setup=lambda s: (lambda m: m._replace(m_n=-m.m_c))(_equal(s)),
    predicted=lambda m: two_groups.twins_ratio(m.m_c, m.delta),
    measured=simulated_ratio,
    mutants=(
        Mutant("sinh for cosh", predicted=lambda m: (1 + np.sinh(m.m_c)) / (np.sinh(m.delta) + np.sinh(m.m_c))),
        Mutant("delta halved", predicted=lambda m: two_groups.twins_ratio(m.m_c, m.delta / 2)),
        Mutant("n-SAM", measured=partial(simulated_ratio, sharpness="batch")),
    ),
    theory="theory.down_weighting.two_groups.twins_ratio",
    figure="luong2026.ratio_regions",
)

CLAIMS = (RATIO, EQUAL_GROUPS, BOUNDARIES, TWINS)
