"""Which code a number depends on: every relevant change shows, and no other does. On packages made up for it."""

import ast
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from paper_repro.source import ROOT, SOURCE, Source

FILES = {
    "spec/__init__.py": '"""Records."""\n',
    "spec/records.py": "RATE = 1.0\n",
    "spec/unrelated.py": "OTHER = 1\n",
    "theory/__init__.py": "",
    "theory/formula.py": "from spec.records import RATE\n\n\ndef rate(n):\n    return RATE * n\n",
    "sims/__init__.py": "from sims import registered\n",
    "sims/registered.py": "from sims import rules\n\nRULES = (1, 2)\n",
    "sims/rules/__init__.py": "for _module in iter_modules(__path__):\n    import_module(_module.name)\n",
    "sims/rules/one.py": "from spec.records import RATE\n",
    "sims/train.py": '"""Training."""\n\nimport sims.deep.step as step\n\n\ndef run(n):\n    return step.go(n)\n',
    "sims/deep/__init__.py": "",
    "sims/deep/step.py": "from . import inner\n\n\ndef go(n):\n    return inner.VALUE * n\n",
    "sims/deep/inner.py": "VALUE = 2\n",
    "figures/__init__.py": "",
    "figures/draw.py": "COLOUR = 'red'\n",
    "paper_repro/__init__.py": "",
    "paper_repro/comparison.py": "def gap(a, b):\n    return a - b\n",
    "paper_repro/paper/__init__.py": "from paper_repro.paper.collected import PAPER\n",
    "paper_repro/paper/collected.py": "from paper_repro.paper import claims, experiment as e\n\nPAPER = (claims, e)",
    "paper_repro/paper/claims.py": "CLAIMS = ()\n",
    "paper_repro/paper/reported.json": '{"reported": 1}\n',
    "paper_repro/paper/reference/experiment.json": "{}\n",
    "paper_repro/other/__init__.py": "",
    "paper_repro/other/shared.py": "LAW = 3\n",
    "paper_repro/paper/experiment.py": '''"""What the paper runs."""

from figures import draw
from paper_repro import comparison


def run(n):
    """Docstring."""
    from paper_repro.other import shared
    import theory.formula
    from sims.train import run as trained

    # A comment.
    table = open("reported.json")
    return comparison.gap(trained(n), theory.formula.rate(n)), shared.LAW, table, draw
''',
}
RELEVANT = [
    ("paper_repro/paper/experiment.py", "shared.LAW,", "-shared.LAW,"),
    ("paper_repro/comparison.py", "a - b", "b - a"),
    ("paper_repro/other/shared.py", "3", "4"),
    ("paper_repro/paper/reported.json", "1", "2"),
    ("theory/formula.py", "RATE * n", "RATE / n"),
    ("spec/records.py", "1.0", "2.0"),
    ("sims/train.py", "step.go(n)", "step.go(n + 1)"),
    ("sims/deep/step.py", "* n", "+ n"),
    ("sims/deep/inner.py", "2", "3"),
    ("sims/deep/__init__.py", "", "import os\n\nos.environ['A'] = '1'\n"),
    ("sims/registered.py", "1, 2", "2, 1"),
    ("sims/rules/one.py", "RATE", "RATE as R"),
    ("sims/__init__.py", "registered", "registered, deep"),
    ("paper_repro/paper/__init__.py", "import PAPER\n", "import PAPER\n\nPAPER += (1,)\n"),
]
IRRELEVANT = [
    ("paper_repro/paper/experiment.py", '"""Docstring."""', '"""Another."""'),
    ("paper_repro/paper/experiment.py", "# A comment.", "# Another.  # noqa"),
    ("paper_repro/paper/experiment.py", "def run(n):", "def run(\n    n\n):\n"),
    ("paper_repro/paper/experiment.py", '"""What the paper runs."""', ""),
    ("sims/train.py", '"""Training."""', "'''Of networks.'''"),
    ("spec/unrelated.py", "1", "2"),
    ("figures/draw.py", "red", "blue"),
    ("paper_repro/paper/claims.py", "()", "(1,)"),
    ("paper_repro/paper/collected.py", "(claims, e)", "(e, claims)"),
    ("paper_repro/paper/reference/experiment.json", "{}", "[]"),
]


def read(root: Path, changed: tuple[str, str, str] | None = None) -> dict[str, str]:
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if changed and changed[0] == name:
            assert changed[1] in text
            text = text.replace(changed[1], changed[2]) if changed[1] else changed[2] + text
        path.write_text(text)
    return Source(root).of("paper_repro.paper.experiment")


