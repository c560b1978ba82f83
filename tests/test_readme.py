"""README and docs are true: what is generated is current, the example runs, commands exist. --write renews them."""

import json
import re
import sys
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from matplotlib import image

from benchmarks import record
from figures import style
from paper_repro import prose, reference
from paper_repro.papers import PAPERS
from paper_repro.registry import STATUS_MEANS
from tests import checks_page
from tests.paper_repro.test_prose import typed

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PICTURES = {  # of docs/, and the figures that they are
    "digits.png": "baek2024.digits_curves",
    "curves.png": "beyond.curves",
    "shares.png": "beyond.shares",
}
MAIN = {
    "baek2024": ("Section 3, reading", "Section 4.2, Proposition 4.1", "Section 4.3, regularised SGD"),
    "luong2026": ("Abstract, networks",),
    "zhang2025": ("abstract, experiments",),
    "xu2026": ("Tables I to IV: NCSAM tests better than SAM",),
}


def findings() -> str:
    """The main findings, each by its first sentence."""
    lines = [
        "*Digits, 30 % of the training labels wrong. Left and middle: fit of clean (solid) and mislabelled (dashed) "
    ]
    lines[0] += f"training data; right: test accuracy. {picture_is_of()}*"
    lines += ["", "| paper | it says | here | what was found |", "|---|---|---|---|"]
    for paper in PAPERS:
        for s in paper.statements:
            if s.where in MAIN.get(paper.key, ()):
                first = prose.first_sentence(prose.rendered(s.finding, paper.key))
                lines.append(_row(f"{paper.key}, {s.where}", s.says, f"**{s.status}**", first))
    return "\n".join(lines) + "\n"


def picture_is_of() -> str:
    """Which run the picture shows."""
    kept = reference.read("baek2024.digits")
    return f"n = {kept['seeds']} seeds, with Student intervals; drawn from the kept run of {kept['date'][:10]}."


def picture(name: str) -> bytes:
    """A picture, drawn from kept data."""
    ((experiment, figure),) = (
        (e, f) for paper in PAPERS for e in paper.experiments for f in e.figures if f.id == PICTURES[name]
    )
    with TemporaryDirectory() as folder:
        return style.save(
            figure.draw, reference.read(experiment.id)["data"](), Path(folder) / name.removesuffix(".png")
        )


def statements() -> str:
    lines = [
        "# Every statement, its formula, its claims and what was found",
        "",
        "Generated; the page has the same with",
    ]
    lines[-1] += " evidence, figures and every claim's numbers."
    lines += ["", *(f"- **{status}**: {meaning}" for status, meaning in STATUS_MEANS.items())]
    for paper in PAPERS:
        lines += ["", f"## {paper.citation}", "", f"<{paper.url}>", ""]
        lines += ["| where | statement | status | found | formula | claims | figure |", "|---|---|---|---|---|---|---|"]
        for s in paper.statements:
            claims = ", ".join(f"`{c}`" for c in s.claims)
            theory, figure = (f"`{name}`" if name else "" for name in (s.theory, s.figure))
            found = prose.rendered(s.finding, paper.key)
            lines.append(_row(s.where, s.says, s.status, found, theory, claims, figure))
    return "\n".join(lines) + "\n"


def notation() -> str:
    lines = ["# The papers' symbols and ours", "", "Generated. *Mislabelled* means t != y. The same letter can mean"]
    lines[-1] += " different things in two papers, or in a paper and its code."
    lines += ["", "| paper | its symbol | here | meaning |", "|---|---|---|---|"]
    lines += [_row(p.key, theirs, f"`{ours}`", meaning) for p in PAPERS for theirs, ours, meaning in p.symbols]
    return "\n".join(lines) + "\n"


def scope() -> str:
    return prose.rendered((ROOT / "docs" / "scope.template.md").read_text())


def report() -> str:
    """The report, with how many statements of every paper have which status."""
    lines = [_row("statements", *STATUS_MEANS), _row(*["---"] * (1 + len(STATUS_MEANS)))]
    for paper in PAPERS:
        counts = [sum(s.status == status for s in paper.statements) for status in STATUS_MEANS]
        lines.append(_row(paper.key, *(str(count or "") for count in counts)))
    text = prose.rendered((ROOT / "docs" / "report.template.md").read_text())
    return text.replace("<!-- statuses -->", "\n".join(lines))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def held_out() -> str:
    """What came of the trainings of tests/evidence/held_out.py."""
    kept = json.loads((ROOT / "tests" / "evidence" / "held_out.json").read_text())
    trainings, names = kept["trainings"], ("test_accuracy", "clean_accuracy", "mislabelled_accuracy")
    within = sum(t["excess"] <= 0 for t in trainings)
    lines = [
        f"Rules, sizes and step sizes drawn by name, d = {kept['d']}, {kept['seeds']} seeds each. {within} of "
        f"{len(trainings)} stay within .3 points of test accuracy and 1 point of the accuracies on clean and "
        "mislabelled training examples, plus three standard errors, at every epoch. Columns: the largest difference "
        "between the mean over seeds and the prediction, in points. "
        f"`{kept['command']}` ({kept['machine']}, {kept['date']}).",
        "",
        "| rule | n/d | epochs | test | clean | mislabelled | within |",
        "|---|---|---|---|---|---|---|",
    ]
    for t in trainings:
        gaps = (f"{100 * t[name]:.2f}" for name in names)
        within_it = "yes" if t["excess"] <= 0 else "no"
        lines.append(_row(t["rule"], f"{t['n'] / kept['d']:.2f}", str(t["training"]["epochs"]), *gaps, within_it))
    return "\n".join(lines) + "\n"


