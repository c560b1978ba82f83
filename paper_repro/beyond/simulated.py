"""The measured side: descent of the linear model on samples of the mixture by the rules of sims."""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from paper_repro.shared.logistic_cases import LINEAR
from sims import rules
from sims.data import sampling
from sims.objectives import Batch
from spec.problems import SignalNoiseMixture
from spec.training import Training

FloatArray = NDArray[np.float64]
NAMES = ("signal_overlap", "clean_loss", "mislabelled_loss", "noise_norm")


class Descent(NamedTuple):
    """A rule from weights of norm about `scale`, full batch, with m clean examples for rules that look at some."""

    rule: Any
    problem: SignalNoiseMixture
    training: Training
    scale: float = 1.0
    m: int = 0


def at_end(descent: Descent, seed: int, count: int) -> FloatArray:
    """NAMES at the end of training for every seed, (count, names)."""
    traced, kind = jax.tree.flatten(descent.rule)
    keys = jax.random.split(jax.random.key(seed), count)
    return np.asarray(_trained(kind, descent._replace(rule=None), traced, keys))


@partial(jax.jit, static_argnums=(0, 1))
def _trained(kind: Any, descent: Descent, traced: Any, keys: jax.Array) -> jax.Array:
    return jax.lax.map(partial(_one, kind, descent, traced), keys)


def _one(kind: Any, descent: Descent, traced: Any, key: jax.Array) -> jax.Array:
    problem, training = descent.problem, descent.training
    draw, trusted, begin, chance = jax.random.split(key, 4)
    data = partial(sampling.sample, dtype=jnp.float64, n_test=2)
    train, clean = data(problem, draw).train, None
    if descent.m:
        clean = data(SignalNoiseMixture(descent.m, problem.d, problem.B, problem.gamma, 0.0), trusted).train
    rule = rules.bind(jax.tree.unflatten(kind, traced), rules.Context(train, clean, chance))
    w = {"w": descent.scale * jax.random.normal(begin, (problem.d,)) / problem.d**0.5}

    def step(carry: Any, _: None) -> tuple[Any, None]:
        w, velocity, state = carry
        g, state = rules.gradient(rule, rules.begin_epoch(rule, state), LINEAR, w, Batch(train.x, train.t))
        velocity = training.momentum * velocity + g["w"] + training.weight_decay * w["w"]
        return ({"w": w["w"] - training.eta * velocity}, velocity, state), None

    begun = (w, jnp.zeros(problem.d), rules.init(rule, w))
    w = jax.lax.scan(step, begun, None, length=training.epochs)[0][0]["w"]
    z, noisy = train.t * (train.x @ w), train.mislabelled
    losses = jax.nn.softplus(-z)
    means = [jnp.sum(jnp.where(group, losses, 0)) / jnp.sum(group) for group in (~noisy, noisy)]
    return jnp.stack([w[0], *means, jnp.linalg.norm(w[1:])])
