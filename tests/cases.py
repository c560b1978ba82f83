"""What the contract tests run over: every rule, and every kind of model with its loss and its labels.

A rule is added by one line in RULES, COMPOSED or BOUND, a model by one in MODELS.
"""

from collections.abc import Callable
from dataclasses import fields
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sims.data.sampling import Data, Split
from sims.models.networks import Model, lenet, linear, mlp, two_layer_linear
from sims.objectives import Batch, Objective, cross_entropy, logistic
from sims.rules import Context, begin_epoch, bind, gradient, init
from spec.networks import LeNet
from spec.rules import (
    Bootstrapped,
    CompensationSchedule,
    CoTeaching,
    DownWeight,
    FeatureReweight,
    FixedReweight,
    Fsam,
    Gsam,
    JacobianSam,
    LogitSam,
    MetaReweight,
    NoiseCompensated,
    NormalisedReweight,
    Only,
    OracleAscent,
    OracleMask,
    OracleSelection,
    Perturbed,
    RandomMask,
    Regularised,
    Rule,
    Sam,
    Sgd,
    Vasso,
    WeightedBy,
    WeightNet,
    Without,
)

N, D = 6, 3  # the batch holds every class equally often, and shards of two
RHO = 0.3

Permute = Callable[[Any, np.ndarray], Any]


def _every_sharpness(family: Callable[..., Any]) -> list[Any]:
    return [family(RHO, "example"), family(RHO, 2), family(RHO, "batch")]


RULES = [
    Sgd(),
    *_every_sharpness(Sam),
    *_every_sharpness(LogitSam),
    *_every_sharpness(JacobianSam),
    Sam(RHO, "example", "last"),
    LogitSam(RHO, 2, "last"),
    Sam(RHO, "example", "adaptive"),
    JacobianSam(RHO, 2, "adaptive"),
    Regularised(0.2, 0.3),
]
PERTURBED = [rule for rule in RULES if isinstance(rule, Perturbed)]
# Rules that are no sum over examples, or wrap another one. Compiling is dear: they run on FEW models.
COMPOSED = [
    Gsam(RHO, 0.3),
    Fsam(RHO),
    Vasso(RHO),
    DownWeight(Sam(RHO, "batch"), 0.5),
    DownWeight(Sam(RHO), -1.0, "A"),
    DownWeight(Gsam(RHO, 0.3), 1.0, "C"),
    DownWeight(Fsam(RHO), 0.5, warmup=3),
    DownWeight(Vasso(RHO)),
    DownWeight(Sam(RHO, "batch", "adaptive")),
    Without(LogitSam(RHO, 2), "A"),
    Only(DownWeight(Sam(RHO), 0.5), "B"),
    Bootstrapped(Sam(RHO, "batch"), 0.7, "soft"),
]
# Rules that are bound to a training split, and one around such a rule.
COMPENSATED = NoiseCompensated(Sam(RHO, "batch"), 0.9, CompensationSchedule(1, 1), OracleSelection(1.0))
BOUND = [
    RandomMask(Sam(RHO, "batch")),
    OracleMask(Sam(RHO)),
    COMPENSATED,
    OracleAscent(JacobianSam(RHO, 2)),
    MetaReweight(2.0, 0.3),
    NormalisedReweight(),
    FeatureReweight(),
    FixedReweight(1.0, 0.5),
    DownWeight(COMPENSATED),
    WeightNet(0.5, 0.3, hidden=5),
    WeightedBy(DownWeight(Sam(RHO, "batch")), MetaReweight(2.0, 0.3)),
    CoTeaching(Sam(RHO, "batch"), 0.5, 0.1),
]
EVERY: list[Rule] = [*RULES, *COMPOSED, *BOUND]


