"""What claims compare: gradients and their coordinates from sims, for many random problems at once."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from paper_repro.shared.at_rho import FamilyAt, RuleAt, stacked
from sims import objectives, per_example, rules
from sims.models import networks
from spec.claims import Sample
from theory.logistic import regression

FloatArray = NDArray[np.float64]
CODE = "released code of Luong et al. (2026)"
OURS = "derived here for the groups of Luong et al. (2026)"
ANY = "logistic regression, any w, x, t and rho"
LINEAR_MODEL = networks.linear(1)  # apply does not depend on d
NUMBER = {"": -1.0, "A": 0.0, "B": 1.0, "C": 2.0}


class Problems(NamedTuple):
    """Random problems, stacked: inputs x (k, n, d), labels t (k, n), which are mislabelled (k, n), and rho (k,)."""

    params: Any
    x: FloatArray
    t: NDArray[Any]
    mislabelled: NDArray[np.bool_]
    rho: FloatArray


def logistic_problems(sample: Sample, *, n: int = 12, d: int = 5, times: int = 1) -> Problems:
    """Off-origin, anisotropic inputs, asymmetric labels, rho over two decades; `times` problems for each seed."""
    rng = np.random.default_rng(sample.seed)
    k = sample.count * times
    x = rng.normal(0.3, 1.0, (k, n, d)) * rng.uniform(0.3, 2.0, (k, 1, d))
    t = np.where(rng.uniform(size=(k, n)) < 0.4, 1.0, -1.0)
    mislabelled = np.arange(n)[None] < rng.integers(2, n - 1, (k, 1))
    return Problems({"w": rng.normal(0.2, 1.0, (k, d))}, x, t, mislabelled, 10 ** rng.uniform(-1.5, 0.5, k))


def conflicts(sample: Sample) -> Problems:
    """Logistic problems whose parts conflict in every coordinate: features >= 0, mislabelled means t = -1."""
    problems = logistic_problems(sample, d=40, times=20)
    return problems._replace(x=abs(problems.x), t=np.where(problems.mislabelled, -1.0, 1.0))


def gradients(rule: RuleAt, problems: Problems) -> FloatArray:
    """The rule's gradient with each problem's rho, (k, d)."""
    return np.asarray(_gradients(stacked(rule, problems.rho), problems))


@jax.jit
def _gradients(rules_at: Any, problems: Any) -> Any:
    def one(rule: Any, p: Any) -> Any:
        objective = objectives.Objective(LINEAR_MODEL, objectives.logistic)
        state, batch = rules.init(rule, p.params), objectives.Batch(p.x, p.t)
        return rules.gradient(rule, state, objective, p.params, batch)[0]["w"]

    return jax.vmap(one)(rules_at, problems)


def closed_form(p: Problems, rule: FamilyAt) -> np.ndarray:
    """The predicted side: theory.logistic.regression.gradient with each problem's rho, (k, d)."""
    rows = zip(p.params["w"], p.x, p.t, p.rho, strict=True)
    return np.stack([regression.gradient(rule(rho), w, x, t) for w, x, t, rho in rows])


def contributions(rule: FamilyAt, problems: Problems) -> FloatArray:
    """What every example contributes to the mean gradient, (k, n, d)."""
    return np.asarray(_contributions(stacked(rule, problems.rho), problems))


@jax.jit
def _contributions(rules_at: Any, problems: Any) -> Any:
    def one(rule: Any, p: Any) -> Any:
        n = len(p.t)
        objective, batch = objectives.Objective(LINEAR_MODEL, objectives.logistic), objectives.Batch(p.x, p.t)
        return per_example.weighted_gradient(objective, p.params, batch, jnp.eye(n) / n, rule)["w"]

    return jax.vmap(one)(rules_at, problems)


def numbers(groups: NDArray[np.str_]) -> FloatArray:
    """Groups as numbers, which checks compare: A 0, B 1, C 2, none -1."""
    return np.vectorize(NUMBER.__getitem__, otypes=[float])(groups)
