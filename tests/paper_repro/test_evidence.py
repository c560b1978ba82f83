"""What statements rest on is derived from claims and kept runs, and statuses say no more than that."""

from dataclasses import asdict, replace

import pytest

from paper_repro import evidence, papers
from paper_repro.registry import PROVED, STATUS_MEANS, STATUSES
from spec.claims import Exact, MutantVerdict, Verdict

GOOD = Verdict(
    claim="", ok=True, worst=1e-12, threshold=1e-10, predicted=1.0, measured=1.0, power=2.0, summary="near",
    mutants=(MutantVerdict("wrong", True, 2.0),),
)  # fmt: skip
ALL = [(paper, statement) for paper in papers.PAPERS for statement in paper.statements]


def known(*verdicts: Verdict) -> dict:
    return {v.claim: {"verdict": asdict(v)} for v in verdicts}


@pytest.mark.parametrize(("paper", "statement"), ALL, ids=lambda x: getattr(x, "key", getattr(x, "where", "")))
def test_every_statement_has_a_status_and_evidence_for_it(paper, statement) -> None:
    assert statement.status in STATUSES
    found = evidence.of(paper, statement, {})
    if statement.status == PROVED:
        assert "identity" in found.kinds
    if statement.theory is None and statement.status not in ("not shown here", "not testable here"):
        assert evidence.RUN in found.kinds


def test_an_identity_counts_its_claims_and_names_the_nearest_to_its_limit() -> None:
    paper, statement = ALL[0]
    exact = [c.id for c in paper.claims if c.id in statement.claims and isinstance(c.tolerance, Exact)]
    one, other = (replace(GOOD, claim=claim) for claim in statement.claims)
    found = evidence.of(paper, statement, known(one, replace(other, worst=2e-11, summary="nearer")))
    assert f"{len(exact)} identity" in found.words
    assert "2 of 2 checked hold" in found.words
    assert found.worst == f"{other.claim.split('.')[1]}: nearer"
    failing = evidence.of(paper, statement, known(replace(one, ok=False), replace(other, worst=2e-11)))
    assert "1 of 2 checked hold" in failing.words
    assert failing.worst.startswith(one.claim.split(".")[1])


def test_a_kept_run_gives_seeds_and_data() -> None:
    (pair,) = [(p, s) for p, s in ALL if s.figure == "baek2024.digits_frontier"]
    found = evidence.of(*pair, {})
    assert (found.experiment, found.seeds, found.data) == ("baek2024.digits", 8, "digits")
    assert "8 seeds" in found.words


def test_statements_are_counted_by_status() -> None:
    counts = evidence.counted([s for _, s in ALL])
    assert sum(counts.values()) == len(ALL)
    assert list(counts) == [s for s in STATUSES if s in counts]
    assert set(STATUS_MEANS) == set(STATUSES)