class Case(NamedTuple):
    """A model of D inputs with its loss. classes None: labels -1 and 1. permute reorders the `hidden` units, if any."""

    name: str
    model: Model
    loss: Callable[[jax.Array, jax.Array], jax.Array]
    classes: int | None = None
    d: int = D
    hidden: int = 0
    permute: Permute | None = None

    @property
    def objective(self) -> Objective:
        return Objective(self.model, self.loss)

    def params(self, rng: np.random.Generator, dtype: Any = jnp.float64) -> Any:
        """Normal entries, biases too. Their mean is above zero, so that no layer of a ReLU network is dead."""
        shapes = jax.eval_shape(lambda: self.model.init(jax.random.key(0), dtype))
        return jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0.3, 0.6, leaf.shape), dtype), shapes)

    def labels(self, classes: np.ndarray, dtype: Any) -> jax.Array:
        """Labels of this model's kind from numbers 0, 1, ..., taken modulo its number of classes."""
        if self.classes is None:
            return jnp.asarray(2 * (classes % 2) - 1, dtype)
        return jnp.asarray(classes % self.classes, jnp.int32)

    def batch(self, rng: np.random.Generator, n: int = N, dtype: Any = jnp.float64) -> Batch:
        return Batch(jnp.asarray(rng.normal(size=(n, self.d)), dtype), self.labels(rng.permutation(n), dtype))

    def data(self, rng: np.random.Generator, n: int = N, dtype: Any = jnp.float64) -> Data:
        """A training split of n examples whose first third is mislabelled, and clean splits for validation and test."""
        x, y = self.batch(rng, n, dtype)
        other = self.labels(np.asarray(y > 0 if self.classes is None else y).astype(int) + 1, dtype)
        (x_v, y_v), (x_t, y_t) = self.batch(rng, 5, dtype), self.batch(rng, 7, dtype)
        train = Split(x, jnp.where(jnp.arange(n) < n // 3, other, y), y)
        return Data(train, Split(x_v, y_v, y_v), Split(x_t, y_t, y_t))


def _permute_linear(params: Any, order: np.ndarray) -> Any:
    return {"W": params["W"][order], "v": params["v"][..., order]}


def _permute_mlp(params: Any, order: np.ndarray) -> Any:
    first, second, *rest = params
    first = {"w": first["w"][:, order], "b": first["b"][order]}
    return [first, {"w": second["w"][order], "b": second["b"]}, *rest]


LENET = LeNet((4, 4, 1), channels=(2,), kernel=3, hidden=(4,))
MODELS = [
    Case("linear", linear(D), logistic),
    Case("two layers", two_layer_linear(D, 4), logistic, None, D, 4, _permute_linear),
    Case("two layers, 3 classes", two_layer_linear(D, 4, classes=3), cross_entropy, 3, D, 4, _permute_linear),
    Case("deep relu, 3 classes", mlp((D, 4, 4, 3)), cross_entropy, 3, D, 4, _permute_mlp),
    Case("convolutions, 3 classes", lenet(LENET, 3), cross_entropy, 3, 16),
    Case("ntk tanh", mlp((D, 4, 1), scaling="ntk", activation=jnp.tanh), logistic, None, D, 4, _permute_mlp),
]
CASES = {case.name: case for case in MODELS}
FEW = [CASES["two layers"], CASES["deep relu, 3 classes"]]
# Layers of several positions are compared with the plain path for all rules (test_layers): a few rules will do here.
CONVOLVED = [Sgd(), Sam(RHO), Sam(RHO, "batch"), JacobianSam(RHO, 2)]
# Every kind of sharpness, ascent and formula once, for models that differ from the FEW in outputs or scale alone.
SOME = [*CONVOLVED, LogitSam(RHO, 2, "last"), Sam(RHO, "example", "adaptive"), Regularised(0.2, 0.3)]
RULES_OF = {"convolutions, 3 classes": CONVOLVED, "two layers, 3 classes": SOME, "ntk tanh": SOME}
PAIRS = [(case, rule) for rule in RULES for case in MODELS if rule in RULES_OF.get(case.name, RULES)]
PAIRS += [(case, rule) for rule in COMPOSED for case in FEW]
PAIRS += [(CASES["two layers"], rule) for rule in BOUND]
PERTURBED_PAIRS = [(case, rule) for case, rule in PAIRS if any(field.name == "rho" for field in fields(rule))]
# The ordinary suite takes every rule to one model and a few rules to every model; all other pairs are evidence.
HOME = (
    dict.fromkeys(RULES, CASES["deep relu, 3 classes"])
    | {rule: FEW[i % 2] for i, rule in enumerate(COMPOSED)}
    | dict.fromkeys(BOUND, CASES["two layers"])
)


def at_home(case: "Case", rule: Rule) -> bool:
    """Whether this is the model that the rule always meets."""
    return HOME[rule] is case


def ordinary(case: "Case", rule: Rule) -> bool:
    """Whether a pair belongs to the ordinary suite."""
    return at_home(case, rule) or rule in CONVOLVED


def context(case: Case, batch: Batch) -> Context:
    """A training split that is the batch, with labels wrong where the first input is above zero, and a clean subset."""
    other = -batch.t if case.classes is None else (batch.t + 1) % case.classes
    train = Split(batch.x, batch.t, jnp.where(batch.x[:, 0] > 0, other, batch.t))
    x, t = case.batch(np.random.default_rng(3), dtype=batch.x.dtype)
    return Context(train, Split(x, t, t), jax.random.key(5))


def plain(case: Case, rule: Any, params: Any, batch: Batch) -> Any:
    """The rule's gradient in the first step of training on the batch, not compiled."""
    bound = bind(rule, context(case, batch))
    state = begin_epoch(bound, init(bound, params))
    return gradient(bound, state, case.objective, params, batch)[0]


@cache
def compiled(case: Case) -> Callable[[Any, Any, Batch], tuple[Any, Any]]:
    """(rule, params, batch) -> the gradient, and the derivative of the sum of its entries in (rule, params).

    One program for each rule and model serves all tests.
    """

    def total(rule: Any, params: Any, batch: Batch) -> tuple[jax.Array, Any]:
        g = plain(case, rule, params, batch)
        return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(g)), g

    def swapped(rule: Any, params: Any, batch: Batch) -> tuple[Any, Any]:
        derivative, g = jax.grad(total, argnums=(0, 1), has_aux=True)(rule, params, batch)
        return g, derivative

    return jax.jit(swapped)


def fast(case: Case, rule: Any, params: Any, batch: Batch) -> Any:
    """The rule's gradient, compiled."""
    return compiled(case)(rule, params, batch)[0]


def flat(tree: Any) -> np.ndarray:
    """All numbers of a tree in one vector, in the order of jax.tree.leaves."""
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(tree)])


