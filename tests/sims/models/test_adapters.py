"""Networks of other libraries: their outputs, per-example SAM against a loop of their own, and what is refused."""

import re
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from cases import RHO, distance

from sims import fit
from sims.models import Model, adapters
from sims.objectives import Batch, Objective, cross_entropy
from sims.rules import gradient
from sims.tracing import has_factors
from spec.rules import FeatureReweight, Regularised, Sam
from spec.validation import InputError

PAGE = Path(__file__).resolve().parents[3] / "docs" / "own_network.md"
N, D, C = 4, 3, 3
X = jnp.asarray(np.sin(np.arange(N * D)).reshape(N, D))
IMAGES = jnp.asarray(np.sin(np.arange(N * 16)).reshape(N, 1, 4, 4))
T = jnp.arange(N) % C


def equinox_mlp(eqx):
    return eqx.nn.MLP(D, C, 5, 2, key=jax.random.key(0), dtype=float), X, True


def equinox_cnn(eqx):
    keys = jax.random.split(jax.random.key(0), 2)
    layers = [
        eqx.nn.Conv2d(1, 2, 3, key=keys[0], dtype=float),
        eqx.nn.Lambda(lambda h: jax.nn.relu(h).reshape(-1)),
        eqx.nn.Linear(8, C, key=keys[1], dtype=float),
    ]
    return eqx.nn.Sequential(layers), IMAGES, False


@pytest.mark.parametrize("made", [equinox_mlp, equinox_cnn])
def test_equinox_modules(made):
    eqx = pytest.importorskip("equinox", reason="the extra `equinox` is not installed")
    module, x, factored = made(eqx)
    found = adapters.started(module)
    np.testing.assert_allclose(found.model.apply(found.params, x), jax.vmap(module)(x), rtol=1e-12)
    assert has_factors(found.model, found.params, x) is factored
    assert found.model.head(found.params).shape == module.layers[-1].weight.shape
    compare(found, x, lambda params, xi: eqx.combine(params, eqx.partition(module, eqx.is_inexact_array)[1])(xi))
    assert eqx.tree_equal(found.rebuilt(found.params), module)


def compare(found, x, of_example):
    """1-SAM by the adapter against a loop over the examples by the library's own call."""

    def at(params, xi, ti):
        return cross_entropy(of_example(params, xi), ti)

    def perturbed(xi, ti):
        g = jax.grad(at)(found.params, xi, ti)
        length = jnp.sqrt(sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(g)))
        return jax.grad(at)(jax.tree.map(lambda p, gi: p + RHO * gi / length, found.params, g), xi, ti)

    by_hand = jax.jit(lambda: jax.tree.map(lambda leaf: leaf.mean(0), jax.vmap(perturbed)(x, T)))()
    objective = Objective(found.model, cross_entropy)
    ours = jax.jit(lambda p: gradient(Sam(RHO), (), objective, p, Batch(x, T))[0])(found.params)
    assert distance(ours, by_hand) < 1e-10


def is_on_the_page(refused):
    """The sentence that docs/own_network.md says the user will read."""
    sentences = re.findall(r'"([^"\n]+)"', PAGE.read_text().split("is refused before it is trained")[1])
    return any(str(refused.value).startswith(sentence) for sentence in sentences)


def test_equinox_modules_with_a_state_or_a_key_are_refused():
    eqx = pytest.importorskip("equinox", reason="the extra `equinox` is not installed")
    linear = eqx.nn.Linear(D, C, key=jax.random.key(0))
    with pytest.raises(InputError, match="Dropout needs a key") as refused:
        adapters.started(eqx.nn.Sequential([eqx.nn.Dropout(0.5), linear]))
    assert is_on_the_page(refused)
    adapters.started(eqx.nn.inference_mode(eqx.nn.Sequential([eqx.nn.Dropout(0.5), linear])))
    with pytest.raises(InputError, match="BatchNorm keeps a state") as refused:
        adapters.started(eqx.nn.make_with_state(eqx.nn.BatchNorm)(D, "batch", mode="batch")[0])
    assert is_on_the_page(refused)


def test_linen_modules():
    linen = pytest.importorskip("flax.linen", reason="the extra `flax` is not installed")
    module = linen.Sequential([linen.Dense(5, param_dtype=float), jnp.tanh, linen.Dense(C, param_dtype=float)])
    variables = module.init(jax.random.key(0), X)
    found = adapters.started((module, variables))
    assert has_factors(found.model, found.params, X)
    compare(found, X, lambda params, xi: module.apply({"params": params}, xi))
    assert found.rebuilt(found.params).keys() == variables.keys()


