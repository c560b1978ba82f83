"""The measured side of the claims: the linear model in sims, called on numpy arrays, always through the rules."""

from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from paper_repro.shared.at_rho import FamilyAt, stacked
from paper_repro.shared.drawn import samples
from sims import objectives, per_example, rules
from sims.data.sampling import Split
from sims.models import networks
from spec.claims import Sample
from spec.problems import NoisyLinearTeacher, SignalNoiseMixture
from spec.rules import SamFamily

FloatArray = NDArray[np.float64]
LINEAR = objectives.Objective(networks.linear(1), objectives.logistic)  # apply does not depend on d


class Case(NamedTuple):
    """Random logistic problems, stacked: w (k, d), x (k, n, d), t (k, n), mislabelled (k, n), rho (k,)."""

    w: FloatArray
    x: FloatArray
    t: FloatArray
    mislabelled: NDArray[np.bool_]
    rho: FloatArray


def random_case(sample: Sample, *, n: int = 12, d: int = 5, equal_norms: bool = False) -> Case:
    """Off-origin, anisotropic inputs of unequal norm, asymmetric labels, rho over two decades."""
    rng = np.random.default_rng(sample.seed)
    k = sample.count
    x = rng.normal(0.3, 1.0, (k, n, d)) * rng.uniform(0.3, 2.0, (k, 1, d))
    if equal_norms:
        x *= 1.7 / np.linalg.norm(x, axis=2, keepdims=True)
    t = np.where(rng.uniform(size=(k, n)) < 0.4, 1.0, -1.0)
    mislabelled = np.arange(n)[None] < rng.integers(2, n - 1, (k, 1))
    return Case(rng.normal(0.2, 1.0, (k, d)), x, t, mislabelled, 10 ** rng.uniform(-1.5, 0.5, k))


def gradients(rule: FamilyAt, case: Case, rho_factor: float = 1.0) -> FloatArray:
    """The rule's gradient for every problem of the case, with rho = rho_factor * case.rho, shape (k, d)."""
    return np.asarray(_gradients(stacked(rule, case.rho * rho_factor), case))


@jax.jit
def _gradients(rules_at: Any, case: Case) -> Any:
    def one(rule: Any, w: Any, x: Any, t: Any) -> Any:
        return rules.gradient(rule, (), LINEAR, {"w": w}, objectives.Batch(x, t))[0]["w"]

    return jax.vmap(one)(rules_at, case.w, case.x, case.t)


def weights(rule: FamilyAt, case: Case, rho_factor: float = 1.0) -> FloatArray:
    """The example weights (residual norms) under the rule, shape (k, n)."""
    return np.asarray(_contributions(stacked(rule, case.rho * rho_factor), case)[1])


def gradient_norms(rule: FamilyAt, case: Case, rho_factor: float = 1.0) -> FloatArray:
    """The per-example gradient norms under the rule, shape (k, n)."""
    return np.asarray(_contributions(stacked(rule, case.rho * rho_factor), case)[0])


@jax.jit
def _contributions(rules_at: Any, case: Case) -> Any:
    def one(rule: Any, w: Any, x: Any, t: Any) -> Any:
        return per_example.contributions(rule, LINEAR, {"w": w}, objectives.Batch(x, t))

    return jax.vmap(one)(rules_at, case.w, case.x, case.t)


def margin_falls(rule: SamFamily, w: Any, batch: objectives.Batch) -> jax.Array:
    """t f(w) - t f(w + eps) for every example of a batch that is one shard."""
    moved, _ = rules.networks(rule, LINEAR, {"w": w}, batch)
    return batch.t * (batch.x @ w) - batch.t * moved({"w": w})


def draws(problem: SignalNoiseMixture | NoisyLinearTeacher, sample: Sample) -> Split:
    """The training splits of `count` independent samples of a problem, stacked."""
    return samples(problem, np.random.default_rng(sample.seed), sample.count)
