"""Claims are well formed, and breaking the simulator turns them red. That they hold: test_everything_once."""

import importlib

import broken
import jax
import numpy as np
import pytest

from paper_repro import checking, papers
from paper_repro.checking import check
from sims import factors
from sims.rules import sam
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


@pytest.mark.parametrize("name", ["amplification_slopes", "robust_loss", "mean_field", "regret", "split"])
def test_breaking_a_formula_by_nothing_changes_nothing(name: str) -> None:
    """What turns claims red in test_everything_once is the perturbation, not the way it is put in."""
    (claim,) = (c for c in papers.claims() if c.id.split(".")[1] == name)
    assert not broken.red(claim, checking.trial(claim, "smoke"), lambda a: a)


def test_perturbing_reaches_every_kind_of_result() -> None:
    from theory.compensation.pac_bayes import Bound

    np.testing.assert_allclose(broken.perturbed(np.array([0.0, 1.0]), broken.up), [0.01, 1.02])
    assert broken.perturbed(Bound(1.0, 2.0, 0.0), broken.turned) == Bound(-1.01, -2.01, -0.01)
    assert broken.perturbed((2.0, True), broken.up) == (2.03, False)
    assert list(broken.perturbed(np.array(["A", "B", "C", ""]), broken.up)) == ["B", "C", "A", "A"]
    assert broken.perturbed(100, broken.up) == 101


ASCENDED, STEP_ALONG = factors.ascended, sam.step_along


@pytest.mark.parametrize("scale", [0.0, -1.0, 2.0], ids=["no ascent", "descent", "twice as far"])
@pytest.mark.parametrize("name", ["closed_form", "batch_shifts"])
def test_a_broken_simulator_turns_claims_red(scale: float, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    claim = next(c for c in papers.claims() if c.id == f"baek2024.{name}")
    monkeypatch.setattr(factors, "ascended", lambda net, f, rho, *rest: ASCENDED(net, f, scale * rho, *rest))
    monkeypatch.setattr(sam, "step_along", lambda *arguments: jax.tree.map(lambda e: scale * e, STEP_ALONG(*arguments)))
    jax.clear_caches()  # compiled programs hold the right one
    try:
        assert not check(claim, "smoke").ok
    finally:
        jax.clear_caches()
