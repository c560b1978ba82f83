"""The pages: all statements in a table that filters, and for each paper its statements, figures, tables and claims.

Written from kept evidence and whatever is in the results folder; they need no network, and figures are files beside.
"""

import inspect
import json
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from importlib import import_module, resources
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from paper_repro import console, drawing, evidence, keys, prose, reference, registry, verdicts
from paper_repro.console import kind
from paper_repro.files import DamagedError, load, set_aside, write_atomically
from paper_repro.registry import Experiment, Paper, Statement, Table
from paper_repro.source import ROOT
from paper_repro.store import provenance

COLOURS = dict(zip(registry.STATUSES, ("proved", "holds", "in-part", "does-not", "not", "not"), strict=True))


class Row(NamedTuple):
    """A statement as the pages show it: its place on its paper's page, its finding with numbers, its first sentence."""

    paper: str
    anchor: str
    statement: Statement
    evidence: evidence.Evidence
    finding: str
    line: str
    formula: dict[str, str] | None


def write(papers: Sequence[Paper], out: Path) -> Path:
    """Render out/index.html and out/<paper>.html atomically; what has no results is listed as not run.

    A result that cannot be shown is said by name, and stops nothing else.
    """
    claims = [claim for paper in papers for claim in paper.claims]
    known = verdicts.read_all(out, claims)
    rows = {paper.key: _rows(paper, known) for paper in papers}
    for paper in papers:
        shown = _paper(paper, out, known, rows[paper.key])
        _render("paper", out / f"{paper.key}.html", papers, p=shown)
    statements = [s for paper in papers for s in paper.statements]
    every = [row for paper in papers for row in rows[paper.key]]
    return _render(
        "index",
        out / "index.html",
        papers,
        rows=every,
        choices={
            "paper": list(rows),
            "status": list(evidence.counted(statements)),
            "evidence": sorted({k for row in every for k in row.evidence.kinds}),
        },
        theirs=evidence.counted([s for s in statements if not s.ours]),
        ours=evidence.counted([s for s in statements if s.ours]),
        provenance=provenance(),
        held=sum(v["verdict"]["ok"] for v in known.values()),
        checked=len(known),
        stale=sum(v["stale"] for v in known.values()),
        registered=len(claims),
        their_claims=sum(claim.origin == "paper" for claim in claims),
    )


@cache
def _environment() -> Environment:
    loader = PackageLoader("paper_repro", "pages")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    folder = resources.files("paper_repro").joinpath("pages")
    for name, file in (("style", "style.css"), ("script", "script.js")):
        environment.globals[name] = Markup(folder.joinpath(file).read_text("utf-8"))
    environment.globals |= {"colour": COLOURS, "means": registry.STATUS_MEANS}
    return environment


def _render(template: str, path: Path, papers: Sequence[Paper], **values: Any) -> Path:
    html = _environment().get_template(f"{template}.html.jinja").render(all=papers, **values)
    write_atomically(path, html.encode())
    return path


def _rows(paper: Paper, known: dict[str, Any]) -> list[Row]:
    missing: list[str] = []
    rows = []
    for place, statement in enumerate(paper.statements, 1):
        finding = prose.rendered_where_known(statement.finding, paper.key, missing.append)
        found = evidence.of(paper, statement, known)
        line = prose.first_sentence(finding)
        rows.append(Row(paper.key, f"statement-{place}", statement, found, finding, line, _formula(statement.theory)))
    if missing:
        console.note(f"{len(missing)} numbers in what is said of {paper.key} are not at hand: {missing[0]}")
    return rows


def _formula(theory: str | None) -> dict[str, str] | None:
    """What the function that states a formula says of itself, and where it stands."""
    if theory is None:
        return None
    try:
        module, _, name = theory.rpartition(".")
        function = inspect.unwrap(getattr(import_module(module), name))
    except (ImportError, AttributeError):
        function = import_module(theory)
    file, line = (
        inspect.getsourcefile(function),
        1 if inspect.ismodule(function) else inspect.getsourcelines(function)[1],
    )
    place = f"{Path(str(file)).relative_to(ROOT)}:{line}"
    return {"says": (inspect.getdoc(function) or "").split("\n\n")[0], "place": place}


def _paper(paper: Paper, out: Path, known: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    experiments = [_experiment(e, out) for e in paper.experiments]
    counted = evidence.counted(paper.statements)
    return {
        "paper": paper,
        "rows": rows,
        "counted": counted,
        "grouped": {status: [row for row in rows if row.statement.status == status] for status in counted},
        "experiments": experiments,
        "waiting": [e["experiment"] for e in experiments if not (e["run"] or e["problem"] or e["reference"])],
        "known": {claim.id: known.get(claim.id) for claim in paper.claims},
        "claims": [{"claim": c, "kind": kind(c), "record": known.get(c.id)} for c in paper.claims],
    }


def _experiment(experiment: Experiment, out: Path) -> dict[str, Any]:
    path = out / f"{experiment.id}.nc"
    shown = {"experiment": experiment, "run": False, "problem": None, "diverged": ""}
    shown |= {"reference": _reference(experiment, out)}
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
    dataset, tables = _read(experiment.tables, path, written.st_ino, written.st_mtime_ns)
    config = json.loads(dataset.attrs["config"])
    changes = ", ".join(f"{name} = {value}" for name, value in reference.changed(experiment, dataset).items())
    preset = dataset.attrs["preset"] + (f", modified: {changes}" if changes else "")
    numbers = out / "data" / f"{experiment.id}.csv"
    if not numbers.exists() or numbers.stat().st_mtime < written.st_mtime:
        drawing.numbers(dataset, numbers)
    return {
        "stale": not keys.is_current(experiment, json.loads(dataset.attrs["key"])),
        "attrs": {name: dataset.attrs[name] for name in ("preset", "platform", *reference.ABOUT)},
        "config": config,
        "words": f"{reference.size(config)}, {preset}",
        "diverged": dataset.attrs.get("diverged", ""),
        "tables": tables,
        "images": {f.id: (out / "figures" / f"{f.id}.png").is_file() for f in experiment.figures},
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
    kept |= {"words": reference.size(kept["config"]), "drawn": kept["data"] is not None}
    if kept["drawn"]:
        drawing.kept(experiment, kept["data"], out)
    return kept
