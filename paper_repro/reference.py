"""Reference numbers: the tables of long runs, kept with the package and shown beside fresh results."""

import json
import shlex
from pathlib import Path
from typing import Any

import xarray as xr

from paper_repro import keys
from paper_repro.files import DamagedError, load, write_atomically
from paper_repro.registry import Experiment, Table
from paper_repro.source import ROOT
from spec.records import describe
from spec.validation import InputError

ABOUT = ("date", "version", "code", "python", "packages", "seed_shift")


def path(experiment_id: str) -> Path:
    """Where the reference numbers of an experiment are kept."""
    paper, name = experiment_id.split(".")
    return ROOT / "paper_repro" / paper / "reference" / f"{name}.json"


def keep(experiment: Experiment, out: Path, *, force: bool = False) -> list[str]:
    """Make the tables of the result in `out` the reference numbers, with the command and the provenance.

    Returns what changed against the numbers kept before, a line for each. Raises InputError where there is no such
    result, and, without force, where it is not one of the full preset by the present code.
    """
    result = out / f"{experiment.id}.nc"
    if not result.exists():
        raise InputError(f"--out must hold a result of {experiment.id} (run it first), got '{out}'")
    try:
        content = _content(experiment, load(result))
    except (ValueError, LookupError, AttributeError) as error:
        raise InputError(f"{result} must be a result of this version, got one that is not ({error})") from None
    if not force:
        _require_worthy(experiment, load(result))
    old = path(experiment.id)
    changed = _changes(read(experiment.id), content["tables"]) if old.exists() else ["no numbers were kept before"]
    write_atomically(old, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    return changed


def _require_worthy(experiment: Experiment, dataset: xr.Dataset) -> None:
    preset = dataset.attrs["preset"]
    rule = f"the reference numbers of {experiment.id} must come from"
    if preset != "full":
        raise InputError(f"{rule} the preset full (or --force), got {preset}")
    if not keys.is_current(experiment, json.loads(dataset.attrs["key"])):
        raise InputError(f"{rule} the present code and data (or --force), got others")


def _content(experiment: Experiment, dataset: xr.Dataset) -> dict[str, Any]:
    config = json.loads(dataset.attrs["config"])
    preset = dataset.attrs["preset"]
    command = f"repro run {experiment.id} --preset {preset}"
    for name, value in json.loads(json.dumps(describe(experiment.config[preset]))).items():
        if config[name] != value:
            change = shlex.quote(f"{name}={_literal(config[name])}")
            command += f" --{name} {config[name]}" if name == "seeds" else f" --set {change}"
    about = {name: dataset.attrs[name] for name in ABOUT}
    tables = [table._asdict() for table in experiment.tables(dataset)]
    return {"command": command, "seeds": config["seeds"], **about, "config": config, "tables": tables}


def _changes(old: dict[str, Any] | None, tables: list[dict[str, Any]]) -> list[str]:
    """Cells that differ, as 'caption, row, head: old -> new'; tables or rows that came or went."""
    before, after = _cells([t._asdict() for t in old["tables"]] if old else []), _cells(tables)
    names = dict.fromkeys([*before, *after])
    pairs = [(name, before.get(name, "nothing"), after.get(name, "nothing")) for name in names]
    return [f"{name}: {a} -> {b}" for name, a, b in pairs if a != b] or ["nothing changed"]


def _cells(tables: list[dict[str, Any]]) -> dict[str, str]:
    return {
        f"{t['caption']}, row {i} ({row[0]}), {head}": str(cell)
        for t in tables
        for i, row in enumerate(t["rows"], 1)
        for head, cell in zip(t["head"], row, strict=True)
    }


def _literal(value: Any) -> str:
    """A setting as the command line reads it."""
    if not isinstance(value, list):
        return str(value)
    return repr(tuple(value)) if any(isinstance(v, str) for v in value) else ",".join(map(str, value))


def read(experiment_id: str) -> dict[str, Any] | None:
    """The reference numbers of an experiment, their tables as Table; None where none are kept.

    Raises DamagedError where the file is not one of reference numbers.
    """
    file = path(experiment_id)
    if not file.exists():
        return None
    try:
        content = json.loads(file.read_text("utf-8"))
        tables = [Table(t["caption"], tuple(t["head"]), tuple(map(tuple, t["rows"]))) for t in content["tables"]]
        return {name: content[name] for name in ("command", "seeds", "config", *ABOUT)} | {"tables": tables}
    except (OSError, ValueError, LookupError, TypeError):
        raise DamagedError("does not hold reference numbers") from None
