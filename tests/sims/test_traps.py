"""Mistakes that a user of an own network makes without noticing: each gives the right number, or a sentence.

Every trap is what somebody would write; the right number is that of jax.grad, example by example.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import RHO, distance, flat

from sims import programs
from sims.layers import scale
from sims.models import Model, adapters
from sims.objectives import Batch, Objective, cross_entropy, logistic
from sims.rules import gradient
from spec.rules import Rule, Sam
from spec.validation import InputError

N, D, C = 4, 3, 3
X = np.sin(1.0 + np.arange(N * D)).reshape(N, D)
T = np.arange(N) % C
SQUARE, HEAD, BIAS = (np.cos(np.arange(float(np.prod(s)))).reshape(s) for s in ((D, D), (D, C), (C,)))


class Trap(NamedTuple):
    """A network, where it is, and a batch; says: what it is refused with, or None where the number is right."""

    model: Model
    params: Any
    says: str | None = None
    batch: Batch = Batch(X, T)
    loss: Any = cross_entropy
    rule: Rule = Sam(RHO)


def network(body, readout=lambda p, h, dense: dense(h, p["v"], p["b"], 1.0)):
    return Model(None, body, readout, lambda p: p["v"])


def whole(apply, params):
    return adapters.started((apply, params)).model


def recurrent(p, x):
    h = jax.lax.scan(lambda h, xi: (jnp.tanh(h @ p["w"] + xi[:, None]), None), jnp.zeros((len(x), D)), x.T)[0]
    return h @ p["v"]


def normalised(h):
    return (h - h.mean(0, keepdims=True)) / jnp.sqrt(h.var(0, keepdims=True) + 0.1)


def dropped(p, x):
    return (x * jax.random.bernoulli(jax.random.key(0), 0.5, x.shape)) @ p["v"]


BODY = {"w": SQUARE, "v": HEAD, "b": BIAS}
ROW = {"w": HEAD[:, :1]}
PLAIN = {"w": SQUARE, "v": HEAD}
MLP = network(lambda p, x, dense: jnp.tanh(dense(x, p["w"], None, 1.0)))
ONE = network(lambda p, x, dense: x, lambda p, h, dense: dense(h, p["w"], None, 1.0)[:, 0])
RIGHT = {
    "a body that is no layer, and a head that is one": Trap(network(lambda p, x, dense: jnp.tanh(x @ p["w"])), BODY),
    "weights tied to one another": Trap(
        network(lambda p, x, dense: jnp.tanh(dense(x, p["v"].T @ p["w"], None, 1.0))), BODY
    ),
    "a table tied to the readout": Trap(
        network(
            lambda p, x, dense: dense(x, p["v"], None, 1.0).mean(1), lambda p, h, dense: dense(h, p["v"].T, None, 1.0)
        ),
        {"v": SQUARE},
        batch=Batch(np.array([[0, 1], [1, 1], [2, 0], [2, 2]]), T),
    ),
    "a penalty on a parameter inside the network": Trap(
        network(lambda p, x, dense: dense(x, p["w"], None, 1.0) * jnp.sum(p["w"] ** 2)), BODY
    ),
    "a recurrent network": Trap(whole(recurrent, PLAIN), PLAIN),
    "a leaf that is never used": Trap(MLP, BODY | {"never": np.ones(2)}),
    "a leaf without numbers": Trap(MLP, BODY | {"none": np.ones((0, 2))}),
    "one scale for two layers": Trap(
        network(lambda p, x, dense: scale(dense, jnp.tanh(scale(dense, x, p["b"])), p["b"])), {"v": HEAD, "b": BIAS}
    ),
}
SEPARATE = "sharpness must be 'batch'"
REFUSED = {
    "one-hot labels": Trap(MLP, BODY, "not one-hot", Batch(X, np.eye(C, dtype=int)[T])),
    "labels in a column": Trap(MLP, BODY, "one for each of 4 examples", Batch(X, T[:, None])),
    "labels from one on": Trap(MLP, BODY, r"labels must be 0, \.\.\., 2, got 3", Batch(X, T + 1)),
    "zero and one for one output": Trap(ONE, ROW, "labels must be -1 or 1, got 0", Batch(X, T % 2), logistic),
    "labels without a sign": Trap(ONE, ROW, "signed numbers", Batch(X, np.uint8([1, 255] * 2)), logistic),
    "classes as fractions": Trap(MLP, BODY, "the type of labels must be integers", Batch(X, T.astype(float))),
    "several outputs for signs": Trap(MLP, BODY, "the shape of logits must be", Batch(X, np.sign(X[:, 0])), logistic),
    "batch normalisation": Trap(network(lambda p, x, dense: normalised(dense(x, p["w"], None, 1.0))), BODY, SEPARATE),
    "one dropout mask for the batch": Trap(whole(dropped, {"v": HEAD}), {"v": HEAD}, SEPARATE),
    "integers to be trained": Trap(MLP, BODY | {"w": np.ones((D, D), int)}, "floating-point numbers, got int"),
    "nothing to be trained": Trap(whole(lambda p, x: x @ HEAD, {}), {}, "a tree that holds a number"),
    "no examples": Trap(MLP, BODY, "at least one example", Batch(X[:0], T[:0])),
    "shards that do not fit": Trap(MLP, BODY, "must divide the batch, got 3", rule=Sam(RHO, 3)),
    "no last layer": Trap(whole(recurrent, PLAIN), PLAIN, "its last layer", rule=Sam(RHO, ascent="last")),
}  # fmt: skip


def both(trap, params, batch):
    """Ours, and the mean over examples by jax.grad."""

    def of_example(x, t):
        def at(p):
            return trap.loss(trap.model.apply(p, x[None])[0], t)

        g = jax.grad(at)(params)
        length = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(g)))
        return jax.grad(at)(jax.tree.map(lambda p, gi: p + RHO * gi / length, params, g))

    by_hand = jax.tree.map(lambda leaf: leaf.mean(0), jax.vmap(of_example)(*batch))
    return gradient(trap.rule, (), Objective(trap.model, trap.loss), params, batch)[0], by_hand


@pytest.mark.parametrize("trap", RIGHT.values(), ids=RIGHT)
def test_the_number_is_right(trap):
    ours, by_hand = programs.call(
        lambda *given: both(trap, *given), (), trap.params, trap.batch, options=programs.FOR_ONCE
    )
    assert flat(by_hand).any()
    assert distance(ours, by_hand) < 1e-12


@pytest.mark.parametrize("trap", REFUSED.values(), ids=REFUSED)
def test_it_is_refused_with_a_sentence(trap):
    with pytest.raises(InputError, match=trap.says):
        gradient(trap.rule, (), Objective(trap.model, trap.loss), trap.params, trap.batch)


def test_where_the_gradient_is_zero_so_is_the_step():
    """Where widely used code divides zero by zero."""
    right = BODY | {"v": np.zeros((D, C)), "b": np.array([2e3, 0, 0])}
    given = (), Objective(MLP, cross_entropy), right, Batch(X, 0 * T)
    g = jax.jit(lambda rule: gradient(rule, *given)[0], compiler_options=dict(programs.FOR_ONCE))(Sam(RHO))
    assert not flat(g).any()
