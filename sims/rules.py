r"""The gradient of every rule in spec.rules, by automatic differentiation, written from the algorithm.

Each rule of the SAM family says at which parameters the residual d loss/d logits and the network Jacobian are taken
(`points`); one vector-Jacobian product then gives  mean_i <residual_i(logit point), grad f_i(Jacobian point)>.
"""

from collections.abc import Callable
from functools import singledispatch
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from spec.rules import JacobianSam, LogitSam, Sam, Sgd
from spec.validation import InputError

Params = Any
State = Any

# Continuous fields are leaves, so that one compiled program serves a whole grid of them; discrete fields are static.
# The static part names the type: tree structures of different types may compare equal (seen with jax 0.10), and a
# compiled L-SAM would then now and then be served for J-SAM.
for _record in (Sam, LogitSam, JacobianSam):
    jax.tree_util.register_pytree_node(
        _record,
        lambda rule: ((rule.rho,), (type(rule), rule.sharpness)),
        lambda static, leaves: static[0](leaves[0], static[1]),
    )
jax.tree_util.register_pytree_node(Sgd, lambda rule: ((), (Sgd,)), lambda static, leaves: Sgd())


class Batch(NamedTuple):
    """x (n, d) and observed labels t (n,)."""

    x: jax.Array
    t: jax.Array


class Objective(NamedTuple):
    """apply(params, x) -> logits of a batch; loss(logits of one example, its label) -> number."""

    apply: Callable[[Params, jax.Array], jax.Array]
    loss: Callable[[jax.Array, jax.Array], jax.Array]

    def mean(self, params: Params, batch: Batch) -> jax.Array:
        return jnp.mean(jax.vmap(self.loss)(self.apply(params, batch.x), batch.t))

    def residuals(self, logits: jax.Array, t: jax.Array) -> jax.Array:
        return jax.vmap(jax.grad(self.loss))(logits, t)


def logistic(logit: jax.Array, t: jax.Array) -> jax.Array:
    """log(1 + exp(-t f)) for a label t in {-1, 1}."""
    return jax.nn.softplus(-t * logit)


def cross_entropy(logits: jax.Array, t: jax.Array) -> jax.Array:
    """-log softmax(f)_t for a class t."""
    return -jax.nn.log_softmax(logits)[t]


@singledispatch
def init(rule: Any, params: Params) -> State:
    """The state a rule carries from step to step; stateless rules carry the empty tuple."""
    return ()


@singledispatch
def gradient(rule: Any, state: State, objective: Objective, params: Params, batch: Batch) -> tuple[Params, State]:
    """The rule's gradient of the mean loss of a batch, a tree like params, and the next state.

    Finite at a stationary point. Raises InputError when sharpness does not divide the batch.
    """

    def of_shard(shard: Batch) -> Params:
        return _split_gradient(objective, *points(rule, objective, params, shard), shard)

    groups = shards(rule.sharpness, batch)
    if len(groups.t) == 1:  # no vectorised copy of the parameters for the common single shard
        return of_shard(batch), state
    return jax.tree.map(lambda g: jnp.mean(g, axis=0), jax.vmap(of_shard)(groups)), state


@singledispatch
def points(rule: Any, objective: Objective, params: Params, shard: Batch) -> tuple[Params, Params]:
    """(parameters at which the residual is taken, parameters at which the Jacobian is taken) for one shard."""
    raise TypeError(f"no gradient is defined for {rule!r}")


@points.register
def _(rule: Sgd, objective: Objective, params: Params, shard: Batch) -> tuple[Params, Params]:
    return params, params


@points.register
def _(rule: Sam, objective: Objective, params: Params, shard: Batch) -> tuple[Params, Params]:
    perturbed = ascend(objective, params, shard, rule.rho)
    return perturbed, perturbed


@points.register
def _(rule: LogitSam, objective: Objective, params: Params, shard: Batch) -> tuple[Params, Params]:
    return ascend(objective, params, shard, rule.rho), params


@points.register
def _(rule: JacobianSam, objective: Objective, params: Params, shard: Batch) -> tuple[Params, Params]:
    return params, ascend(objective, params, shard, rule.rho)


def ascend(objective: Objective, params: Params, shard: Batch, rho: Any) -> Params:
    """w + rho g/||g|| with g the gradient of the shard's mean loss; w itself where g is zero."""
    logits, pull_back = jax.vjp(lambda p: objective.apply(p, shard.x), params)
    residuals = objective.residuals(logits, shard.t)
    # Only the direction of g counts: residuals relative to the largest cannot underflow together when all are small.
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(residuals)))
    (g,) = pull_back(residuals / jnp.where(largest > 0, largest, 1))
    squares = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(g))
    # Guarded before the square root: otherwise the value at g = 0 is finite but its derivative is NaN.
    positive = squares > 0
    scale = jnp.where(positive, rho / jnp.sqrt(jnp.where(positive, squares, 1)), 0)
    return jax.tree.map(lambda p, gi: p + (scale * gi).astype(p.dtype), params, g)


def shards(sharpness: Any, batch: Batch) -> Batch:
    """The batch cut into consecutive shards: leaves (n / m, m, ...)."""
    n = len(batch.t)
    m = {"example": 1, "batch": n}.get(sharpness, sharpness)
    if n % m:
        raise InputError(f"sharpness must divide the batch, got {sharpness} for {n} examples")
    return Batch(batch.x.reshape(n // m, m, *batch.x.shape[1:]), batch.t.reshape(n // m, m))


def _split_gradient(objective: Objective, logit_point: Params, jacobian_point: Params, shard: Batch) -> Params:
    logits, pull_back = jax.vjp(lambda p: objective.apply(p, shard.x), jacobian_point)
    if logit_point is not jacobian_point:
        logits = objective.apply(logit_point, shard.x)
    return pull_back(objective.residuals(logits, shard.t) / len(shard.t))[0]


def contributions(rule: Any, objective: Objective, params: Params, batch: Batch) -> tuple[jax.Array, jax.Array]:
    """For every example: (norm of its gradient under the rule, norm of its residual), both (n,).

    Their means over groups are what a rule gives to clean and to mislabelled examples; the residual norm is the example
    weight: sigma(-t f) at the rule's logit point for the logistic loss. At most about 50 perturbed networks exist at
    once.
    """

    def of_shard(shard: Batch) -> tuple[jax.Array, jax.Array]:
        logit_point, jacobian_point = points(rule, objective, params, shard)

        def of_example(one: Batch) -> tuple[jax.Array, jax.Array]:
            one = Batch(one.x[None], one.t[None])
            g = _split_gradient(objective, logit_point, jacobian_point, one)
            residual = objective.residuals(objective.apply(logit_point, one.x), one.t)
            return jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(g))), jnp.sqrt(jnp.sum(residual**2))

        return jax.lax.map(of_example, shard, batch_size=min(50, len(shard.t)))

    groups = shards(rule.sharpness, batch)
    at_once = max(1, 50 // groups.t.shape[1])
    return jax.tree.map(lambda a: a.reshape(-1), jax.lax.map(of_shard, groups, batch_size=at_once))
