"""Entry point of the test suite: float64, strict shapes, and seeds that come from the name of the test."""

import os

# Compiling takes most of the time of the suite, so it does without the compiler's optimisations: they double the time
# and change roundings only. `XLA_FLAGS= make test` tests with them, as do the evidence suite and the benchmarks.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false")

import jax
import numpy as np
import pytest

from spec.seeds import named_seed

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Fixed by the test's name and by SEED_SHIFT."""
    return named_seed(request.node.nodeid)


@pytest.fixture
def rng(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def key(seed: int) -> jax.Array:
    return jax.random.key(seed)
