"""The measured side of networks of a few units: descent on samples of the mixture by the rules of sims."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sims import objectives, rules
from sims.data import sampling
from sims.models import networks
from sims.objectives import Batch
from spec.problems import SignalNoiseMixture
from spec.training import Training
from theory.mean_field.networks import TwoLayer

FloatArray = NDArray[np.float64]
UNITS = {"linear": lambda h: h, "tanh": jnp.tanh, "erf": jax.lax.erf, "relu": jax.nn.relu}


class Descent(NamedTuple):
    """A rule on a network, full batch. A rule goes with training and problem into one compiled program."""

    rule: Any
    problem: SignalNoiseMixture
    training: Training
    network: TwoLayer


class Trace(NamedTuple):
    """What is seen of seeds (first axis) before training and after every step (second axis).

    v (units,), signal = W e_1 (units,), gram = W W^T (units, units); fit and loss of clean and mislabelled examples.
    """

    v: Any
    signal: Any
    gram: Any
    accuracy: Any
    loss: Any

    @property
    def last_norm(self) -> FloatArray:
        """||v||."""
        return np.linalg.norm(self.v, axis=-1)

    @property
    def first_norm(self) -> FloatArray:
        """The Frobenius norm of W."""
        return np.sqrt(np.trace(self.gram, axis1=-2, axis2=-1))


def trace(descent: Descent, seed: int, count: int) -> Trace:
    """Whole trainings for every seed."""
    traced, kind = jax.tree.flatten(descent.rule)
    keys = jax.random.split(jax.random.key(seed), count)
    return Trace(*(np.asarray(part) for part in _traced(kind, descent._replace(rule=None), traced, keys)))


def at_end(descent: Descent, seed: int, count: int) -> FloatArray:
    """signal_overlap, clean_loss, mislabelled_loss, last_norm, first_norm at the end, (count, 5)."""
    end = Trace(*(part[:, -1] for part in trace(descent, seed, count)))
    return np.column_stack([np.sum(end.v * end.signal, axis=1), end.loss, end.last_norm, end.first_norm])


def objective(network: TwoLayer) -> objectives.Objective:
    """The logistic loss of the network."""
    plain = networks.two_layer_linear(1, len(network.v))
    unit = UNITS[network.unit]
    model = plain._replace(body=lambda p, x, dense: unit(plain.body(p, x, dense)))
    return objectives.Objective(model, objectives.logistic)


@partial(jax.jit, static_argnums=(0, 1))
def _traced(kind: Any, descent: Descent, traced: Any, keys: jax.Array) -> Trace:
    return jax.lax.map(partial(_one, kind, descent, traced), keys)


def _one(kind: Any, descent: Descent, traced: Any, key: jax.Array) -> Trace:
    problem, training, network = descent.problem, descent.training, descent.network
    draw, begin, chance = jax.random.split(key, 3)
    train = sampling.sample(problem, draw, dtype=jnp.float64, n_test=2).train
    rule = rules.bind(jax.tree.unflatten(kind, traced), rules.Context(train, None, chance))
    aim, batch = objective(network), Batch(train.x, train.t)
    speed = {"W": 1.0, "v": network.second}

    def step(carry: Any, _: None) -> tuple[Any, Trace]:
        w, velocity, state = carry
        g, state = rules.gradient(rule, rules.begin_epoch(rule, state), aim, w, batch)
        velocity = jax.tree.map(lambda u, g, w: training.momentum * u + g + training.weight_decay * w, velocity, g, w)
        w = jax.tree.map(lambda w, u, fast: w - training.eta * fast * u, w, velocity, speed)
        return (w, velocity, state), seen(w)

    def seen(w: Any) -> Trace:
        z = train.t * aim.model.apply(w, train.x)
        noisy = train.mislabelled
        shares = jnp.stack([~noisy / jnp.sum(~noisy), noisy / jnp.maximum(jnp.sum(noisy), 1)])
        return Trace(w["v"], w["W"][:, 0], w["W"] @ w["W"].T, shares @ (z > 0), shares @ jax.nn.softplus(-z))

    w = _start(network, problem.d, begin)
    begun = (w, jax.tree.map(jnp.zeros_like, w), rules.init(rule, w))
    later = jax.lax.scan(step, begun, None, length=training.epochs)[1]
    return jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), seen(w), later)


def _start(network: TwoLayer, d: int, key: jax.Array) -> dict[str, jax.Array]:
    """Rows of the stated norm and overlap, in independent directions."""
    W = jax.random.normal(key, (len(network.v), d), jnp.float64).at[:, 0].set(0)
    W *= (network.scale**2 - network.overlap**2) ** 0.5 / jnp.linalg.norm(W, axis=1, keepdims=True)
    return {"W": W.at[:, 0].set(network.overlap), "v": jnp.array(network.v, jnp.float64)}