@pytest.mark.parametrize("changed", RELEVANT, ids=lambda c: f"{c[0]}: {c[2]!r}")
def test_a_change_that_can_change_a_number_shows(tmp_path: Path, changed: tuple[str, str, str]) -> None:
    before = read(tmp_path)
    after = read(tmp_path, changed)
    name = changed[0] if changed[0].endswith("json") else changed[0][:-3].replace("/", ".").removesuffix(".__init__")
    assert before[name] != after[name]


@pytest.mark.parametrize("changed", IRRELEVANT, ids=lambda c: f"{c[0]}: {c[2]!r}")
def test_a_change_that_cannot_does_not(tmp_path: Path, changed: tuple[str, str, str]) -> None:
    assert read(tmp_path) == read(tmp_path, changed)


def test_a_data_file_that_no_module_names_counts_for_its_folder(tmp_path: Path) -> None:
    read(tmp_path)
    (tmp_path / "paper_repro/paper/points.csv").write_text("1")
    assert "paper_repro/paper/points.csv" in Source(tmp_path).of("paper_repro.paper.claims")
    assert "paper_repro/paper/points.csv" not in Source(tmp_path).of("paper_repro.other.shared")


def test_kept_numbers_are_no_code_even_of_a_run_that_has_the_name_of_a_data_file() -> None:
    found = SOURCE.of("paper_repro.xu2026.experiments.curves")
    assert "paper_repro/xu2026/fig1.json" in found
    assert not [name for name in found if "reference" in name.split("/")]


def test_source_is_what_it_was_when_the_process_started(tmp_path: Path) -> None:
    read(tmp_path)
    source = Source(tmp_path)
    read(tmp_path, RELEVANT[0])
    assert source.of("paper_repro.paper.experiment") == read(tmp_path)


def test_several_threads_may_ask_at_once() -> None:
    source, names = Source(ROOT), [f"theory.{file.stem}" for file in (ROOT / "theory").glob("*.py")]
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(source.of, names))
    assert found == [SOURCE.of(name) for name in names]


def test_once_read_no_tree_is_built_any_more(monkeypatch: pytest.MonkeyPatch) -> None:
    source, expected = Source(ROOT), SOURCE.of("sims.train")
    source.read()
    monkeypatch.setattr("ast.parse", lambda *_: pytest.fail("a syntax tree is built"))
    assert source.of("sims.train") == expected


def test_training_depends_on_every_module_that_registers_a_meaning() -> None:
    files = {file: ast.walk(ast.parse(file.read_text())) for file in (ROOT / "sims").rglob("*.py")}
    registering = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for file, nodes in files.items()
        if any(isinstance(node, ast.Attribute) and node.attr == "register" for node in nodes)
    }
    assert len(registering) >= 8
    assert registering <= SOURCE.of("sims.runs").keys()


PAGE = ROOT / "paper_repro" / "page.py"


def test_modules_are_imported_by_names_in_the_source_or_all_of_a_package() -> None:
    """Other imports would be left out of the keys."""
    for package in ("spec", "theory", "sims", "paper_repro"):
        for file in (ROOT / package).rglob("*.py"):
            text = file.read_text()
            assert "__import__" not in text, file
            whole = file.name == "__init__.py" and "iter_modules(" in text
            assert "import_module" not in text or whole or file == PAGE, file


def test_no_number_depends_on_the_page() -> None:
    """So it may import by name what a statement names."""
    assert "paper_repro.page" not in SOURCE.of("paper_repro.papers")


WRITTEN = '''
from dataclasses import dataclass

@dataclass(frozen=True)
class Law:
    """Text."""
    rho: float = 0.1

    def of(self, *x: float, name: str = "", **more: object) -> str:
        return f"{self.rho:.3g} {name!r}" + ", ".join(f"{v}" for v in x if v is not None)

async def later(): return [await one async for one in many()]
step = lambda w, /, g, *, eta=1e-1: {**w, "w": w["w"] - eta * g}
'''


def test_a_digest_is_of_the_code_and_not_of_the_python_that_reads_it(tmp_path: Path) -> None:
    (tmp_path / "theory").mkdir()
    (tmp_path / "theory/law.py").write_text(WRITTEN)
    assert Source(tmp_path).of("theory.law") == {"theory.law": "8e888bd0eb4d510d"}  # by 3.11, 3.12 and 3.13
