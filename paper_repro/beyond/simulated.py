"""The measured side: descent of the linear model on samples of the mixture by the rules of sims.

Samples are drawn by numpy, and read by one program for every shape; a rule adds its own few lines to compile.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from paper_repro.shared.drawn import samples
from paper_repro.shared.logistic_cases import LINEAR
from sims import rules
from sims.data.sampling import Split
from sims.objectives import Batch, Minibatch
from sims.rules.down_weighting import in_group
from spec.problems import SignalNoiseMixture
from spec.rules import Group
from spec.training import Training

FloatArray = NDArray[np.float64]
NAMES = ("signal_overlap", "clean_loss", "mislabelled_loss", "noise_norm")
GROUPS: tuple[Group, ...] = ("A", "B", "C")
TOGETHER = 32  # trainings whose samples are held at a time


class Descent(NamedTuple):
    """A rule from weights of norm about `scale`. m clean examples are drawn, d/4 unless said."""

    rule: Any
    problem: SignalNoiseMixture
    training: Training
    scale: float = 1.0
    m: int = 0

    @property
    def trusted(self) -> int:
        """How many clean examples are drawn for rules that look at some."""
        return self.m or self.problem.d // 4


class Drawn(NamedTuple):
    """What trainings start from, each with a first axis of seeds."""

    train: Split
    clean: Split
    w: Any
    chance: jax.Array


def at_end(descent: Descent, seed: int, count: int) -> FloatArray:
    """NAMES at the end of training for every seed, (count, names)."""
    return _looked(descent, seed, count, lambda drawn, w: _seen(drawn.train, w[:, -1:]))[:, 0]


def path(descent: Descent, seed: int, count: int) -> FloatArray:
    """NAMES before training and after every epoch, (count, epochs + 1, names)."""
    return _looked(descent, seed, count, lambda drawn, w: _seen(drawn.train, w))


def group_shares(descent: Descent, seed: int, count: int) -> FloatArray:
    """Shares of coordinates beside the signal in groups A, B and C of the ratio of the rule under the mask.

    Before training and after every epoch, (count, epochs + 1, 3). That rule must carry no state.
    """
    traced, kind = jax.tree.flatten(descent.rule.base)
    return _looked(descent, seed, count, lambda drawn, w: _grouped(kind, traced, drawn.train, w))


def _looked(descent: Descent, seed: int, count: int, look: Callable[[Drawn, jax.Array], jax.Array]) -> FloatArray:
    """What is seen of weights (seeds, epochs + 1, d), for every seed."""
    found = []
    for start in range(0, count, TOGETHER):
        drawn = draw(descent, np.random.default_rng((seed, start)), TOGETHER)
        found.append(np.asarray(look(drawn, _trained(descent, drawn))))
    return np.concatenate(found)[:count]


def draw(descent: Descent, rng: np.random.Generator, count: int) -> Drawn:
    """Samples of the mixture and starts for `count` trainings."""
    problem = descent.problem
    train = samples(problem, rng, count)
    clean = samples(replace(problem, n=descent.trusted, Delta=0.0), rng, count)
    w = descent.scale * rng.standard_normal((count, problem.d)) / problem.d**0.5
    return Drawn(train, clean, w, jax.random.split(jax.random.key(int(rng.integers(2**31))), count))


def _trained(descent: Descent, drawn: Drawn) -> jax.Array:
    """Weights before training and after every epoch, (seeds, epochs + 1, d)."""
    traced, kind = jax.tree.flatten(descent.rule)
    training = descent.training
    rates = jnp.array([training.eta, training.momentum, training.weight_decay])
    return _descended(kind, training.epochs, training.batch, traced, rates, drawn)


@partial(jax.jit, static_argnums=(0, 1, 2))
def _descended(kind: Any, epochs: int, size: int | None, traced: Any, rates: jax.Array, drawn: Drawn) -> jax.Array:
    one = partial(_one, jax.tree.unflatten(kind, traced), epochs, size, rates)
    return jax.lax.map(one, drawn)


def _one(rule: Any, epochs: int, size: int | None, rates: jax.Array, drawn: Drawn) -> jax.Array:
    train, (eta, momentum, decay) = drawn.train, rates
    order, chance = jax.random.split(drawn.chance)
    rule = rules.bind(rule, rules.Context(train, drawn.clean, chance))

    def step(carry: Any, places: jax.Array) -> tuple[Any, None]:
        w, velocity, state = carry
        batch = Minibatch(train.x[places], train.t[places], places) if size else Batch(train.x, train.t)
        g, state = rules.gradient(rule, state, LINEAR, {"w": w}, batch)
        velocity = momentum * velocity + g["w"] + decay * w
        return (w - eta * velocity, velocity, state), None

    def epoch(carry: Any, key: jax.Array) -> tuple[Any, jax.Array]:
        n = len(train.t)
        places = jax.random.permutation(key, n)[: n // (size or n) * (size or n)].reshape(-1, size or n)
        w, velocity, state = jax.lax.scan(step, (*carry[:2], rules.begin_epoch(rule, carry[2])), places)[0]
        return (w, velocity, state), w

    begun = (drawn.w, jnp.zeros_like(drawn.w), rules.init(rule, {"w": drawn.w}))
    later = jax.lax.scan(epoch, begun, jax.random.split(order, epochs))[1]
    return jnp.concatenate([drawn.w[None], later])


@jax.jit
def _seen(train: Split, w: jax.Array) -> jax.Array:
    """NAMES of weights, (seeds, times, names)."""
    z, noisy = jnp.einsum("snd,std->stn", train.x * train.t[..., None], w), train.mislabelled
    shares = jnp.stack([~noisy, noisy], axis=1) / jnp.stack([jnp.sum(~noisy, 1), jnp.sum(noisy, 1)], axis=1)[..., None]
    losses = jnp.einsum("sgn,stn->stg", shares, jax.nn.softplus(-z))
    return jnp.concatenate([w[..., :1], losses, jnp.linalg.norm(w[..., 1:], axis=-1, keepdims=True)], axis=-1)


@partial(jax.jit, static_argnums=0)
def _grouped(kind: Any, traced: Any, train: Split, w: jax.Array) -> jax.Array:
    rule = jax.tree.unflatten(kind, traced)

    def shares(train: Split, w: jax.Array) -> jax.Array:
        h, g, _ = rules.with_plain(rule, (), LINEAR, {"w": w}, Batch(train.x, train.t))
        return jnp.stack([jnp.mean(in_group(group, g["w"][1:], h["w"][1:])) for group in GROUPS])

    return jax.lax.map(lambda one: jax.lax.map(partial(shares, one[0]), one[1]), (train, w))
