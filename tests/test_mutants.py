"""The slips of `make mutants`: they apply, their tests exist, every module has one; and a survivor is an error."""

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.mutants import __main__ as mutants
from tests.mutants.slips import FILE, ROOT, Applied, Slip, load, occurrences

SLIPS = load()
ROOMS = ("spec", "theory", "sims", "paper_repro")


def computes(file: Path) -> bool:
    """Whether a module has a function with a body; records that only declare fields have none."""
    functions = [node for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)]
    return any(ast.unparse(function.body[-1]) != "..." for function in functions)


MODULES = [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py")) if computes(file)]


@pytest.mark.parametrize("slip", SLIPS, ids=lambda s: f"{s.file}: {s.what}")
def test_a_slip_applies_once_and_its_tests_exist(slip: Slip) -> None:
    assert occurrences(slip) == 1
    assert slip.put != slip.find
    assert slip.tests
    for test in slip.tests:
        file, _, name = test.partition("::")
        assert (ROOT / file).is_file(), test
        assert not name or f"def {name.partition('[')[0]}(" in (ROOT / file).read_text(), test


def test_no_slip_is_there_twice() -> None:
    assert len({(slip.file, slip.find, slip.put) for slip in SLIPS}) == len(SLIPS)
    assert len({(slip.file, slip.what) for slip in SLIPS}) == len(SLIPS)


@pytest.mark.parametrize("module", MODULES, ids=lambda f: str(f.relative_to(ROOT)))
def test_every_module_has_a_slip(module: Path) -> None:
    """A module without one: add a slip to slips.toml, and the test that it turns red."""
    assert str(module.relative_to(ROOT)) in {slip.file for slip in SLIPS}


# ---------------------------------------------------------------- what applies them


HALF = Slip("half", "half.py", "return x / 2", "return x", ("test_half.py",))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A tree with one module and one test."""
    (tmp_path / "half.py").write_text("def half(x):\n    return x / 2  # zero, too\n")
    (tmp_path / "test_half.py").write_text("from half import half\n\n\ndef test_half():\n    assert half(4) == 2\n")
    return tmp_path


def test_a_slip_is_undone(project: Path) -> None:
    file = project / "half.py"
    before = file.read_bytes(), file.stat().st_mtime_ns
    applied = Applied(HALF, project)
    assert "return x  #" in file.read_text()
    applied.undo()
    assert (file.read_bytes(), file.stat().st_mtime_ns) == before


def outcomes(project: Path, slips: list[Slip]) -> subprocess.CompletedProcess[str]:
    """What becomes of slips, in a process that has not started JAX, as it is when slips are applied."""
    script = "import pathlib, sys; from tests.mutants.__main__ import run; from tests.mutants.slips import Slip\n"
    script += f"slips = {[tuple(slip) for slip in slips]!r}\n"
    script += "for one in run([Slip(*s) for s in slips], pathlib.Path(sys.argv[1]), 1): print(one.verdict, one.says)"
    command = [sys.executable, "-c", script, str(project)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)


def test_slips_turn_red_survive_or_are_lost(project: Path) -> None:
    slips = [HALF, HALF._replace(find="zero", put="nought"), HALF._replace(find="return 2 * x")]
    lines = outcomes(project, slips).stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["red", "SURVIVES", "LOST"]
    assert lines[2].endswith("occurs 0 times")


def test_a_test_that_is_red_anyway_says_nothing(project: Path) -> None:
    (project / "test_half.py").write_text("def test_half():\n    assert False\n")
    found = outcomes(project, [HALF])
    assert found.returncode == 1
    assert not found.stdout
    assert "without any slip the tests must be green" in found.stderr


@pytest.mark.parametrize(("verdicts", "code"), [(["red", "red"], 0), (["red", "SURVIVES"], 1), (["LOST", "red"], 1)])
def test_only_red_is_success(verdicts: list[str], code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "slips.toml"
    file.write_text(
        "\n".join(
            f"[[slip]]\nwhat = '{v} {k}'\nfile = ''\nfind = ''\nput = ''\ntests = []" for k, v in enumerate(verdicts)
        )
    )
    monkeypatch.setattr(mutants, "prepare", lambda: None)
    monkeypatch.setattr(
        mutants, "run", lambda slips, *_: (mutants.Outcome(s, s.what.split()[0], 1.0, "") for s in slips)
    )
    assert mutants.main([], file=file) == code
    keep = ["--keep", str(tmp_path / "red.jsonl")]
    assert [mutants.main(keep, file=file) for _ in range(2)] == [code, code]
    assert [one["verdict"] for one in mutants.kept(tmp_path / "red.jsonl").values()] == verdicts


def test_what_survived_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried, verdicts = [], iter(["red", "SURVIVES", "red"])

    def run(slips: list[Slip], *_: object) -> Iterator[mutants.Outcome]:
        for slip in slips:
            tried.append(slip.what)
            yield mutants.Outcome(slip, next(verdicts), 1.0, "")

    monkeypatch.setattr(mutants, "prepare", lambda: None)
    monkeypatch.setattr(mutants, "run", run)
    file, keep = tmp_path / "slips.toml", tmp_path / "red.jsonl"
    file.write_text("".join(f"[[slip]]\nwhat = '{k}'\nfile = ''\nfind = ''\nput = ''\ntests = []\n" for k in "ab"))
    assert [mutants.main(["--keep", str(keep)], file=file) for _ in range(3)] == [1, 0, 0]
    assert tried == ["a", "b", "b"]
    assert [(one["first"], one["verdict"]) for one in mutants.kept(keep).values()] == [
        ("red",) * 2,
        ("SURVIVES", "red"),
    ]


def test_the_file_says_no_more_than_slips() -> None:
    assert list(tomllib.loads(FILE.read_text())) == ["slip"]
