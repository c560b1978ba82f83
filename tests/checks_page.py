"""docs/checks.md: what came of the claims on fresh draws, and of slips in the code."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

from scipy import stats

from paper_repro import papers
from tests.evidence import fresh_draws
from tests.mutants import __main__ as mutants
from tests.mutants.slips import load

HEAD = """# What the checks themselves were put to

Generated from kept results. What things cost is in [factors.md](factors.md); how claims are judged in
[tolerances.md](tolerances.md).
"""
TABLE = """| tolerance | claims | checks | failed | expected at most | wrong variants | passed | expected at most |
| --- | --- | --- | --- | --- | --- | --- | --- |"""


Counts = dict[str, dict[str, Any]]  # of every claim, as fresh_draws keeps them


class Total(NamedTuple):
    """Checks and wrong variants, and how many failed or passed: found, and at most expected by the stated rates."""

    checks: int
    failed: int
    alarms: float
    variants: int
    passed: int
    misses: float


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_fresh_draws(), *_slips()]) + "\n"


def _fresh_draws() -> Iterator[str]:
    """How many claims failed and how many wrong variants passed, by kind and by claim where any did."""
    found = json.loads(fresh_draws.KEPT.read_text())
    claims: Counts = found["claims"]
    yield "## Fresh draws\n"
    yield (
        f"{len(claims)} of the package's {len(papers.claims())} claims at the smoke preset, {_shifts(claims)}. "
        f"`{found['command']}` ({found['machine']}, {found['date']}).\n"
    )
    yield from _outcome(claims)
    yield TABLE
    yield from _kinds(claims)
    yield ""
    yield from _by_claim(claims)
    earlier: Counts = found["earlier"]
    total = _total(earlier)
    yield (
        f"\nThe first twenty draws of {len(earlier)} claims, before they were mended: {total.failed} of {total.checks} "
        f"checks failed and {total.passed} of {total.variants} wrong variants passed.\n"
    )
    yield from _by_claim(earlier)


def _shifts(claims: Counts) -> str:
    """Which draws."""
    firsts = Counter((c["first"], c["first"] + c["checks"] - 1) for c in claims.values())
    (first, many), *later = sorted(firsts.items())
    text = "{} with `SEED_SHIFT` {} to {}".format(many, *first)
    return "; ".join([text, *("{} that were mended after that, with {} to {}".format(n, *r) for r, n in later)])


def _total(claims: Counts) -> Total:
    """Over claims."""
    rates = {claim.id: fresh_draws.alarm_rate(claim) for claim in papers.claims()}
    checks, variants = (sum(c[what] for c in claims.values()) for what in ("checks", "mutants"))
    failed, passed = (sum(len(c[what]) for c in claims.values()) for what in ("alarms", "missed"))
    expected = sum(rates[name] * c["checks"] for name, c in claims.items())
    return Total(checks, failed, expected, variants, passed, fresh_draws.MISS * variants)


def _outcome(claims: Counts) -> Iterator[str]:
    """The totals beside what is expected by the stated rates."""
    at = _total(claims)
    yield (
        f"- {at.failed} of {at.checks} checks failed. By chance at most {at.alarms:.2g} do: {fresh_draws.ALARM:g} of "
        f"those that are t tests, none where rounding alone can differ.{_likely(at.failed, at.alarms)}"
    )
    yield (
        f"- {at.passed} of {at.variants} wrong variants passed. By the rate that is stated for them, "
        f"{fresh_draws.MISS:g}, at most {at.misses:.2g} do.{_likely(at.passed, at.misses)}\n"
    )


def _likely(count: int, expected: float) -> str:
    """How likely that many or more are by a Poisson law."""
    return f" As many or more have probability {stats.poisson.sf(count - 1, expected):.2g}." if count else ""


def _kinds(claims: Counts) -> Iterator[str]:
    """The totals by kind of tolerance."""
    kinds: dict[str, Counts] = defaultdict(dict)
    for claim in papers.claims():
        if claim.id in claims:
            kinds[type(claim.tolerance).__name__][claim.id] = claims[claim.id]
    for kind, some in sorted(kinds.items()):
        at = _total(some)
        row = (kind, len(some), at.checks, at.failed, f"{at.alarms:.2g}", at.variants, at.passed, f"{at.misses:.2g}")
        yield f"| {' | '.join(map(str, row))} |"


def _by_claim(claims: Counts) -> Iterator[str]:
    """Every check that failed and every wrong variant that passed."""
    for name, one in claims.items():
        yield from (f"- `{name}` failed with {shift}" for shift in one["alarms"])
        yield from (f"- `{name}` with {shift}: passed with {wrong}" for shift, wrong in one["missed"])


def _slips() -> Iterator[str]:
    """What became of the slips that have an outcome; nothing where none has."""
    outcomes = mutants.kept(mutants.KEPT)
    found = {slip: outcomes[slip] for slip in load() if slip in outcomes}
    if not found:
        return
    survivors = [slip for slip, one in found.items() if one["verdict"] != "red"]
    machines = sorted({f"{one['machine']}, {one['date']}" for one in found.values()})
    minutes = sum(one["seconds"] for one in found.values()) / 60
    yield "\n## Slips\n"
    yield (
        f"{len(found)} of the {len(load())} small mistakes of `tests/mutants/slips.toml` were made one at a time in a "
        f"copy of the tree whose tests are green without: {len(found) - len(survivors)} turned a test red. They took "
        f"{minutes:.0f} minutes in all; `python -m tests.mutants --keep FILE` ({'; '.join(machines)}).\n"
    )
    yield from (f"- `{slip.file}`: {slip.what}: {found[slip]['verdict']}" for slip in survivors)
    mended = {slip: one["first"] for slip, one in found.items() if one["first"] != "red" == one["verdict"]}
    yield from (f"- `{slip.file}`: {slip.what}: {first} at first, red since" for slip, first in mended.items())
