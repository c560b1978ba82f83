"""How often right claims fail and wrong variants pass, over draws of every claim at the smoke preset in one process."""

from collections import Counter

import pytest
from scipy import stats

from paper_repro import papers
from paper_repro.checking import check
from tests.evidence.fresh_draws import ALARM, MISS

pytestmark = pytest.mark.evidence
SHIFTS = range(2001, 2009)


def test_claims_fail_and_mutants_pass_no_more_often_than_stated(monkeypatch: pytest.MonkeyPatch) -> None:
    alarms: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    mutants = 0
    for shift in SHIFTS:
        monkeypatch.setenv("SEED_SHIFT", str(shift))
        for claim in papers.claims():
            verdict = check(claim, "smoke")
            mutants += len(verdict.mutants)
            alarms[claim.id] += verdict.worst > verdict.threshold
            missed.update(f"{claim.id}: {m.wrong}" for m in verdict.mutants if not m.rejected)
    checks = len(SHIFTS) * len(papers.claims())
    print(f"{checks} checks, {alarms.total()} false alarms; {mutants} mutants, {missed.total()} missed")
    assert alarms.total() <= stats.binom.ppf(0.999, checks, ALARM), +alarms
    assert missed.total() <= stats.binom.ppf(0.999, mutants, MISS), missed
    assert max(missed.values(), default=0) <= 1, missed