def test_convolutions_and_scales_of_linen_are_known():
    """In a module of one's own, with strides, groups and a table; what is unusual takes the plain path."""
    linen = pytest.importorskip("flax.linen", reason="the extra `flax` is not installed")

    class Own(linen.Module):
        padding: str = "SAME"

        @linen.compact
        def __call__(self, x):
            h = linen.Conv(4, (3, 2), strides=(2, 1), param_dtype=float, padding=self.padding)(x)
            h = jnp.tanh(linen.GroupNorm(2, param_dtype=float)(h))
            h = linen.Conv(4, (2, 2), kernel_dilation=(1, 2), feature_group_count=2, param_dtype=float)(h)
            h = linen.LayerNorm(param_dtype=float)(linen.Dense(4, param_dtype=float)(h))
            return linen.Dense(C, param_dtype=float)(h.mean((1, 2)))

    images = jnp.moveaxis(IMAGES, 1, -1)
    for padding, factored in (("SAME", True), ("CIRCULAR", False)):
        module = Own(padding)
        variables = module.init(jax.random.key(0), images)
        found = adapters.started((module, variables))
        np.testing.assert_allclose(found.model.apply(found.params, images), module.apply(variables, images), rtol=1e-10)
        assert has_factors(found.model, found.params, images) is factored
        compare(found, images, lambda params, xi, module=module: module.apply({"params": params}, xi[None])[0])
    embed = linen.Sequential(
        [linen.Embed(5, 4, param_dtype=float), lambda h: h.mean(1), linen.Dense(C, param_dtype=float)]
    )
    tokens = jnp.arange(N * 3).reshape(N, 3) % 5
    found = adapters.started((embed, embed.init(jax.random.key(0), tokens)))
    assert has_factors(found.model, found.params, tokens)
    compare(found, tokens, lambda params, xi: embed.apply({"params": params}, xi[None])[0])


def test_linen_modules_with_a_state_or_a_key_are_refused():
    linen = pytest.importorskip("flax.linen", reason="the extra `flax` is not installed")
    for layer in (linen.BatchNorm(use_running_average=False), linen.Dropout(0.5, deterministic=False)):
        module = linen.Sequential([layer, linen.Dense(C)])
        variables = module.init({"params": jax.random.key(0), "dropout": jax.random.key(1)}, X)
        found = adapters.started((module, variables))
        with pytest.raises(InputError, match="keeps no state and draws no random numbers") as refused:
            jax.eval_shape(found.model.apply, found.params, X)
        assert is_on_the_page(refused)


def test_nnx_modules():
    nnx = pytest.importorskip("flax.nnx", reason="the extra `flax` is not installed")
    rngs = nnx.Rngs(0)
    module = nnx.Sequential(
        nnx.Linear(D, 5, rngs=rngs, param_dtype=float), jnp.tanh, nnx.Linear(5, C, rngs=rngs, param_dtype=float)
    )
    found = adapters.started(module)
    np.testing.assert_allclose(found.model.apply(found.params, X), module(X), rtol=1e-12)
    compare(found, X, lambda params, xi: found.rebuilt(params)(xi))
    for layer in (nnx.BatchNorm(D, rngs=rngs), nnx.Dropout(0.5, rngs=rngs)):
        module = nnx.Sequential(layer, nnx.Linear(D, C, rngs=rngs))
        kept = adapters.started(module)
        with pytest.raises(InputError, match="updates statistics or drops units") as refused:
            jax.eval_shape(kept.model.apply, kept.params, X)
        assert is_on_the_page(refused)
        module.eval()
        calm = adapters.started(module)
        assert jax.eval_shape(calm.model.apply, calm.params, X).shape == (N, C)


def test_a_function_and_its_parameters():
    params = {"w": jnp.ones((D, C))}
    found = adapters.started((lambda p, x: x @ p["w"], params))
    compare(found, X, lambda p, xi: xi @ p["w"])
    objective = Objective(found.model, cross_entropy)
    for rule in (Sam(RHO, ascent="last"), Regularised(0.1, 0.1)):
        with pytest.raises(InputError, match="a model that tells its last layer"):
            gradient(rule, (), objective, params, Batch(X, T))
    assert FeatureReweight().needs_clean_subset
    with pytest.raises(InputError, match="a model that tells its last layer"):
        found.model.hidden(params, X)


def test_a_module_is_fitted_and_given_back():
    eqx = pytest.importorskip("equinox", reason="the extra `equinox` is not installed")
    module, x, _ = equinox_cnn(eqx)
    found = fit(module, x, T, Sam(0.05), optimizer=optax.adam(0.05), epochs=20)
    assert isinstance(found.network, eqx.nn.Sequential)
    np.testing.assert_array_equal(np.argmax(jax.vmap(found.network)(x), axis=1), T)
    assert found.history["train_accuracy"][-1] == 1


def test_what_is_no_network_is_refused():
    model = adapters.started((lambda p, x: x, {})).model
    assert isinstance(model, Model)
    assert adapters.started((model, {"w": 1.0})).params == {"w": 1.0}
    with pytest.raises(InputError, match=r"the network must be an Equinox or nnx module, .* got str"):
        adapters.started("a network")
