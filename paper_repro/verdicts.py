"""Verdicts on disk: one file for each claim, so that several processes can check claims into one folder."""

import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from paper_repro import keys
from paper_repro.files import DamagedError, set_aside, write_atomically
from spec.claims import Claim, MutantVerdict, Verdict
from spec.seeds import seed_shift


def path(out: Path, claim: Claim) -> Path:
    """Where the verdict of a claim is kept."""
    return out / "claims" / f"{claim.id}.json"


def write(out: Path, claim: Claim, verdict: Verdict, preset: str, code: dict[str, str]) -> None:
    """Keep a verdict with its preset, its seeds' shift, the digests of the code it came from, and one of all this."""
    record = {"verdict": plain(asdict(verdict)), "preset": preset, "seed_shift": seed_shift(), "code": code}
    write_atomically(path(out, claim), json.dumps(record | {"digest": keys.digest(record)}, indent=1).encode())


def read_all(out: Path, claims: Sequence[Claim]) -> dict[str, dict[str, Any]]:
    """The kept verdicts of these claims, each with 'stale': whether other code came to it. Damaged ones: set aside."""
    found = {}
    for claim in claims:
        if path(out, claim).exists():
            try:
                found[claim.id] = _read(out, claim)
            except DamagedError as error:
                set_aside(path(out, claim), str(error))
    return found


def _read(out: Path, claim: Claim) -> dict[str, Any]:
    try:
        record = json.loads(path(out, claim).read_bytes())
        sound = record.pop("digest") == keys.digest(record)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise DamagedError("is not a verdict") from None
    if not sound:
        raise DamagedError("is damaged (its digest is another)")
    if record["verdict"]["claim"] != claim.id:
        raise DamagedError(f"holds the verdict of {record['verdict']['claim']}")
    parts = [(record["verdict"], Verdict), *((m, MutantVerdict) for m in record["verdict"]["mutants"])]
    if any(set(values) != {f.name for f in fields(kind)} for values, kind in parts):
        raise DamagedError("is a verdict of another version")
    return {**record, "stale": record["code"] != keys.of_claim(claim)}


def plain(value: Any) -> Any:
    """JSON has no infinity: it is written as a string."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value
