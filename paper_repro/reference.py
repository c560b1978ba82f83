"""Reference evidence: long runs kept with the package as data, from which today's code computes tables and figures.

<paper>/reference/<name>.json  command, seeds, provenance, and the tables as they were when it was kept
<paper>/reference/<name>.nc    the labelled result with its key, compressed, in single precision where no table changes

Runs of older versions kept tables only.
"""

import hashlib
import json
import shlex
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from pathlib import Path
from typing import Any

import xarray as xr

from paper_repro import captions, console, keys, papers, user_cache
from paper_repro.files import DamagedError, load, save, write_atomically
from paper_repro.registry import Experiment, Table
from paper_repro.source import ROOT
from spec.records import describe
from spec.validation import InputError

CURRENT = "computed by the present code"
OTHER_CODE = "computed by other code than the present one"
TABLES_ONLY = "tables kept from other code: the data behind them were not kept"
OTHER_LAYOUT = "tables kept from other code, which kept other data than the present one reads"
ABOUT = ("date", "version", "code", "python", "packages", "seed_shift")


def path(experiment_id: str) -> Path:
    """Where the reference numbers of an experiment are kept."""
    paper, name = experiment_id.split(".")
    return ROOT / "paper_repro" / paper / "reference" / f"{name}.json"


def data_path(experiment_id: str) -> Path:
    """Where the data behind them are kept."""
    return path(experiment_id).with_suffix(".nc")


