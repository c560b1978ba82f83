"""What a caption says of the run behind its figure: seeds, data, blocks, intervals and changed settings, from the data.

Bars and bands are 95 % Student intervals over seeds, as in tables; below figures.style.FEWEST seeds there are none.
"""

import json
from collections.abc import Mapping
from typing import Any

import xarray as xr

from figures.style import FEWEST
from paper_repro import reference
from paper_repro.registry import Experiment


def of_run(experiment: Experiment, dataset: xr.Dataset) -> str:
    """'n = 2 seeds, digits, 3 blocks; no bars below 4 seeds; standard, modified: Delta = 0.3'."""
    changes = ", ".join(f"{name} = {value}" for name, value in reference.changed(experiment, dataset).items())
    preset = dataset.attrs["preset"] + (f", modified: {changes}" if changes else "")
    return f"{of_kept(json.loads(dataset.attrs['config']), dataset)}; {preset}"


def of_kept(config: Mapping[str, Any], dataset: xr.Dataset | None) -> str:
    """The size of a run, and what its bars are; of a run without data, whose figures are not drawn, its size."""
    size = ", ".join([f"n = {_plural(config['seeds'], 'seed')}", *_data_sets(config), *_blocks(dataset)])
    return size if dataset is None else f"{size}; {_bars(config['seeds'])}"


def _data_sets(config: Mapping[str, Any]) -> list[str]:
    problems = config.get("problems", [config.get("problem") or {}])
    return list(dict.fromkeys(str(p["name"]) for p in problems if isinstance(p, dict) and "name" in p))


def _blocks(dataset: xr.Dataset | None) -> list[str]:
    if dataset is None or "block" not in dataset.coords:
        return []
    return [_plural(len(set(dataset["block"].values.tolist())), "block")]


def _bars(seeds: int) -> str:
    if seeds == 1:
        return "one draw, without intervals"
    if seeds < FEWEST:
        return f"no bars below {FEWEST} seeds"
    return "bars and bands over seeds, where drawn: 95 % Student intervals"


def _plural(count: int, thing: str) -> str:
    return f"{count} {thing}{'s' * (count != 1)}"
