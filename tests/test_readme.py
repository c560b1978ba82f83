"""The README is true: its table is generated, its example runs, its commands exist. --write renews the table."""

import re
import sys
from pathlib import Path

from paper_repro.papers import PAPERS

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
BLOCK = re.compile(r"(<!-- statements: .*? -->\n).*?(<!-- /statements -->)", re.S)


def table() -> str:
    lines = ["| paper | statement | formula | claims | figure | found |", "|---|---|---|---|---|---|"]
    for paper in PAPERS:
        for s in paper.statements:
            claims = ", ".join(f"`{c}`" for c in s.claims)
            figure = f"`{s.figure}`" if s.figure else ""
            says, verdict = (text.replace("|", "\\|") for text in (s.says, s.verdict))
            lines.append(f"| {paper.key}: {s.where} | {says} | `{s.theory}` | {claims} | {figure} | {verdict} |")
    return "\n".join(lines) + "\n"


def renewed(text: str) -> str:
    return BLOCK.sub(lambda m: m[1] + table() + m[2], text)


def test_the_table_is_current() -> None:
    text = README.read_text()
    assert BLOCK.search(text)
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
