"""Summaries name kept cells and type no measured number; formulas are typeset, and point to where they stand."""

import re
from pathlib import Path

import pytest

from paper_repro import papers, prose, wording
from paper_repro.source import ROOT
from tests.paper_repro.test_prose import typed

STATED = [(paper.key, s.theory) for paper in papers.PAPERS for s in paper.statements if s.theory]


@pytest.mark.parametrize("paper", papers.PAPERS, ids=lambda p: p.key)
def test_a_summary_says_three_things_with_rendered_numbers(paper) -> None:
    said = wording.summary(paper)
    assert list(said) == list(wording.HEADS.values())
    assert all("{" not in prose.rendered(text, paper.key) and typed(text) == [] for text in said.values())


@pytest.mark.parametrize(("page", "theory"), dict.fromkeys(STATED), ids=str)
def test_a_formula_is_typeset_and_its_function_is_where_it_says(page: str, theory: str) -> None:
    shown = wording.formula(page, theory)
    assert shown.typeset.startswith("<math") == (theory in wording.formulas(page))
    assert "\\" not in re.sub(r"<[^>]*>", "", shown.typeset)  # no command is left over
    file, _, line = shown.place.partition(":")
    assert shown.link == (ROOT / file).as_uri()
    code = Path(ROOT / file).read_text().splitlines()[int(line) - 1]
    assert re.match(rf"(def|class) {theory.rpartition('.')[2]}\b", code)
    assert shown.says


def test_every_formula_in_latex_is_one_that_a_statement_names() -> None:
    written = {(paper.key, theory) for paper in papers.PAPERS for theory in wording.formulas(paper.key)}
    assert written
    assert written <= set(STATED)


def test_a_function_that_is_not_there_is_an_error() -> None:
    with pytest.raises(LookupError, match="nothing"):
        wording.formula("baek2024", "theory.logistic.regression.nothing")
