"""Every claim at the full preset (256 seeds) on five other draws."""

import pytest

from paper_repro import papers
from paper_repro.checking import check
from spec.claims import Claim

pytestmark = pytest.mark.evidence


@pytest.mark.parametrize("shift", range(1, 6))
@pytest.mark.parametrize("claim", papers.claims(), ids=lambda c: c.id)
def test_claim_holds_on_a_fresh_draw(claim: Claim, shift: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEED_SHIFT", str(1000 + shift))
    verdict = check(claim, "full")
    assert [m.wrong for m in verdict.mutants if not m.rejected] == []
    assert verdict.ok
