"""Docstrings as they are written here, for Sphinx: prose, formulas and tables in plain text, examples, backticks.

A paragraph that is indented, or whose lines are mostly in columns (two blanks within), stays as it is set; one that
begins with >>> is an example; all else is prose, in which nothing is markup but backticks. Names of claims lead to the
pages of evidence, names of modules to their entries. A function with a formula in LaTeX (page.toml) shows that first.
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Any

from sphinx.application import Sphinx

CODE = re.compile(r"``?([^`]+)``?|\b((?:spec|theory|sims|figures|paper_repro)(?:\.\w+)+)")
ARRAYS = re.compile(
    r"~?(?:numpy\.)?ndarray\[(?:~?(?:typing\.)?Any|~?tuple\[[^]]*\]), ~?(?:numpy\.)?dtype\[~?(?:numpy\.)?(\w+)\]\]"
)


def in_rest(docstring: str, claims: frozenset[str] = frozenset()) -> str:
    """A docstring without its indentation, in reStructuredText."""
    return "\n\n".join(_paragraph(p, claims) for p in re.split(r"\n\s*\n", docstring.strip("\n")) if p.strip())


def _paragraph(text: str, claims: frozenset[str]) -> str:
    lines = text.split("\n")
    if text.lstrip().startswith(">>>"):
        return "\n".join(_dedented(lines))
    if text.startswith(" ") or _in_columns(lines):
        return "\n".join([".. code-block:: text", "   :class: set", "", *(f"   {line}" for line in _dedented(lines))])
    if text.startswith("- "):
        return "\n".join(line[:2] + prose(line[2:], claims) for line in lines)
    return prose(" ".join(line.strip() for line in lines), claims)


def _dedented(lines: list[str]) -> list[str]:
    margin = min(len(line) - len(line.lstrip()) for line in lines if line.strip())
    return [line[margin:].rstrip() for line in lines]


def _in_columns(lines: list[str]) -> bool:
    return len(lines) > 1 and 2 * sum("  " in line.strip() for line in lines) >= len(lines)


def prose(text: str, claims: frozenset[str] = frozenset()) -> str:
    """A text in which backticks are the only markup, in reStructuredText."""
    return "".join(_pieces(text, claims))


def _pieces(text: str, claims: frozenset[str]) -> Iterator[str]:
    end = 0
    for match in CODE.finditer(text):
        yield _escaped(text[end : match.start()])
        yield rf"\ {_code(match[1] or match[2], claims)}\ "
        end = match.end()
    yield _escaped(text[end:])


def _escaped(text: str) -> str:
    return re.sub(r"([\\*_|`:]|^[-+•#](?= )|^\.\.(?= )|^\(?\w+[.)](?= ))", r"\\\1", text)


def _code(code: str, claims: frozenset[str]) -> str:
    if code in claims:
        return f"`{code} <../evidence/{code.split('.')[0]}.html#claim-{code}>`__"
    return f":py:obj:`{code}`" if re.fullmatch(r"[A-Za-z_][\w.]*", code) else f"``{code}``"


@cache
def _claims() -> frozenset[str]:
    from paper_repro import papers

    return frozenset(claim.id for claim in papers.claims())


@cache
def _formulas() -> dict[str, str]:
    from paper_repro import papers, wording

    return {
        name: tex
        for key in (*(p.key for p in papers.PAPERS), "explorer")
        for name, tex in wording.formulas(key).items()
    }


def _process(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    formula = [".. math::", "", f"   {_formulas()[name]}", ""] if name in _formulas() else []
    lines[:] = [*formula, *in_rest("\n".join(lines), _claims()).split("\n"), ""]


def short(signature: str) -> str:
    """A signature with arrays by the type of their numbers."""
    return ARRAYS.sub(r"Array[\1]", signature)


def _signature(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str | None, returns: str | None
) -> tuple[str | None, str | None]:
    return signature and short(signature), returns and short(returns)


def _skip(app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:
    """Fields of named tuples say nothing that the signature does not."""
    return True if type(thing).__name__ == "_tuplegetter" else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Listen to what autodoc finds."""
    app.connect("autodoc-process-docstring", _process)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
