"""The empirical tangent kernel against Jacobians written out, and its blocks against the whole."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, MODELS, flat

from sims import tangent_kernel
from sims.models.networks import mlp
from spec.validation import InputError


def jacobians(case, params, x):
    """(n, C, parameters), one input and one output at a time."""

    def of(xi, c):
        return flat(jax.grad(lambda p: jnp.ravel(case.model.apply(p, xi[None]))[c])(params))

    return np.stack([[of(xi, c) for c in range(case.classes or 1)] for xi in x])


@pytest.mark.parametrize("case", MODELS, ids=lambda c: c.name)
def test_kernels_are_inner_products_of_jacobians(case, rng):
    params, first, second = case.params(rng), case.batch(rng, 4).x, case.batch(rng, 3).x
    J1, J2 = (jacobians(case, params, x) for x in (first, second))
    full = np.einsum("icp,jdp->icjd", J1, J2)
    np.testing.assert_allclose(
        tangent_kernel.empirical(case.model, params, first, second, outputs="all"), full, rtol=1e-11
    )
    mean = np.einsum("icp,jcp->ij", J1, J2) / (case.classes or 1)
    np.testing.assert_allclose(tangent_kernel.empirical(case.model, params, first, second), mean, rtol=1e-11)


@pytest.mark.parametrize("outputs", ["mean", "all"])
def test_blocks_and_symmetry_change_nothing(outputs, rng):
    case = CASES["deep relu, 3 classes"]
    params, x = case.params(rng), case.batch(rng, 7).x
    whole = np.asarray(tangent_kernel.empirical(case.model, params, x, x, outputs=outputs))
    for block in (1, 3, 7, None):
        for second in (x, None):
            kernel = tangent_kernel.empirical(case.model, params, x, second, outputs=outputs, block=block)
            np.testing.assert_allclose(kernel, whole, rtol=1e-12)
    first_part = tangent_kernel.empirical(case.model, params, x[:2], x, outputs=outputs, block=2)
    np.testing.assert_allclose(first_part, whole[:2], rtol=1e-12)


@pytest.mark.parametrize(("outputs", "symmetric"), [("mean", False), ("mean", True), ("all", False)])
def test_large_kernels_keep_to_the_stated_memory(outputs, symmetric):
    """Blocks shrink until their factors and products fit, whatever n is."""
    model = mlp((64, 1024, 10), scaling="ntk")
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.float32))
    x = jax.ShapeDtypeStruct((20000, 64), jnp.float32)
    lowered = tangent_kernel._kernel.lower(model, outputs, None, params, x, None if symmetric else x)
    assert tangent_kernel.MEMORY / 16 < lowered.compile().memory_analysis().temp_size_in_bytes <= tangent_kernel.MEMORY


@pytest.mark.parametrize("outputs", ["mean", "all"])
def test_a_symmetric_kernel_is_halved_from_a_size_on(outputs, rng, monkeypatch):
    case = CASES["deep relu, 3 classes"]
    params, x = case.params(rng), case.batch(rng, 9).x
    whole = tangent_kernel.empirical(case.model, params, x, x, outputs=outputs)
    monkeypatch.setattr(tangent_kernel, "HALVED", 8)  # read when the program is traced
    tangent_kernel._kernel.clear_cache()
    np.testing.assert_allclose(tangent_kernel.empirical(case.model, params, x, outputs=outputs), whole, rtol=1e-12)


def test_half_of_a_symmetric_kernel_is_mirrored():
    model = mlp((64, 256, 1), scaling="ntk")
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), jnp.float32))
    x = jax.ShapeDtypeStruct((tangent_kernel.HALVED, 64), jnp.float32)
    lowered = (tangent_kernel._kernel.lower(model, "mean", None, params, x, second) for second in (None, x))
    halved, whole = (program.cost_analysis()["flops"] for program in lowered)
    assert halved < 0.8 * whole


def test_a_second_call_traces_nothing(rng, monkeypatch):
    case = CASES["ntk tanh"]
    params, x = case.params(rng), case.batch(rng, 5).x
    kernel = tangent_kernel.empirical(case.model, params, x)
    monkeypatch.setattr(tangent_kernel, "_layers", None)
    np.testing.assert_array_equal(tangent_kernel.empirical(case.model, params, x), kernel)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"outputs": "trace"}, "outputs must be one of 'mean', 'all', got 'trace'"),
        ({"block": 0}, "block must be an integer >= 1, got 0"),
        ({"second": jnp.zeros(3)}, r"second must be inputs of shape \(n', d\)"),
    ],
)
def test_wrong_arguments_are_named(options, message, rng):
    case = CASES["linear"]
    with pytest.raises(InputError, match=message):
        tangent_kernel.empirical(case.model, case.params(rng), case.batch(rng).x, **options)
