"""The measured side: meta-reweighting of networks in sims, always through the rules, on data of two classes."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sims import objectives, rules
from sims.data.sampling import Split
from sims.models import networks
from sims.rules.schemes import Weights
from spec.rules import MetaReweight
from spec.seeds import named_seed
from theory.reweighting import recursion as theory

FloatArray = NDArray[np.float64]
LINEAR_MODEL = networks.linear(1)  # apply does not depend on d


class TwoClasses(NamedTuple):
    """x (n, d), true labels y (n,), mislabelled (n,), and a clean subset x_clean (m, d), y_clean (m,)."""

    x: FloatArray
    y: FloatArray
    mislabelled: NDArray[np.bool_]
    x_clean: FloatArray
    y_clean: FloatArray

    @property
    def t(self) -> FloatArray:
        """Observed labels."""
        return np.where(self.mislabelled, -self.y, self.y)

    @property
    def start(self) -> theory.State:
        """Weights 1/2, outputs zero."""
        return theory.start(self.t, self.y_clean)

    def signed(self, state: theory.State) -> theory.State:
        """A state of the plain recursion in label-signed form."""
        return theory.signed_state(state, self.y, self.y_clean, self.mislabelled)


def caps(
    rng: np.random.Generator, *, n: int, m: int, d: int, s: float, p: float, contained: bool = False, outliers: int = 0
) -> TwoClasses:
    """x = y s e_1 + sqrt(1 - s^2) u, u uniform on the sphere across e_1: unit vectors on two caps, as many of each.

    round(p n) labels are wrong. contained: the clean subset is the first m correctly labelled training examples.
    outliers: this many training examples lie on the cap of the other class.
    """
    mislabelled = rng.permutation(np.arange(n) < round(p * n))
    y, y_clean = np.where(np.arange(n) % 2, 1.0, -1.0), np.where(np.arange(m) % 2, 1.0, -1.0)
    side = np.where(rng.permutation(np.arange(n) < outliers), -y, y)
    x, x_clean = (_cap(labels, s, d, rng) for labels in (side, y_clean))
    if contained:
        inside = np.flatnonzero(~mislabelled)[:m]
        x_clean, y_clean = x[inside], y[inside]
    return TwoClasses(x, y, mislabelled, x_clean, y_clean)


def _cap(y: FloatArray, s: float, d: int, rng: np.random.Generator) -> FloatArray:
    u = rng.normal(size=(len(y), d - 1))
    u *= np.sqrt(1 - s**2) / np.linalg.norm(u, axis=1, keepdims=True)
    return np.concatenate([s * y[:, None], u], axis=1)


def linear_blocks(problem: TwoClasses) -> theory.Blocks:
    """The kernel of the linear model, <x, x'>."""
    return theory.blocks(lambda a, b: a @ b.T, problem.x, problem.x_clean)


def train(
    problem: TwoClasses,
    *,
    beta: float,
    eta: float,
    steps: int,
    model: networks.Model = LINEAR_MODEL,
    params: Any = None,
    look_ahead: bool = True,
    w: float = 0.5,
) -> theory.State:
    """Weights and residuals at steps 0..steps of full-batch meta-reweighting. eta: step of the sum, as in theory.

    params None: the linear model from zero. beta may be negative here, which turns the coupling round.
    """
    start = {"w": jnp.zeros(problem.x.shape[1])} if params is None else params
    rates = jnp.asarray([beta, eta, float(look_ahead), w])
    return theory.State(*map(np.asarray, _compiled(model, steps, start, arrays(problem), rates)))


def arrays(problem: TwoClasses) -> tuple[Split, Split]:
    """The training split and the clean subset for sims."""
    x, t, y, x_clean, y_clean = (
        jnp.asarray(a) for a in (problem.x, problem.t, problem.y, problem.x_clean, problem.y_clean)
    )
    return Split(x, t, y), Split(x_clean, y_clean, y_clean)


def path(model: networks.Model, steps: int, start: Any, splits: tuple[Split, Split], rates: Any) -> Any:
    """(w, r, r_clean) at every step, traced; rates: beta, eta, 1 or 0 for the look-ahead, weight at the start."""
    (train, clean), (beta, eta, look_ahead, w) = splits, rates
    n = len(train.t)
    objective = objectives.Objective(model, objectives.squared)
    rule = rules.bind(
        MetaReweight(beta, n * eta * look_ahead, w), rules.Context(train, clean, jax.random.key(named_seed("unused")))
    )

    def step(carry: tuple[Any, Weights], _: None) -> Any:
        params, state = carry
        record = state.w, model.apply(params, train.x) - train.t, model.apply(params, clean.x) - clean.t
        g, state = rules.gradient(rule, state, objective, params, objectives.Batch(train.x, train.t))
        return (jax.tree.map(lambda p, gi: p - n * eta * gi, params, g), state), record

    return jax.lax.scan(step, (start, rules.init(rule, start)), None, length=steps + 1)[1]


_compiled = partial(jax.jit, static_argnums=(0, 1))(path)
