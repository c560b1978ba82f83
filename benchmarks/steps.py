"""The price of one step: rules on the MLPs 64-256-10 and 64-256-256-10, float32, steps inside one scan."""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from benchmarks import torch_peers
from benchmarks.timing import Program, Row, ratio
from sims import objectives, rules
from sims.models import networks
from spec.rules import JacobianSam, LogitSam, Rule, Sam, Sgd

RHO, ETA, STEPS = 0.1, 0.1, 20
SMALL = 128  # examples of the smaller batch
Case = tuple[networks.Model, Any, objectives.Batch]
Gradient = Callable[[Any, objectives.Batch], Any]


def case(model: networks.Model, n: int, d: int = 64) -> Case:
    """A model, its parameters and one random batch of n examples with ten classes."""
    x = jax.random.normal(jax.random.key(0), (n, d), jnp.float32)
    t = jax.random.randint(jax.random.key(1), (n,), 0, 10)
    return model, model.init(jax.random.key(2), jnp.float32), objectives.Batch(x, t)


def scanned(gradient: Gradient, case: Case) -> Program:
    """STEPS steps of gradient descent along `gradient` in one compiled scan, with the batch as an argument."""
    _, params, batch = case

    @jax.jit
    def run(params: Any, batch: objectives.Batch) -> Any:
        def step(p: Any, _: None) -> tuple[Any, None]:
            return jax.tree.map(lambda a, g: a - ETA * g, p, gradient(p, batch)), None

        return jax.lax.scan(step, params, None, length=STEPS)[0]

    return lambda: run(params, batch)


def ours(rule: Rule, case: Case, *, plain: bool = False) -> Gradient:
    """Our gradient of a rule; plain: by the path that copies the parameters."""
    model = case[0]._replace(factored=False) if plain else case[0]
    objective = objectives.Objective(model, objectives.cross_entropy)
    return lambda p, batch: rules.gradient(rule, (), objective, p, batch)[0]


def _loss(case: Case) -> Callable[[Any, jax.Array, jax.Array], jax.Array]:
    return lambda p, x, t: objectives.cross_entropy(case[0].apply(p, x[None])[0], t)


def vmap_grad(case: Case) -> Gradient:
    """1-SAM as one writes it with jax.vmap and jax.grad."""
    loss = _loss(case)

    def one(p: Any, x: jax.Array, t: jax.Array) -> Any:
        g = jax.grad(loss)(p, x, t)
        scale = RHO / optax.global_norm(g)
        return jax.grad(loss)(jax.tree.map(lambda a, b: a + scale * b, p, g), x, t)

    return lambda p, batch: jax.tree.map(lambda g: jnp.mean(g, 0), jax.vmap(one, (None, 0, 0))(p, *batch))


def optax_per_example(case: Case) -> Gradient:
    """optax.contrib.sam (opaque mode) with an outer step of length one, vectorised over examples."""
    loss = _loss(case)
    optimiser = contrib.sam(
        optax.sgd(1.0), optax.chain(contrib.normalize(), optax.sgd(RHO)), sync_period=2, opaque_mode=True
    )

    def one(p: Any, x: jax.Array, t: jax.Array) -> Any:
        def gradient(q: Any, _: Any = None) -> Any:
            return jax.grad(loss)(q, x, t)

        return optimiser.update(gradient(p), optimiser.init(p), p, grad_fn=gradient)[0]

    return lambda p, batch: jax.tree.map(lambda g: -jnp.mean(g, 0), jax.vmap(one, (None, 0, 0))(p, *batch))


def rows(repeats: int) -> Iterator[Row]:
    """Every row of this section."""
    for section, here in problems().items():
        yield from _mlp(here, section, repeats)


def problems() -> dict[str, Case]:
    """By name of their section: two networks in batches of two sizes."""
    return {
        f"MLP {'-'.join(map(str, sizes))}, batch {n}": case(networks.mlp(sizes), n)
        for sizes in ((64, 256, 10), (64, 256, 256, 10))
        for n in (SMALL, 1024)
    }


def rules_of(case: Case) -> list[Rule]:
    """Those whose step is measured beside SGD's; the others than 1-SAM in small batches only."""
    small: list[Rule] = [LogitSam(RHO), JacobianSam(RHO), Sam(RHO, 4), Sam(RHO, 32), Sam(RHO, "example", "adaptive")]
    return [Sam(RHO), *(small if len(case[2].t) == SMALL else [])]


def _mlp(case: Case, section: str, repeats: int) -> Iterator[Row]:
    def against(what: str, gradient: Gradient, peer: str, other: Gradient, count: int = repeats) -> Row:
        return ratio(section, what, scanned(gradient, case), peer, scanned(other, case), repeats=count)

    sam = ours(Sam(RHO), case)
    few = max(3, repeats // 5)
    sgd = ours(Sgd(), case)
    for rule in rules_of(case):
        yield against(f"{rule.name} step", ours(rule, case), "SGD step", sgd)
    yield against("1-SAM step", sam, "n-SAM step", ours(Sam(RHO, "batch"), case))
    yield against("1-SAM step", sam, "vmap(grad)", vmap_grad(case), few)
    yield against("1-SAM step", sam, "optax.contrib.sam for each example", optax_per_example(case), few)
    if len(case[2].t) == SMALL and torch_peers.torch is not None:  # beyond that their loops take minutes
        start = torch_peers.layers(case[1])
        for name, peer in torch_peers.steps(start, torch_peers.mlp, case[2], RHO, ETA, STEPS).items():
            yield ratio(section, "1-SAM step", scanned(sam, case), name, peer, repeats=few)
