"""The time of one step of each rule relative to SGD, measured side by side."""

import time
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from sims.data import real_data
from sims.models import networks
from sims.objectives import Batch, Objective, cross_entropy
from sims.rules import gradient
from spec.networks import Network
from spec.problems import RealData
from spec.rules import JacobianSam, LogitSam, Regularised, Rule, Sam, Sgd
from spec.seeds import named_seed

RULES: tuple[Rule, ...] = (Sgd(), Regularised(0.01, 0.01), Sam(0.1, "batch"), LogitSam(0.1), JacobianSam(0.1), Sam(0.1))
STEPS, ROUNDS = 50, 15


@dataclass(frozen=True)
class Cost:
    """A network on batches of a data set. batch None: all of its training examples."""

    problem: RealData
    network: Network
    batch: int | None


def measure(unit: Cost) -> xr.Dataset:
    """cost (rule, quantile): quartiles and median, over interleaved rounds, of the time of STEPS steps over SGD's."""
    source = real_data.load(unit.problem)
    n = unit.batch or unit.problem.n_train
    model = networks.build(unit.network, source.x.shape[1], source.classes)
    batch = Batch(jnp.asarray(source.x[:n]), jnp.asarray(source.y[:n]))
    params = model.init(jax.random.key(named_seed("baek2024.cost/start")), jnp.float32)
    programs = [_program(rule, Objective(model, cross_entropy)) for rule in RULES]
    for program in programs:
        jax.block_until_ready(program(params, batch))
    times = np.array([[_seconds(program, params, batch) for program in programs] for _ in range(ROUNDS)])
    ratios = np.percentile(times / times[:, :1], [25, 50, 75], axis=0)
    coords = {"rule": [rule.name for rule in RULES], "quantile": [0.25, 0.5, 0.75]}
    return xr.Dataset({"cost": (("rule", "quantile"), ratios.T)}, coords=coords)


def _program(rule: Any, objective: Objective) -> Any:
    def step(params: Any, batch: Batch) -> tuple[Any, None]:
        g, _ = gradient(rule, (), objective, params, batch)
        return jax.tree.map(lambda p, gi: p - 0.01 * gi, params, g), None

    return jax.jit(lambda params, batch: jax.lax.scan(lambda p, _: step(p, batch), params, length=STEPS)[0])


def _seconds(program: Any, *arguments: Any) -> float:
    start = time.perf_counter()
    jax.block_until_ready(program(*arguments))
    return time.perf_counter() - start
