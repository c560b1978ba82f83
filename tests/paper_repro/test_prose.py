"""Numbers in sentences come from kept tables: a field names a cell or fails, and no measured number is typed."""

import json
import re

import pytest

from paper_repro import papers, prose, reference

TABLE = {
    "caption": "a table",
    "head": ["block", "method", "gain", "share", "gain"],
    "rows": [
        ["one", "SAM", "+1.5 [0.5, 2.5]: shown", "30 / 70", "4 of 5"],
        ["one", "SGD", "-2.5 [-3.0, 1.0]: not shown", "20 / 60", "1 of 5"],
        ["two", "SAM", "none", "", "2 of 5"],
    ],
}
FINDINGS = [(paper, s) for paper in papers.PAPERS for s in paper.statements]
# What may stand in a finding with digits: names, formulas, and settings a reader finds in the run's command.
ALLOWED = (
    r"1/\(1 − α\)|ResNet-18|‖w‖ = \.01|\bd = \d+|\(n, d\) = \(\d+, \d+\) and \(\d+, \d+\)|noise rates of \.2 to \.8",
    r"m = 1,|(?<=at )(?:5,|25 and)|whole batch of 50|decay of \.005|one of \.02",
    r"\b1-SAM|MNIST-1D|180°|digits 0 and 1|w_1 > 0|(?<=[A-Za-zΑ-ω_√])\d+|\d+(?=[A-Za-zΑ-ω√‖])|\^\([^)]*\)",
    r"[ρακβV] = \d*\.?\d+|(?<=at )\.\d+|symmetric \.\d|\(1, e\^C\)|r < 1|w = 0|1 − |O\([^ ]*\)|1/(?:\(nd\)|d\b)",
    r"\d+ (?:% noise|or \d+ examples|examples|clean labels|extra clean epochs)|at (?:125|1000|4000)\b|width 16",
    r"40 and 60(?= % noise)|[Ss]hares of \.2 to \.7|(?:noise|offset) of −?\.1",
)


@pytest.fixture
def kept(tmp_path, monkeypatch):
    monkeypatch.setattr(reference, "ROOT", tmp_path)
    file = reference.path("paper.run")
    file.parent.mkdir(parents=True)
    about = dict.fromkeys(reference.ABOUT, "")
    content = {"command": "repro run paper.run", "seeds": 8, "config": {}, **about, "tables": [TABLE]}
    file.write_text(json.dumps(content))
    return file


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("run | one, SAM | gain", "+1.5"),
        ("paper.run.1 | one, SGD | gain", "−2.5"),
        ("run | one, SGD | gain | abs", "2.5"),
        ("run | one, SGD | gain | abs round", "2"),
        ("run | one, SGD | gain | interval", "−2.5 [−3.0, 1.0]"),
        ("run | one, SAM | share | 2", "70"),
        ("run | one, SAM | gain#2 | cell", "4 of 5"),
        ("range run | one, S* | gain", "−2.5 to +1.5"),
        ("sum run | *, SAM | gain#2", "6"),
        ("sum run | one, SAM | share & gain#2", "34"),
        ("count run | one, * | gain | : shown", "1 of 2"),
        ("above run | one, * | gain", "1 of 2"),
        ("below run | one, * | gain", "0 of 2"),
        ("seeds run", "8"),
    ],
)
def test_a_field_is_a_number_of_a_kept_table(kept, field, expected) -> None:
    assert prose.rendered(f"it is {{{field}}} here", "paper") == f"it is {expected} here"


@pytest.mark.parametrize(
    "field",
    [
        "other | one, SAM | gain", "run.2 | one, SAM | gain", "run | three, SAM | gain", "run | one, SAM | loss",
        "run | one, S* | gain", "run | one, SAM | gain#3", "run | one, SAM | gain | 4", "run | two, SAM | gain",
        "run | two, SAM | gain | interval", "run", "mean run | one, SAM | gain", "seeds other",
    ],
)  # fmt: skip
def test_a_field_that_names_nothing_is_an_error_that_names_it(kept, field) -> None:
    with pytest.raises(prose.ProseError, match=re.escape(field)):
        prose.rendered(f"{{{field}}}", "paper")
    said: list[str] = []
    assert prose.rendered_where_known(f"a {{{field}}} b", "paper", said.append) == "a (not at hand) b"
    assert field in said[0]


@pytest.mark.parametrize(("paper", "statement"), FINDINGS, ids=lambda x: getattr(x, "key", getattr(x, "where", "")))
def test_findings_name_cells_that_are_kept_and_type_no_measured_number(paper, statement) -> None:
    assert "{" not in prose.rendered(statement.finding, paper.key)
    assert typed(statement.finding) == []


def typed(text: str) -> list[str]:
    """Numbers that stand in a template outside fields, names, formulas and settings."""
    left = re.sub("|".join(ALLOWED), "", prose.FIELD.sub("", text))
    return re.findall(r"\S*\d\S*", left)


@pytest.mark.parametrize(
    "text", ["it gains 5.5 points", "+0.8 [.2, 1.4]", "34 % of them", "in 203 of 205 cases", "5 to 20"]
)
def test_a_typed_number_is_found(text) -> None:
    assert typed(text)
