"""The README is true: its table is generated, its example runs, its commands exist. --write renews the table."""

import re
import sys
from pathlib import Path

from paper_repro.papers import PAPERS

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"


def notation() -> str:
    lines = ["| paper | its symbol | here | meaning |", "|---|---|---|---|"]
    for paper in PAPERS:
        lines += [f"| {paper.key} | {theirs} | `{ours}` | {meaning} |" for theirs, ours, meaning in paper.symbols]
    return "\n".join(lines) + "\n"


def statements() -> str:
    lines = ["| paper | statement | formula | claims | figure | status | found |", "|---|---|---|---|---|---|---|"]
    for paper in PAPERS:
        for s in paper.statements:
            claims = ", ".join(f"`{c}`" for c in s.claims)
            theory, figure = (f"`{name}`" if name else "" for name in (s.theory, s.figure))
            says, finding = (text.replace("|", "\\|") for text in (s.says, s.finding))
            lines.append(
                f"| {paper.key}: {s.where} | {says} | {theory} | {claims} | {figure} | {s.status} | {finding} |"
            )
    return "\n".join(lines) + "\n"


def renewed(text: str) -> str:
    for table in (statements, notation):
        block = re.compile(rf"(<!-- {table.__name__}: .*? -->\n).*?(<!-- /{table.__name__} -->)", re.S)
        text, count = block.subn(lambda m, table=table: m[1] + table() + m[2], text)
        assert count == 1
    return text


def test_the_tables_are_current() -> None:
    text = README.read_text()
    assert renewed(text) == text


def test_the_example_runs_and_prints_an_exact_agreement(capsys) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.S)
    assert len(example.strip().splitlines()) <= 16
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
    README.write_text(renewed(README.read_text()))
