r"""The gradient of every rule in spec.rules, by automatic differentiation, written from the algorithm.

Each rule of the SAM family says whether the residual d loss/d logits and the network Jacobian feel the perturbation.
One vector-Jacobian product then gives  mean_i <residual_i(logit network), grad f_i(Jacobian network)>, where a network
is either the plain one or one whose weights have moved. There are two ways to move them: `ascent_step` gives an eps to
add to the parameters, one copy of them for every shard, for any model; `factors.ascended` never writes eps out.
"""

from collections.abc import Callable
from dataclasses import fields
from functools import partial, singledispatch
from typing import Any

import jax
import jax.numpy as jnp

from sims import factors
from sims.data import Split
from sims.factors import Dense, Network, affine
from sims.models import Model
from sims.objectives import Batch, Objective, Part
from spec.rules import ADAPTIVE_OFFSET, JacobianSam, LogitSam, Regularised, Sam, Sgd
from spec.validation import InputError

Params = Any
State = Any


def register(record: type, *continuous: str) -> None:
    """Make a rule's record a pytree: continuous fields are leaves (or subtrees), the others are static.

    So one compiled program serves a whole grid of the continuous ones. The static part names the type: tree structures
    of different types may compare equal (seen with jax 0.10), and a compiled L-SAM would now and then be served for
    J-SAM.
    """
    discrete = [field.name for field in fields(record) if field.name not in continuous]

    def rebuilt(static: tuple[Any, ...], leaves: Any) -> Any:
        rule: Any = object.__new__(record)  # without its checks: the tree machinery also fills trees with placeholders
        for name, value in zip((*discrete, *continuous), (*static[1:], *leaves), strict=True):
            object.__setattr__(rule, name, value)
        return rule

    jax.tree_util.register_pytree_node(
        record,
        lambda rule: (tuple(getattr(rule, n) for n in continuous), (record, *(getattr(rule, n) for n in discrete))),
        rebuilt,
    )


register(Sgd)
register(Regularised, "activation", "last_layer")
for _record in (Sam, LogitSam, JacobianSam):
    register(_record, "rho")

PERTURBED_COPIES = 2**28  # bytes of perturbed copies of the parameters that the plain path keeps at once


@singledispatch
def bind(rule: Any, train: Split, key: jax.Array) -> Any:
    """The rule for one training split. Those that need true labels or randomness get them here; others stay."""
    return rule


@singledispatch
def init(rule: Any, params: Params) -> State:
    """The state a rule carries from step to step; stateless rules carry the empty tuple."""
    return ()


@singledispatch
def begin_epoch(rule: Any, state: State) -> State:
    """The state at the start of an epoch; most rules do not count them."""
    return state


@singledispatch
def report(rule: Any, state: State, train: Split) -> dict[str, jax.Array]:
    """What a rule's state has to say of the training split, to be recorded beside the observables."""
    return {}


@singledispatch
def gradient(
    rule: Any, state: State, objective: Objective, params: Params, batch: Batch | Part
) -> tuple[Params, State]:
    """The rule's gradient of the mean loss of a batch, a tree like params, and the next state.

    Finite at a stationary point. Raises InputError when sharpness does not divide the batch.
    """
    raise TypeError(f"no gradient is defined for {rule!r}")


@singledispatch
def with_plain(
    rule: Any, state: State, objective: Objective, params: Params, batch: Batch | Part
) -> tuple[Params, Params, State]:
    """(the rule's gradient, the plain gradient of the same batch, the next state).

    Where the rule comes by the plain gradient on its way, it is not computed a second time.
    """
    g, state = gradient(rule, state, objective, params, batch)
    return g, gradient(Sgd(), (), objective, params, batch)[0], state


@with_plain.register(Sam)
@with_plain.register(LogitSam)
@with_plain.register(JacobianSam)
def _(rule: Any, state: State, objective: Objective, params: Params, batch: Batch) -> tuple[Params, Params, State]:
    factored = is_factored(rule, objective.model)
    if rule.ascent == "last" or not (factored or shard_size(rule, batch) == len(batch.t)):
        return with_plain.dispatch(object)(rule, state, objective, params, batch)
    logit_network, jacobian_network, plain = _ascended(rule, objective, params, batch)
    return residual_gradient(objective, params, batch, logit_network, jacobian_network), plain(), state


@gradient.register(Sgd)
@gradient.register(Sam)
@gradient.register(LogitSam)
@gradient.register(JacobianSam)
def _(rule: Any, state: State, objective: Objective, params: Params, batch: Batch) -> tuple[Params, State]:
    def of(part: Batch) -> Params:
        return residual_gradient(objective, params, part, *networks(rule, objective, params, part))

    if shard_size(rule, batch) == len(batch.t) or is_factored(rule, objective.model):
        return of(batch), state
    return mean_over_shards(of, shards(rule, batch), params), state


def residual_gradient(
    objective: Objective, params: Params, part: Batch, logit_network: Network, jacobian_network: Network
) -> Params:
    """mean_i <residual_i(logit network), grad f_i(Jacobian network)>, a tree like params."""
    logits, pull_back = jax.vjp(jacobian_network, params)
    if logit_network is not jacobian_network:
        logits = logit_network(params)
    return pull_back(objective.residuals(logits, part.t) / len(part.t))[0]


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


