"""The house rules, enforced on the source itself."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("spec", "theory", "sims", "figures", "paper_repro", "benchmarks", "notebooks")
FORBIDDEN = {
    "spec": {"theory", "sims", "figures", "paper_repro", "jax", "optax", "scipy", "matplotlib", "xarray"},
    "theory": {"sims", "figures", "paper_repro", "jax", "optax", "matplotlib"},
    "sims": {"theory", "figures", "paper_repro", "scipy", "matplotlib", "sympy"},
    "figures": {"theory", "sims", "paper_repro", "jax", "optax", "scipy", "sympy"},
    "paper_repro": {"tests", "benchmarks", "notebooks"},
}
FILES = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py"))]


def imported(tree: ast.AST) -> set[str]:
    """Top-level names of every import, also those inside functions."""
    names = {a.name.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    return names | {n.module.split(".")[0] for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_imports_go_one_way(file: Path) -> None:
    room = file.relative_to(ROOT).parts[0]
    assert not imported(ast.parse(file.read_text())) & FORBIDDEN.get(room, set())


def test_the_rule_would_catch_an_import_inside_a_function() -> None:
    tree = ast.parse("def f():\n    from sims.rules import gradient\n    import jax.numpy as jnp\n")
    assert imported(tree) & FORBIDDEN["theory"] == {"sims", "jax"}


def test_every_room_is_looked_at() -> None:
    assert {f.relative_to(ROOT).parts[0] for f in FILES} >= {"spec", "theory", "sims", "figures", "paper_repro"}


PAPERS = sorted(file.parent.name for file in (ROOT / "paper_repro").glob("*/paper.py"))


def modules(tree: ast.AST) -> set[str]:
    """Every module that is named by an import, in full."""
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    froms = [n for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module]
    return names | {f"{n.module}.{a.name}" for n in froms for a in n.names}


@pytest.mark.parametrize("paper", PAPERS)
def test_no_paper_imports_another(paper: str) -> None:
    others = tuple(f"paper_repro.{other}." for other in PAPERS if other != paper)
    files = sorted((ROOT / "paper_repro" / paper).rglob("*.py"))
    found = {str(f): [m for m in modules(ast.parse(f.read_text())) if m.startswith(others)] for f in files}
    assert {name: names for name, names in found.items() if names} == {}


ROOMS_OF_MODULES = [
    *(file for top in ("spec", "theory", "sims") for file in sorted((ROOT / top).rglob("__init__.py"))),
    ROOT / "paper_repro" / "__init__.py",
    ROOT / "paper_repro" / "shared" / "__init__.py",
]


@pytest.mark.parametrize("file", ROOMS_OF_MODULES, ids=lambda f: str(f.parent.relative_to(ROOT)))
def test_a_room_names_all_that_is_in_it(file: Path) -> None:
    contents = ast.get_docstring(ast.parse(file.read_text())) or ""
    files = {f.stem for f in file.parent.glob("*.py")} | {f.parent.name for f in file.parent.glob("*/__init__.py")}
    assert sorted(files - {"__init__"} - set(re.findall(r"\w+", contents))) == []


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_functions_stay_short_and_nothing_is_unpickled(file: Path) -> None:
    tree = ast.parse(file.read_text())
    functions = [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)]
    assert [f.name for f in functions if f.end_lineno - f.lineno >= 60] == []
    assert not imported(tree) & {"pickle", "dill", "joblib", "shelve"}


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(ROOT)))
def test_public_functions_say_what_they_do(file: Path) -> None:
    tree = ast.parse(file.read_text())
    public = [n for n in tree.body if isinstance(n, ast.FunctionDef | ast.ClassDef) and not n.name.startswith("_")]
    # Notebook-like lambdas and singledispatch branches carry an underscore; everything else explains itself.
    silent = [n.name for n in public if ast.get_docstring(n) is None]
    assert silent == []
