r"""The gradient of every rule in spec.rules, by automatic differentiation, written from the algorithm.

Each rule of the SAM family says whether the residual d loss/d logits and the network Jacobian feel the perturbation.
One vector-Jacobian product then gives  mean_i <residual_i(logit network), grad f_i(Jacobian network)>, where a network
is either the plain one or one whose weights have moved. There are two ways to move them: `ascent_step` gives an eps to
add to the parameters, one copy of them for every shard, for any model; `factors.ascended` never writes eps out.
"""

from collections.abc import Callable
from functools import partial, singledispatch
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from sims import factors
from sims.data import Split
from sims.factors import Dense, Network, affine
from sims.models import Model
from spec.rules import ADAPTIVE_OFFSET, JacobianSam, LogitSam, Regularised, Sam, Sgd
from spec.validation import InputError

Params = Any
State = Any

# Continuous fields are leaves, so that one compiled program serves a whole grid of them; discrete fields are static.
# The static part names the type: tree structures of different types may compare equal (seen with jax 0.10), and a
# compiled L-SAM would then now and then be served for J-SAM.
for _record in (Sam, LogitSam, JacobianSam):
    jax.tree_util.register_pytree_node(
        _record,
        lambda rule: ((rule.rho,), (type(rule), rule.sharpness, rule.ascent)),
        lambda static, leaves: static[0](leaves[0], *static[1:]),
    )
jax.tree_util.register_pytree_node(Sgd, lambda rule: ((), (Sgd,)), lambda static, leaves: Sgd())
jax.tree_util.register_pytree_node(
    Regularised,
    lambda rule: ((rule.activation, rule.last_layer), (Regularised, rule.form)),
    lambda static, leaves: Regularised(*leaves, static[1]),
)

PERTURBED_COPIES = 2**28  # bytes of perturbed copies of the parameters that the plain path keeps at once


class Batch(NamedTuple):
    """x (n, d) and observed labels t (n,)."""

    x: jax.Array
    t: jax.Array


class Part(NamedTuple):
    """A Batch that knows the places (n,) of its examples in the training split, for rules that remember examples."""

    x: jax.Array
    t: jax.Array
    places: jax.Array


class Objective(NamedTuple):
    """A model, and loss(logits of one example, its label) -> number."""

    model: Model
    loss: Callable[[jax.Array, jax.Array], jax.Array]

    def mean(self, params: Params, batch: Batch) -> jax.Array:
        return jnp.mean(jax.vmap(self.loss)(self.model.apply(params, batch.x), batch.t))

    def residuals(self, logits: jax.Array, t: jax.Array) -> jax.Array:
        return jax.vmap(jax.grad(self.loss))(logits, t)

    def network(self, x: jax.Array) -> Network:
        """The plain network on fixed inputs."""

        def plain(params: Params, dense: Dense = affine) -> jax.Array:
            return self.model.apply(params, x, dense)

        return plain


@jax.custom_jvp
def logistic(logit: jax.Array, t: jax.Array) -> jax.Array:
    """log(1 + exp(-t f)) for a label t in {-1, 1}."""
    return jax.nn.softplus(-t * logit)


@logistic.defjvp
def _logistic_jvp(primals: tuple[jax.Array, jax.Array], tangents: tuple[jax.Array, jax.Array]) -> Any:
    # The derivative without a logarithm: the one of softplus is several times as slow.
    (logit, t), (d_logit, d_t) = primals, tangents
    return logistic(logit, t), -jax.nn.sigmoid(-t * logit) * (t * d_logit + logit * d_t)


def squared(logit: jax.Array, t: jax.Array) -> jax.Array:
    """(f - t)^2/2 for a label t in {-1, 1}."""
    return (logit - t) ** 2 / 2


def cross_entropy(logits: jax.Array, t: jax.Array) -> jax.Array:
    """-log softmax(f)_t for a class t."""
    # A one-hot product rather than an index, whose derivative would be a slow scatter.
    return jax.nn.logsumexp(logits) - jnp.sum(jax.nn.one_hot(t, len(logits), dtype=logits.dtype) * logits)


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
def gradient(rule: Any, state: State, objective: Objective, params: Params, batch: Batch) -> tuple[Params, State]:
    """The rule's gradient of the mean loss of a batch, a tree like params, and the next state.

    Finite at a stationary point. Raises InputError when sharpness does not divide the batch.
    """
    raise TypeError(f"no gradient is defined for {rule!r}")


