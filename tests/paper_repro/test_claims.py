"""Claims are well formed, and breaking the simulator turns them red. That they hold: test_everything_once."""

import importlib

import jax
import pytest

from paper_repro import papers
from paper_repro.checking import check
from sims import factors, rules
from spec.claims import Claim


@pytest.mark.parametrize("claim", papers.claims(), ids=lambda c: c.id)
def test_claim_names_a_formula_that_exists(claim: Claim) -> None:
    module, name = claim.theory.rsplit(".", 1)
    function = getattr(importlib.import_module(module), name)
    assert function.__doc__
    assert claim.statement
    assert claim.regime
    assert claim.source


def test_ids_are_unique_and_figures_exist() -> None:
    ids = [c.id for c in papers.claims()]
    figures = {f.id for e in papers.experiments() for f in e.figures}
    assert len(set(ids)) == len(ids)
    assert {c.figure for c in papers.claims() if c.figure} <= figures


def test_statements_lead_to_formula_claims_and_figure() -> None:
    """The map from a paper's sentence to the code has no dead ends, and every claim is on it."""
    claims = {c.id for c in papers.claims()}
    figures = {f.id for e in papers.experiments() for f in e.figures}
    for paper in papers.PAPERS:
        for statement in paper.statements:
            if statement.theory is not None:
                module, name = statement.theory.rsplit(".", 1)
                assert callable(getattr(importlib.import_module(module), name))
            # What has no formula is observed: it has no claim, and its numbers are in a figure's experiment.
            assert statement.theory or (statement.figure and not statement.claims)
            assert set(statement.claims) <= claims
            assert statement.figure is None or statement.figure in figures
        assert {c for s in paper.statements for c in s.claims} == {c.id for c in paper.claims}


ASCENDED, STEP_ALONG = factors.ascended, rules.step_along


@pytest.mark.parametrize("scale", [0.0, -1.0, 2.0], ids=["no ascent", "descent", "twice as far"])
@pytest.mark.parametrize("name", ["closed_form", "batch_shifts"])
def test_a_broken_simulator_turns_claims_red(scale: float, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = next(c for c in papers.claims() if c.id == f"baek2024.{name}")
    monkeypatch.setattr(factors, "ascended", lambda net, f, rho, *rest: ASCENDED(net, f, scale * rho, *rest))
    monkeypatch.setattr(
        rules, "step_along", lambda *arguments: jax.tree.map(lambda e: scale * e, STEP_ALONG(*arguments))
    )
    jax.clear_caches()  # compiled programs hold the right one
    try:
        assert not check(claim, "smoke").ok
    finally:
        jax.clear_caches()
