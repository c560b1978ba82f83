"""Seeds x hyper-parameters: one compiled program, vectorised in blocks that fit memory, as a labelled data set."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from spec.validation import require, require_integer

Run = Callable[[jax.Array, Mapping[str, jax.Array], Any], Mapping[str, jax.Array]]

DEFAULT_MEMORY = 2 * 2**30
# Kept compiled at once. Each holds up to a thousand memory maps, of which a process may have 65530: old ones must go.
PROGRAMS = 16


class NonFiniteError(ArithmeticError):
    """A run left the finite numbers; the message names the quantity, the step and the run."""


def ensemble(
    run: Run,
    *,
    seeds: Sequence[int],
    grid: Mapping[str, Sequence[float]],
    epochs: Sequence[int],
    shared: Any = None,
    block: int | None = None,
    memory: int = DEFAULT_MEMORY,
    executor: Executor | None = None,
) -> xr.Dataset:
    """run(key, hyper, shared) -> {name: (epochs,) or scalar} for every seed and every point of the grid.

    Dimensions of the result: the names of the grid, then 'seed', then 'epoch' for trajectories. The same seed gives the
    same key at every grid point, so that differences along the grid are paired. `block` runs are vectorised at a time
    (None: as many as the compiler says fit `memory` bytes); the last block is padded, so the program is compiled once.
    `executor`: any concurrent.futures executor with shared memory runs blocks side by side.
    Numbers are bitwise reproducible for a fixed block size, and agree to rounding between block sizes.
    Raises NonFiniteError, naming step, quantity and run.
    """
    require(len(seeds) >= 1, "seeds", tuple(seeds), "at least one seed")
    names, values = list(grid), [list(map(float, v)) for v in grid.values()]
    points = list(itertools.product(*values, seeds))
    keys = jax.vmap(jax.random.key)(jnp.asarray([p[-1] for p in points], jnp.uint32))
    hyper = {name: jnp.asarray([p[i] for p in points]) for i, name in enumerate(names)}
    if block is None:
        block = min(len(points), _fitting(run, keys[:1], _slice(hyper, [0]), shared, memory))
    require_integer("block", block, at_least=1)

    def compute(start: int) -> dict[str, np.ndarray]:
        index = [min(start + i, len(points) - 1) for i in range(block)]
        result = _batched(run)(keys[jnp.asarray(index)], _slice(hyper, index), shared)
        return {name: np.asarray(v)[: len(points) - start] for name, v in result.items()}

    starts = range(0, len(points), block)
    blocks = list(map(compute, starts) if executor is None else executor.map(compute, starts))
    arrays = {name: np.concatenate([b[name] for b in blocks]) for name in blocks[0]}
    dataset = _label(arrays, names, values, list(seeds), list(epochs))
    require_finite(dataset)
    return dataset


@lru_cache(maxsize=PROGRAMS)
def _batched(run: Run) -> Any:
    return jax.jit(jax.vmap(run, in_axes=(0, 0, None)))


def _slice(hyper: dict[str, jax.Array], index: list[int]) -> dict[str, jax.Array]:
    return {name: v[jnp.asarray(index)] for name, v in hyper.items()}


def _fitting(run: Run, keys: jax.Array, hyper: Any, shared: Any, memory: int) -> int:
    stats = _batched(run).lower(keys, hyper, shared).compile().memory_analysis()
    return max(1, int(memory // max(1, stats.temp_size_in_bytes + stats.output_size_in_bytes)))


def _label(
    arrays: dict[str, np.ndarray], names: list[str], values: list[list[float]], seeds: list[int], epochs: list[int]
) -> xr.Dataset:
    shape = [len(v) for v in values] + [len(seeds)]
    variables = {
        name: ([*names, "seed"] + ["epoch"] * (a.ndim - 1), a.reshape(*shape, *a.shape[1:]))
        for name, a in arrays.items()
    }
    return xr.Dataset(variables, coords={**dict(zip(names, values, strict=True)), "seed": seeds, "epoch": epochs})


def require_finite(dataset: xr.Dataset) -> None:
    """Raise NonFiniteError for the first run whose gradient, or any recorded quantity, is not finite."""
    if "first_nonfinite_step" in dataset:
        steps = dataset["first_nonfinite_step"]
        if (steps >= 0).any():
            place = _first(steps >= 0)
            raise NonFiniteError(f"gradient is not finite at step {int(steps.loc[place])}{_text(place)}")
    for name, values in dataset.data_vars.items():
        bad = ~xr.apply_ufunc(np.isfinite, values)
        if bad.any():
            raise NonFiniteError(f"{name} is not finite{_text(_first(bad))}")


def _first(bad: xr.DataArray) -> dict[Any, Any]:
    """Coordinates of the first true entry."""
    index = np.argwhere(bad.values)[0]
    return {d: bad[d].values[i] for d, i in zip(bad.dims, index, strict=True)}


def _text(place: Mapping[Any, Any]) -> str:
    return " (" + ", ".join(f"{name}={value}" for name, value in place.items()) + ")"