def networks(rule: Any, objective: Objective, params: Params, batch: Batch) -> tuple[Network, Network]:
    """(the network that gives the residuals, the one that gives the Jacobian) of a batch, both to be used at params.

    The batch is one shard, unless the rule is factored on this model: then it may hold many.
    """
    return _ascended(rule, objective, params, batch)[:2]


def _ascended(
    rule: Any, objective: Objective, params: Params, batch: Batch
) -> tuple[Network, Network, Callable[[], Params]]:
    """networks, and what gives the gradient that the ascent followed: the plain one, unless ascent is 'last'."""
    plain = objective.network(batch.x)
    if not (rule.perturbs_residual or rule.perturbs_jacobian):
        return plain, plain, lambda: residual_gradient(objective, params, batch, plain, plain)
    if is_factored(rule, objective.model):
        logits, pull_back = factors.tap(plain, params)
        m = shard_size(rule, batch)
        residuals, size = _relative(objective.residuals(logits, batch.t), m)
        taken = pull_back(residuals)
        moved = factors.ascended(plain, taken, rule.rho, m, rule.ascent)

        def followed() -> Params:
            return factors.weighted_sum(plain, params, taken, size)
    else:
        g, size = _relative_gradient(rule, objective, params, batch)
        moved = displaced(plain, step_along(rule, params, g))

        def followed() -> Params:
            return jax.tree.map(lambda leaf: size * leaf, g)

    return moved if rule.perturbs_residual else plain, moved if rule.perturbs_jacobian else plain, followed


def displaced(network: Network, eps: Params) -> Network:
    """The network whose weights are eps away from the parameters it is given."""

    def moved(p: Params, dense: Dense = affine) -> jax.Array:
        return network(jax.tree.map(jnp.add, p, eps), dense)

    return moved


def is_factored(rule: Any, model: Model) -> bool:
    """Whether the rule perturbs this model by factors, without a copy of the parameters for every shard.

    Not for n-SAM, whose one copy is cheaper, and not for adaptive shards of several examples, which have no low rank.
    """
    if not model.factored or rule.sharpness == "batch":
        return False
    return rule.ascent != "adaptive" or rule.sharpness in ("example", 1)


def ascent_step(rule: Any, objective: Objective, params: Params, shard: Batch) -> Params:
    """eps = rho g/||g|| with g the gradient of the shard's mean loss, a tree like params; zero where g is zero.

    'last': g without the entries of all layers but the last. 'adaptive': rho T^2 g/||T g||, T = |w| + 0.01.
    """
    return step_along(rule, params, _relative_gradient(rule, objective, params, shard)[0])


def step_along(rule: Any, params: Params, g: Params) -> Params:
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


def _relative_gradient(rule: Any, objective: Objective, params: Params, shard: Batch) -> tuple[Params, jax.Array]:
    """(g/size, size) with g the gradient of the shard's mean loss and size that of its largest residual."""

    def logits_of(p: Params) -> jax.Array:
        hidden = objective.model.body(p, shard.x, affine)
        return objective.model.readout(p, jax.lax.stop_gradient(hidden) if rule.ascent == "last" else hidden, affine)

    logits, pull_back = jax.vjp(logits_of, params)
    residuals, size = _relative(objective.residuals(logits, shard.t), len(shard.t))
    return pull_back(residuals)[0], size[0]


def shard_size(rule: Any, batch: Batch) -> int:
    """How many examples share one ascent step. Raises InputError when that does not divide the batch."""
    n = len(batch.t)
    m = {"example": 1, "batch": n}.get(rule.sharpness, rule.sharpness)
    if n % m:
        raise InputError(f"sharpness must divide the batch, got {rule.sharpness} for {n} examples")
    return m


def shards(rule: Any, batch: Any) -> Any:
    """The batch, of any kind, cut into consecutive shards: leaves (n / m, m, ...)."""
    m = shard_size(rule, batch)
    return jax.tree.map(lambda a: a.reshape(-1, m, *a.shape[1:]), batch)


def _relative(residuals: jax.Array, m: int) -> tuple[jax.Array, jax.Array]:
    """Residuals over n, relative to the size of the largest of their shard, and that size for every example, (n,).

    Only the direction of an ascent counts, and so they cannot underflow together when all are small. Sizes are powers
    of two: multiplying by them again gives the plain gradient without rounding.
    """
    groups = residuals.reshape(-1, m * residuals[0].size)
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(groups), axis=1, keepdims=True))
    size = jnp.ldexp(jnp.ones_like(largest), jnp.frexp(largest)[1])
    return (groups / (size * len(residuals))).reshape(residuals.shape), jnp.repeat(size[:, 0], m)


def mean_over_shards(function: Callable[[Any], Params], groups: Any, params: Params) -> Params:
    """The mean of function over shards, as many at a time as PERTURBED_COPIES has room for."""
    count = len(groups.t)
    copies = 3 * sum(leaf.nbytes for leaf in jax.tree.leaves(params))  # eps, the moved weights and their gradient
    fitting = max(1, PERTURBED_COPIES // copies)
    at_once = max(k for k in range(1, count + 1) if count % k == 0 and k <= fitting)

    def add(total: Params, some: Batch) -> tuple[Params, None]:
        return jax.tree.map(lambda a, g: a + jnp.sum(g, axis=0) / count, total, jax.vmap(function)(some)), None

    blocks = jax.tree.map(lambda a: a.reshape(-1, at_once, *a.shape[1:]), groups)
    return jax.lax.scan(add, jax.tree.map(jnp.zeros_like, params), blocks)[0]
