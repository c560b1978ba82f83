"""Linear in the parameters, tangent at the start; and outputs that start at zero."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cases import CASES, distance

from sims.models.linearised import from_zero, linearised


@pytest.mark.parametrize("name", ["ntk tanh", "two layers, 3 classes"])
def test_the_linearisation_is_tangent_and_linear(name, rng):
    case = CASES[name]
    start, other, x = case.params(rng), case.params(rng), case.batch(rng).x
    model = linearised(case.model, start)
    apply, plain = jax.jit(model.apply), jax.jit(case.model.apply)
    np.testing.assert_allclose(apply(start, x), plain(start, x), rtol=1e-13)
    jacobians = [jax.jit(jax.jacobian(f))(start, x) for f in (model.apply, case.model.apply)]
    assert distance(*jacobians) < 1e-12
    ends = [apply(jax.tree.map(lambda s, o, c=c: s + c * (o - s), start, other), x) for c in (0.0, 0.5, 1.0)]
    np.testing.assert_allclose(ends[1], (ends[0] + ends[2]) / 2, rtol=1e-10, atol=1e-12)
    assert np.abs(ends[2] - plain(other, x)).max() > 1e-3


def test_from_zero_moves_the_outputs_only(rng):
    case = CASES["ntk tanh"]
    start, other, x = case.params(rng), case.params(rng), case.batch(rng).x
    model = from_zero(case.model, start)
    np.testing.assert_array_equal(model.apply(start, x), np.zeros(len(x)))
    expected = case.model.apply(other, x) - case.model.apply(start, x)
    np.testing.assert_allclose(model.apply(other, x), expected, rtol=1e-12)
    gradients = [
        jax.jit(jax.grad(lambda p, m=m: jnp.sum(m.apply(p, x) ** 3 - m.apply(start, x) ** 3)))(start)
        for m in (case.model, linearised(case.model, start))
    ]
    assert distance(*gradients) < 1e-12
