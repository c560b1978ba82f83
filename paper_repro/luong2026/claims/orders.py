"""Claims on the order of the groups in the transition from signal to memory, and on where the signal is unlearned."""

from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.luong2026.claims.random_problems import LINEAR_MODEL, OURS
from sims import objectives, per_example, rules
from spec.claims import Claim, Exact, Mutant, Sample
from spec.rules import Sam, Sgd
from theory.down_weighting.orders import ORDERS, order

N, STEP, STEPS = 10, 0.05, 9000


class Setting(NamedTuple):
    """Reduced parameters, and the size of the signal, on which nothing may depend."""

    kappa: float
    delta: float
    Delta: float
    B: float


SETTINGS = (
    Setting(1.5, 0.7, 0.3, 1.0),
    Setting(1.0, 0.3, 0.2, 0.6),
    Setting(0.3, 0.7, 0.3, 1.4),
    Setting(1.0, 5.0, 0.2, 1.0),
    Setting(0.15, 1.5, 0.3, 0.7),
    Setting(0.4, 3.0, 0.4, 1.0),
    Setting(0.3, 5.0, 0.3, 1.2),
    Setting(0.8, 5.0, 0.4, 0.8),
)


def _problem(setting: Setting) -> tuple[np.ndarray, np.ndarray, float]:
    """Inputs (n, n + 1) with a shared signal and a memory coordinate each, observed labels, rho."""
    gamma = np.sqrt(setting.kappa * N * (1 - setting.Delta)) * setting.B
    y = np.where(np.arange(N) % 2 == 0, 1.0, -1.0)
    x = np.concatenate([setting.B * y[:, None], gamma * np.eye(N)], axis=1)
    t = np.where(np.arange(N) < round(setting.Delta * N), -y, y)
    return x, t, setting.delta / float(np.hypot(setting.B, gamma))


@cache
def _paths(sharpness: Any) -> np.ndarray:
    """(plain, perturbed) gradient of the signal weight along descent for every setting, (settings, steps, 2).

    A step has the length STEP in the time in which the signal has speed one.
    """
    x, t, rho = (np.stack(part) for part in zip(*map(_problem, SETTINGS), strict=True))
    unit = np.array([STEP / (s.B**2 * (1 - s.Delta)) for s in SETTINGS])

    def one(x: Any, t: Any, rho: Any, unit: Any) -> Any:
        objective, batch = objectives.Objective(LINEAR_MODEL, objectives.logistic), objectives.Batch(x, t)

        def step(w: Any, _: Any) -> Any:
            params = {"w": w}
            plain, h = (rules.gradient(r, (), objective, params, batch)[0]["w"] for r in (Sgd(), Sam(rho, sharpness)))
            residual = per_example.contributions(Sam(rho, sharpness), objective, params, batch)[1][0]
            return w - unit / residual * h, jnp.stack([plain[0], h[0]])

        return jax.lax.scan(step, jnp.zeros(x.shape[1]), None, length=STEPS)[1]

    return np.asarray(jax.jit(jax.vmap(one))(x, t, rho, unit))


def _word(path: np.ndarray) -> str:
    plain, h = path.T
    r = h / plain
    letters = np.where(r >= 1, np.where(plain < 0, "A", "a"), np.where(r > 0, "B", "C"))
    return "".join(letters[np.concatenate([[True], letters[1:] != letters[:-1]])])


def _measured(_: Sample, sharpness: Any = "example") -> np.ndarray:
    words = [_word(path) for path in _paths(sharpness)]
    return np.array([ORDERS.index(word) if word in ORDERS else -1 for word in words], dtype=float)


def _stated(_: Sample, kappa: float = 1.0, delta: float = 1.0) -> np.ndarray:
    words = [order(kappa * s.kappa, delta * s.delta, s.Delta) for s in SETTINGS]
    return np.array([ORDERS.index(word) for word in words], dtype=float)


ORDER = Claim(
    id="luong2026.transition_orders",
    origin="derived",
    source=OURS,
    statement="The signal coordinate passes the groups in the order A, or A C A, or A C B C A, or A C B A B C A: the "
    "noise rate, delta = rho ||x|| and the speed of memory kappa = gamma^2/(n (1 - Delta) B^2) say which. The first "
    "exit from A is into C.",
    regime="signal and orthogonal memory, 1-SAM from zero, small steps; all four orders occur here",
    tolerance=Exact(),
    setup=lambda s: s,
    predicted=_stated,
    measured=_measured,
    mutants=(
        Mutant("never a second A in the middle", predicted=lambda s: np.minimum(_stated(s), 2)),
        Mutant("A, C, B, C, A always", predicted=lambda s: np.full(len(SETTINGS), 2.0)),
        Mutant("memory three times as fast", predicted=partial(_stated, kappa=3.0)),
        Mutant("delta halved", predicted=partial(_stated, delta=0.5)),
        Mutant("n-SAM", measured=partial(_measured, sharpness="batch")),
    ),
    theory="theory.down_weighting.orders.order",
    figure="luong2026.signal_memory",
)


def _falls(_: Sample, sharpness: Any = "example") -> np.ndarray:
    """Whether w_1 falls at all, and whether it falls while in group A, (settings, 2)."""
    plain, h = np.moveaxis(_paths(sharpness), -1, 0)
    falls, amplified = h > 0, h / plain >= 1
    return np.stack([falls.any(axis=1), (falls & amplified).any(axis=1)], axis=1).astype(float)


def _stated_falls(_: Sample) -> np.ndarray:
    words = [order(s.kappa, s.delta, s.Delta) for s in SETTINGS]
    return np.array([["B" in word, "a" in word] for word in words], dtype=float)


UNLEARNING = Claim(
    id="luong2026.unlearning",
    origin="derived",
    source=OURS,
    statement="1-SAM unlearns the signal in group B and in the noise-dominated part of A, and nowhere else: where the "
    "order has that part, removing group B misses unlearning.",
    regime="as above; a fast memory never unlearns, a slow one does so in B alone",
    tolerance=Exact(),
    setup=lambda s: s,
    predicted=_stated_falls,
    measured=_falls,
    mutants=(
        Mutant("in B alone", predicted=lambda s: _stated_falls(s) * np.array([1.0, 0.0])),
        Mutant("whenever it has left A", predicted=lambda s: np.stack([_stated(s) > 0, _stated_falls(s)[:, 1]], 1)),
        Mutant("n-SAM", measured=partial(_falls, sharpness="batch")),
    ),
    theory="theory.down_weighting.orders.order",
    figure="luong2026.signal_memory",
)

CLAIMS = (ORDER, UNLEARNING)
