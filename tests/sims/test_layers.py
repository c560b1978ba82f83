"""Layers of every kind: against what JAX itself computes, and 1-, L- and J-SAM by factors against the plain path."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import RHO, distance, flat

from sims import per_example, programs, tracing
from sims.layers import affine, convolve, scale
from sims.models import Model
from sims.objectives import Batch, Objective, cross_entropy
from sims.rules import gradient, is_factored, with_plain
from sims.tracing import has_factors
from spec.rules import JacobianSam, LogitSam, Sam, Sgd

N, C = 4, 3
CONVOLUTIONS = {
    "one axis": ((5, 2), (3, 2, 4), {}),
    "strides": ((6, 5, 2), (3, 2, 2, 3), {"strides": (2, 3), "padding": "SAME"}),
    "no padding, an even kernel": ((4, 6, 1), (2, 4, 1, 3), {"padding": "VALID"}),
    "dilation": ((7, 6, 2), (3, 2, 2, 2), {"dilation": (2, 3), "padding": [(1, 0), (2, 2)]}),
    "groups": ((4, 4, 4), (3, 3, 2, 6), {"groups": 2}),
    "every channel by itself": ((4, 4, 3), (2, 3, 1, 3), {"groups": 3, "strides": (2, 1)}),
    "three axes": ((3, 2, 3, 2), (2, 2, 2, 2, 2), {}),
}


@pytest.mark.parametrize("case", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
def test_a_convolution_is_that_of_jax(case, rng):
    sizes, kernel, options = case
    x, w, b = (jnp.asarray(rng.normal(size=s)) for s in ((2, *sizes), kernel, kernel[-1:]))
    axes = "XYZ"[: len(kernel) - 2]
    expected = jax.lax.conv_general_dilated(
        x, w, options.get("strides", (1,) * len(axes)), options.get("padding", "SAME"),
        rhs_dilation=options.get("dilation"), feature_group_count=options.get("groups", 1),
        dimension_numbers=(f"N{axes}C", f"{axes}IO", f"N{axes}C"),
    )  # fmt: skip
    found = convolve(affine, x, w, b, **options)
    np.testing.assert_allclose(found, expected + b.reshape(*[1] * (1 + len(axes)), -1), rtol=1e-12, atol=1e-12)


def test_large_convolutions_make_no_patches(rng, monkeypatch):
    x, w, b = (jnp.asarray(rng.normal(size=s)) for s in ((2, 4, 4, 4), (3, 3, 2, 6), (6,)))
    small = convolve(affine, x, w, b, strides=(2, 1), groups=2)
    monkeypatch.setattr("sims.layers.PATCH_MEMORY", 0)
    text = str(jax.make_jaxpr(partial(convolve, affine, strides=(2, 1), groups=2))(x, w, b))
    assert "conv_general_dilated" in text
    np.testing.assert_allclose(convolve(affine, x, w, b, strides=(2, 1), groups=2), small, rtol=1e-12, atol=1e-12)


# ---------------------------------------------------------------- networks of all kinds of layers


def centred(x, axes):
    return (x - x.mean(axes, keepdims=True)) / jnp.sqrt(x.var(axes, keepdims=True) + 0.1)


def convolutional(options, norm_axes):
    """A convolution with these options, a normalisation with its scale and shift, one more convolution, means."""

    def body(p, x, dense):
        h = convolve(dense, x.reshape(-1, 6, 5, 2), p["first"], p["shift"], **options)
        h = jnp.tanh(scale(dense, centred(h, norm_axes), p["gamma"], p["beta"]))
        return jnp.tanh(convolve(dense, h, p["second"])).mean((1, 2))

    return body


def attentive(p, x, dense):
    """Rows of a table, a layer at every one of five positions, attention without weights, and layer normalisation."""
    h = jnp.tanh(dense(dense(x, p["table"], None, 1.0), p["first"], p["shift"], 0.5))
    h = h + jax.nn.softmax(h @ jnp.swapaxes(h, 1, 2)) @ h
    h = scale(dense, centred(h, (2,)), p["gamma"], p["beta"]).mean(1)
    return scale(dense, h, p["second"], p["other"])


def wide(p, x, dense):
    """Few positions and many inputs and outputs: Gram matrices are cheaper."""
    return jnp.tanh(dense(x.reshape(-1, 2, 30), p["first"], p["shift"], 0.5)).mean(1)


def shapes(first, hidden, **others):
    return {"first": first, "shift": (hidden,), "w": (hidden, C), "b": (C,), **others}


ROWS = np.asarray([[0, 3, 3, 1, 0], [2, 2, 2, 2, 2], [4, 0, 1, 2, 3], [1, 1, 0, 0, 4]])
STRIDED = {"strides": (2, 1), "padding": [(1, 0), (0, 1)], "dilation": (1, 2)}
NETWORKS = {
    "strides, padding, dilation": (
        convolutional(STRIDED, (1, 2)),
        shapes((3, 2, 2, 4), 4, gamma=(4,), beta=(4,), second=(2, 2, 4, 4)),
        60,
    ),
    "groups": (
        convolutional({"groups": 2}, (1, 2, 3)),
        shapes((3, 3, 1, 4), 4, gamma=(4,), beta=(4,), second=(1, 1, 4, 4)),
        60,
    ),
    "a table, positions": (
        attentive,
        shapes((4, 4), 4, table=(5, 4), gamma=(4,), beta=(4,), second=(4,), other=(4,)),
        None,
    ),
    "wide layers": (wide, shapes((30, 20), 20), 60),
}
RULES = [Sam(RHO), LogitSam(RHO, 2), JacobianSam(RHO), Sam(RHO, "example", "adaptive")]


def made(name, rng, dtype=np.float64):
    body, parts, d = NETWORKS[name]
    model = Model(None, body, lambda p, h, dense: dense(h, p["w"], p["b"], 1.0), lambda p: p["w"])
    params = {key: jnp.asarray(rng.normal(0.3, 0.5, size), dtype) for key, size in parts.items()}
    x = jnp.asarray(ROWS) if d is None else jnp.asarray(rng.normal(size=(N, d)), dtype)
    return Objective(model, cross_entropy), params, Batch(x, jnp.arange(N) % C)


def paths(objective):
    return objective, objective._replace(model=objective.model._replace(factored=False))


def pairs(objective, rules, params, batch):
    """(by factors, plain) for every rule."""
    return [[gradient(rule, (), o, params, batch)[0] for o in paths(objective)] for rule in rules]


SETTINGS = {64: (np.float64, tuple(RULES), 1e-11), 32: (np.float32, (Sam(RHO), JacobianSam(RHO, 2)), 2e-4)}
IN_BOTH = ("a table, positions", "wide layers")  # convolutions in single precision are evidence


@pytest.mark.parametrize(
    ("name", "bits"),
    [
        pytest.param(name, bits, marks=() if bits == 64 or name in IN_BOTH else pytest.mark.evidence)
        for name in NETWORKS
        for bits in SETTINGS
    ],
)
def test_both_paths_agree(name, bits, rng):
    dtype, rules, tolerance = SETTINGS[bits]
    objective, params, batch = made(name, rng, dtype)
    assert all(is_factored(rule, objective, params, batch) for rule in rules)
    right = jax.tree.map(jnp.zeros_like, params) | {"b": jnp.asarray([2e3, 0, -2e3], dtype)}
    still = batch._replace(t=jnp.zeros_like(batch.t))  # where every residual is exactly zero
    for p, examples in ((params, batch), (right, still)):
        found = programs.call(pairs, (objective, rules), p, examples, options=programs.FOR_ONCE)
        for rule, (fast, slow) in zip(rules, found, strict=True):
            assert np.isfinite(flat(fast)).all(), rule
            assert {leaf.dtype for leaf in fast.values()} == {np.dtype(dtype)}
            if p is params:
                assert distance(fast, slow) < tolerance, rule
            else:
                assert not flat(fast).any(), rule


def products(objective, params, batch):
    return [
        (per_example.inner_products(o, params, batch, batch), per_example.contributions(Sgd(), o, params, batch)[0])
        for o in paths(objective)
    ]


@pytest.mark.parametrize("name", NETWORKS)
def test_norms_and_inner_products(name, rng):
    objective, params, batch = made(name, rng)
    (inner, norms), (expected, lengths) = programs.call(
        products, (objective,), params, batch, options=programs.FOR_ONCE
    )
    np.testing.assert_allclose(inner, expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(norms, lengths, rtol=1e-10)
    np.testing.assert_allclose(norms**2, np.diag(expected), rtol=1e-10)


def in_one(objective, params, batch):
    """The gradient of a mask's base with the plain one, and what examples contribute."""
    rule = Sam(RHO, 2)
    return with_plain(rule, (), objective, params, batch)[:2], per_example.contributions(rule, objective, params, batch)


