"""The page: figures, tables, claims and provenance of whatever is in the results folder, as one HTML file."""

import base64
import json
from collections.abc import Sequence
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from paper_repro import reference
from paper_repro.console import kind
from paper_repro.registry import Experiment, Paper
from paper_repro.store import fingerprint, load, provenance, write_atomically


def write(papers: Sequence[Paper], out: Path) -> Path:
    """Render out/index.html atomically; experiments and claims without results are listed as not run."""
    claims_file = out / "claims.json"
    verdicts = json.loads(claims_file.read_text()) if claims_file.exists() else {}
    html = _template().render(
        papers=[_paper(paper, out, verdicts) for paper in papers],
        provenance=provenance(),
        held=sum(v["verdict"]["ok"] for v in verdicts.values()),
        checked=len(verdicts),
        registered=sum(len(p.claims) for p in papers),
    )
    path = out / "index.html"
    write_atomically(path, html.encode())
    return path


@cache
def _template() -> Any:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(resources.files("paper_repro").joinpath("page.html.jinja").read_text("utf-8"))


def _paper(paper: Paper, out: Path, verdicts: dict[str, Any]) -> dict[str, Any]:
    return {
        "paper": paper,
        "experiments": [_experiment(e, out) for e in paper.experiments],
        "claims": [_claim(c, verdicts.get(c.id)) for c in paper.claims],
    }


def _claim(claim: Any, record: dict[str, Any] | None) -> dict[str, Any]:
    stale = record is not None and record["code"] != fingerprint("paper_repro")
    return {"claim": claim, "kind": kind(claim), "record": record, "stale": stale}


def _experiment(experiment: Experiment, out: Path) -> dict[str, Any]:
    path, kept = out / f"{experiment.id}.nc", reference.read(experiment.id)
    if not path.exists():
        return {"experiment": experiment, "run": False, "reference": kept}
    dataset = load(path)
    stale = dataset.attrs["code"] != fingerprint(f"paper_repro/{experiment.id.split('.')[0]}")
    return {
        "experiment": experiment,
        "run": True,
        "reference": kept,
        "stale": stale,
        "attrs": dataset.attrs,
        "config": json.loads(dataset.attrs["config"]),
        "tables": experiment.tables(dataset),
        "images": {f.id: _image(out / "figures" / f"{f.id}.png") for f in experiment.figures},
    }


def _image(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode() if path.exists() else ""
