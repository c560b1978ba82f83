"""Residual networks: the formula in plain numpy, their start, and 1-SAM by factors against the plain path."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import RHO, distance

from sims import programs
from sims.models.networks import build
from sims.objectives import Batch, Objective, cross_entropy
from sims.rules import gradient, is_factored
from spec.networks import ResNet
from spec.rules import Sam
from spec.validation import InputError

SMALL = ResNet((6, 5, 2), channels=(4, 8), blocks=1, groups=2)


def drawn(network, d, rng, classes=3):
    model = build(network, d, classes)
    start = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.float64))
    return model, jax.tree.map(lambda leaf: jnp.asarray(rng.normal(0.2, 0.5, leaf.shape)), start)


def convolved(h, w, step):
    """SAME padding: what is short is added at the end."""
    (height, width), k = h.shape[1:3], w.shape[0]
    rows, columns = -(-height // step), -(-width // step)
    pads = [max((n - 1) * step + k - size, 0) for n, size in ((rows, height), (columns, width))]
    h = np.pad(h, ((0, 0), *((p // 2, p - p // 2) for p in pads), (0, 0)))
    z = np.empty((len(h), rows, columns, w.shape[-1]))
    for i in range(rows):
        for j in range(columns):
            seen = h[:, i * step : i * step + k, j * step : j * step + k]
            z[:, i, j] = np.tensordot(seen, w, ((1, 2, 3), (0, 1, 2)))
    return z


def normalised(p, h, step=1, groups=2):
    z = convolved(h, p["w"], step)
    parts = z.reshape(len(z), z.shape[1] * z.shape[2], groups, -1)
    mean, var = parts.mean((1, 3), keepdims=True), parts.var((1, 3), keepdims=True)
    return ((parts - mean) / np.sqrt(var + 1e-5)).reshape(z.shape) * p["scale"] + p["shift"]


def test_outputs_are_those_of_the_formula(rng):
    model, params = drawn(SMALL, 60, rng)
    x, p = rng.normal(size=(3, 60)), jax.tree.map(np.asarray, params)
    h = np.maximum(normalised(p["stem"], x.reshape(3, 6, 5, 2)), 0)
    for block, step in zip(p["blocks"], (1, 2), strict=True):
        inner = np.maximum(normalised(block["first"], h, step), 0)
        skip = convolved(h, block["skip"], step) if "skip" in block else h
        h = np.maximum(skip + normalised(block["second"], inner), 0)
    expected = h.mean((1, 2)) @ p["head"]["w"] + p["head"]["b"]
    np.testing.assert_allclose(model.apply(params, jnp.asarray(x)), expected, rtol=1e-10)


def test_it_moves_by_factors(rng):
    """Every parameter is in one layer; here with one axis, as for MNIST-1D."""
    model, params = drawn(ResNet((6, 2), channels=(4, 8), groups=2), 12, rng)
    batch = Batch(jnp.asarray(rng.normal(size=(3, 12))), jnp.arange(3))
    objective = Objective(model, cross_entropy)
    assert is_factored(Sam(RHO), objective, params, batch)

    def both(params, batch):
        models = model, model._replace(factored=False)
        return [gradient(Sam(RHO), (), Objective(m, cross_entropy), params, batch)[0] for m in models]

    assert distance(*programs.call(both, (), params, batch, options=programs.FOR_ONCE)) < 1e-10


def test_start(key):
    """Kernels of gain two, scales one, shifts and biases zero; as many kernels as the record says."""
    network = ResNet((4, 4, 3), channels=(8, 16), blocks=2)
    params = build(network, 48, None).init(key, jnp.float32)
    assert len(params["blocks"]) == 4
    assert [sorted(block) for block in params["blocks"]].count(["first", "second", "skip"]) == 1
    second = params["blocks"][3]["second"]
    assert float(jnp.var(second["w"])) == pytest.approx(2 / (9 * 16), rel=0.15)  # 2304 numbers: five standard errors
    assert not params["head"]["b"].any()
    np.testing.assert_array_equal(second["scale"], 1)
    np.testing.assert_array_equal(second["shift"], 0)


def test_what_is_refused():
    for made, message in (
        (lambda: ResNet((64,)), "image must be"),
        (lambda: ResNet((8, 8, 1), channels=(6,)), "groups must be a divisor"),
        (lambda: ResNet((8, 8, 1), channels=()), "channels must be"),
        (lambda: build(ResNet((8, 9, 1)), 64, 10), "image must hold 64 numbers"),
    ):
        with pytest.raises(InputError, match=message):
            made()
