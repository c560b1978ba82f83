r"""The gradient of SGD, of the SAM family and of penalised SGD, by automatic differentiation, from the algorithm.

Each rule of the SAM family says whether the residual d loss/d logits and the network Jacobian feel the perturbation.
One vector-Jacobian product then gives  mean_i <residual_i(logit network), grad f_i(Jacobian network)>, where a network
is either the plain one or one whose weights have moved (sims.rules.ascent).
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from sims import factors
from sims.factors import Network
from sims.layers import affine
from sims.objectives import Batch, Objective
from sims.rules.ascent import (
    displaced,
    in_blocks,
    mean_of,
    mean_over_shards,
    relative,
    relative_gradient,
    residual_gradient,
    shard_size,
    shards,
    step_along,
)
from sims.rules.base import Params, State, gradient, register, with_plain
from sims.tracing import examples_at_once, has_factors, require_separate
from spec.rules.sam import JacobianSam, LogitSam, Perturbed, Regularised, Sam, SamFamily, Sgd

register(Sgd, Sam, LogitSam, JacobianSam, Regularised)


@gradient.register
def _(rule: SamFamily, state: State, objective: Objective, params: Params, batch: Batch) -> tuple[Params, State]:
    def of(part: Batch) -> Params:
        return residual_gradient(objective, params, part, *networks(rule, objective, params, part))

    if acts_on_all(rule, objective, params, batch):
        return _of_blocks(of, rule, objective, params, batch), state
    return mean_over_shards(of, shards(rule, batch), params), state


@with_plain.register
def _(
    rule: Perturbed, state: State, objective: Objective, params: Params, batch: Batch
) -> tuple[Params, Params, State]:
    if rule.ascent == "last" or not acts_on_all(rule, objective, params, batch):
        return with_plain.dispatch(object)(rule, state, objective, params, batch)

    def of(part: Batch) -> tuple[Params, Params]:
        logit_network, jacobian_network, plain = _ascended(rule, objective, params, part)
        return residual_gradient(objective, params, part, logit_network, jacobian_network), plain()

    return *_of_blocks(of, rule, objective, params, batch), state


def _of_blocks(
    function: Callable[[Batch], Any], rule: SamFamily, objective: Objective, params: Params, batch: Batch
) -> Any:
    """function of the batch; where its factors are too large to exist at once, the mean over blocks of shards."""
    if not is_factored(rule, objective, params, batch):
        return function(batch)
    fitting = examples_at_once(objective.model, params, batch.x)
    if fitting >= len(batch.t):
        return function(batch)
    blocks = in_blocks(shards(rule, batch), fitting // shard_size(rule, batch))
    whole = jax.tree.map(lambda a: a.reshape(len(a), -1, *a.shape[3:]), blocks)
    first = jax.tree.map(lambda a: a[0], whole)
    return mean_of(function, whole, jax.eval_shape(function, first))


def networks(rule: SamFamily, objective: Objective, params: Params, batch: Batch) -> tuple[Network, Network]:
    """(the network that gives the residuals, the one that gives the Jacobian) of a batch, both to be used at params.

    The batch is one shard, unless the rule is factored on this model: then it may hold many.
    """
    return _ascended(rule, objective, params, batch)[:2]


def _ascended(
    rule: SamFamily, objective: Objective, params: Params, batch: Batch
) -> tuple[Network, Network, Callable[[], Params]]:
    """networks, and what gives the gradient that the ascent followed: the plain one, unless ascent is 'last'."""
    plain = objective.network(batch.x)
    if not isinstance(rule, Perturbed):
        return plain, plain, lambda: residual_gradient(objective, params, batch, plain, plain)
    if rule.ascent == "last":
        objective.model.head(params)  # an InputError where there is none
    if is_factored(rule, objective, params, batch):
        logits, pull_back = factors.tap(plain, params)
        m = shard_size(rule, batch)
        residuals, size = relative(objective.residuals(logits, batch.t), m)
        taken = pull_back(residuals)
        moved = factors.ascended(plain, taken, rule.rho, m, rule.ascent)

        def followed() -> Params:
            return factors.weighted_sum(plain, params, taken, size)
    else:
        g, size = relative_gradient(rule, objective, params, batch)
        moved = displaced(plain, step_along(rule, params, g))

        def followed() -> Params:
            return jax.tree.map(lambda leaf: size * leaf, g)

    return moved if rule.perturbs_residual else plain, moved if rule.perturbs_jacobian else plain, followed


def acts_on_all(rule: SamFamily, objective: Objective, params: Params, batch: Batch) -> bool:
    """Whether `networks` of the whole batch serve all of its shards: there is but one, or the rule is factored.

    Raises InputError for several shards of a model in which examples change one another's outputs.
    """
    if shard_size(rule, batch) == len(batch.t):
        return True
    require_separate(objective.model, params, batch.x)
    return is_factored(rule, objective, params, batch)


def is_factored(rule: SamFamily, objective: Objective, params: Params, batch: Batch) -> bool:
    """Whether the rule perturbs this model by factors, without a copy of the parameters for every shard.

    Not for n-SAM, whose one copy is cheaper, and not for adaptive shards of several examples, which have no low rank.
    """
    if not isinstance(rule, Perturbed) or rule.sharpness == "batch":
        return False
    if rule.ascent == "adaptive" and rule.sharpness not in ("example", 1):
        return False
    return has_factors(objective.model, params, batch.x, rule.ascent)


@gradient.register
def _(rule: Regularised, state: State, objective: Objective, params: Params, batch: Batch) -> tuple[Params, State]:
    def total(p: Params) -> jax.Array:
        hidden = objective.model.hidden(p, batch.x)
        losses = jax.vmap(objective.loss)(objective.model.readout(p, hidden, affine), batch.t)
        sizes = jax.vmap(partial(_size, rule.form))(hidden)
        return (
            jnp.mean(losses)
            + rule.activation * jnp.mean(sizes)
            + rule.last_layer * _size(rule.form, objective.model.head(p))
        )

    return jax.grad(total)(params), state


def _size(form: str, a: jax.Array) -> jax.Array:
    """||a||^2/2, or ||a||, whose derivative is taken to be 0 at 0."""
    square = jnp.sum(a**2)
    if form == "squared":
        return square / 2
    positive = square > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, square, 1)), 0)
