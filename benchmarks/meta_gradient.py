"""The meta-gradient of example weights through one update: n = 1000 examples, m = 50 clean ones, width 1024, float32.

Peers differentiate twice over, reverse through reverse, with respect to the weights: in JAX compiled and not, and in
PyTorch. Compiled, reverse through reverse loses what the weights do not need and does the same three passes as ours, so
that the ratio there is near one; the gain is over eager programs, and over writing the example gradients out.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from benchmarks import torch_peers
from benchmarks.timing import Program, Row, ratio
from sims.models import networks
from sims.objectives import Batch, Objective, cross_entropy, squared
from sims.rules.meta_reweighting import couplings

N, M, WIDTH, D, ETA = 1000, 50, 1024, 64, 0.1
SECTION = f"Meta-gradient, n = {N}, m = {M}, width {WIDTH}, d = {D}"
Arguments = tuple[Any, Batch, Batch, jax.Array]


def arguments(classes: int | None) -> tuple[Objective, Arguments]:
    """The objective, and (params, training batch, clean batch, weights)."""
    model = networks.mlp((D, WIDTH, classes or 1))

    def batch(seed: int, n: int) -> Batch:
        x = jax.random.normal(jax.random.key(seed), (n, D), jnp.float32)
        return Batch(x, jnp.where(jnp.arange(n) % 2, 1.0, -1.0) if classes is None else jnp.arange(n) % classes)

    params = model.init(jax.random.key(0), jnp.float32)
    loss = squared if classes is None else cross_entropy
    return Objective(model, loss), (params, batch(1, N), batch(2, M), jnp.full(N, 0.5))


def ours(objective: Objective, params: Any, batch: Batch, clean: Batch, w: jax.Array) -> jax.Array:
    """dL/dw by one vector-Jacobian and one Jacobian-vector product."""
    return -ETA / N * couplings(objective, params, batch, clean, w, ETA)


def twice(objective: Objective, params: Any, batch: Batch, clean: Batch, w: jax.Array) -> jax.Array:
    """dL/dw by differentiating the trial step, which is itself a gradient."""

    def weighted(p: Any, w: jax.Array) -> jax.Array:
        return jnp.mean(w * jax.vmap(objective.loss)(objective.model.apply(p, batch.x), batch.t))

    def after(w: jax.Array) -> jax.Array:
        g = jax.grad(weighted)(params, w)
        return objective.mean(jax.tree.map(lambda p, gi: p - ETA * gi, params, g), clean)

    return jax.grad(after)(w)


def written_out(objective: Objective, params: Any, batch: Batch, clean: Batch, w: jax.Array) -> jax.Array:
    """dL/dw from the gradients of all examples, each written out."""

    def one(x: jax.Array, t: jax.Array) -> Any:
        return jax.grad(objective.mean)(params, Batch(x[None], t[None]))

    each = jax.vmap(one)(batch.x, batch.t)
    ahead = jax.tree.map(lambda p, gi: p - ETA * jnp.tensordot(w, gi, (0, 0)) / N, params, each)
    along = jax.grad(objective.mean)(ahead, clean)
    return (
        -ETA
        / N
        * sum(jnp.tensordot(gi, a, a.ndim) for gi, a in zip(jax.tree.leaves(each), jax.tree.leaves(along), strict=True))
    )


def peers(objective: Objective, given: Arguments, classes: int | None) -> dict[str, Program]:
    """The other ways to dL/dw."""
    compiled, each = (jax.jit(partial(f, objective)) for f in (twice, written_out))
    found: dict[str, Program] = {
        "twice, compiled": lambda: compiled(*given),
        "twice, JAX without jit": lambda: twice(objective, *given),
        "example gradients written out": lambda: each(*given),
    }
    if torch_peers.torch is not None:
        found["twice, PyTorch"] = torch_peers.meta_gradient(*given, ETA, classes)
    return found


def _rows(name: str, classes: int | None, repeats: int) -> list[Row]:
    objective, given = arguments(classes)
    compiled = jax.jit(partial(ours, objective))
    others = peers(objective, given, classes).items()
    return [ratio(SECTION, name, lambda: compiled(*given), peer, other, repeats=repeats) for peer, other in others]


def rows(repeats: int) -> list[Row]:
    """Every row of this section."""
    return _rows("squares", None, repeats) + _rows("cross-entropy, 10 classes", 10, repeats)
