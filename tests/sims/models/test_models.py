"""Networks: shapes, scalings, the law of their initial weights, and the parts that observables look at."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import LENET, MODELS, D, last_layer
from scipy import stats

from sims.models.networks import build, lenet, linear, mlp, two_layer_linear
from spec.networks import LeNet, Linear, Mlp, TwoLayerLinear
from spec.validation import InputError

every_model = pytest.mark.parametrize("case", MODELS, ids=lambda c: c.name)


@every_model
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
@pytest.mark.parametrize("n", [1, 5])
def test_shapes_and_precision(case, dtype, n, key, rng):
    """One row of logits for each example; everything in the precision asked for."""
    params = jax.eval_shape(lambda: case.model.init(key, dtype))
    x = case.batch(rng, n, dtype).x
    logits, hidden = (jax.eval_shape(f, params, x) for f in (case.model.apply, case.model.hidden))
    head = jax.eval_shape(case.model.head, params)
    assert logits.shape == ((n,) if case.classes is None else (n, case.classes))
    assert hidden.shape == (n, head.size // (case.classes or 1))
    assert {leaf.dtype for leaf in jax.tree.leaves((params, logits, hidden))} == {jnp.dtype(dtype)}


@every_model
def test_logits_of_an_example_do_not_depend_on_the_others(case, rng):
    params, x = case.params(rng), case.batch(rng, 4).x
    singly = np.concatenate([case.model.apply(params, x[i : i + 1]) for i in range(4)])
    np.testing.assert_allclose(case.model.apply(params, x), singly, rtol=1e-12, atol=1e-14)


@every_model
def test_head_and_hidden_give_the_logits(case, rng):
    """With the bias of the last layer, and its scale 1/sqrt(fan_in) in the NTK scaling."""
    params, x = case.params(rng), case.batch(rng, 4).x
    hidden, head = np.asarray(case.model.hidden(params, x)), np.asarray(case.model.head(params))
    bias = np.asarray(last_layer(case, params).get("b", 0.0))
    logits = hidden @ (head if len(head) == hidden.shape[1] else head.T)
    if case.name.startswith("ntk"):
        logits = logits / np.sqrt(hidden.shape[1])
    expected = (logits + bias).reshape(np.shape(case.model.apply(params, x)))
    np.testing.assert_allclose(case.model.apply(params, x), expected, rtol=1e-12, atol=1e-14)


def test_linear_is_an_inner_product(key, rng):
    model, x = linear(D), rng.normal(size=(4, D))
    w = model.init(key, jnp.float64)
    np.testing.assert_allclose(model.apply(w, x), [sum(a * b for a, b in zip(w["w"], r, strict=True)) for r in x])
    assert np.array_equal(model.hidden(w, jnp.asarray(x)), x)


def test_linear_with_classes_is_an_inner_product_for_each(key, rng):
    model, x = linear(D, classes=3), rng.normal(size=(4, D))
    p = model.init(key, jnp.float64)
    rows = [linear(D).apply({"w": w}, jnp.asarray(x)) for w in p["w"]]
    np.testing.assert_allclose(model.apply(p, x), np.stack(rows, axis=1), rtol=1e-14)


@pytest.mark.parametrize("activation", [jax.nn.relu, jnp.tanh])
@pytest.mark.parametrize("sizes", [(3, 1), (3, 4, 1), (3, 4, 4, 3)])
def test_scalings_are_the_same_function_of_scaled_weights(sizes, activation, key, rng):
    """Weights N(0, 1) times sqrt(gain/fan_in): gain 2 in hidden layers, 1 in the last one."""
    ntk, standard = (mlp(sizes, scaling=s, activation=activation) for s in ("ntk", "standard"))
    params = ntk.init(key, jnp.float64)
    params = [p | {"b": jnp.asarray(rng.normal(size=p["b"].shape))} for p in params]
    gains = [2.0] * (len(sizes) - 2) + [1.0]
    scaled = [p | {"w": p["w"] * np.sqrt(g / p["w"].shape[0])} for p, g in zip(params, gains, strict=True)]
    x = jnp.asarray(rng.normal(size=(5, sizes[0])))
    np.testing.assert_allclose(ntk.apply(params, x), standard.apply(scaled, x), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(ntk.hidden(params, x), standard.hidden(scaled, x), rtol=1e-12, atol=1e-13)


# Few distinct shapes, because drawing from each one is compiled.
LAWS = {
    "linear": (linear(500, scale=0.5), [0.25 / 500]),
    "linear, 60 classes": (linear(500, classes=60), [1 / 500]),
    "two layers": (two_layer_linear(60, 500, scale=1.5), [2.25 / 60, 2.25 / 500]),
    "two layers, 4 classes": (two_layer_linear(60, 500, classes=4), [1 / 60, 1 / 500]),
    "standard": (mlp((60, 500, 60, 500)), [2 / 60, 2 / 500, 1 / 60]),
    "ntk": (mlp((60, 500, 60, 500), scaling="ntk"), [1.0, 1.0, 1.0]),
    "convolutions": (lenet(LeNet((4, 4, 5), (20, 500), 3, (60,)), 7), [2 / 45, 2 / 180, 2 / 500, 1 / 60]),
}


@pytest.mark.parametrize(("model", "variances"), LAWS.values(), ids=LAWS.keys())
def test_weights_are_centred_normal_with_the_stated_variance(model, variances, key):
    """Each statistic leaves its law's central region with probability 1e-4."""
    leaves = jax.tree.leaves(model.init(key, jnp.float64))
    weights = [np.ravel(leaf) for leaf in leaves if np.any(leaf != 0)]
    for w, variance in zip(weights, variances, strict=True):
        low, high = stats.chi2.interval(1 - 1e-4, w.size)
        assert low < np.sum(w**2) / variance < high
        assert abs(np.mean(w)) / (np.std(w, ddof=1) / np.sqrt(w.size)) < stats.t.isf(0.5e-4, w.size - 1)
        assert stats.kstest(w / np.sqrt(variance), "norm").pvalue > 1e-4


