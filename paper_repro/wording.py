"""What a paper's page says beside its statements, where it has a file for it: a summary, and formulas typeset.

<paper>/page.toml    [summary]   claims, holds, fails: texts with fields for numbers (paper_repro.prose)
                     [formulas]  LaTeX for the functions that statements name; their docstrings have it in plain text
pages/explorer.toml  [formulas]  for those of the explorer's panels
"""

import ast
import inspect
import tomllib
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

from latex2mathml import converter
from markupsafe import Markup

from paper_repro.registry import Paper
from paper_repro.source import ROOT

HEADS = {"claims": "What it claims", "holds": "What holds, and at which scale", "fails": "What does not, or is open"}


class Formula(NamedTuple):
    """typeset: as MathML, empty where there is no LaTeX for it; says: what its function says of it.

    place: file and line; link: the file's address here.
    """

    typeset: Markup
    says: str
    place: str
    link: str


def summary(paper: Paper) -> dict[str, str]:
    """Head and text, whose fields are still to be rendered; of a paper without a summary nothing."""
    said = _texts(paper.key).get("summary")
    return {head: said[name] for name, head in HEADS.items()} if said else {}


def formulas(page: str) -> dict[str, str]:
    """LaTeX by the names of functions."""
    return dict(_texts(page).get("formulas", {}))


@cache
def formula(page: str, theory: str) -> Formula:
    """The formula that a function states, on the page of a paper or of the explorer.

    Raises LookupError where there is no such function.
    """
    file, line, says = _found(theory)
    latex = formulas(page).get(theory)
    typeset = converter.convert(latex, display="block") if latex else ""
    return Formula(Markup(typeset), says, f"{file.relative_to(ROOT)}:{line}", file.as_uri())


def place_of(function: Callable[..., Any]) -> str:
    """File and line of a function of the project, whatever wraps it."""
    while isinstance(function, partial):
        function = function.func
    code = inspect.unwrap(function).__code__
    return f"{Path(code.co_filename).relative_to(ROOT)}:{code.co_firstlineno}"


@cache
def _texts(page: str) -> dict[str, Any]:
    folder = ROOT / "paper_repro"
    file = folder / "pages" / "explorer.toml" if page == "explorer" else folder / page / "page.toml"
    return tomllib.loads(file.read_text("utf-8")) if file.exists() else {}


def _found(theory: str) -> tuple[Path, int, str]:
    """File, line and first sentences of a function or class, read and not imported; re-exports are followed."""
    module, _, name = theory.rpartition(".")
    place = ROOT.joinpath(*module.split("."))
    file = place.with_suffix(".py") if place.with_suffix(".py").exists() else place / "__init__.py"
    for node in ast.parse(file.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name == name:
            return file, node.lineno, (ast.get_docstring(node) or "").split("\n\n")[0]
        if isinstance(node, ast.ImportFrom) and name in {alias.asname or alias.name for alias in node.names}:
            return _found(f"{node.module}.{name}")
    raise LookupError(f"there is no {name} in {file}")
