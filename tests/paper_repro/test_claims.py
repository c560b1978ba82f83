"""Claims are well formed, and breaking the simulator turns them red. That they hold: test_everything_once."""

import importlib
from collections.abc import Callable
from typing import Any

import jax
import pytest

from paper_repro import papers
from paper_repro.checking import check
from sims import rules
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
            module, name = statement.theory.rsplit(".", 1)
            assert callable(getattr(importlib.import_module(module), name))
            assert set(statement.claims) <= claims
            assert statement.figure is None or statement.figure in figures
        assert {c for s in paper.statements for c in s.claims} == {c.id for c in paper.claims}


ASCEND = rules.ascend


def no_ascent(objective: Any, params: Any, shard: Any, rho: Any) -> Any:
    return params


def descent(objective: Any, params: Any, shard: Any, rho: Any) -> Any:
    return ASCEND(objective, params, shard, -rho)


def twice_as_far(objective: Any, params: Any, shard: Any, rho: Any) -> Any:
    return ASCEND(objective, params, shard, 2 * rho)


@pytest.mark.parametrize("broken", [no_ascent, descent, twice_as_far])
@pytest.mark.parametrize("name", ["closed_form", "batch_shifts"])
def test_a_broken_simulator_turns_claims_red(
    broken: Callable[..., Any], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    claim = next(c for c in papers.claims() if c.id == f"baek2024.{name}")
    monkeypatch.setattr(rules, "ascend", broken)
    jax.clear_caches()  # compiled programs hold the right one
    try:
        assert not check(claim, "smoke").ok
    finally:
        jax.clear_caches()