def test_layers_are_drawn_independently(key):
    """Layers of one shape must not share their draw."""
    two_layers = jax.tree.leaves(two_layer_linear(6, 6, classes=6).init(key, jnp.float64))
    first, _, third = LAWS["standard"][0].init(key, jnp.float64)
    for a, b in (two_layers, (first["w"], third["w"])):
        assert abs(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1]) < 0.9


def test_biases_start_at_zero(key):
    assert all(not np.any(p["b"]) for p in LAWS["ntk"][0].init(key, jnp.float64))


def test_zero_scale_starts_at_the_origin(key):
    for model in (linear(500, scale=0), two_layer_linear(60, 500, scale=0.0)):
        assert all(not np.any(leaf) for leaf in jax.tree.leaves(model.init(key, jnp.float64)))


@every_model
def test_a_key_fixes_the_parameters(case, key):
    a, b = (jax.tree.leaves(case.model.init(key, jnp.float64)) for _ in range(2))
    c = jax.tree.leaves(case.model.init(jax.random.split(key)[0], jnp.float64))
    assert all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))
    assert any(not np.array_equal(p, q) for p, q in zip(a, c, strict=True))


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: linear(0), "d must be an integer >= 1, got 0"),
        (lambda: linear(2.0), "d must be an integer >= 1, got 2.0"),
        (lambda: linear(3, scale=-1.0), "scale must be"),
        (lambda: linear(3, scale=float("nan")), "scale must be"),
        (lambda: two_layer_linear(0, 2), "d must be an integer >= 1, got 0"),
        (lambda: two_layer_linear(3, 0), "h must be an integer >= 1, got 0"),
        (lambda: mlp((3,)), "sizes must be at least an input and an output width"),
        (lambda: mlp(()), "sizes must be at least an input and an output width"),
        (lambda: mlp((3, 0, 1)), r"sizes\[1\] must be an integer >= 1, got 0"),
        (lambda: mlp((3, 2.5)), r"sizes\[1\] must be an integer >= 1, got 2.5"),
        (lambda: mlp((3, 1), scaling="mup"), "scaling must be one of 'standard', 'ntk', got 'mup'"),
    ],
)
def test_wrong_arguments_are_named(build, message):
    with pytest.raises(InputError, match=message):
        build()


