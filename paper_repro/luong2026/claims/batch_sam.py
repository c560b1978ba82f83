"""Claims on group B under n-SAM, the rule that SANER is built on."""

from functools import partial
from typing import Any

import jax
import numpy as np

from paper_repro.luong2026.claims.random_problems import LINEAR_MODEL, OURS
from paper_repro.luong2026.claims.signal_memory import MODELS, RHO, problem
from sims import objectives, rules
from spec.claims import Claim, Exact, Mutant, Sample
from spec.rules import Sam, Sgd
from theory.down_weighting import batch_sam

N, D = 12, 3
Case = dict[str, np.ndarray]


def _with_memory(sample: Sample) -> Case:
    """Random problems whose examples share D coordinates and have one each of their own; off-origin."""
    rng = np.random.default_rng(sample.seed)
    k = 4 * sample.count
    shared = rng.normal(0.4, 1.0, (k, N, D)) * rng.uniform(0.3, 2.0, (k, 1, D))
    x = np.concatenate([shared, rng.uniform(0.2, 1.5, (k, N, 1)) * np.eye(N)], axis=2)
    t = np.where(rng.uniform(size=(k, N)) < 0.4, 1.0, -1.0)
    return {"w": rng.normal(0.2, 0.8, (k, D + N)), "x": x, "t": t, "rho": 10 ** rng.uniform(-1, 0.3, k)}


@partial(jax.jit, static_argnums=(1, 2))
def _ratios(case: Any, sharpness: Any, shared: int) -> Any:
    def one(case: Any) -> Any:
        objective, batch = (
            objectives.Objective(LINEAR_MODEL, objectives.logistic),
            objectives.Batch(case["x"], case["t"]),
        )
        params = {"w": case["w"]}
        g, h = (rules.gradient(r, (), objective, params, batch)[0]["w"] for r in (Sgd(), Sam(case["rho"], sharpness)))
        return (h / g)[shared:]

    return jax.vmap(one)(case)


def _reduced(case: Case, sharpness: Any = "batch", shared: int = D) -> np.ndarray:
    """Whether the simulated ratio of every own coordinate, of which the shared ones come first, is below one."""
    return np.asarray(_ratios(case, sharpness, shared) < 1, dtype=float)


def _opposed(case: Case) -> np.ndarray:
    rows = zip(case["w"], case["x"], case["t"], strict=True)
    return np.array([batch_sam.opposed(*row) for row in rows], dtype=float)


OPPOSED = Claim(
    id="luong2026.opposed_examples",
    origin="derived",
    source=OURS,
    statement="Under n-SAM the coordinates that only one example has are in group B iff its gradient opposes that of "
    "the batch, else in A; under 1-SAM always in A.",
    regime="logistic regression, any w, x, t and rho",
    tolerance=Exact(),
    setup=_with_memory,
    predicted=_opposed,
    measured=_reduced,
    mutants=(
        Mutant("always in A", predicted=lambda c: 0 * _opposed(c)),
        Mutant("iff it agrees", predicted=lambda c: 1 - _opposed(c)),
        Mutant("1-SAM", measured=partial(_reduced, sharpness="example")),
    ),
    theory="theory.down_weighting.batch_sam.opposed",
)


def _starts(_: Sample, sharpness: Any = "batch") -> np.ndarray:
    """Share of clean and of mislabelled memory coordinates in B at w = 0, simulated, (models, 2)."""
    x, t = (np.stack(arrays) for arrays in zip(*map(problem, MODELS), strict=True))
    reduced = _reduced({"w": np.zeros(x.shape[::2]), "x": x, "t": t, "rho": RHO}, sharpness, 1)
    noisy = [np.arange(model.n) < round(model.Delta * model.n) for model in MODELS]
    return np.array([[row[~group].mean(), row[group].mean()] for row, group in zip(reduced, noisy, strict=True)])


START = Claim(
    id="luong2026.batch_memory_at_start",
    origin="derived",
    source=OURS,
    statement="Under n-SAM from w = 0 the memory of every mislabelled example is in group B iff gamma^2/n < B^2 (1 - 2 "
    "Delta), and of no clean one.",
    regime="signal and orthogonal memory; the first model satisfies it, the other two do not",
    tolerance=Exact(),
    setup=lambda s: s,
    predicted=lambda s: np.array([[0.0, batch_sam.reduces_memory_at_start(model)] for model in MODELS]),
    measured=_starts,
    mutants=(
        Mutant("always", predicted=lambda s: np.tile([0.0, 1.0], (len(MODELS), 1))),
        Mutant("1-SAM", measured=partial(_starts, sharpness="example")),
    ),
    theory="theory.down_weighting.batch_sam.reduces_memory_at_start",
)


CLAIMS = (OPPOSED, START)
