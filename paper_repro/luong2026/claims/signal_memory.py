"""Claims on training in the model of one signal and a memory coordinate for each example: three numbers follow it."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.luong2026.claims.random_problems import LINEAR_MODEL, OURS
from paper_repro.shared.at_rho import stacked
from sims import objectives, rules
from spec.claims import Claim, Exact, Mutant, Sample
from spec.rules import DownWeight, Sam
from theory.down_weighting import batch_sam, transition

MODELS = (
    transition.SignalMemory(10, 1.3, 0.8, 0.3),
    transition.SignalMemory(10, 0.5, 1.4, 0.2),
    transition.SignalMemory(10, 0.7, 2.1, 0.1),
)
RHO, ETA, ALPHA = np.array([0.6, 0.9, 0.4]), 0.5, 0.7
TIMES = np.array([10, 50, 100, 200])


def problem(model: transition.SignalMemory) -> tuple[np.ndarray, np.ndarray]:
    """Inputs (n, n + 1), the signal first, and observed labels, the mislabelled examples first."""
    y = np.where(np.arange(model.n) % 2, -1.0, 1.0)
    x = np.concatenate([model.B * y[:, None], model.gamma * np.eye(model.n)], axis=1)
    return x, np.where(np.arange(model.n) < round(model.Delta * model.n), -y, y)


def _simulated(_: Sample, sharpness: Any, alpha: float = ALPHA) -> np.ndarray:
    """(w_1, v_c, v_n) at TIMES of every model, without and with down-weighting, (2, models, times, 3)."""
    x, t = (np.stack(arrays) for arrays in zip(*map(problem, MODELS), strict=True))
    ways = (lambda rho: Sam(rho, sharpness), lambda rho: DownWeight(Sam(rho, sharpness), alpha))
    paths = np.stack([np.asarray(_trained(stacked(rule, RHO), x, t)) for rule in ways])
    memory = t[:, None] * paths[..., 1:]
    return np.stack([paths[..., 0], memory[..., -1], memory[..., 0]], axis=-1)


@jax.jit
def _trained(rules_at: Any, x: Any, t: Any) -> Any:
    """All weights at TIMES of full-batch training from zero, (models, times, n + 1)."""

    def one(rule: Any, x: Any, t: Any) -> Any:
        objective, batch = objectives.Objective(LINEAR_MODEL, objectives.logistic), objectives.Batch(x, t)

        def step(carry: Any, _: Any) -> Any:
            w, state = carry
            g, state = rules.gradient(rule, state, objective, {"w": w}, batch)
            return (w - ETA * g["w"], state), w - ETA * g["w"]

        start = jnp.zeros(x.shape[1])
        return jax.lax.scan(step, (start, rules.init(rule, {"w": start})), None, length=max(TIMES))[1][TIMES - 1]

    return jax.vmap(one)(rules_at, x, t)


def _stated(_: Sample, theory: Any, alpha: float = ALPHA, Delta: float = 0.0) -> np.ndarray:
    """The same by three numbers; Delta: added to the noise rates."""
    models = [model._replace(Delta=model.Delta + Delta) for model in MODELS]
    runs = [(model, float(rho), a) for a in (0.0, alpha) for model, rho in zip(models, RHO, strict=True)]
    paths = [theory.descend(model, rho, eta=ETA, steps=int(max(TIMES)), alpha=a)[TIMES] for model, rho, a in runs]
    return np.reshape(paths, (2, len(MODELS), len(TIMES), 3))


def _path(name: str, rule: str, sharpness: Any, theory: Any, other: tuple[str, Any]) -> Claim:
    stated = partial(_stated, theory=theory)
    return Claim(
        id=f"luong2026.{name}",
        origin="derived",
        source=OURS,
        statement="With one signal and a memory coordinate for each example, three numbers follow the training of all "
        f"weights under {rule}, with group B down-weighted or not.",
        regime="orthogonal memory, w = 0 at the start, full batch; three models, at 10 to 200 steps",
        tolerance=Exact(),
        setup=lambda s: s,
        predicted=stated,
        measured=partial(_simulated, sharpness=sharpness),
        mutants=(
            Mutant("nothing removed", predicted=partial(stated, alpha=0.0)),
            Mutant("alpha as the kept fraction", predicted=partial(stated, alpha=1 - ALPHA)),
            Mutant("other noise rate", predicted=partial(stated, Delta=0.05)),
            Mutant(other[0], measured=partial(_simulated, sharpness=other[1])),
        ),
        theory=f"{theory.__name__}.descend",
    )


ONE_SAM = _path("signal_memory_path", "1-SAM", "example", transition, ("n-SAM", "batch"))
BATCH_SAM = _path("batch_memory_path", "n-SAM", "batch", batch_sam, ("1-SAM", "example"))

CLAIMS = (ONE_SAM, BATCH_SAM)
