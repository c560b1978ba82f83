"""Claims on group B under n-SAM, the rule that SANER is built on."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.luong2026.claims.random_problems import LINEAR_MODEL, OURS
from sims import objectives, rules
from spec.claims import Claim, Exact, Mutant, Sample
from spec.rules import DownWeight, Sam, Sgd
from theory.down_weighting import batch_sam, transition

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


MODELS = (
    transition.SignalMemory(10, 1.3, 0.8, 0.3),
    transition.SignalMemory(10, 0.5, 1.4, 0.2),
    transition.SignalMemory(10, 0.7, 2.1, 0.1),
)
RHO, ETA, STEPS, ALPHA = 0.6, 0.5, 200, 0.7


def _problem(model: transition.SignalMemory) -> tuple[np.ndarray, np.ndarray]:
    y = np.where(np.arange(model.n) % 2, -1.0, 1.0)
    x = np.concatenate([model.B * y[:, None], model.gamma * np.eye(model.n)], axis=1)
    return x, np.where(np.arange(model.n) < round(model.Delta * model.n), -y, y)


def _starts(_: Sample, sharpness: Any = "batch") -> np.ndarray:
    """Share of clean and of mislabelled memory coordinates in B at w = 0, simulated, (models, 2)."""
    x, t = (np.stack(arrays) for arrays in zip(*map(_problem, MODELS), strict=True))
    w, rho = np.zeros(x.shape[::2]), np.full(len(MODELS), RHO)
    reduced = _reduced({"w": w, "x": x, "t": t, "rho": rho}, sharpness, 1)
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


def _paths(_: Sample, alpha: float = ALPHA, sharpness: Any = "batch") -> np.ndarray:
    """(w_1, v_c, v_n) of the first model halfway and at the end, with and without down-weighting, simulated."""
    x, t = _problem(MODELS[0])
    objective, batch = (
        objectives.Objective(LINEAR_MODEL, objectives.logistic),
        objectives.Batch(jnp.asarray(x), jnp.asarray(t)),
    )

    @partial(jax.jit, static_argnums=0)
    def path(rule: Any) -> Any:
        def step(carry: Any, _: Any) -> Any:
            w, state = carry
            g, state = rules.gradient(rule, state, objective, {"w": w}, batch)
            return (w - ETA * g["w"], state), w - ETA * g["w"]

        start = jnp.zeros(x.shape[1])
        return jax.lax.scan(step, (start, rules.init(rule, {"w": start})), None, length=STEPS)[1]

    sam = Sam(RHO, sharpness)
    rows = [np.asarray(path(rule))[[STEPS // 2 - 1, STEPS - 1]] for rule in (sam, DownWeight(sam, alpha))]
    return np.array([[row[:, 0], (t * row[:, 1:])[:, -1], (t * row[:, 1:])[:, 0]] for row in rows])


def _stated_paths(_: Sample, alpha: float = ALPHA, model: transition.SignalMemory = MODELS[0]) -> np.ndarray:
    paths = [batch_sam.descend(model, RHO, eta=ETA, steps=STEPS, alpha=a)[[STEPS // 2, STEPS]] for a in (0.0, alpha)]
    return np.array([path.T for path in paths])


PATH = Claim(
    id="luong2026.batch_memory_path",
    origin="derived",
    source=OURS,
    statement="Under n-SAM, with and without down-weighting, three numbers follow the training of all weights of the "
    "model of signal and memory: SANER slows the memory of mislabelled examples while it is opposed to the signal.",
    regime="orthogonal memory, w = 0 at the start, full batch",
    tolerance=Exact(),
    setup=lambda s: s,
    predicted=_stated_paths,
    measured=_paths,
    mutants=(
        Mutant("nothing removed", predicted=partial(_stated_paths, alpha=0.0)),
        Mutant("alpha as the kept fraction", predicted=partial(_stated_paths, alpha=1 - ALPHA)),
        Mutant("other noise rate", predicted=partial(_stated_paths, model=MODELS[0]._replace(Delta=0.25))),
        Mutant("1-SAM", measured=partial(_paths, sharpness="example")),
    ),
    theory="theory.down_weighting.batch_sam.descend",
)

CLAIMS = (OPPOSED, START, PATH)
