"""Docstrings are true: examples print what they say, and formulas name the claims that check them (--write renews)."""

import ast
import doctest
import sys
import textwrap
from collections import defaultdict
from importlib import import_module
from pathlib import Path

import pytest

from paper_repro import papers

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("spec", "theory", "sims", "figures", "paper_repro")
FILES = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py")) if ">>> " in file.read_text("utf-8")]
OPENING = "Checked by "


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_examples_print_what_they_say(file: Path) -> None:
    module = import_module(".".join(file.relative_to(ROOT).with_suffix("").parts))
    failed, tried = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert tried > 0
    assert failed == 0


def checked() -> dict[Path, dict[str, list[str]]]:
    """The claims of every function that claims name, by file and name."""
    found: dict[Path, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for claim in papers.claims():
        module, name = claim.theory.rsplit(".", 1)
        found[Path(module.replace(".", "/") + ".py")][name].append(claim.id)
    return found


def renewed(text: str, claims: dict[str, list[str]]) -> str:
    """A source file whose functions name the claims that check them, before their example if they have one."""
    lines = text.split("\n")
    for node in reversed(ast.parse(text).body):
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and ast.get_docstring(node):
            doc = node.body[0]
            first, last = doc.lineno - 1, doc.end_lineno or 0
            lines[first:last] = with_claims(lines[first:last], claims.get(node.name, []))
    return "\n".join(lines)


def with_claims(doc: list[str], claims: list[str]) -> list[str]:
    """The lines of a docstring with the paragraph on its claims, and without an older one."""
    body = "\n".join(doc)[:-3].rstrip()
    paragraphs = [p for p in body.split("\n\n") if not p.strip().startswith(OPENING)]
    if claims:
        words = f"{OPENING}{', '.join(f'`{claim}`' for claim in claims)}."
        indent = {"initial_indent": "    ", "subsequent_indent": "    ", "break_on_hyphens": False}
        example = next((i for i, p in enumerate(paragraphs) if p.strip().startswith(">>>")), len(paragraphs))
        paragraphs.insert(example, "\n".join(textwrap.wrap(words, 120, break_long_words=False, **indent)))
    if len(paragraphs) == 1 and "\n" not in paragraphs[0]:
        return [paragraphs[0] + '"""']
    return ["\n\n".join(paragraphs), '    """']


@pytest.mark.parametrize("file", checked(), ids=str)
def test_formulas_name_the_claims_that_check_them(file: Path) -> None:
    text = (ROOT / file).read_text("utf-8")
    assert renewed(text, checked()[file]) == text


def test_only_claims_there_are_are_named() -> None:
    known = {claim.id for claim in papers.claims()}
    for file in (ROOT / "theory").rglob("*.py"):
        for paragraph in file.read_text("utf-8").split("\n\n"):
            if paragraph.strip().startswith(OPENING):
                named = paragraph.split('"""')[0].replace(OPENING, "").replace("`", "").strip().rstrip(".").split(",")
                assert {name.strip() for name in named} <= known, file


if __name__ == "__main__" and "--write" in sys.argv:
    for path, of in checked().items():
        (ROOT / path).write_text(renewed((ROOT / path).read_text("utf-8"), of), "utf-8")
