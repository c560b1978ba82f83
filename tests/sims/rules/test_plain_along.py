"""The plain gradient that comes along with a rule, where residuals are small: the size they were divided by is back."""

import jax
import jax.numpy as jnp
from cases import CASES, RHO, distance

from sims.objectives import Batch, Objective
from sims.rules import with_plain
from spec.rules import Sam


def test_the_plain_gradient_has_its_length_also_where_residuals_are_small(rng):
    """By factors, in NTK scaling, and by parameters: residuals are far below one half, to which ascents are blind."""
    case = CASES["ntk tanh"]
    params, batch = case.params(rng), case.batch(rng)
    faint = Objective(case.model, lambda f, t: case.loss(f, t) / 64)
    assert float(jnp.max(jnp.abs(faint.residuals(case.model.apply(params, batch.x), batch.t)))) <= 1 / 64

    @jax.jit
    def along(params: list, batch: Batch) -> tuple:
        found = [with_plain(Sam(RHO, m), (), faint, params, batch)[1] for m in ("example", "batch")]
        return found, jax.grad(faint.mean)(params, batch)

    found, expected = along(params, batch)
    for g in found:
        assert distance(g, expected) < 1e-12
