"""Gradients example by example: norms, inner products and weighted sums, without writing the gradients out.

Factored where the model allows it (sims.factors); otherwise by plain differentiation, PLAIN_BLOCK examples at a time.
"""

import operator
from typing import Any

import jax
import jax.numpy as jnp

from sims import factors
from sims.factors import Factors
from sims.objectives import Batch, Objective
from sims.rules.ascent import ascent_step, shard_size, shards
from sims.rules.sam import acts_on_all, networks
from sims.tracing import examples_at_once, has_factors, require_separate
from spec.rules import Perturbed, Regularised, Rule, SamFamily, Sgd
from spec.validation import InputError, require

Params = Any
_SGD = Sgd()
PLAIN_BLOCK = 50  # examples whose gradients the plain path writes out at once


def gradient_factors(objective: Objective, params: Params, batch: Batch) -> list[Factors]:
    """The factors of every example's loss gradient. Raises InputError for a model that has none."""
    if not has_factors(objective.model, params, batch.x):
        raise InputError("the model must use every parameter in exactly one layer, and nowhere else")
    logits, pull_back = factors.tap(objective.network(batch.x), params)
    return pull_back(objective.residuals(logits, batch.t))


def inner_products(objective: Objective, params: Params, first: Batch, second: Batch) -> jax.Array:
    """<g_i, g_j> between the loss gradients of two batches, (n, n')."""
    require_separate(objective.model, params, first.x)
    if has_factors(objective.model, params, first.x):
        return factors.inner_products(*(gradient_factors(objective, params, b) for b in (first, second)))

    def rows(example: Batch) -> Params:
        return jax.grad(objective.mean)(params, Batch(example.x[None], example.t[None]))

    def row(example: Batch) -> jax.Array:
        g = rows(example)
        return jax.lax.map(lambda other: _inner(g, rows(other)), second, batch_size=_block(second))

    return jax.lax.map(row, first)


def weighted_gradient(
    objective: Objective, params: Params, batch: Batch, weights: jax.Array, rule: Rule = _SGD
) -> Params:
    """sum_i weights_i g_i, a tree like params; weights (k, n) give k sums from one pass, with a leading axis k.

    g_i is what example i contributes under the rule, each perturbed as in the whole batch. Raises InputError for a rule
    whose gradient is no sum over examples, and for shards of several examples where the model has no factors.
    """
    rule = _over_examples(rule)
    whole = acts_on_all(rule, objective, params, batch)
    require(whole, "sharpness", rule.sharpness, "'batch' for a model without factors")
    logit_network, jacobian_network = networks(rule, objective, params, batch)
    logits, pull_back = jax.vjp(jacobian_network, params)
    if logit_network is not jacobian_network:
        logits = logit_network(params)
    residuals = objective.residuals(logits, batch.t)

    def of(w: jax.Array) -> Params:
        return pull_back(scaled(residuals, w))[0]

    return of(weights) if weights.ndim == 1 else jax.vmap(of)(weights)


def _over_examples(rule: Rule) -> SamFamily:
    """The rule, or SGD for penalised SGD: its penalties are no loss of an example."""
    rule = _SGD if isinstance(rule, Regularised) else rule
    if not isinstance(rule, SamFamily):
        raise InputError(
            f"rule must be one whose gradient is a sum over examples (SGD, SAM, L-SAM or J-SAM), got {rule}"
        )
    return rule


def scaled(residuals: jax.Array, weights: jax.Array) -> jax.Array:
    """weights_i residual_i, for residuals (n,) or (n, classes) and weights (n,)."""
    return weights.reshape(-1, *[1] * (residuals.ndim - 1)) * residuals


def contributions(rule: Rule, objective: Objective, params: Params, batch: Batch) -> tuple[jax.Array, jax.Array]:
    """For every example: (norm of its gradient under the rule, norm of its residual), both (n,).

    Their means over groups are what a rule gives to clean and to mislabelled examples; the residual norm is the example
    weight: sigma(-t f) where the rule takes the residual, for the logistic loss. Raises InputError for other rules.
    """
    rule = _over_examples(rule)
    if len(batch.t) > 1:
        require_separate(objective.model, params, batch.x)
    if not has_factors(objective.model, params, batch.x):
        return _plain_contributions(rule, objective, params, batch)

    def of(part: Batch) -> tuple[jax.Array, jax.Array]:
        logit_network, jacobian_network = networks(rule, objective, params, part)
        logits, pull_back = factors.tap(jacobian_network, params)
        if logit_network is not jacobian_network:
            logits = logit_network(params)
        residuals = objective.residuals(logits, part.t)
        return jnp.sqrt(factors.squared_norms(pull_back(residuals))), _lengths(residuals)

    if not acts_on_all(rule, objective, params, batch):
        return _one_by_one(of, shards(rule, batch), 1)
    fitting, m = examples_at_once(objective.model, params, batch.x), _sharing(rule, batch)
    if fitting >= len(batch.t) or m == len(batch.t):
        return of(batch)
    return _one_by_one(of, jax.tree.map(lambda a: a.reshape(-1, m, *a.shape[1:]), batch), max(1, fitting // m))


def _sharing(rule: SamFamily, batch: Batch) -> int:
    """How many consecutive examples have contributions that depend on one another."""
    return shard_size(rule, batch) if isinstance(rule, Perturbed) else 1


def _one_by_one(function: Any, groups: Batch, at_once: int) -> Any:
    """function of every shard, at_once of them vectorised: leaves (n,)."""
    return jax.tree.map(lambda a: a.reshape(-1), jax.lax.map(function, groups, batch_size=at_once))


def _plain_contributions(
    rule: SamFamily, objective: Objective, params: Params, batch: Batch
) -> tuple[jax.Array, jax.Array]:
    def of_shard(shard: Batch) -> tuple[jax.Array, jax.Array]:
        moved = params
        if isinstance(rule, Perturbed):
            moved = jax.tree.map(jnp.add, params, ascent_step(rule, objective, params, shard))
        logit_point = moved if rule.perturbs_residual else params
        jacobian_point = moved if rule.perturbs_jacobian else params

        def of_example(one: Batch) -> tuple[jax.Array, jax.Array]:
            network = objective.network(one.x[None])
            residual = objective.residuals(network(logit_point), one.t[None])
            (g,) = jax.vjp(network, jacobian_point)[1](residual)
            return jnp.sqrt(_inner(g, g)), _lengths(residual)[0]

        return jax.lax.map(of_example, shard, batch_size=_block(shard))

    return _one_by_one(of_shard, shards(rule, batch), 1)


def _inner(a: Params, b: Params) -> jax.Array:
    return jax.tree.reduce(operator.add, jax.tree.map(lambda p, q: jnp.sum(p * q), a, b))


def _lengths(residuals: jax.Array) -> jax.Array:
    return jnp.sqrt(jnp.sum(residuals.reshape(len(residuals), -1) ** 2, axis=1))


def _block(batch: Batch) -> int:
    return min(PLAIN_BLOCK, len(batch.t))
