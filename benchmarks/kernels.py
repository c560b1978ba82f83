"""Empirical tangent kernels: n = 1000 inputs of size 64, width 1024, float32.

neural-tangents needs an older JAX than ours: point NEURAL_TANGENTS_PYTHON at the interpreter of an environment that has
it, and its time joins the rows (measured in that process, on the same machine, between two of ours).
"""

import os
import subprocess
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.timing import Program, Row, ratio, seconds, share_of_peak
from sims import tangent_kernel
from sims.models import networks

N, WIDTH, D = 1000, 1024, 64
SECTION = f"Tangent kernel, n = {N}, width {WIDTH}, d = {D}"

_NEURAL_TANGENTS = f"""
import time, jax, neural_tangents as nt
from neural_tangents import stax
layers = stax.serial(stax.Dense({WIDTH}), stax.Relu(), stax.Dense(1))
_, params = layers[0](jax.random.key(0), (-1, {D}))
x = jax.random.normal(jax.random.key(1), ({N}, {D}))
kernel = jax.jit(nt.empirical_ntk_fn(layers[1], implementation=nt.NtkImplementation.STRUCTURED_DERIVATIVES))
kernel(x, None, params).block_until_ready()
times = []
for _ in range(15):
    start = time.perf_counter()
    kernel(x, None, params).block_until_ready()
    times.append(time.perf_counter() - start)
print("median", sorted(times)[7])
"""


def inputs() -> tuple[networks.Model, Any, jax.Array]:
    """The network, its parameters and the inputs x (N, D)."""
    model = networks.mlp((D, WIDTH, 1), scaling="ntk")
    return model, model.init(jax.random.key(0), jnp.float32), jax.random.normal(jax.random.key(1), (N, D), jnp.float32)


def contraction(model: networks.Model) -> Any:
    """Jacobians written out, then contracted."""

    @jax.jit
    def kernel(params: Any, x: jax.Array) -> jax.Array:
        jacobian = jax.vmap(jax.grad(lambda p, xi: model.apply(p, xi[None])[0]), (None, 0))(params, x)
        flat = [leaf.reshape(len(x), -1) for leaf in jax.tree.leaves(jacobian)]
        return sum(j @ j.T for j in flat)

    return kernel


@jax.jit
def two_products(params: Any, x: jax.Array) -> jax.Array:
    """The kernel of this one architecture, written by hand."""
    first, last = params
    z = (2 / D) ** 0.5 * (x @ first["w"]) + first["b"][None]
    delta = jnp.where(z > 0, last["w"].T / WIDTH**0.5, 0)
    hidden = jnp.maximum(z, 0) / WIDTH**0.5
    return (delta @ delta.T) * (2 / D * (x @ x.T) + 1) + hidden @ hidden.T + 1


def neural_tangents_seconds() -> float | None:
    """The median time of neural-tangents' structured derivatives, or None where it is not to be had."""
    python = os.environ.get("NEURAL_TANGENTS_PYTHON")
    if python is None:
        return None
    run = subprocess.run([python, "-c", _NEURAL_TANGENTS], capture_output=True, text=True, check=False)
    found = [line.split()[1] for line in run.stdout.splitlines() if line.startswith("median")]
    return float(found[0]) if found else None


def rows(repeats: int) -> Iterator[Row]:
    """Every row of this section."""
    model, params, x = inputs()
    few = max(3, repeats // 5)

    def ours() -> jax.Array:
        return tangent_kernel.empirical(model, params, x)

    by_hand: Program = lambda: two_products(params, x)  # noqa: E731
    written_out = contraction(model)
    yield ratio(SECTION, "kernel", ours, "two products by hand", by_hand, repeats=repeats)
    yield ratio(SECTION, "kernel", ours, "Jacobian contraction", lambda: written_out(params, x), repeats=few)
    yield share_of_peak(SECTION, "kernel", ours, 2 * N**2 * (D + 1 + 2 * WIDTH + 2), repeats=repeats)
    before = [seconds(ours) for _ in range(repeats)]
    theirs = neural_tangents_seconds()
    if theirs is not None:
        times = before + [seconds(ours) for _ in range(repeats)]
        low, median, high = theirs / np.percentile(times, [75, 50, 25])
        yield Row(SECTION, "kernel", "neural-tangents, structured", low, median, high, "times as fast")
