"""A predicted training against one simulation of the same length with d = 8000 and n = 16000, in float32."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import Row, seconds
from paper_repro.shared.logistic_cases import LINEAR
from sims import rules
from sims.objectives import Batch
from spec.networks import Linear
from spec.problems import SignalNoiseMixture
from spec.rules import Rule, Sam
from spec.training import Training
from theory.mean_field import Accuracy, curves

PROBLEM = SignalNoiseMixture(n=16_000, d=8000, B=1.5, Delta=0.25)
TRAINING = Training(eta=0.3, epochs=100)
ACCURACY = Accuracy(samples=1024, repeats=4)  # a standard error of the test accuracy of at most .2 points here
RULES: tuple[Rule, ...] = (Sam(0.02), Sam(1.0, "batch"))


def rows(_repeats: int) -> Iterator[Row]:
    """1-SAM and n-SAM. Simulations are long, so each is timed once only, the drawing of the sample included."""
    yield from map(_row, RULES)


def _row(rule: Rule) -> Row:
    def predicted() -> Any:
        return curves(rule, PROBLEM, TRAINING, Linear(), accuracy=ACCURACY)["test_accuracy"].values

    once = seconds(partial(simulated, rule)) / seconds(predicted)
    what, peer = f"{rule.name} predicted, 100 steps", "one simulation, d = 8000"
    return Row("mean field", what, peer, once, once, once, "times as fast")


def simulated(rule: Any, problem: SignalNoiseMixture = PROBLEM, steps: int = TRAINING.epochs) -> jax.Array:
    """Weights after some steps by the rule of sims. The sample, .5 GB, is drawn in place and held once."""
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((problem.n, problem.d), np.float32), rng.permuted(np.resize([-1, 1], problem.n))
    x[:, 0] += problem.B * y
    t = np.where(np.arange(problem.n) < problem.Delta * problem.n, -y, y).astype(np.float32)
    batch = Batch(jnp.asarray(x), jnp.asarray(t))
    w = jnp.asarray(rng.standard_normal(problem.d) / problem.d**0.5, jnp.float32)
    for _ in range(steps):
        w = _step(rule, batch, w)
    return w


@jax.jit
def _step(rule: Any, batch: Batch, w: jax.Array) -> jax.Array:
    return w - TRAINING.eta * rules.gradient(rule, rules.init(rule, {"w": w}), LINEAR, {"w": w}, batch)[0]["w"]
