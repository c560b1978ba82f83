"""The page: figures, tables, claims and provenance of whatever is in the results folder, as one HTML file."""

import base64
import json
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from paper_repro import console, evidence, keys, prose, reference, verdicts
from paper_repro.console import kind
from paper_repro.files import DamagedError, load, set_aside, write_atomically
from paper_repro.registry import Experiment, Paper, Table
from paper_repro.store import provenance


def write(papers: Sequence[Paper], out: Path) -> Path:
    """Render out/index.html atomically; experiments and claims without results are listed as not run.

    A result that cannot be shown is said by name, and stops nothing else.
    """
    known = verdicts.read_all(out, [claim for paper in papers for claim in paper.claims])
    statements = [s for paper in papers for s in paper.statements]
    html = _template().render(
        theirs=evidence.counted([s for s in statements if not s.ours]),
        ours=evidence.counted([s for s in statements if s.ours]),
        papers=[_paper(paper, out, known) for paper in papers],
        provenance=provenance(),
        held=sum(v["verdict"]["ok"] for v in known.values()),
        checked=len(known),
        stale=sum(v["stale"] for v in known.values()),
        registered=sum(len(p.claims) for p in papers),
    )
    path = out / "index.html"
    write_atomically(path, html.encode())
    return path


@cache
def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(resources.files("paper_repro").joinpath("page.html.jinja").read_text("utf-8"))


def _paper(paper: Paper, out: Path, known: dict[str, Any]) -> dict[str, Any]:
    missing: list[str] = []
    shown = _shown(paper, out, known, missing)
    if missing:
        console.note(f"{len(missing)} numbers in what is said of {paper.key} are not at hand: {missing[0]}")
    return shown


def _shown(paper: Paper, out: Path, known: dict[str, Any], missing: list[str]) -> dict[str, Any]:
    return {
        "paper": paper,
        "experiments": [_experiment(e, out) for e in paper.experiments],
        "statements": [
            (s, evidence.of(paper, s, known), prose.rendered_where_known(s.finding, paper.key, missing.append))
            for s in paper.statements
        ],
        "claims": [{"claim": c, "kind": kind(c), "record": known.get(c.id)} for c in paper.claims],
    }


def _experiment(experiment: Experiment, out: Path) -> dict[str, Any]:
    path = out / f"{experiment.id}.nc"
    shown = {"experiment": experiment, "run": False, "problem": None, "reference": _reference(experiment)}
    if not path.exists():
        return shown
    try:
        return shown | {"run": True} | _result(experiment, path, out)
    except DamagedError as error:
        set_aside(path, str(error))
        return shown | {"problem": f"{path.name} {error}"}
    except Exception as error:  # another version's result can lack anything, and the page goes on
        return shown | {"problem": f"{path.name} is not a result of this version ({type(error).__name__}: {error})"}


def _result(experiment: Experiment, path: Path, out: Path) -> dict[str, Any]:
    written = path.stat()
    attrs, tables = _read(experiment.tables, path, written.st_ino, written.st_mtime_ns)
    return {
        "stale": not keys.is_current(experiment, json.loads(attrs["key"])),
        "attrs": {name: attrs[name] for name in ("preset", "platform", *reference.ABOUT)},
        "config": json.loads(attrs["config"]),
        "tables": tables,
        "images": {f.id: _image(out / "figures" / f"{f.id}.png") for f in experiment.figures},
    }


@lru_cache(maxsize=64)
def _read(tables: Callable[[Any], tuple[Table, ...]], path: Path, *_: int) -> tuple[dict[str, Any], tuple[Table, ...]]:
    """Attributes and tables of a result, read once for each time it is written: the page is renewed often."""
    dataset = load(path)
    return dataset.attrs, tables(dataset)


def _reference(experiment: Experiment) -> dict[str, Any] | None:
    try:
        return reference.read(experiment.id)
    except DamagedError as error:
        console.note(f"{reference.path(experiment.id)} {error}: not shown")
        return None


def _image(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode() if path.is_file() else ""
