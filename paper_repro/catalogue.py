"""What can be run and checked, as plain data: all that `repro list` and a misspelt ID need, in a fraction of a second.

The papers are the one source; importing them takes seconds (JAX, scipy, matplotlib). So the catalogue is kept in the
user's cache, together with the state of every source file, and made again when one of them has changed.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from paper_repro import user_cache
from spec.validation import InputError

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("spec", "theory", "sims", "figures", "paper_repro")
PAPER, EXPERIMENT, CLAIM = "paper", "experiment", "claim"


def read() -> dict[str, Any]:
    """The catalogue: {'papers': [{'key', 'citation', 'url', 'experiments': [...], 'claims': [...]}]}."""
    kept, state = user_cache.folder() / "catalogue.json", _state()
    try:
        content = json.loads(kept.read_text("utf-8"))
        if content["state"] == state:
            return dict(content)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # not there yet, or not ours: made again
    content = {"state": state, "papers": _papers()}
    user_cache.keep(kept, json.dumps(content))
    return content


def known(catalogue: dict[str, Any], kind: str) -> list[str]:
    """The ids of a kind: papers' keys, experiments or claims. An experiment and a claim may have the same."""
    papers = catalogue["papers"]
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
    """A digest of names, sizes and times of all source files, and of the interpreter."""
    digest = hashlib.sha256(sys.version.encode())
    for file in sorted(file for top in SOURCES for file in (ROOT / top).rglob("*.py")):
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
            "experiments": [_experiment(e) for e in paper.experiments],
            "claims": [
                {n: getattr(c, n) for n in ("id", "statement", "source", "regime", "theory", "figure")}
                for c in paper.claims
            ],
        }
        for paper in PAPERS
    ]


def _experiment(experiment: Any) -> dict[str, Any]:
    from spec.records import describe

    presets = {preset: json.loads(json.dumps(describe(config))) for preset, config in experiment.config.items()}
    about = {n: getattr(experiment, n) for n in ("id", "title", "question")}
    return about | {"presets": presets, "figures": [f.id for f in experiment.figures]}