def held_out_networks() -> str:
    """What came of the trainings of tests/evidence/held_out_networks.py."""
    kept = json.loads((ROOT / "tests" / "evidence" / "held_out_networks.json").read_text())
    trainings, names = kept["trainings"], ("test_accuracy", "clean_accuracy", "mislabelled_accuracy", "last_norm")
    within = sum(t["excess"] <= 0 for t in trainings)
    lines = [
        f"Data, steps and weights drawn by name, d = {kept['d']}, {kept['seeds']} seeds each, none near collapse. "
        f"{within} of {len(trainings)} stay within .4 points of test accuracy, 1.2 points of the accuracies on clean "
        "and mislabelled training examples and 1 % of ‖v‖, plus three standard errors, at every step. Columns: the "
        "largest difference between the mean over seeds and the prediction, in points, and of ‖v‖ in per cent. "
        f"`{kept['command']}` ({kept['machine']}, {kept['date']}).",
        "",
        "| rule | units | labels | n/d | steps | test | clean | mislabelled | ‖v‖ | within |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for t in trainings:
        about = (t["rule"], f"{t['K']} {t['unit']}", t["labels"], f"{t['n'] / kept['d']:.2f}")
        gaps = (f"{100 * t[name]:.2f}" for name in names)
        within_it = "yes" if t["excess"] <= 0 else "no"
        lines.append(_row(*about, str(t["training"]["epochs"]), *gaps, within_it))
    return "\n".join(lines) + "\n"


def with_block(path: Path, name: str, content: str, text: str | None = None) -> str:
    """A file, or its text, with what stands between its marks of a name."""
    block = re.compile(rf"(<!-- {name}: .*? -->\n).*?(<!-- /{name} -->)", re.S)
    text, count = block.subn(lambda m: m[1] + content + m[2], path.read_text() if text is None else text)
    assert count == 1
    return text


def readme() -> str:
    return with_block(README, "findings", findings())


def mean_field() -> str:
    return with_block(ROOT / "docs" / "mean_field.md", "held out", held_out())


def mean_field_networks() -> str:
    return with_block(ROOT / "docs" / "mean_field_networks.md", "held out", held_out_networks())


def factors() -> str:
    path, text = ROOT / "docs" / "factors.md", None
    for block, name in (("two cores", "two_cores"), ("gpu", "h200")):
        text = with_block(path, block, "\n".join(record.table(record.read(name))) + "\n", text)
    return text or ""


DOCUMENTS = {
    README: readme,
    ROOT / "docs" / "checks.md": checks_page.page,
    **{
        ROOT / "docs" / f"{function.__name__}.md": function
        for function in (statements, notation, scope, report, mean_field, mean_field_networks, factors)
    },
}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_what_is_generated_is_current(path: Path) -> None:
    assert path.read_text() == DOCUMENTS[path]()


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_of_the_kept_data(name: str) -> None:
    """Up to what another processor rounds: hardly a pixel."""
    kept, drawn = (image.imread(BytesIO(content)) for content in ((ROOT / "docs" / name).read_bytes(), picture(name)))
    assert kept.shape == drawn.shape
    assert np.abs(kept - drawn).mean() < 1e-4


def test_the_readme_is_short() -> None:
    assert len(README.read_bytes()) <= 8000


def test_no_measured_number_is_typed() -> None:
    """Of the README what is written by hand, without code and the years of papers; of the scope its template."""
    text = re.sub(
        r"<!-- findings.*/findings -->|```.*?```|`[^`]*`|\]\([^)]*\)|\b20\d\d\b", "", README.read_text(), flags=re.S
    )
    assert typed(text) == ["3.11"]  # of Python
    left = {name: typed((ROOT / "docs" / f"{name}.template.md").read_text()) for name in ("scope", "report")}
    assert left == {"scope": ["4.1"], "report": ["95", "30"]}  # a proposition; per cent, of intervals and labels


def test_the_example_runs_and_prints_an_exact_agreement(capsys) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    assert sum(bool(line) for line in example.splitlines()) <= 12
    exec(compile(example, "README.md", "exec"), {})
    error, accuracy = map(float, capsys.readouterr().out.split())
    assert error < 1e-14
    assert 0.5 < accuracy < 1


def test_commands_and_files_it_names_exist() -> None:
    text = README.read_text()
    make = (ROOT / "Makefile").read_text()
    assert all(f"\n{target}:" in make for target in re.findall(r"make ([a-z]+)\b", text) if target != "it")
    for path in re.findall(r"`((?:spec|theory|sims|tests|docs|notebooks)/[\w./]+)`|\]\((docs/[\w.]+)\)", text):
        assert (ROOT / "".join(path)).exists(), path


if __name__ == "__main__" and "--write" in sys.argv:
    for path, function in DOCUMENTS.items():
        path.write_text(function())
    for name in PICTURES:
        (ROOT / "docs" / name).write_bytes(picture(name))
