"""docs/checks.md: what came of the claims on fresh draws."""

import json
from collections.abc import Iterator
from typing import Any

from paper_repro import papers
from tests.evidence import fresh_draws

HEAD = """# What the checks themselves were put to

Generated from kept results. What things cost is in [factors.md](factors.md); how claims are judged in
[tolerances.md](tolerances.md).
"""


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_fresh_draws()]) + "\n"


def _fresh_draws() -> Iterator[str]:
    """How many claims failed and how many wrong variants passed, by claim where any did."""
    found = json.loads(fresh_draws.KEPT.read_text())
    claims: dict[str, dict[str, Any]] = found["claims"]
    failed = {name: c["alarms"] for name, c in claims.items() if c["alarms"]}
    missed = {name: c["missed"] for name, c in claims.items() if c["missed"]}
    checks, mutants = (sum(c[what] for c in claims.values()) for what in ("checks", "mutants"))
    yield "## Fresh draws\n"
    yield (
        f"{len(claims)} of the package's {len(papers.claims())} claims, each at the smoke preset with `SEED_SHIFT` "
        f"{found['shifts'][0]} to {found['shifts'][1]}: {sum(map(len, failed.values()))} of {checks} checks failed and "
        f"{sum(map(len, missed.values()))} of {mutants} wrong variants passed. A t test fails by chance once in ten "
        f"thousand draws. `{found['command']}` ({found['machine']}, {found['date']}).\n"
    )
    yield from (f"- `{name}` failed with {', '.join(map(str, shifts))}" for name, shifts in failed.items())
    for name, ones in missed.items():
        yield from (f"- `{name}` with {shift}: passed with {wrong}" for shift, wrong in ones)
