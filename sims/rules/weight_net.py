r"""MW-Net: a small network from an example's loss to its weight, trained by the meta-gradient; see spec.rules.schemes.

With V(l; Theta) = sigmoid(<v, relu(u l + b)> + c) and c_i the couplings of sims.rules.meta_reweighting,

    -dL(theta^)/dTheta = (eta/n) sum_i c_i dV(l_i; Theta)/dTheta,  theta^ = theta - (eta/n) sum_i V(l_i; Theta) grad l_i

so that a step costs what one of MetaReweight does, and a pass through V. The losses count as constants in dV/dTheta.
"""

import jax
import jax.numpy as jnp

from sims.objectives import Batch, Objective
from sims.rules.base import Params, register
from sims.rules.meta_reweighting import couplings
from spec.rules.schemes import WeightNet

register(WeightNet)


def start(scheme: WeightNet, key: jax.Array, dtype: jnp.dtype) -> Params:
    """Theta: uniform in +-1 (u, b) and in +-1/sqrt(hidden) (v, c), as the released code draws it."""
    keys, h = jax.random.split(key, 4), scheme.hidden
    shapes, bounds = ((h,), (h,), (h,), ()), (1.0, 1.0, h**-0.5, h**-0.5)
    drawn = [jax.random.uniform(k, s, dtype, -b, b) for k, s, b in zip(keys, shapes, bounds, strict=True)]
    return dict(zip("ubvc", drawn, strict=True))


def weights(Theta: Params, losses: jax.Array) -> jax.Array:
    """V of every loss, (n,), in (0, 1)."""
    hidden = jax.nn.relu(losses[:, None] * Theta["u"][None] + Theta["b"][None])
    return jax.nn.sigmoid(hidden @ Theta["v"] + Theta["c"])


def renewed(
    scheme: WeightNet, Theta: Params, objective: Objective, params: Params, batch: Batch, clean: Batch
) -> tuple[jax.Array, Params]:
    """(weights (n,) of a batch from the new Theta, Theta + (rate/n) sum_i c_i dV_i/dTheta)."""
    losses = jax.vmap(objective.loss)(objective.model.apply(params, batch.x), batch.t)
    w, pull_back = jax.vjp(lambda T: weights(T, losses), Theta)
    c = couplings(objective, params, batch, clean, w, scheme.eta)
    (uphill,) = pull_back(c / len(c))
    Theta = jax.tree.map(lambda a, b: (a + scheme.rate * b).astype(a.dtype), Theta, uphill)
    return weights(Theta, losses), Theta
