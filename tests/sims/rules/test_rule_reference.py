"""The rules once more, in plain numpy with hand-written derivatives and one loop over shards and examples.

Nothing here comes from the code under test except the gradient that is compared.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sims.models.networks import mlp, two_layer_linear
from sims.objectives import Batch, Objective, cross_entropy, logistic
from sims.rules import gradient
from spec.rules import JacobianSam, LogitSam, Regularised, Sam, Sgd

D, H, CLASSES, N = 3, 4, 3, 6
RHO = 0.4


class ReluNet:
    """Softmax cross-entropy of relu(x W1 + b1) W2 + b2. A parameter is a list of arrays W1, b1, W2, b2."""

    model, loss = mlp((D, H, CLASSES)), staticmethod(cross_entropy)

    @staticmethod
    def draw(rng):
        return [rng.normal(size=shape) for shape in ((D, H), (H,), (H, CLASSES), (CLASSES,))]

    @staticmethod
    def labels(rng):
        return rng.integers(CLASSES, size=N)

    @staticmethod
    def tree(w):
        return [{"w": jnp.asarray(w[0]), "b": jnp.asarray(w[1])}, {"w": jnp.asarray(w[2]), "b": jnp.asarray(w[3])}]

    @staticmethod
    def arrays(tree):
        return [tree[0]["w"], tree[0]["b"], tree[1]["w"], tree[1]["b"]]

    @staticmethod
    def residual(w, x, t):
        z = x @ w[0] + w[1]
        logits = np.where(z > 0, z, 0) @ w[2] + w[3]
        weights = np.exp(logits - logits.max())
        softmax = weights / weights.sum()
        softmax[t] -= 1
        return softmax

    @staticmethod
    def pull_back(w, x, r):
        """The gradient of <r, logits(x)>."""
        z = x @ w[0] + w[1]
        a = np.where(z > 0, z, 0)
        dz = np.where(z > 0, w[2] @ r, 0)
        return [np.outer(x, dz), dz, np.outer(a, r), r]


class LinearNet:
    """Logistic loss of <v, W x>. A parameter is a list of arrays W, v."""

    model, loss = two_layer_linear(D, H), staticmethod(logistic)

    @staticmethod
    def draw(rng):
        return [rng.normal(size=(H, D)), rng.normal(size=H)]

    @staticmethod
    def labels(rng):
        return rng.choice([-1.0, 1.0], size=N)

    @staticmethod
    def tree(w):
        return {"W": jnp.asarray(w[0]), "v": jnp.asarray(w[1])}

    @staticmethod
    def arrays(tree):
        return [tree["W"], tree["v"]]

    @staticmethod
    def residual(w, x, t):
        return -t / (1 + np.exp(t * (w[1] @ (w[0] @ x))))

    @staticmethod
    def pull_back(w, x, r):
        return [r * np.outer(w[1], x), r * (w[0] @ x)]


def slow_ascent(net, w, g, ascent):
    """The direction in which the weights move for a gradient g; its length is rho, or rho relative to the weights."""
    if ascent == "last":
        first_of_last = 2 if net is ReluNet else 1
        g = [a if i >= first_of_last else 0 * a for i, a in enumerate(g)]
    scales = [np.abs(a) + 0.01 if ascent == "adaptive" else np.ones_like(a) for a in w]
    length = np.sqrt(sum(np.sum((s * a) ** 2) for s, a in zip(scales, g, strict=True)))
    return [s**2 * a / length for s, a in zip(scales, g, strict=True)]


def slow_gradient(net, kind, rho, m, w, x, t, ascent="all"):
    """The gradient of the rule with shards of m examples, as a list of arrays."""
    total = [np.zeros_like(a) for a in w]
    for start in range(0, N, m):
        shard = range(start, start + m)
        g = [np.zeros_like(a) for a in w]
        for i in shard:
            g = add(g, net.pull_back(w, x[i], net.residual(w, x[i], t[i])), 1 / m)
        up = add(w, slow_ascent(net, w, g, ascent), rho)
        at_logits = up if kind in (Sam, LogitSam) else w
        at_jacobian = up if kind in (Sam, JacobianSam) else w
        for i in shard:
            total = add(total, net.pull_back(at_jacobian, x[i], net.residual(at_logits, x[i], t[i])), 1 / N)
    return total


def add(a, b, factor):
    return [p + factor * q for p, q in zip(a, b, strict=True)]


def relative_difference(a, b):
    a, b = (np.concatenate([np.ravel(p) for p in v]) for v in (a, b))
    return np.linalg.norm(a - b) / np.linalg.norm(b)


@cache
def compiled(net):
    objective = Objective(net.model, net.loss)
    return jax.jit(lambda rule, params, batch: gradient(rule, (), objective, params, batch)[0])


def under_test(net, rule, w, x, t):
    return net.arrays(compiled(net)(rule, net.tree(w), Batch(jnp.asarray(x), jnp.asarray(t))))


@pytest.fixture(params=[ReluNet, LinearNet])
def problem(request, rng):
    """A network and a few draws of parameters, inputs and labels."""
    net = request.param
    return net, [(net.draw(rng), rng.normal(size=(N, D)), net.labels(rng)) for _ in range(3)]


every_kind = pytest.mark.parametrize("kind", [Sam, LogitSam, JacobianSam])
every_sharpness = pytest.mark.parametrize(("sharpness", "m"), [("example", 1), (2, 2), (3, 3), ("batch", N)])


@every_kind
@every_sharpness
@pytest.mark.parametrize("ascent", ["all", "last", "adaptive"])
def test_rules_equal_their_transcription(problem, kind, sharpness, m, ascent):
    net, draws = problem
    for w, x, t in draws:
        expected = slow_gradient(net, kind, RHO, m, w, x, t, ascent)
        assert relative_difference(under_test(net, kind(RHO, sharpness, ascent), w, x, t), expected) < 1e-12


def test_sgd_equals_its_transcription(problem):
    net, draws = problem
    for w, x, t in draws:
        assert relative_difference(under_test(net, Sgd(), w, x, t), slow_gradient(net, Sgd, 0.0, N, w, x, t)) < 1e-12


def penalty_gradient(net, rule, w, x):
    """The gradient of activation * mean N(h_i) + last_layer * N(V), as a list of arrays."""
    V = w[2] if net is ReluNet else w[1]
    by_length = rule.form == "norm"
    total = [np.zeros_like(a) for a in w]
    for xi in x:
        z = xi @ w[0] + w[1] if net is ReluNet else w[0] @ xi
        h = np.where(z > 0, z, 0) if net is ReluNet else z
        direction = h / max(np.linalg.norm(h), 1e-300) if by_length else h  # a dead hidden layer has no direction
        first = [np.outer(xi, direction), direction] if net is ReluNet else [np.outer(direction, xi)]
        total = [a + rule.activation * b / len(x) for a, b in zip(total, first, strict=False)] + total[len(first) :]
    total[2 if net is ReluNet else 1] = rule.last_layer * (V / np.linalg.norm(V) if by_length else V)
    return total


@pytest.mark.parametrize("form", ["norm", "squared"])
def test_regularised_equals_its_transcription(problem, form):
    net, draws = problem
    rule = Regularised(0.3, 0.7, form)
    for w, x, t in draws:
        expected = add(slow_gradient(net, Sgd, 0.0, N, w, x, t), penalty_gradient(net, rule, w, x), 1)
        assert relative_difference(under_test(net, rule, w, x, t), expected) < 1e-12
        other = penalty_gradient(net, Regularised(0.7, 0.3, form), w, x)
        assert relative_difference(other, penalty_gradient(net, rule, w, x)) > 1e-2


def mutants(kind, m):
    """Wrong rules that the comparison must be able to tell from the right one."""
    swap = {Sam: LogitSam, LogitSam: JacobianSam, JacobianSam: LogitSam}[kind]
    yield "no ascent", kind, 0.0, m
    yield "descent", kind, -RHO, m
    yield "twice the length", kind, 2 * RHO, m
    yield "another rule", swap, RHO, m
    yield "other shards", kind, RHO, 2 if m != 2 else N


@every_kind
@every_sharpness
@pytest.mark.parametrize("ascent", ["last", "adaptive"])
def test_kinds_of_ascent_differ(problem, kind, sharpness, m, ascent):
    net, draws = problem
    for w, x, t in draws:
        plain = slow_gradient(net, kind, RHO, m, w, x, t)
        assert relative_difference(slow_gradient(net, kind, RHO, m, w, x, t, ascent), plain) > 1e-4


@every_kind
@every_sharpness
def test_comparison_rejects_mutants(problem, kind, sharpness, m):
    net, draws = problem
    right = [under_test(net, kind(RHO, sharpness), *draw) for draw in draws]
    for name, *wrong in mutants(kind, m):
        differences = [
            relative_difference(a, slow_gradient(net, *wrong, *d)) for a, d in zip(right, draws, strict=True)
        ]
        assert max(differences) > 1e-4, name


def test_transcribed_derivatives_are_those_of_the_loss(problem):
    """The hand-written gradient against central differences, so that a shared mistake cannot hide."""
    net, draws = problem
    for w, x, t in draws:
        direction = [np.sin(1 + np.arange(a.size)).reshape(a.shape) for a in w]
        for i in range(N):

            def loss(h, w=w, direction=direction, x=x, t=t, i=i):
                logits = net.model.apply(net.tree(add(w, direction, h)), jnp.asarray(x[i : i + 1]))[0]
                return float(net.loss(logits, t[i]))

            g = net.pull_back(w, x[i], net.residual(w, x[i], t[i]))
            slope = sum(np.sum(a * b) for a, b in zip(g, direction, strict=True))
            assert abs((loss(1e-7) - loss(-1e-7)) / 2e-7 - slope) < 1e-8 * (1 + sum(np.sum(a**2) for a in g))


def test_precision_is_double(problem):
    net, draws = problem
    w, x, t = draws[0]
    assert {leaf.dtype for leaf in jax.tree.leaves(under_test(net, Sam(RHO), w, x, t))} == {jnp.dtype("float64")}
