"""The code that a number depends on: modules by their transitive imports, without comments, docstrings and format."""

import ast
import hashlib
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from threading import Lock

ROOT = Path(__file__).resolve().parent.parent
# What can change a number. figures only draws, and is left out.
PACKAGES = ("spec", "theory", "sims", "paper_repro")
DATA = (".json", ".csv", ".txt", ".npy", ".npz")  # packaged data files, read by the modules they lie beside


class Source:
    """The packages under a folder, as they are when the object is made: what this process runs, if made at its start.

    of(*modules) gives a digest for each of these modules, of all that they import, wherever in the code they do it, and
    of the packaged data files that these name (of a file that none names, its folder's modules are taken to read it).
    A package's own __init__ counts as imported with each of its modules; the imports of a paper's __init__, which
    collects its experiments and claims, do not. A package that asks for iter_modules is taken to import all of its own.
    """

    def __init__(self, root: Path) -> None:
        files = [file for package in PACKAGES for file in sorted((root / package).rglob("*.py"))]
        self._text = {_dotted(file.relative_to(root)): file.read_bytes() for file in files}
        self._packages = {_dotted(file.relative_to(root)) for file in files if file.name == "__init__.py"}
        data = [file for package in PACKAGES for file in sorted((root / package).rglob("*")) if file.suffix in DATA]
        data = [file for file in data if file.parent.name != "reference"]  # kept numbers change none
        self._data = {str(file.relative_to(root)): _digest(file.read_bytes()) for file in data}
        self._readers = {str(file.relative_to(root)): self._readers_of(file.relative_to(root)) for file in data}
        self._read = cache(self._read_once)
        self._one_at_a_time = Lock()  # CPython 3.11 fails where two threads build syntax trees
        self.of = cache(self._of)

    def read(self) -> None:
        """Read every module now, before there are other threads that build syntax trees (inspect.signature does)."""
        for name in self._text:
            self._read(name)

    def _of(self, *modules: str) -> dict[str, str]:
        with self._one_at_a_time:
            return self._closure(modules)

    def _closure(self, modules: tuple[str, ...]) -> dict[str, str]:
        found: dict[str, str] = {}
        todo = list(modules)
        while todo:
            name = todo.pop()
            if name not in self._text or name in found:
                continue
            found[name], imports = self._read(name)
            parents = [*self._parents(name)]
            found |= {p: self._read(p)[0] for p in parents if p.startswith("paper_repro")}
            todo += [*imports, *(p for p in parents if not p.startswith("paper_repro"))]
        found |= {file: self._data[file] for file, readers in self._readers.items() if readers & found.keys()}
        return dict(sorted(found.items()))

    def _readers_of(self, file: Path) -> set[str]:
        """The modules that name a data file, or, where none does, all modules of its folder."""
        named = {name for name, text in self._text.items() if file.name.encode() in text}
        package = ".".join(file.parent.parts)
        return named or {n for n in self._text if n == package or n.rpartition(".")[0] == package}

    def _parents(self, name: str) -> Iterator[str]:
        while "." in name:
            name = name.rpartition(".")[0]
            if name in self._packages:
                yield name

    def _read_once(self, name: str) -> tuple[str, tuple[str, ...]]:
        tree = _WithoutText().visit(ast.parse(self._text[name]))
        return _digest(_dumped(tree).encode()), tuple(self._imports(name, tree))

    def _imports(self, name: str, tree: ast.AST) -> Iterator[str]:
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(name, node)
                for alias in node.names:
                    inner = f"{base}.{alias.name}"
                    yield inner if inner in self._text else base
            elif isinstance(node, ast.Name) and node.id == "iter_modules":
                yield from (inner for inner in self._text if inner.rpartition(".")[0] == name)

    def _base(self, name: str, node: ast.ImportFrom) -> str:
        """The absolute name of the module that an import takes names from."""
        if not node.level:
            return node.module or ""
        parts = name.split(".") if name in self._packages else name.split(".")[:-1]
        return ".".join([*parts[: len(parts) - node.level + 1], *([node.module] if node.module else [])])


class _WithoutText(ast.NodeTransformer):
    """Drops docstrings and other bare strings; comments and format are gone with parsing."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else node


def _dumped(tree: ast.AST) -> str:
    """As Python 3.11 dumps it: a digest is of the code, and not of the Python that reads it."""
    empty = {"show_empty": True} if sys.version_info >= (3, 13) else {}
    return ast.dump(tree, **empty).replace(", type_params=[]", "")


def _dotted(file: Path) -> str:
    return ".".join(file.with_suffix("").parts).removesuffix(".__init__")


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


SOURCE = Source(ROOT)
