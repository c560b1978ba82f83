"""What pages show of an experiment: the result in a folder, what is kept of it, and what is wrong with either."""

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import xarray as xr

from paper_repro import captions, console, drawing, keys, reference
from paper_repro.files import DamagedError, load, set_aside
from paper_repro.registry import Experiment, Table


def of(experiment: Experiment, folder: Path, *, pages: Path) -> dict[str, Any]:
    """What is shown of an experiment whose result is in `folder`; what is kept of it lies beside the pages."""
    path = folder / f"{experiment.id}.nc"
    found = {"experiment": experiment, "run": False, "problem": None, "diverged": ""}
    found |= {"reference": _reference(experiment, pages)}
    if not path.exists():
        return found
    try:
        return found | {"run": True} | _result(experiment, path, folder)
    except DamagedError as error:
        set_aside(path, str(error))
        return found | {"problem": f"{path.name} {error}"}
    except Exception as error:  # another version's result can lack anything, and the page goes on
        return found | {"problem": f"{path.name} is not a result of this version ({type(error).__name__}: {error})"}


def _result(experiment: Experiment, path: Path, folder: Path) -> dict[str, Any]:
    written = path.stat()
    dataset, tables = _read(experiment.tables, path, written.st_ino, written.st_mtime_ns)
    config = json.loads(dataset.attrs["config"])
    numbers = folder / "data" / f"{experiment.id}.csv"
    if not numbers.exists() or numbers.stat().st_mtime < written.st_mtime:
        drawing.numbers(dataset, numbers)
    return {
        "stale": not keys.is_current(experiment, json.loads(dataset.attrs["key"])),
        "attrs": {name: dataset.attrs[name] for name in ("preset", "platform", *reference.ABOUT)},
        "config": config,
        "words": captions.of_run(dataset, reference.changed(experiment, dataset)),
        "diverged": dataset.attrs.get("diverged", ""),
        "tables": tables,
        "images": {f.id: (folder / "figures" / f"{f.id}.png").is_file() for f in experiment.figures},
    }


@lru_cache(maxsize=64)
def _read(tables: Callable[[Any], tuple[Table, ...]], path: Path, *_: int) -> tuple[xr.Dataset, tuple[Table, ...]]:
    """A result and its tables, read once for each time it is written: the pages are renewed often."""
    dataset = load(path)
    return dataset, tables(dataset)


def _reference(experiment: Experiment, out: Path) -> dict[str, Any] | None:
    try:
        kept = reference.read(experiment.id)
    except DamagedError as error:
        console.note(f"{reference.path(experiment.id)} {error}: not shown")
        return None
    if kept is None:
        return None
    kept |= {"words": captions.of_kept(kept["config"], kept["blocks"]), "drawn": kept["data"] is not None}
    if kept["drawn"]:
        drawing.kept(experiment, kept["data"], out)
    return kept
