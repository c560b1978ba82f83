"""What a caption says of the run behind its figure: seeds, data, blocks, intervals and changed settings, from the data.

Bars and bands are 95 % Student intervals over seeds, as in tables; below figures.style.FEWEST seeds there are none.
"""

import json
from collections.abc import Mapping
from typing import Any

import xarray as xr

from figures.style import FEWEST


def of_run(dataset: xr.Dataset, changed: Mapping[str, Any]) -> str:
    """'n = 2 seeds, digits, 3 blocks; no bars below 4 seeds; standard, modified: Delta = 0.3'.

    changed: the settings that are not the preset's (reference.changed).
    """
    changes = ", ".join(f"{name} = {value}" for name, value in changed.items())
    preset = dataset.attrs["preset"] + (f", modified: {changes}" if changes else "")
    return f"{of_kept(json.loads(dataset.attrs['config']), blocks(dataset))}; {preset}"


def of_kept(config: Mapping[str, Any], blocks: int | None) -> str:
    """The size of a run, and what its bars are; of a run without data (None), whose figures are not drawn, its size."""
    counted = [_plural(blocks, "block")] if blocks else []
    size = ", ".join([f"n = {_plural(config['seeds'], 'seed')}", *_data_sets(config), *counted])
    return size if blocks is None else f"{size}; {_bars(config['seeds'])}"


def blocks(dataset: xr.Dataset) -> int:
    """How many blocks of seeds a result has; 0 where it has none."""
    return len(set(dataset["block"].values.tolist())) if "block" in dataset.coords else 0


def _data_sets(config: Mapping[str, Any]) -> list[str]:
    problems = config.get("problems", [config.get("problem") or {}])
    return list(dict.fromkeys(str(p["name"]) for p in problems if isinstance(p, dict) and "name" in p))


def _bars(seeds: int) -> str:
    if seeds == 1:
        return "one draw, without intervals"
    if seeds < FEWEST:
        return f"no bars below {FEWEST} seeds"
    return "bars and bands over seeds, where drawn: 95 % Student intervals"


def _plural(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"
