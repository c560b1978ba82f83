"""How the programs of a run take its seeds: one after another, vectorised in blocks, or with a block on each device."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.sharding import Mesh, PartitionSpec

from sims import programs
from spec.validation import require_integer

Call = Callable[..., Any]
AXIS = "seeds"


class Spread(NamedTuple):
    """Seeds that are vectorised at a time on one device, and devices that work side by side.

    Numbers depend on the block alone: a device computes its block as if it were the only one.
    """

    block: int
    devices: int

    def split(self, keys: Sequence[jax.Array]) -> Sequence[jax.Array]:
        """The keys of what is computed at once; the last ones are filled up, so that all share their programs."""
        many = self.block * self.devices
        if many == 1:
            return keys
        filled = [*keys, *list(keys[-1:]) * (-len(keys) % many)]
        return [jnp.stack(filled[i : i + many]) for i in range(0, len(filled), many)]

    def call(
        self,
        function: Call,
        static: tuple[Any, ...],
        shared: Any,
        *own: Any,
        options: tuple[tuple[str, Any], ...],
    ) -> Any:
        """The program of function(*static, shared, *own), where seeds lie along the first axis of what is their own."""
        if self.devices > 1:
            return programs.call(_on_devices, (self, function, static), shared, *own, options=options)
        if self.block > 1:
            return programs.call(_vectorised, (function, static), shared, *own, options=options)
        return programs.call(function, static, shared, *own, options=options)


def spread(seeds: int, block: int | None) -> Spread:
    """As many devices as there are blocks, of what this process sees.

    block: None: one seed on a CPU, where more are slower, and an equal share of all of them on accelerators.
    """
    devices = jax.local_device_count()
    if block is None:
        block = 1 if jax.default_backend() == "cpu" else -(-seeds // devices)
    require_integer("block", block, at_least=1)
    return Spread(block, min(devices, -(-seeds // block)))


def _vectorised(function: Call, static: tuple[Any, ...], shared: Any, *own: Any) -> Any:
    return jax.vmap(partial(function, *static, shared))(*own)


def _alone(function: Call, static: tuple[Any, ...], shared: Any, *own: Any) -> Any:
    """The same for a block of one, which is not vectorised."""
    found = function(*static, shared, *jax.tree.map(lambda a: a[0], own))
    return jax.tree.map(lambda a: a[None], found)


def _on_devices(spread: Spread, function: Call, static: tuple[Any, ...], shared: Any, *own: Any) -> Any:
    """Each device's block as its own program: devices exchange nothing, and one compiled program serves all."""
    of_block = partial(_vectorised if spread.block > 1 else _alone, function, static)
    mesh = Mesh(jax.local_devices()[: spread.devices], AXIS)
    theirs = PartitionSpec(AXIS)
    inputs = (PartitionSpec(), *[theirs] * len(own))
    return jax.shard_map(of_block, mesh=mesh, in_specs=inputs, out_specs=theirs, check_vma=False)(shared, *own)