@gradient.register(Sgd)
@gradient.register(Sam)
@gradient.register(LogitSam)
@gradient.register(JacobianSam)
def _(rule: Any, state: State, objective: Objective, params: Params, batch: Batch) -> tuple[Params, State]:
    def of(part: Batch) -> Params:
        logit_network, jacobian_network = networks(rule, objective, params, part)
        logits, pull_back = jax.vjp(jacobian_network, params)
        if logit_network is not jacobian_network:
            logits = logit_network(params)
        return pull_back(objective.residuals(logits, part.t) / len(part.t))[0]

    if shard_size(rule, batch) == len(batch.t) or is_factored(rule, objective.model):
        return of(batch), state
    return _mean(of, shards(rule, batch), params), state


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
    plain = objective.network(batch.x)
    if not (rule.perturbs_residual or rule.perturbs_jacobian):
        return plain, plain
    if is_factored(rule, objective.model):
        logits, pull_back = factors.tap(plain, params)
        m = shard_size(rule, batch)
        residuals = _relative(objective.residuals(logits, batch.t), m)
        moved = factors.ascended(plain, pull_back(residuals), rule.rho, m, rule.ascent)
    else:
        eps = ascent_step(rule, objective, params, batch)

        def moved(p: Params, dense: Dense = affine) -> jax.Array:
            return plain(jax.tree.map(jnp.add, p, eps), dense)

    return moved if rule.perturbs_residual else plain, moved if rule.perturbs_jacobian else plain


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

    def logits_of(p: Params) -> jax.Array:
        hidden = objective.model.body(p, shard.x, affine)
        return objective.model.readout(p, jax.lax.stop_gradient(hidden) if rule.ascent == "last" else hidden, affine)

    logits, pull_back = jax.vjp(logits_of, params)
    (g,) = pull_back(_relative(objective.residuals(logits, shard.t), len(shard.t)))
    T = jax.tree.map(lambda p: jnp.abs(p) + ADAPTIVE_OFFSET if rule.ascent == "adaptive" else jnp.ones_like(p), params)
    squares = sum(jnp.sum((s * gi) ** 2) for s, gi in zip(jax.tree.leaves(T), jax.tree.leaves(g), strict=True))
    # Guarded before the square root: otherwise the value at g = 0 is finite but its derivative is NaN.
    positive = squares > 0
    scale = jnp.where(positive, rule.rho / jnp.sqrt(jnp.where(positive, squares, 1)), 0)
    return jax.tree.map(lambda s, gi: (scale * s**2 * gi).astype(gi.dtype), T, g)


def shard_size(rule: Any, batch: Batch) -> int:
    """How many examples share one ascent step. Raises InputError when that does not divide the batch."""
    n = len(batch.t)
    m = {"example": 1, "batch": n}.get(rule.sharpness, rule.sharpness)
    if n % m:
        raise InputError(f"sharpness must divide the batch, got {rule.sharpness} for {n} examples")
    return m


def shards(rule: Any, batch: Batch) -> Batch:
    """The batch cut into consecutive shards: leaves (n / m, m, ...)."""
    m = shard_size(rule, batch)
    return jax.tree.map(lambda a: a.reshape(-1, m, *a.shape[1:]), batch)


def _relative(residuals: jax.Array, m: int) -> jax.Array:
    """Residuals relative to the largest of their shard: only the direction of an ascent counts, and so they cannot
    underflow together when all are small."""
    groups = residuals.reshape(-1, m * residuals[0].size)
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(groups), axis=1, keepdims=True))
    return (groups / jnp.where(largest > 0, largest, 1)).reshape(residuals.shape)


def _mean(function: Callable[[Batch], Params], groups: Batch, params: Params) -> Params:
    """The mean of function over shards, as many at a time as PERTURBED_COPIES has room for."""
    count = len(groups.t)
    copies = 3 * sum(leaf.nbytes for leaf in jax.tree.leaves(params))  # eps, the moved weights and their gradient
    fitting = max(1, PERTURBED_COPIES // copies)
    at_once = max(k for k in range(1, count + 1) if count % k == 0 and k <= fitting)

    def add(total: Params, some: Batch) -> tuple[Params, None]:
        return jax.tree.map(lambda a, g: a + jnp.sum(g, axis=0) / count, total, jax.vmap(function)(some)), None

    blocks = jax.tree.map(lambda a: a.reshape(-1, at_once, *a.shape[1:]), groups)
    return jax.lax.scan(add, jax.tree.map(jnp.zeros_like, params), blocks)[0]
