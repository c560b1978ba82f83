"""What can be run and checked, as plain data: all that `repro list` and a misspelt ID need, in a fraction of a second.

The papers are the one source; importing them takes seconds (JAX, scipy, matplotlib). So the catalogue is kept in the
user's cache, together with the state of every source file, and made again when one of them has changed.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from paper_repro import user_cache
from spec.validation import InputError

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("spec", "theory", "sims", "figures", "paper_repro")
PAPER, EXPERIMENT, CLAIM, FIGURE = "paper", "experiment", "claim", "figure"


def read() -> dict[str, Any]:
    """The catalogue: {'papers': [{'key', 'citation', 'url', 'statements', 'symbols', 'experiments', 'claims'}]}."""
    kept, state = user_cache.folder() / "catalogue.json", _state()
    try:
        content = json.loads(kept.read_text("utf-8"))
        if content["state"] == state:
            return dict(content)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there yet, or not ours: made again
    text = json.dumps({"state": state, "papers": _papers()})
    user_cache.keep(kept, text)
    return dict(json.loads(text))


def known(catalogue: dict[str, Any], kind: str) -> list[str]:
    """The ids of a kind: papers' keys, experiments, claims or figures. Those of different kinds may be the same."""
    papers = catalogue["papers"]
    if kind == FIGURE:
        return [figure for p in papers for e in p["experiments"] for figure in e["figures"]]
    return [p["key"] for p in papers] if kind == PAPER else [entry["id"] for p in papers for entry in p[f"{kind}s"]]


def require_known(ids: Sequence[str], *accepted: str) -> None:
    """Raise InputError, naming what comes close, unless every id is of an accepted kind (none given: of any)."""
    accepted = accepted or (PAPER, EXPERIMENT, CLAIM)
    names = [name for kind in accepted for name in known(read(), kind)] if ids else []
    for given in ids:
        if given not in names:
            close = get_close_matches(given, names, n=3, cutoff=0.5) or [n for n in names if given in n][:3]
            hint = f"did you mean {', '.join(close)}?" if close else "see `repro list`"
            raise InputError(f"ID must be that of a {' or '.join(accepted)}, got {given!r}: {hint}")


def _state() -> str:
    """A digest of names, sizes and times of all source files and kept numbers, and of the interpreter."""
    digest = hashlib.sha256(sys.version.encode())
    kinds = ("*.py", "*.json", "*.toml")
    for file in sorted(file for top in SOURCES for kind in kinds for file in (ROOT / top).rglob(kind)):
        status = file.stat()
        digest.update(f"{file}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
    return digest.hexdigest()


def _papers() -> list[dict[str, Any]]:
    from paper_repro.papers import PAPERS  # imports all that computes

    return [
        {
            "key": paper.key,
            "citation": paper.citation,
            "url": paper.url,
            "statements": [_statement(paper, s) for s in paper.statements],
            "symbols": [list(symbol) for symbol in paper.symbols],
            "experiments": [_experiment(e) for e in paper.experiments],
            "claims": [_claim(paper, c) for c in paper.claims],
        }
        for paper in PAPERS
    ]


def _statement(paper: Any, statement: Any) -> dict[str, Any]:
    from paper_repro import prose

    finding = prose.rendered_where_known(statement.finding, paper.key, lambda _: None)
    return statement._asdict() | {"finding": finding}


def _claim(paper: Any, claim: Any) -> dict[str, Any]:
    from paper_repro import wording

    about = {n: getattr(claim, n) for n in ("id", "statement", "source", "regime", "theory", "figure")}
    tolerance = {f.name: getattr(claim.tolerance, f.name) for f in fields(claim.tolerance)}
    numbers = {name: value for name, value in tolerance.items() if not callable(value)}
    formula = wording.formula(paper.key, claim.theory)
    return about | {
        "kind": type(claim.tolerance).__name__,
        "tolerance": numbers,
        "mutants": [mutant.wrong for mutant in claim.mutants],
        "formula": formula.says,
        "place": formula.place,
        "by": wording.place_of(claim.measured),
    }


def _experiment(experiment: Any) -> dict[str, Any]:
    from paper_repro import wording
    from spec.records import describe

    presets = {preset: json.loads(json.dumps(describe(config))) for preset, config in experiment.config.items()}
    about = {n: getattr(experiment, n) for n in ("id", "title", "question")}
    return about | {
        "presets": presets,
        "parts": {preset: experiment.units(config) for preset, config in experiment.config.items()},
        "figures": [f.id for f in experiment.figures],
        "place": wording.place_of(experiment.run),
    }
