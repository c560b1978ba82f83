"""The pages: all statements in a table that filters, a page for each paper, one for each experiment, and the explorer.

Written from kept evidence and whatever is in the results folder; they need no network, and figures are files beside.
A result of changed settings (`--set`) has a folder and a page of its own, which touch no other.
"""

from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from paper_repro import console, evidence, explorer, keys, prose, registry, shown, verdicts, wording
from paper_repro.console import kind
from paper_repro.files import write_atomically
from paper_repro.registry import Experiment, Paper, Statement
from paper_repro.store import provenance
from spec.records import describe

COLOURS = dict(zip(registry.STATUSES, ("proved", "holds", "in-part", "does-not", "not", "not"), strict=True))
CHANGED = "changed"  # the folder of results of changed settings
UP = "../../"  # from there to the pages


class Row(NamedTuple):
    """A statement as the pages show it: its place on its paper's page, its finding with numbers, its first sentence."""

    paper: str
    anchor: str
    statement: Statement
    evidence: evidence.Evidence
    finding: str
    line: str
    formula: wording.Formula | None


def write(papers: Sequence[Paper], out: Path) -> Path:
    """Render out/index.html, out/<paper>.html and out/<experiment>.html atomically; what has no results is named.

    A result that cannot be shown is said by name, and stops nothing else.
    """
    claims = [claim for paper in papers for claim in paper.claims]
    known = verdicts.read_all(out, claims)
    rows = {paper.key: _rows(paper, known) for paper in papers}
    for paper in papers:
        whole = _paper(paper, out, known, rows[paper.key])
        _render("paper", out / f"{paper.key}.html", papers, p=whole)
        _write_experiments(papers, whole, out)
    _render("explorer", out / "explorer.html", papers, panels=[_panel(one) for one in explorer.read()])
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
        changed=sorted(path.parent.name for path in (out / CHANGED).glob("*/index.html")),
    )


def _panel(kept: dict[str, Any]) -> dict[str, Any]:
    return kept | {"formula": wording.formula("explorer", kept["theory"])}


def folder_of(experiment: Experiment, config: Any, preset: str, out: Path) -> Path:
    """Where a result belongs: `out` with the settings of its preset, else a folder of its experiment and a digest."""
    if config == experiment.config[preset]:
        return out
    return out / CHANGED / f"{experiment.id}-{keys.digest(describe(config))[:8]}"


def page_of(experiment: Experiment, folder: Path, out: Path) -> Path:
    """The page about a result in a folder (folder_of), and about nothing else."""
    return out / f"{experiment.id}.html" if folder == out else folder / "index.html"


def _write_experiments(papers: Sequence[Paper], whole: dict[str, Any], out: Path) -> None:
    """A page for every experiment of a paper of which there is something, and for its results of changed settings."""
    for e in whole["experiments"]:
        experiment = e["experiment"]
        rows = [row for row in whole["rows"] if row.evidence.experiment == experiment.id]
        if e["run"] or e["problem"] or e["reference"]:
            _render("experiment", page_of(experiment, out, out), papers, e=e, rows=rows)
        for folder in sorted((out / CHANGED).glob(f"{experiment.id}-*")):
            changed = shown.of(experiment, folder, pages=out)
            _render("experiment", page_of(experiment, folder, out), papers, root=UP, e=changed, rows=rows)


@cache
def _environment() -> Environment:
    loader = PackageLoader("paper_repro", "pages")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    folder = resources.files("paper_repro").joinpath("pages")
    for name, file in (("style", "style.css"), ("script", "script.js"), ("sliders", "explorer.js")):
        environment.globals[name] = Markup(folder.joinpath(file).read_text("utf-8"))
    environment.globals |= {"colour": COLOURS, "means": registry.STATUS_MEANS}
    return environment


def _render(template: str, path: Path, papers: Sequence[Paper], *, root: str = "", **values: Any) -> Path:
    """root: from the page's folder to that of the index. A page that says the same already is left as it is."""
    html = _environment().get_template(f"{template}.html.jinja").render(all=papers, root=root, **values).encode()
    if not (path.is_file() and path.read_bytes() == html):
        write_atomically(path, html)
    return path


def _rows(paper: Paper, known: dict[str, Any]) -> list[Row]:
    missing: list[str] = []
    rows = []
    for place, statement in enumerate(paper.statements, 1):
        finding = prose.rendered_where_known(statement.finding, paper.key, missing.append)
        found = evidence.of(paper, statement, known)
        line = prose.first_sentence(finding)
        formula = wording.formula(paper.key, statement.theory) if statement.theory else None
        rows.append(Row(paper.key, f"statement-{place}", statement, found, finding, line, formula))
    if missing:
        console.note(f"{len(missing)} numbers in what is said of {paper.key} are not at hand: {missing[0]}")
    return rows


def _paper(paper: Paper, out: Path, known: dict[str, Any], rows: list[Row]) -> dict[str, Any]:
    experiments = [shown.of(e, out, pages=out) for e in paper.experiments]
    counted = evidence.counted(paper.statements)
    said = wording.summary(paper).items()
    return {
        "paper": paper,
        "summary": {head: prose.rendered_where_known(text, paper.key, console.note) for head, text in said},
        "rows": rows,
        "counted": counted,
        "grouped": {status: [row for row in rows if row.statement.status == status] for status in counted},
        "experiments": experiments,
        "figures": {f.id: (f, *_best(e, f.id)) for e in experiments for f in e["experiment"].figures if _best(e, f.id)},
        "waiting": [e["experiment"] for e in experiments if not (e["run"] or e["problem"] or e["reference"])],
        "known": {claim.id: known.get(claim.id) for claim in paper.claims},
        "claims": [{"claim": c, "kind": kind(c), "record": known.get(c.id)} for c in paper.claims],
    }


def _best(e: dict[str, Any], figure: str) -> tuple[str, str] | tuple[()]:
    """Folder and caption of the fullest picture of a figure that there is."""
    if e["reference"] and e["reference"]["drawn"]:
        return f"reference/{e['experiment'].id}", e["reference"]["words"]
    return ("figures", e["words"]) if e["run"] and e["images"][figure] else ()
