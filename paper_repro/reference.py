"""Reference numbers: the tables of long runs, kept with the package and shown beside fresh results."""

import json
import shlex
from pathlib import Path
from typing import Any

from paper_repro.registry import Experiment, Table
from paper_repro.store import ROOT, load, write_atomically
from spec.records import describe
from spec.validation import InputError


def path(experiment_id: str) -> Path:
    """Where the reference numbers of an experiment are kept."""
    paper, name = experiment_id.split(".")
    return ROOT / "paper_repro" / paper / "reference" / f"{name}.json"


def keep(experiment: Experiment, out: Path) -> Path:
    """Make the tables of the result in `out` the reference numbers, with the command and the provenance.

    Raises InputError where there is no such result.
    """
    result = out / f"{experiment.id}.nc"
    if not result.exists():
        raise InputError(f"--out must hold a result of {experiment.id} (run it first), got '{out}'")
    dataset = load(result)
    config = json.loads(dataset.attrs["config"])
    preset = dataset.attrs["preset"]
    command = f"repro run {experiment.id} --preset {preset}"
    for name, value in json.loads(json.dumps(describe(experiment.config[preset]))).items():
        if config[name] != value:
            change = shlex.quote(f"{name}={_literal(config[name])}")
            command += f" --{name} {config[name]}" if name == "seeds" else f" --set {change}"
    about = {name: dataset.attrs[name] for name in ("date", "version", "code", "python", "packages", "seed_shift")}
    tables = [table._asdict() for table in experiment.tables(dataset)]
    content = {"command": command, "seeds": config["seeds"], **about, "config": config, "tables": tables}
    write_atomically(path(experiment.id), (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    return path(experiment.id)


def _literal(value: Any) -> str:
    """A setting as the command line reads it."""
    if not isinstance(value, list):
        return str(value)
    return repr(tuple(value)) if any(isinstance(v, str) for v in value) else ",".join(map(str, value))


def read(experiment_id: str) -> dict[str, Any] | None:
    """The reference numbers of an experiment, their tables as Table; None where none are kept."""
    file = path(experiment_id)
    if not file.exists():
        return None
    content = json.loads(file.read_text("utf-8"))
    tables = [Table(t["caption"], tuple(t["head"]), tuple(map(tuple, t["rows"]))) for t in content["tables"]]
    return content | {"tables": tables}
