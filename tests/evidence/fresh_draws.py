"""How many claims fail, and how many wrong variants pass, on draws that no tolerance was chosen with.

`python -m tests.evidence.fresh_draws FILE` checks every claim that FILE lacks, at the smoke preset with SEED_SHIFT = 1
to 20, and writes FILE after each; `fresh_draws.json` beside this module is the kept one. A claim that was mended after
some draws goes to later ones: move its counts from "claims" to "earlier" in FILE, and name the first of twenty shifts,
`FILE 21`.
"""

import json
import os
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax

from paper_repro import files, papers
from paper_repro.checking import check
from spec.claims import Claim

ALARM, MISS = 1e-4, 1e-3  # the stated rates: of the t tests; of mutants, whose effects lie far beyond what is needed
DRAWS = 20
KEPT = Path(__file__).parent / "fresh_draws.json"


def alarm_rate(claim: Claim) -> float:
    """How often it may fail by chance: its family error; 0 without one, where rounding is all that can differ."""
    return float(getattr(claim.tolerance, "family_error", 0.0))


def counted(claim: Claim, shifts: Sequence[int]) -> dict[str, Any]:
    """Its checks and those that failed; its wrong variants, one for every shift, and those that passed."""
    alarms, missed, mutants = [], [], 0
    for shift in shifts:
        os.environ["SEED_SHIFT"] = str(shift)
        verdict = check(claim, "smoke")
        alarms += [shift] if verdict.worst > verdict.threshold else []
        missed += [[shift, m.wrong] for m in verdict.mutants if not m.rejected]
        mutants += len(verdict.mutants)
    return {"first": shifts[0], "checks": len(shifts), "alarms": alarms, "mutants": mutants, "missed": missed}


def main(file: Path, first: int = 1) -> None:
    """Count what is not in the file yet, on DRAWS shifts from the first on."""
    before = json.loads(file.read_text()) if file.exists() else {}
    claims = before.get("claims", {})
    todo = [claim for claim in papers.claims() if claim.id not in claims]
    for k, claim in enumerate(todo, start=1):
        claims[claim.id] = counted(claim, range(first, first + DRAWS))
        about = {
            "command": "python -m tests.evidence.fresh_draws FILE",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": f"{os.cpu_count()} CPU cores, Python {platform.python_version()}",
        }
        in_order = {one.id: claims[one.id] for one in papers.claims() if one.id in claims}
        files.write_atomically(file, json.dumps(before | about | {"claims": in_order}, indent=1).encode())
        alarms, missed = claims[claim.id]["alarms"], claims[claim.id]["missed"]
        print(f"{k}/{len(todo)} {claim.id}: failed at {alarms or 'none'}, missed {missed or 'none'}", flush=True)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
