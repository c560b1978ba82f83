"""Samples of synthetic problems for claims, drawn by numpy as sims.data.sampling defines them.

Compiling and running JAX's normals, for every shape, would take most of the time of a claim.
"""

import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from sims.data.sampling import Split
from spec.problems import NoisyLinearTeacher, SignalNoiseMixture


def samples(law: SignalNoiseMixture | NoisyLinearTeacher, rng: np.random.Generator, count: int) -> Split:
    """`count` independent training splits, stacked: x (count, n, d), t and y (count, n)."""
    x = rng.standard_normal((count, law.n, law.d))
    if isinstance(law, NoisyLinearTeacher):
        y = np.where(x[..., 0] >= 0, 1.0, -1.0)
    else:
        half = np.where(np.arange(law.n) < law.n // 2, -1.0, 1.0)
        y = rng.permuted(np.broadcast_to(half, (count, law.n)), axis=1)
        x *= law.gamma
        x[..., 0] = (law.noise == "isotropic") * x[..., 0] + law.B * y  # y z has the law of z
    t = np.where(_flipped(law, rng, count), -y, y)
    return Split(jnp.asarray(x), jnp.asarray(t), jnp.asarray(y))


def _flipped(law: SignalNoiseMixture | NoisyLinearTeacher, rng: np.random.Generator, count: int) -> NDArray[np.bool_]:
    """Which labels are wrong: as many in every split, or each with its probability."""
    if law.flips == "bernoulli":
        return rng.random((count, law.n)) < law.Delta
    wrong = np.arange(law.n) < round(law.Delta * law.n)
    return rng.permuted(np.broadcast_to(wrong, (count, law.n)), axis=1)
