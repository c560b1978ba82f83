"""Entry point of the test suite: float64, strict shapes, and seeds that come from the name of the test."""

import gc
import os
from collections.abc import Iterator
from pathlib import Path

# Compiling takes most of the time of the suite, so it does without the compiler's optimisations: they double the time
# and change roundings only. `XLA_FLAGS= make test` tests with them, as do the evidence suite and the benchmarks.
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false")
# Each worker has one core: two threads of the linear algebra would wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Nothing of the tests' own ends up in the cache of whoever runs them.
os.environ["XDG_CACHE_HOME"] = str(Path(__file__).parent.parent / ".pytest_cache" / "user")
# Programs that several tests, their subprocesses and notebooks compile are compiled once, and kept for the next run.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(Path(__file__).parent.parent / ".pytest_cache" / "compiled"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

import jax
import numpy as np
import pytest

from spec.seeds import named_seed

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
# Tracing makes many objects that live on: looking through them for cycles as often as Python does takes a tenth of it.
gc.set_threshold(200_000, 50, 1000)


@pytest.fixture(scope="module", autouse=True)
def _forget_compiled_code() -> Iterator[None]:
    """Compiled programs of a whole run would take gigabytes; files share hardly any."""
    yield
    jax.clear_caches()


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