@pytest.mark.parametrize(
    ("network", "classes", "model"),
    [
        (Linear(scale=0.5), None, linear(D, scale=0.5)),
        (Linear(scale=0.5), 3, linear(D, classes=3, scale=0.5)),
        (TwoLayerLinear(width=4, scale=2.0), None, two_layer_linear(D, 4, scale=2.0)),
        (TwoLayerLinear(width=4), 3, two_layer_linear(D, 4, classes=3)),
        (Mlp(hidden=(4,)), None, mlp((D, 4, 1))),
        (Mlp(hidden=(4, 4), scaling="ntk"), 3, mlp((D, 4, 4, 3), scaling="ntk")),
    ],
    ids=["linear", "linear, 3 classes", "two layers", "two layers, 3 classes", "relu", "ntk, 3 classes"],
)
def test_records_are_built_into_their_models(network, classes, model, key, rng):
    built, x = build(network, D, classes), jnp.asarray(rng.normal(size=(5, D)))
    params = model.init(key, jnp.float64)
    assert jax.tree.structure(built.init(key, jnp.float64)) == jax.tree.structure(params)
    for a, b in zip(jax.tree.leaves(built.init(key, jnp.float64)), jax.tree.leaves(params), strict=True):
        assert np.array_equal(a, b)
    assert np.array_equal(built.apply(params, x), model.apply(params, x))


def test_convolutions_are_sums_over_patches(key, rng):
    """The first layer of the network, written as loops over pixels, patches and pooled squares."""
    model, image = build(LENET, 16, 3), rng.normal(size=(4, 4))
    params = model.init(key, jnp.float64)
    w, b = (np.asarray(params["convolutions"][0][name]) for name in ("w", "b"))
    assert not b.any()
    padded, pooled = np.pad(image, 1), np.zeros((2, 2, 2))
    for i, j, channel in np.ndindex(4, 4, 2):
        z = np.sum(padded[i : i + 3, j : j + 3] * w[:, :, 0, channel])
        pooled[i // 2, j // 2, channel] += max(z, 0.0) / 4
    hidden = np.maximum(pooled.ravel() @ np.asarray(params["dense"][0]["w"]), 0)
    expected = hidden @ np.asarray(params["dense"][1]["w"])
    np.testing.assert_allclose(model.apply(params, jnp.asarray(image.reshape(1, 16)))[0], expected, rtol=1e-12)


def test_an_image_keeps_its_colours_together(key):
    """Inputs come in the order height, width, colour."""
    model = build(LeNet((2, 2, 3), channels=(4,), kernel=1, hidden=(5,)), 12, None)
    params = model.init(key, jnp.float64)
    x = jnp.arange(12.0)[None]
    swapped = x.reshape(1, 2, 2, 3)[:, ::-1].reshape(1, 12)  # rows of pixels swapped: the pooled mean must not change
    np.testing.assert_allclose(model.apply(params, swapped), model.apply(params, x), rtol=1e-12)


def test_what_cannot_be_built_is_named():
    with pytest.raises(InputError, match=r"image must hold 64 numbers.*got \(4, 4, 1\)"):
        build(LENET, 64, 3)
    with pytest.raises(InputError, match="image must be of a height and width that 4 divides"):
        LeNet((6, 8, 1))
    with pytest.raises(InputError, match="kernel must be an integer >= 1"):
        LeNet((8, 8, 1), kernel=0)
    with pytest.raises(TypeError, match="no model is defined for 'mlp'"):
        build("mlp", D, None)


@every_model
def test_double_precision_is_refused_where_it_is_off(case, key):
    jax.config.update("jax_enable_x64", False)
    try:
        with pytest.raises(InputError, match="dtype must be float32 unless jax_enable_x64 is set"):
            case.model.init(key, jnp.float64)
    finally:
        jax.config.update("jax_enable_x64", True)