def test_factors_that_do_not_fit_are_made_block_by_block(rng, monkeypatch):
    objective, params, batch = made("groups", rng)
    whole = programs.call(in_one, (objective,), params, batch, options=programs.FOR_ONCE)
    monkeypatch.setattr(tracing, "FACTOR_MEMORY", 1)
    assert tracing.examples_at_once(objective.model, params, batch.x) == 1
    parts = jax.jit(partial(in_one, objective))(params, batch)
    assert distance(parts, whole) < 1e-12
    assert "scan" in str(jax.make_jaxpr(partial(in_one, objective))(params, batch))


def test_factors_are_counted(rng):
    """60 + 24 inputs and outputs of a dense layer at two positions, 20 + 3 of the last layer, twice each."""
    objective, params, batch = made("wide layers", rng)
    numbers = 2 * 30 + 2 * 20 + 20 + C
    assert tracing.examples_at_once(objective.model, params, batch.x) == tracing.FACTOR_MEMORY // (4 * 8 * numbers)


NO_LAYERS = {
    "blocks that share an input": ({"w": (2, 3, 4)}, lambda p, x, dense: dense(x[:, None], p["w"], None, 1.0)),
    "a bias of other blocks": (
        {"w": (3, 1, 1), "b": (1,)},
        lambda p, x, dense: dense(x[..., None], p["w"], p["b"], 1.0),
    ),
    "rows of blocks": ({"w": (2, 3, 4)}, lambda p, x, dense: dense(jnp.zeros((len(x), 2), int), p["w"], None, 1.0)),
}


@pytest.mark.parametrize("name", NO_LAYERS)
def test_what_has_not_the_shapes_of_a_layer(name):
    parts, body = NO_LAYERS[name]
    params = {key: np.ones(size) for key, size in parts.items()}
    model = Model(None, lambda p, x, dense: x, body, lambda p: p["w"])
    monkey = np.ones((N, 3))
    assert not has_factors(model, params, monkey)
