r"""Example weights by descending a clean subset's loss through one update of the model, without second derivatives.

For the trial step theta^ = theta - (eta/n) sum_i w_i grad l_i(theta) and the clean subset's mean loss L,

    -dL(theta^)/dw_i = (eta/n) c_i,    c_i = <grad L(theta^), grad l_i(theta)> = <J_i(theta) grad L(theta^), residual_i>

so that all c_i take one vector-Jacobian product for the step, one gradient of the clean subset, and one
Jacobian-vector product along it: exact for any network and loss, and linear in memory.
"""

from typing import Any

import jax
import jax.numpy as jnp

from sims.objectives import Batch, Objective
from sims.per_example import scaled
from sims.rules.ascent import power_of_two
from sims.rules.base import Params, register
from spec.rules.schemes import MetaReweight, NormalisedReweight

register(MetaReweight, NormalisedReweight)


def couplings(objective: Objective, params: Params, batch: Batch, clean: Batch, w: jax.Array, eta: Any) -> jax.Array:
    """c_i = <grad L(theta^), grad l_i(theta)> for every example of the batch, (n,), at weights w (n,)."""
    logits, forward = jax.linearize(objective.network(batch.x), params)
    residuals = objective.residuals(logits, batch.t)
    (g,) = jax.linear_transpose(forward, params)(scaled(residuals, w / len(w)))
    ahead = jax.tree.map(lambda p, gi: p - eta * gi, params, g)
    along = forward(jax.grad(objective.mean)(ahead, clean))
    return jnp.sum((along * residuals).reshape(len(w), -1), axis=1)


def accumulated(
    scheme: MetaReweight, w: jax.Array, objective: Objective, params: Params, batch: Batch, clean: Batch
) -> jax.Array:
    """clip(w + beta c), (n,)."""
    return jnp.clip(w + scheme.beta * couplings(objective, params, batch, clean, w, scheme.eta), 0, 1)


def normalised(objective: Objective, params: Params, batch: Batch, clean: Batch) -> jax.Array:
    """n max(c_i, 0)/sum_j max(c_j, 0) at zero weights, (n,); zero where no coupling is positive."""
    nothing = jnp.zeros(len(batch.t), batch.x.dtype)
    positive = jnp.maximum(couplings(objective, params, batch, clean, nothing, 0.0), 0)
    positive = positive / power_of_two(jnp.max(positive))  # else the square of a tiny total in its derivative is 0
    total = jnp.sum(positive)
    return len(positive) * positive / jnp.where(total > 0, total, 1)
