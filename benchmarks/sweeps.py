"""Sweeps over 8 rho x 8 seeds of 1-SAM: configurations vectorised on one compiled program, against loops over them."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks import steps, torch_peers
from benchmarks.timing import Program, Row, ratio, share_of_peak
from sims import objectives, rules
from sims.models import networks
from spec.rules import Sam

N, D, STEPS, ETA, SMALL = 1000, 100, 500, 0.1, 100
MLP, MLP_STEPS = (64, 256, 10), 20


class Sweep(NamedTuple):
    """64 configurations: rho (64,) and starting points w (64, d), on shared data x, t; order (steps, batch) or None."""

    rho: jax.Array
    w: jax.Array
    x: jax.Array
    t: jax.Array
    order: jax.Array | None


def logistic(mini_batches: bool) -> Sweep:
    """Logistic regression with n = 1000, d = 100 in full batches, or in mini-batches of 100 drawn in advance."""
    x = jax.random.normal(jax.random.key(0), (N, D), jnp.float32)
    t = jnp.where(x[:, 0] + 0.5 * jax.random.normal(jax.random.key(1), (N,)) > 0, 1.0, -1.0).astype(jnp.float32)
    order = jax.random.randint(jax.random.key(2), (STEPS, SMALL), 0, N) if mini_batches else None
    rho = jnp.repeat(jnp.linspace(0.05, 0.4, 8, dtype=jnp.float32), 8)
    return Sweep(rho, 0.1 * jax.random.normal(jax.random.key(3), (64, D), jnp.float32), x, t, order)


def _run(gradient: Any, rho: jax.Array, w: jax.Array, sweep: Sweep) -> jax.Array:
    def step(p: Any, index: jax.Array | None) -> tuple[Any, None]:
        batch = objectives.Batch(sweep.x, sweep.t)
        batch = batch if index is None else objectives.Batch(batch.x[index], batch.t[index])
        return jax.tree.map(lambda a, g: a - ETA * g, p, gradient(rho, p, batch)), None

    return jax.lax.scan(step, {"w": w}, sweep.order, length=STEPS)[0]["w"]


def _ours(rho: jax.Array, p: Any, batch: objectives.Batch) -> Any:
    return rules.gradient(Sam(rho), (), objectives.Objective(networks.linear(D), objectives.logistic), p, batch)[0]


def _vmap_grad(rho: jax.Array, p: Any, batch: objectives.Batch) -> Any:
    def loss(w: jax.Array, x: jax.Array, t: jax.Array) -> jax.Array:
        return jax.nn.softplus(-t * (x @ w))

    def one(x: jax.Array, t: jax.Array) -> jax.Array:
        g = jax.grad(loss)(p["w"], x, t)
        return jax.grad(loss)(p["w"] + rho * g / jnp.linalg.norm(g), x, t)

    return {"w": jnp.mean(jax.vmap(one)(*batch), 0)}


def by_hand(sweep: Sweep) -> Program:
    """The closed form for all configurations at once, written by hand: two products and a sigmoid in every step."""

    @jax.jit
    def run(rho: jax.Array, w: jax.Array, sweep: Sweep) -> jax.Array:
        length = jnp.linalg.norm(sweep.x, axis=1)

        def step(w: jax.Array, index: jax.Array | None) -> tuple[jax.Array, None]:
            x, t, norm = (a if index is None else a[index] for a in (sweep.x, sweep.t, length))
            s = jax.nn.sigmoid(rho[:, None] * norm[None] - t[None] * (w @ x.T))
            return w + ETA / len(t) * ((s * t[None]) @ x), None

        return jax.lax.scan(step, w, sweep.order, length=STEPS)[0]

    return lambda: run(sweep.rho, sweep.w, sweep)


def products(sweep: Sweep) -> Program:
    """The two products of every step and hardly more, w -> w - eta (w X^T) X / n."""

    @jax.jit
    def run(w: jax.Array, sweep: Sweep) -> jax.Array:
        def step(w: jax.Array, index: jax.Array | None) -> tuple[jax.Array, None]:
            x = sweep.x if index is None else sweep.x[index]
            return w - ETA / len(x) * ((w @ x.T) @ x), None

        return jax.lax.scan(step, w, sweep.order, length=STEPS)[0]

    return lambda: run(sweep.w, sweep)


def numpy_products(sweep: Sweep) -> Program:
    """The same in float32 numpy."""
    w, x = np.asarray(sweep.w), np.asarray(sweep.x)
    batches = [slice(None)] * STEPS if sweep.order is None else list(np.asarray(sweep.order))

    def run() -> np.ndarray:
        moved = w
        for i in batches:
            rows = x[i]
            moved = moved - np.float32(ETA / len(rows)) * ((moved @ rows.T) @ rows)
        return moved

    return run


def vectorised(gradient: Any, sweep: Sweep) -> Program:
    """All configurations in one program."""
    together = jax.jit(jax.vmap(lambda r, w, s: _run(gradient, r, w, s), in_axes=(0, 0, None)))
    return lambda: together(sweep.rho, sweep.w, sweep)


def looped(sweep: Sweep) -> Program:
    """The same compiled run of one configuration, called for each."""
    one = jax.jit(lambda r, w, s: _run(_ours, r, w, s))
    return lambda: [one(r, w, sweep) for r, w in zip(sweep.rho, sweep.w, strict=True)]


def numpy_loop(sweep: Sweep) -> Program:
    """The closed form in float32 numpy, one configuration after the other."""
    rho, starts, x, t = (np.asarray(a) for a in sweep[:4])
    norms = np.linalg.norm(x, axis=1)
    batches = [slice(None)] * STEPS if sweep.order is None else list(np.asarray(sweep.order))

    def run() -> np.ndarray:
        finals = []
        for r, start in zip(rho, starts, strict=True):
            w = start.copy()
            for i in batches:
                s = 1 / (1 + np.exp(t[i] * (x[i] @ w) - r * norms[i]))
                w += ETA / len(s) * ((s * t[i]) @ x[i])
            finals.append(w)
        return np.stack(finals)

    return run


def mlp_programs() -> tuple[Program, Program, float]:
    """(vectorised, looped, operations) for 64 configurations of an MLP in batches of 128."""
    model, _, batch = steps.case(networks.mlp(MLP), 128)
    objective = objectives.Objective(model, objectives.cross_entropy)
    rho = jnp.repeat(jnp.linspace(0.01, 0.1, 8, dtype=jnp.float32), 8)
    params = jax.vmap(lambda k: model.init(k, jnp.float32))(jax.random.split(jax.random.key(0), 64))

    def run(rho: jax.Array, p: Any) -> Any:
        def step(p: Any, _: None) -> tuple[Any, None]:
            g, _state = rules.gradient(Sam(rho), (), objective, p, batch)
            return jax.tree.map(lambda a, b: a - ETA * b, p, g), None

        return jax.lax.scan(step, p, None, length=MLP_STEPS)[0]

    together, one = jax.jit(jax.vmap(run)), jax.jit(run)
    singles = [jax.tree.map(lambda a, i=i: a[i], params) for i in range(64)]
    first, second = (a * b for a, b in zip(MLP[:-1], MLP[1:], strict=True))
    operations = 64 * MLP_STEPS * 2 * 128 * (2 * first + 5 * second)
    return lambda: together(rho, params), lambda: [one(r, p) for r, p in zip(rho, singles, strict=True)], operations


def rows(repeats: int) -> Iterator[Row]:
    """Every row of this section."""
    few = max(3, repeats // 5)
    for mini in (False, True):
        sweep = logistic(mini)
        section = f"64 x 1-SAM logistic regression, {'batches of 100' if mini else 'n = 1000'}, d = 100, 500 steps"
        program = vectorised(_ours, sweep)
        peers = {
            "two products and the sigmoid by hand": by_hand(sweep),
            "JAX loop": looped(sweep),
            "vmap(grad)": vectorised(_vmap_grad, sweep),
            "numpy loop": numpy_loop(sweep),
        }
        if torch_peers.torch is not None and not mini:
            data = [np.asarray(a) for a in (sweep.w, sweep.rho, sweep.x, sweep.t)]
            peers["PyTorch loop"] = torch_peers.logistic_sweep(*data, ETA, STEPS)
        for name, peer in peers.items():
            yield ratio(section, "sweep", program, name, peer, repeats=few)
        shares = {"sweep": program, "products alone": products(sweep), "products alone in numpy": numpy_products(sweep)}
        size = SMALL if mini else N
        for name, measured in shares.items():
            yield share_of_peak(section, name, measured, 64 * STEPS * 4 * size * D, repeats=few)
    section = "64 x 1-SAM, MLP 64-256-10, batch 128, 20 steps"
    together, loop, operations = mlp_programs()
    yield ratio(section, "sweep", together, "JAX loop", loop, repeats=few)
    yield share_of_peak(section, "sweep", together, operations, repeats=few)
    yield share_of_peak(section, "JAX loop", loop, operations, repeats=few)
