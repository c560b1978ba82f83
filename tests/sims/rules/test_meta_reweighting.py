"""Couplings against differentiation twice over, for every network and loss; the weights made from them."""

from functools import cache, partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, MODELS, Case, flat

from sims.models.networks import linear
from sims.objectives import Batch, Objective, squared
from sims.rules.meta_reweighting import accumulated, couplings, normalised
from spec.rules import MetaReweight

SQUARED = Case("squares", CASES["ntk tanh"].model, squared)
N_CLEAN = 4


@cache
def compiled(case):
    return jax.jit(partial(couplings, case.objective))


def twice(objective, params, batch, clean, w, eta):
    """-(n/eta) dL/dw by reverse mode through the trial step, itself made by reverse mode."""

    def weighted(p, w):
        return jnp.mean(w * jax.vmap(objective.loss)(objective.model.apply(p, batch.x), batch.t))

    def after(w):
        g = jax.grad(weighted)(params, w)
        return objective.mean(jax.tree.map(lambda p, gi: p - eta * gi, params, g), clean)

    return -len(w) / eta * jax.grad(after)(w)


@pytest.mark.parametrize("case", [*MODELS, SQUARED], ids=lambda c: c.name)
def test_couplings_are_the_derivative_through_one_update(case, rng):
    params, batch, clean = case.params(rng), case.batch(rng), case.batch(rng, N_CLEAN)
    w, eta = jnp.asarray(rng.uniform(0.2, 1, len(batch.t))), 0.4
    fast = compiled(case)(params, batch, clean, w, eta)
    slow = jax.jit(lambda *a: twice(case.objective, *a))(params, batch, clean, w, eta)
    assert fast.shape == batch.t.shape
    np.testing.assert_allclose(fast, slow, rtol=1e-9, atol=1e-12 * np.abs(slow).max())
    blind = compiled(case)(params, batch, clean, w, 0.0)
    assert np.abs(blind - fast).max() > 1e-3 * np.abs(fast).max(), "the look-ahead plays a part"


def test_couplings_without_look_ahead_are_inner_products_of_gradients(rng):
    case = CASES["deep relu, 3 classes"]
    params, batch, clean = case.params(rng), case.batch(rng), case.batch(rng, N_CLEAN)
    found = compiled(case)(params, batch, clean, jnp.zeros(len(batch.t)), 0.0)
    gradient = jax.jit(jax.grad(case.objective.mean))
    g = flat(gradient(params, clean))
    for i in range(len(batch.t)):
        gi = flat(gradient(params, Batch(batch.x[i : i + 1], batch.t[i : i + 1])))
        assert float(found[i]) == pytest.approx(float(g @ gi), rel=1e-10)


def one_weight(rng):
    """A linear model and examples that agree (+), conflict (-) or have nothing to do with (0) the clean one."""
    objective, x = Objective(linear(2), squared), jnp.asarray([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    clean = Batch(jnp.asarray([[1.0, 0.0]]), jnp.ones(1))
    return objective, {"w": jnp.zeros(2)}, Batch(x, jnp.asarray([1.0, -1.0, 1.0])), clean


def test_weights_accumulate_and_are_cut(rng):
    objective, params, batch, clean = one_weight(rng)
    for beta in (0.1, 10.0):
        w = jax.jit(accumulated, static_argnums=2)(
            MetaReweight(beta, 0.0), jnp.full(3, 0.5), objective, params, batch, clean
        )
        np.testing.assert_allclose(w, np.clip([0.5 + beta, 0.5 - beta, 0.5], 0, 1), rtol=1e-12)


def test_normalised_weights_keep_what_agrees(rng):
    objective, params, batch, clean = one_weight(rng)
    found = jax.jit(normalised, static_argnums=0)(objective, params, batch, clean)
    np.testing.assert_allclose(found, [3.0, 0.0, 0.0], rtol=1e-12)


def test_normalised_weights_are_proportional_to_positive_couplings(rng):
    case = CASES["two layers, 3 classes"]
    params, others, clean = case.params(rng), case.batch(rng), case.batch(rng, N_CLEAN)
    batch = Batch(*(jnp.concatenate([one, other[N_CLEAN:]]) for one, other in zip(clean, others, strict=True)))
    c = compiled(case)(params, batch, clean, jnp.zeros(len(batch.t)), 0.0)
    positive = np.maximum(c, 0)
    assert positive.any()  # couplings of the clean examples themselves add up to a square
    found = jax.jit(partial(normalised, case.objective))(params, batch, clean)
    np.testing.assert_allclose(found, len(c) * positive / positive.sum(), rtol=1e-10)


def test_normalised_weights_vanish_where_nothing_agrees(rng):
    objective, params, batch, clean = one_weight(rng)
    conflicting = Batch(batch.x[1:2], batch.t[1:2])
    found = jax.jit(normalised, static_argnums=0)(objective, params, conflicting, clean)
    np.testing.assert_array_equal(found, [0.0])


def test_a_fitted_clean_subset_moves_no_weight(rng):
    """Zero residuals on the clean subset: couplings are exactly zero, and so is their derivative in beta."""
    objective, _, batch, clean = one_weight(rng)
    fitted = {"w": jnp.asarray([1.0, 0.0])}
    w = jnp.full(3, 0.5)

    @jax.jit
    def values(beta):
        def weights(b):
            return accumulated(MetaReweight(b, 0.0), w, objective, fitted, batch, clean)

        return weights(beta) - w, jax.jacfwd(weights)(beta)

    for zero in values(0.3):
        np.testing.assert_array_equal(zero, np.zeros(3))