def keep(experiment: Experiment, out: Path, *, force: bool = False) -> list[str]:
    """Make the result in `out` the reference evidence: data, tables, the command and the provenance.

    Returns what changed against the numbers kept before, a line for each. Raises InputError where there is no such
    result, and, without force, where it is not one of the full preset by the present code.
    """
    found = result(experiment, out)
    try:
        dataset = compact(experiment, found)
        content = _content(experiment, dataset)
    except (ValueError, LookupError, AttributeError) as error:
        what = f"{out / experiment.id}.nc must be a result of this version, got one that is not ({error})"
        raise InputError(what) from None
    old = path(experiment.id)
    changed = (
        _changes(_parsed(old)["tables"], map(_table, content["tables"]))
        if old.exists()
        else ["no numbers were kept before"]
    )
    if not force:
        with _saying_what_is_refused(changed):
            _require_worthy(experiment, dataset)
    save(dataset, data_path(experiment.id))
    write_atomically(old, (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode())
    return changed


def compact(experiment: Experiment, dataset: xr.Dataset) -> xr.Dataset:
    """The result compressed, with single precision where no table changes by it; labels stay as they are."""
    single = dataset.map(lambda v: v.astype("float32") if v.dtype == "float64" else v, keep_attrs=True)
    small = single if experiment.tables(single) == experiment.tables(dataset) else dataset.copy()
    for values in small.data_vars.values():
        values.encoding = {"zlib": True, "complevel": 9} if values.nbytes > 10_000 else {}
    return small.assign_attrs(dataset.attrs)


def check(experiment: Experiment) -> list[str]:
    """What today's code makes of the kept data, against the tables kept with them: a line for each cell that differs.

    Tables without data, and data that other code computed, are named.
    """
    kept = read(experiment.id)
    if kept is None:
        return []
    changed = _changes(_parsed(path(experiment.id))["tables"], kept["tables"])
    return [line for line in (*changed, kept["state"]) if line not in ("nothing changed", CURRENT)]


def differences(experiment: Experiment, out: Path) -> list[str]:
    """The cells in which the result in `out` differs from the reference numbers, and first whether its settings do.

    Raises InputError where one of both is missing.
    """
    kept = read(experiment.id)
    if kept is None:
        raise InputError(f"ID must be that of an experiment with reference numbers, got {experiment.id!r}, without any")
    dataset = result(experiment, out)
    there, here = kept["config"], json.loads(dataset.attrs["config"])
    names = [name for name in there.keys() | here.keys() if there.get(name) != here.get(name)]
    cells = _changes(kept["tables"], experiment.tables(dataset))
    settings = [f"settings: {', '.join(sorted(names))} (see `repro show {experiment.id}`)"] if names else []
    return [*settings, *(line for line in cells if line != "nothing changed")]


def result(experiment: Experiment, out: Path) -> xr.Dataset:
    """The result of an experiment in a folder. Raises InputError where there is none."""
    path = out / f"{experiment.id}.nc"
    if not path.exists():
        raise InputError(f"--out must hold a result of {experiment.id} (run it first), got '{out}'")
    return load(path)


@contextmanager
def _saying_what_is_refused(changed: list[str]) -> Iterator[None]:
    try:
        yield
    except InputError:
        for line in changed:
            console.note(f"not kept: {line}")
        raise


def _require_worthy(experiment: Experiment, dataset: xr.Dataset) -> None:
    preset = dataset.attrs["preset"]
    rule = f"the reference numbers of {experiment.id} must come from"
    if preset != "full":
        raise InputError(f"{rule} the preset full (or --force), got {preset}")
    if not keys.is_current(experiment, json.loads(dataset.attrs["key"])):
        raise InputError(f"{rule} the present code and data (or --force), got others")


def _content(experiment: Experiment, dataset: xr.Dataset) -> dict[str, Any]:
    config = json.loads(dataset.attrs["config"])
    command = f"repro run {experiment.id} --preset {dataset.attrs['preset']}"
    for name, value in changed(experiment, dataset).items():
        change = shlex.quote(f"{name}={value}")
        command += f" --{name} {value}" if name == "seeds" else f" --set {change}"
    about = {name: dataset.attrs[name] for name in ABOUT}
    tables = [table._asdict() for table in experiment.tables(dataset)]
    return {"command": command, "seeds": config["seeds"], **about, "config": config, "tables": tables}


def changed(experiment: Experiment, dataset: xr.Dataset) -> dict[str, Any]:
    """The settings of a result that are not its preset's, by the names that `--set` takes, as it takes them."""
    config = json.loads(dataset.attrs["config"])
    usual = json.loads(json.dumps(describe(experiment.config[dataset.attrs["preset"]])))
    return {name: _literal(value) for name, value in _differences(usual, config)}


def _differences(usual: Mapping[str, Any], config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in usual.items():
        now = config[name]
        if isinstance(now, dict) and isinstance(value, dict) and now.get("record") == value.get("record"):
            yield from ((f"{name}.{inner}", changed) for inner, changed in _differences(value, now))
        elif now != value:
            yield name, now


def _changes(old: Iterable[Table], new: Iterable[Table]) -> list[str]:
    """Cells that differ, as 'caption, row, head: old -> new'; tables or rows that came or went."""
    before, after = _cells(old), _cells(new)
    names = dict.fromkeys([*before, *after])
    pairs = [(name, before.get(name, "nothing"), after.get(name, "nothing")) for name in names]
    return [f"{name}: {a} -> {b}" for name, a, b in pairs if a != b] or ["nothing changed"]


def _cells(tables: Iterable[Table]) -> dict[str, str]:
    return {
        f"{t.caption}, row {i} ({row[0]}), {head}": str(cell)
        for t in tables
        for i, row in enumerate(t.rows, 1)
        for head, cell in zip(t.head, row, strict=True)
    }


def _literal(value: Any) -> str:
    """A setting as the command line reads it."""
    if isinstance(value, list) and all(isinstance(v, int | float) for v in value):
        return ",".join(map(str, value))
    return _expression(value) if isinstance(value, list | dict) else str(value)


def _expression(value: Any) -> str:
    """Records by name, lists as tuples."""
    if isinstance(value, list):
        return f"({''.join(f'{_expression(v)}, ' for v in value).strip()})"
    if not isinstance(value, dict):
        return repr(value)
    inside = (f"{name}={_expression(v)}" for name, v in value.items() if name != "record")
    return f"{value['record']}({', '.join(inside)})"


def read(experiment_id: str) -> dict[str, Any] | None:
    """The reference evidence of an experiment; None where none is kept.

    tables: as today's code computes them from the data, or as they were kept where there are none; state: which; data:
    a function that loads them (None where there are none); blocks: how many there are in them.
    Raises DamagedError where a file is not one of reference evidence.
    """
    if not path(experiment_id).exists():
        return None
    kept = _parsed(path(experiment_id)) | {"data": None, "blocks": None, "state": TABLES_ONLY}
    file = data_path(experiment_id)
    if not file.exists():
        return kept
    return kept | _from_data(experiment_id, file, file.stat().st_mtime_ns)


@cache
def _loaded(file: Path, changed: int) -> xr.Dataset:
    return load(file)


@cache
def _from_data(experiment_id: str, file: Path, changed: int) -> dict[str, Any]:
    """What today's code makes of the data."""
    (experiment,) = papers.chosen_experiments([experiment_id])
    said = _said_once(experiment, file, changed)
    if said["tables"] is None:
        return {"state": OTHER_LAYOUT}
    return {
        "tables": [*map(_table, said["tables"])],
        "blocks": said["blocks"],
        "data": partial(_loaded, file, changed),
        "state": CURRENT if said["key"] and keys.is_current(experiment, said["key"]) else OTHER_CODE,
    }


def _said_once(experiment: Experiment, file: Path, changed: int) -> dict[str, Any]:
    """What the data say, made once for each state of data and code: it is kept in the user's cache."""
    state = keys.digest([hashlib.sha256(file.read_bytes()).hexdigest(), keys.of_tables(experiment)])
    kept = user_cache.folder() / "tables" / f"{state}.json"
    try:
        said = json.loads(kept.read_text("utf-8"))
        if said.keys() == {"tables", "key", "blocks"}:
            return dict(said)
    except (OSError, ValueError, AttributeError):
        pass  # not there yet, or not ours: made again
    said = _said_by(experiment, _loaded(file, changed))
    user_cache.keep(kept, json.dumps(said))
    return said


def _said_by(experiment: Experiment, dataset: xr.Dataset) -> dict[str, Any]:
    """As plain data; no tables where the data are laid out for other code."""
    try:
        tables: list[Any] | None = [table._asdict() for table in experiment.tables(dataset)]
    except (LookupError, ValueError, TypeError, AttributeError):
        tables = None
    return {"tables": tables, "key": json.loads(dataset.attrs.get("key", "null")), "blocks": captions.blocks(dataset)}


def _table(plain: Mapping[str, Any]) -> Table:
    return Table(plain["caption"], tuple(plain["head"]), tuple(map(tuple, plain["rows"])))


def _parsed(file: Path) -> dict[str, Any]:
    """What the file of tables says, as Table. Raises DamagedError."""
    try:
        content = json.loads(file.read_text("utf-8"))
        tables = [*map(_table, content["tables"])]
        return {name: content[name] for name in ("command", "seeds", "config", *ABOUT)} | {"tables": tables}
    except (OSError, ValueError, LookupError, TypeError):
        raise DamagedError("does not hold reference numbers") from None