def distance(a: Any, b: Any) -> float:
    """The largest difference of two trees relative to the largest entry of the second."""
    a, b = flat(a), flat(b)
    assert a.shape == b.shape
    return float(np.max(np.abs(a - b)) / max(float(np.max(np.abs(b))), np.finfo(float).tiny))


def last_layer(case: Case, params: Any) -> dict[str, Any]:
    """The parameters of the last layer; biases are called b."""
    if "convolutions" in params:
        return params["dense"][-1]
    return params[-1] if isinstance(params, list) else {"w": case.model.head(params)}


class Pieces(NamedTuple):
    """What a rule is made of, each compiled once for a model: of (params, shard), (params, x), and (logits, t)."""

    gradient: Any
    logits: Any
    losses: Any
    residuals: Any


@cache
def pieces(case: Case) -> Pieces:
    losses = jax.vmap(case.loss)

    def mean(params: Any, shard: Batch) -> jax.Array:
        return jnp.mean(losses(case.model.apply(params, shard.x), shard.t))

    parts = jax.grad(mean), case.model.apply, losses, jax.vmap(jax.grad(case.loss))
    return Pieces(*map(jax.jit, parts))


def ascent(case, params, shard, rule):
    """rho T^2 g/||T g||, written out again rather than taken from the code under test."""
    g = jax.tree.map(np.asarray, pieces(case).gradient(params, shard))
    kind, last = getattr(rule, "ascent", "all"), jax.tree.leaves(last_layer(case, params))
    keep = [kind != "last" or any(p is q for q in last) for p in jax.tree.leaves(params)]
    scales = [np.abs(p) + 0.01 if kind == "adaptive" else k * np.ones(p.shape) for p, k in
              zip(jax.tree.leaves(params), keep, strict=True)]  # fmt: skip
    T = jax.tree.unflatten(jax.tree.structure(params), scales)
    length = np.linalg.norm(flat(jax.tree.map(np.multiply, T, g)))
    return jax.tree.map(lambda s, leaf: getattr(rule, "rho", 0.0) * s**2 * leaf / length, T, g)
