"""The measured side of networks of a few units: descent on samples by the rules of sims, full batch.

Sizes, laws and lengths go into a compiled program as numbers. A training of n examples in d dimensions is carried out
in a `room` of more, where it is the same: every example is there equally often, and inputs are 0 beyond d.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sims import objectives, rules
from sims.models import networks
from sims.objectives import Batch
from spec.problems import NoisyLinearTeacher, SignalNoiseMixture
from spec.training import Training
from spec.validation import require
from theory.mean_field.networks import TwoLayer

FloatArray = NDArray[np.float64]
Law = SignalNoiseMixture | NoisyLinearTeacher
UNITS = {"linear": lambda h: h, "tanh": jnp.tanh, "erf": jax.lax.erf, "relu": jax.nn.relu}


class Descent(NamedTuple):
    """A rule on a network."""

    rule: Any
    problem: Law
    training: Training
    network: TwoLayer


class Trace(NamedTuple):
    """What is seen of rules and seeds (first axes) before training and after every step (third axis).

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


class _Program(NamedTuple):
    """What a program is compiled for: kinds of rules, size of the room, steps, number and kind of units."""

    kinds: tuple[Any, ...]
    room: tuple[int, int]
    steps: int
    units: int
    unit: str


def trace(descents: Sequence[Descent], seed: int, count: int, room: tuple[int, int] | None = None) -> Trace:
    """Whole trainings for every seed; descents differ in the rule alone, and see the same samples. room: (n, d)."""
    (_, problem, training, network), flat = descents[0], [jax.tree.flatten(one.rule) for one in descents]
    room = room or (problem.n, problem.d)
    require(room[0] % problem.n == 0 and room[1] >= problem.d, "room", room, f"a multiple of n={problem.n}, at least d")
    program = _Program(tuple(kind for _, kind in flat), room, training.epochs, len(network.v), network.unit)
    numbers = {
        "leaves": [leaves for leaves, _ in flat],
        "law": _law(problem),
        "labels": tuple(np.tile(part, room[0] // problem.n) for part in _labels(problem)),
        "training": (training.eta, training.momentum, training.weight_decay, network.second),
        "start": (np.array(network.v), network.overlap, float(np.sqrt(network.scale**2 - network.overlap**2))),
    }
    drawn = (_normals(problem, program, np.random.default_rng((seed, k))) for k in range(count))
    found = [_traced(program, numbers, *normals) for normals in drawn]
    return Trace(*(np.stack(part, axis=1) for part in zip(*found, strict=True)))


def at_end(descent: Descent, seed: int, count: int, room: tuple[int, int] | None = None) -> FloatArray:
    """signal_overlap, clean_loss, mislabelled_loss, last_norm, first_norm at the end, (count, 5)."""
    end = Trace(*(part[0, :, -1] for part in trace([descent], seed, count, room)))
    return np.column_stack([np.sum(end.v * end.signal, axis=1), end.loss, end.last_norm, end.first_norm])


def _law(problem: Law) -> tuple[float, float, float]:
    """Length of the signal, of the noise, and of the noise along the signal."""
    if isinstance(problem, NoisyLinearTeacher):
        return 0.0, 1.0, 1.0
    return problem.B, problem.gamma, float(problem.noise == "isotropic")


def _labels(problem: Law) -> tuple[FloatArray, FloatArray]:
    """(classes, or 0 where the teacher gives them; -1 on mislabelled examples), (n,). Inputs come in no order."""
    wrong = round(problem.Delta * problem.n)
    classes = np.where(np.arange(problem.n) % 2, -1.0, 1.0) * (not isinstance(problem, NoisyLinearTeacher))
    return classes, np.where(np.arange(problem.n) < wrong, -1.0, 1.0)


def _normals(problem: Law, program: _Program, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Of W (units, d) and of inputs (n, d), in the room."""
    normals = np.zeros((program.units + problem.n, program.room[1]))
    normals[:, : problem.d] = rng.normal(size=(len(normals), problem.d))
    return normals[: program.units], normals[program.units + np.arange(program.room[0]) % problem.n]


def objective(units: int, unit: str) -> objectives.Objective:
    """The logistic loss of a network."""
    plain = networks.two_layer_linear(1, units)
    model = plain._replace(body=lambda p, x, dense: UNITS[unit](plain.body(p, x, dense)))
    return objectives.Objective(model, objectives.logistic)


@partial(jax.jit, static_argnums=0)
def _traced(program: _Program, numbers: Any, W: jax.Array, z: jax.Array) -> Trace:
    """All rules on one sample, from the same weights; W (units, d) and z (n, d) are normals."""
    chosen = [jax.tree.unflatten(*pair) for pair in zip(program.kinds, numbers["leaves"], strict=True)]
    W, x, t, noisy = _drawn(numbers, W, z)
    v, eta = jnp.asarray(numbers["start"][0]), numbers["training"]
    aim, batch = objective(program.units, program.unit), Batch(x, t)
    speed = {"W": 1.0, "v": eta[3]}

    def moved(rule: Any, place: int, w: Any, states: Any) -> Any:
        g, state = rules.gradient(rule, rules.begin_epoch(rule, states[place]), aim, w, batch)
        return g, (*states[:place], state, *states[place + 1 :])

    branches = [partial(moved, rule, place) for place, rule in enumerate(chosen)]

    def step(which: jax.Array, carry: Any, _: None) -> tuple[Any, Trace]:
        w, velocity, states = carry
        g, states = jax.lax.switch(which, branches, w, states) if len(branches) > 1 else branches[0](w, states)
        velocity = jax.tree.map(lambda u, g, w: eta[1] * u + g + eta[2] * w, velocity, g, w)
        w = jax.tree.map(lambda w, u, fast: w - eta[0] * fast * u, w, velocity, speed)
        return (w, velocity, states), seen(w)

    def seen(w: Any) -> Trace:
        z = t * aim.model.apply(w, x)
        shares = jnp.stack([~noisy / jnp.sum(~noisy), noisy / jnp.maximum(jnp.sum(noisy), 1)])
        return Trace(w["v"], w["W"][:, 0], w["W"] @ w["W"].T, shares @ (z > 0), shares @ jax.nn.softplus(-z))

    def trained(which: jax.Array) -> Trace:
        w = {"W": W, "v": v}
        begun = (w, jax.tree.map(jnp.zeros_like, w), tuple(rules.init(rule, w) for rule in chosen))
        later = jax.lax.scan(partial(step, which), begun, None, length=program.steps)[1]
        return jax.tree.map(lambda first, rest: jnp.concatenate([first[None], rest]), seen(w), later)

    return jax.lax.map(trained, jnp.arange(len(chosen)))


def _drawn(numbers: Any, W: jax.Array, z: jax.Array) -> tuple[jax.Array, ...]:
    """W, rows of the stated length and overlap in independent directions; x, t, and which examples are mislabelled."""
    (B, gamma, along), (y, s), (_, overlap, rest) = numbers["law"], numbers["labels"], numbers["start"]
    W = W.at[:, 0].set(0)
    W = (rest * W / jnp.sqrt(jnp.sum(W**2, axis=1, keepdims=True))).at[:, 0].set(overlap)
    y = jnp.where(y == 0, jnp.where(z[:, 0] >= 0, 1.0, -1.0), y)
    x = (gamma * z).at[:, 0].set(along * gamma * z[:, 0] + B * y)
    return W, x, s * y, s < 0
