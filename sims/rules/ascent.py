"""Ascent steps, shards of a batch that share one, and gradients at ascended points: what rules are made of.

There are two ways to move the weights: `ascent_step` gives an eps to add to the parameters, one copy of them for every
shard, for any model; sims.factors.ascended never writes eps out.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from sims.factors import Network
from sims.layers import Dense, affine
from sims.objectives import Batch, Minibatch, Objective, require_parameters
from sims.rules.base import Params
from spec.rules.base import Rule
from spec.rules.sam import ADAPTIVE_OFFSET, Perturbed
from spec.validation import InputError, require

PERTURBED_COPIES = 2**28  # bytes of perturbed copies of the parameters that the plain path keeps at once


def residual_gradient(
    objective: Objective, params: Params, part: Batch, logit_network: Network, jacobian_network: Network
) -> Params:
    """mean_i <residual_i(logit network), grad f_i(Jacobian network)>, a tree like params."""
    logits, pull_back = jax.vjp(jacobian_network, params)
    if logit_network is not jacobian_network:
        logits = logit_network(params)
    return pull_back(objective.residuals(logits, part.t) / len(part.t))[0]


def displaced(network: Network, eps: Params) -> Network:
    """The network whose weights are eps away from the parameters it is given."""

    def moved(p: Params, dense: Dense = affine) -> jax.Array:
        return network(jax.tree.map(jnp.add, p, eps), dense)

    return moved


def ascent_step(rule: Perturbed, objective: Objective, params: Params, shard: Batch) -> Params:
    """eps = rho g/||g|| with g the gradient of the shard's mean loss, a tree like params; zero where g is zero.

    'last': g without the entries of all layers but the last. 'adaptive': rho T^2 g/||T g||, T = |w| + 0.01.
    """
    return step_along(rule, params, relative_gradient(rule, objective, params, shard)[0])


def step_along(rule: Perturbed, params: Params, g: Params) -> Params:
    """The ascent step for a given gradient, of which only the direction counts."""
    T = jax.tree.map(lambda p: jnp.abs(p) + ADAPTIVE_OFFSET if rule.ascent == "adaptive" else jnp.ones_like(p), params)
    along = unit(jax.tree.map(jnp.multiply, T, g))
    return jax.tree.map(lambda s, u: (rule.rho * (s * u)).astype(u.dtype), T, along)


def unit(tree: Params) -> Params:
    """tree/||tree||, zero where the tree is zero; its squares must not underflow together."""
    squares = sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(tree))
    # Guarded before the square root: otherwise the value at zero is finite but its derivative is NaN.
    positive = squares > 0
    scale = jnp.where(positive, 1 / jnp.sqrt(jnp.where(positive, squares, 1)), 0)
    return jax.tree.map(lambda leaf: scale * leaf, tree)


def relative_gradient(rule: Perturbed, objective: Objective, params: Params, shard: Batch) -> tuple[Params, jax.Array]:
    """(g/size, size) with g the gradient of the shard's mean loss and size that of its largest residual."""
    require_parameters(params)

    def logits_of(p: Params) -> jax.Array:
        hidden = objective.model.body(p, shard.x, affine)
        return objective.model.readout(p, jax.lax.stop_gradient(hidden) if rule.ascent == "last" else hidden, affine)

    logits, pull_back = jax.vjp(logits_of, params)
    residuals, size = relative(objective.residuals(logits, shard.t), len(shard.t))
    return pull_back(residuals)[0], size[0]


def relative(residuals: jax.Array, m: int) -> tuple[jax.Array, jax.Array]:
    """Residuals over n, relative to the size of the largest of their shard, and that size for every example, (n,).

    Only the direction of an ascent counts, and so they cannot underflow together when all are small. Sizes are powers
    of two: multiplying by them again gives the plain gradient without rounding.
    """
    groups = residuals.reshape(-1, m * residuals[0].size)
    size = power_of_two(jnp.max(jnp.abs(groups), axis=1, keepdims=True))
    return (groups / (size * len(residuals))).reshape(residuals.shape), jnp.repeat(size[:, 0], m)


def power_of_two(largest: jax.Array) -> jax.Array:
    """The power of two next above, a constant: dividing by it rounds nothing, and what is left cannot underflow."""
    largest = jax.lax.stop_gradient(largest)
    return jnp.ldexp(jnp.ones_like(largest), jnp.frexp(largest)[1])


def shard_size(rule: Rule, batch: Batch | Minibatch) -> int:
    """How many examples share one ascent step. Raises InputError for a batch that it does not divide, or empty."""
    n = len(batch.t)
    require(n > 0, "batch", n, "of at least one example")
    m = {"example": 1, "batch": n}[rule.sharpness] if isinstance(rule.sharpness, str) else rule.sharpness
    if n % m:
        raise InputError(f"sharpness must divide the batch, got {rule.sharpness} for {n} examples")
    return m


def shards(rule: Rule, batch: Any) -> Any:
    """The batch, of any kind, cut into consecutive shards: leaves (n / m, m, ...)."""
    m = shard_size(rule, batch)
    return jax.tree.map(lambda a: a.reshape(-1, m, *a.shape[1:]), batch)


def mean_over_shards(function: Callable[[Any], Params], groups: Any, params: Params) -> Params:
    """The mean of function over shards, as many at a time as PERTURBED_COPIES has room for."""
    copies = 3 * sum(leaf.nbytes for leaf in jax.tree.leaves(params))  # eps, the moved weights and their gradient
    blocks = in_blocks(groups, PERTURBED_COPIES // max(1, copies))
    return mean_of(lambda some: jax.tree.map(lambda g: jnp.mean(g, axis=0), jax.vmap(function)(some)), blocks, params)


def in_blocks(groups: Any, fitting: int) -> Any:
    """Leaves (count, ...) cut into blocks of as many as fit, all of them equally large: (count / k, k, ...)."""
    count = len(groups.t)
    at_once = max(k for k in range(1, count + 1) if count % k == 0 and k <= max(1, fitting))
    return jax.tree.map(lambda a: a.reshape(-1, at_once, *a.shape[1:]), groups)


def mean_of(function: Callable[[Any], Params], blocks: Any, params: Params) -> Params:
    """The mean of function, which gives trees shaped like params, over blocks, one after the other."""
    count = len(blocks.t)

    def add(total: Params, block: Any) -> tuple[Params, None]:
        return jax.tree.map(lambda a, g: a + g / count, total, function(block)), None

    return jax.lax.scan(add, jax.tree.map(lambda p: jnp.zeros(p.shape, p.dtype), params), blocks)[0]
