"""What the rules cost, as ratios measured in one run: python -m benchmarks (or make bench).

Every row times two programs alternately, after warm-up, until their results are ready, and prints the median ratio with
its quartiles. Writes benchmarks/out/ratios.json. Absolute times on shared machines mean little; ratios in one run do.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from optax import contrib
from rich.console import Console
from rich.table import Table

from sims import models, rules
from sims.ensemble import ensemble
from spec.rules import JacobianSam, LogitSam, Rule, Sam, Sgd
from theory import logistic

Program = Callable[[], Any]
STEPS, REPEATS = 50, 15


def ratio(numerator: Program, denominator: Program) -> np.ndarray:
    """Quartiles of time(numerator)/time(denominator), the two run in turn."""
    for program in (numerator, denominator):
        jax.block_until_ready(program())
    pairs = [(_seconds(numerator), _seconds(denominator)) for _ in range(REPEATS)]
    return np.percentile([a / b for a, b in pairs], [25, 50, 75])


def _seconds(program: Program) -> float:
    start = time.perf_counter()
    jax.block_until_ready(program())
    return time.perf_counter() - start


def mlp_case(batch: int) -> tuple[rules.Objective, Any, rules.Batch]:
    """MLP 64-256-10 with cross-entropy and one random batch, float32."""
    model = models.mlp((64, 256, 10))
    x = jax.random.normal(jax.random.key(0), (batch, 64), jnp.float32)
    t = jax.random.randint(jax.random.key(1), (batch,), 0, 10)
    objective = rules.Objective(model, rules.cross_entropy)
    return objective, model.init(jax.random.key(2), jnp.float32), rules.Batch(x, t)


def steps(rule: Rule, case: tuple[rules.Objective, Any, rules.Batch]) -> Program:
    """STEPS plain gradient steps of a rule inside one scan."""
    objective, params, batch = case

    def step(p: Any, _: None) -> tuple[Any, None]:
        g, _state = rules.gradient(rule, (), objective, p, batch)
        return jax.tree.map(lambda a, b: a - 0.1 * b, p, g), None

    run = jax.jit(lambda p: jax.lax.scan(step, p, None, length=STEPS)[0])
    return lambda: run(params)


def optax_steps(case: tuple[rules.Objective, Any, rules.Batch]) -> Program:
    """The same number of n-SAM steps by optax.contrib.sam (opaque mode)."""
    objective, params, batch = case
    adversary = optax.chain(contrib.normalize(), optax.sgd(0.1))
    optimiser = contrib.sam(optax.sgd(0.1), adversary, sync_period=2, opaque_mode=True)

    def step(carry: Any, _: None) -> tuple[Any, None]:
        p, state = carry
        gradient = jax.grad(objective.mean)
        updates, state = optimiser.update(gradient(p, batch), state, p, grad_fn=lambda q, _: gradient(q, batch))
        return (optax.apply_updates(p, updates), state), None

    run = jax.jit(lambda p: jax.lax.scan(step, (p, optimiser.init(p)), None, length=STEPS)[0][0])
    return lambda: run(params)


def logistic_sweep(seeds: int, block: int) -> Program:
    """4 rho x `seeds` runs of 1-SAM logistic regression, n = 200, d = 50, 100 steps, `block` vectorised at a time."""
    objective = rules.Objective(models.linear(50), rules.logistic)

    def run(key: jax.Array, hyper: Any, shared: Any) -> dict[str, jax.Array]:
        x = jax.random.normal(key, (200, 50), jnp.float32)
        batch = rules.Batch(x, jnp.where(x[:, 0] > 0, 1.0, -1.0).astype(jnp.float32))

        def step(w: Any, _: None) -> tuple[Any, None]:
            g, _state = rules.gradient(Sam(hyper["rho"]), (), objective, w, batch)
            return jax.tree.map(lambda a, b: a - 0.1 * b, w, g), None

        final, _ = jax.lax.scan(step, {"w": jnp.zeros(50, jnp.float32)}, None, length=100)
        return {"norm": jnp.linalg.norm(final["w"])}

    grid = {"rho": [0.01, 0.03, 0.1, 0.3]}
    return lambda: ensemble(run, seeds=range(seeds), grid=grid, epochs=[0], block=block)["norm"].values


def numpy_sweep(seeds: int) -> Program:
    """The same sweep as a loop over runs of the closed form in numpy (float64)."""

    def run() -> float:
        total = 0.0
        for seed in range(seeds):
            x = np.random.default_rng(seed).normal(size=(200, 50))
            t = np.where(x[:, 0] > 0, 1.0, -1.0)
            for rho in (0.01, 0.03, 0.1, 0.3):
                total += float(np.linalg.norm(logistic.descend(Sam(rho), np.zeros(50), x, t, eta=0.1, steps=100)[-1]))
        return total

    return run


def rows() -> dict[str, np.ndarray]:
    """All ratios, by name."""
    case = mlp_case(50)
    plain, batch_sam = steps(Sgd(), case), steps(Sam(0.1, "batch"), case)
    named = {f"{rule.name} step / SGD step": (steps(rule, case), plain) for rule in
             (Sam(0.1, "batch"), Sam(0.1, 10), Sam(0.1), LogitSam(0.1), JacobianSam(0.1))}  # fmt: skip
    named["n-SAM step / optax.contrib.sam step"] = (batch_sam, optax_steps(case))
    named["logistic sweep, 32 runs: one at a time / vectorised"] = (logistic_sweep(8, 1), logistic_sweep(8, 32))
    named["logistic sweep, 32 runs: numpy closed form / vectorised"] = (numpy_sweep(8), logistic_sweep(8, 32))
    return {name: ratio(*pair) for name, pair in named.items()}


def main() -> None:
    """Measure, print the table, write the JSON."""
    measured = rows()
    table = Table(
        title="MLP 64-256-10, batch 50, float32, steps inside one scan; median [quartiles]", title_justify="left"
    )
    table.add_column("ratio of times")
    table.add_column("median", justify="right")
    table.add_column("quartiles")
    for name, (low, median, high) in measured.items():
        table.add_row(name, f"{median:.2f}", f"[{low:.2f}, {high:.2f}]")
    Console().print(table)
    out = Path(__file__).parent / "out"
    out.mkdir(exist_ok=True)
    (out / "ratios.json").write_text(json.dumps({k: list(v) for k, v in measured.items()}, indent=1))


if __name__ == "__main__":
    main()
