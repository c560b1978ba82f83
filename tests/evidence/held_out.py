"""Trainings that the high-dimensional theory has not seen: rules, sizes and step sizes drawn by name, at large d.

`python -m tests.evidence.held_out [NUMBER ...]` compares them and prints a line for each; HELD_OUT_D is d (4000).
The simulation draws its own data and steps through the rules of sims; the test accuracy of weights is exact.
"""

import json
import os
import sys
from dataclasses import asdict
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from paper_repro.shared.logistic_cases import LINEAR
from sims import rules
from sims.data import sampling
from sims.objectives import Batch, Minibatch
from spec.clean_subset import CleanSubset
from spec.networks import Linear
from spec.problems import SignalNoiseMixture
from spec.rules import (
    CompensationSchedule,
    DownWeight,
    FeatureReweight,
    Fsam,
    Gsam,
    MarginSelection,
    MetaReweight,
    NoiseCompensated,
    OracleAscent,
    Rule,
    Sam,
    Sgd,
    Vasso,
)
from spec.seeds import named_seed
from spec.training import Training
from theory.mean_field import Accuracy, prediction

SEEDS = 8
READ = ("test_accuracy", "clean_accuracy", "mislabelled_accuracy")
ALLOWED = np.array([0.003, 0.01, 0.01])
CLEAN = 0.15  # examples of the clean subset over d


class Held(NamedTuple):
    """A training: rule, data, steps, norm of the weights before it, and batches in an epoch."""

    rule: Rule
    problem: SignalNoiseMixture
    training: Training
    scale: float
    batches: int


def held_out(d: int) -> list[Held]:
    """Two of each of twelve rules; the second ones with momentum, weight decay or minibatches."""
    return [_drawn(kind, second, d) for second in (False, True) for kind in range(12)]


def _drawn(kind: int, second: bool, d: int) -> Held:
    rng = np.random.default_rng(named_seed(f"held out/{kind}/{second}"))
    n, batches = 4 * round(rng.uniform(0.4, 2.5) * d / 4), 4 if second and kind < 3 else 1
    problem = SignalNoiseMixture(n=n, d=d, B=rng.uniform(0.8, 2.0), Delta=round(rng.uniform(0.1, 0.4) * n) / n)
    epochs = int(rng.integers(8, 12)) if batches > 1 else int(rng.integers(20, 36))
    momentum, decay = (0.8, 0.02) if second and kind % 2 else (0.0, 0.0)
    eta = rng.uniform(0.1, 0.5) * (1 - momentum)
    training = Training(
        eta=eta, epochs=epochs, batch=n // batches if batches > 1 else None, momentum=momentum, weight_decay=decay
    )
    rho, c, strength = rng.uniform(0.3, 2.0), rng.uniform(1.0, 6.0), rng.uniform(0.2, 1.0)
    batch, schedule = Sam(rho, "batch"), CompensationSchedule(epochs, 1, shape="constant")
    kinds = (
        Sgd(),
        Sam(c / d**0.5),
        batch,
        Sam(rho, n // 4),
        Gsam(rho, 0.3),
        Fsam(rho, 0.7),
        Vasso(rho, 0.3),
        DownWeight(batch, 0.8),
        NoiseCompensated(batch, strength, schedule, MarginSelection(0.2), project="sphere"),
        OracleAscent(batch),
        MetaReweight(1.0, eta),
        FeatureReweight(),
    )
    return Held(kinds[kind], problem, training, float(rng.uniform(0.2, 1.5)), batches)


def simulated(held: Held, seed: int) -> np.ndarray:
    """READ after every epoch for SEEDS trainings, (seeds, epochs + 1, 3)."""
    keys = jax.random.split(jax.random.key(seed), SEEDS)
    return np.asarray(jax.jit(lambda k: jax.lax.map(partial(_one, held), k))(keys))


def _one(held: Held, key: jax.Array) -> jax.Array:
    problem, training = held.problem, held.training
    draw, trusted, begin, chance, order = jax.random.split(key, 5)
    data = partial(sampling.sample, dtype=jnp.float64, n_test=2)
    train = data(problem, draw).train
    clean = data(SignalNoiseMixture(round(CLEAN * problem.d), problem.d, problem.B, problem.gamma, 0.0), trusted).train
    rule = rules.bind(held.rule, rules.Context(train, clean, chance))
    w = {"w": held.scale * jax.random.normal(begin, (problem.d,)) / problem.d**0.5}

    def step(carry: Any, places: jax.Array) -> tuple[Any, None]:
        w, velocity, state = carry
        whole = Batch(train.x, train.t)
        batch = whole if held.batches == 1 else Minibatch(train.x[places], train.t[places], places)
        g, state = rules.gradient(rule, state, LINEAR, w, batch)
        velocity = training.momentum * velocity + g["w"] + training.weight_decay * w["w"]
        return ({"w": w["w"] - training.eta * velocity}, velocity, state), None

    def epoch(carry: Any, key: jax.Array) -> tuple[Any, jax.Array]:
        carry = (*carry[:2], rules.begin_epoch(rule, carry[2]))
        shuffled = jax.random.permutation(key, problem.n).reshape(held.batches, -1)
        carry = jax.lax.scan(step, carry, shuffled)[0]
        return carry, read(carry[0]["w"])

    def read(w: jax.Array) -> jax.Array:
        z, noisy = train.t * (train.x @ w), train.mislabelled
        test = jax.scipy.stats.norm.cdf(problem.B * w[0] / (problem.gamma * jnp.linalg.norm(w)))
        fits = [jnp.sum(jnp.where(group, z > 0, False)) / jnp.sum(group) for group in (~noisy, noisy)]
        return jnp.stack([test, *fits])

    begun = (w, jnp.zeros(problem.d), rules.init(rule, w))
    after = jax.lax.scan(epoch, begun, jax.random.split(order, training.epochs))[1]
    return jnp.concatenate([read(w["w"])[None], after])


def compared(held: Held, name: str) -> dict[str, Any]:
    """How far simulated and predicted curves lie apart, and by how much more than allowed (excess <= 0: not)."""
    of = simulated(held, named_seed(name))
    clean = CleanSubset(round(CLEAN * held.problem.d))
    accuracy = Accuracy(1024, 4, name)
    stated = prediction.curves(
        held.rule, held.problem, held.training, Linear(held.scale), clean=clean, accuracy=accuracy
    )
    curve = np.stack([stated[n].values for n in READ], axis=1)
    own = np.stack([stated[f"{n}_error"].values for n in READ], axis=1)
    error = np.hypot(of.std(axis=0, ddof=1) / len(of) ** 0.5, own)
    gap = np.abs(of.mean(axis=0) - curve)
    worst = {n: round(float(g), 5) for n, g in zip(READ, gap.max(axis=0), strict=True)}
    about = {"rule": held.rule.name, "n": held.problem.n, "training": asdict(held.training)}
    return about | worst | {"excess": float((gap - ALLOWED - 3 * error).max())}


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    trainings = held_out(int(os.environ.get("HELD_OUT_D", "4000")))
    for i in map(int, sys.argv[1:] or range(len(trainings))):
        print(json.dumps({"number": i} | compared(trainings[i], f"held out {i}")), flush=True)
