"""The steps of docs/how_to_rule.md, made on a copy of the project: the contract suite then runs on the new rule."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "how_to_rule.md").read_text()
STEPS = re.findall(r"```python\n# (\S+)\n(.*?)```", PAGE, re.S)
SUITE = "tests/sims/rules/test_rule_contract.py"


def edited(text: str, step: str) -> str:
    """A file after a step: the step at its end, or its list begun as the step begins it."""
    imports, start, rest = step.partition("COMPOSED = [\n")
    if not start:
        return f"{text}\n\n{step}"
    before, found, after = text.partition(start)
    assert found
    return before.replace("\nfrom spec", f"\n{imports}from spec", 1) + start + rest + after


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for folder in ("spec", "sims", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def outcome(project: Path, which: str) -> str:
    """The last lines of the contract suite, run in the project on some of its tests."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "not evidence", SUITE, "-k", which]
    return subprocess.run(command, cwd=project, capture_output=True, text=True, check=False).stdout[-2000:]


def test_a_rule_takes_three_edits() -> None:
    assert [path for path, _ in STEPS] == ["spec/rules/family.py", "sims/rules/family.py", "tests/cases.py"]


def test_the_steps_give_a_rule_that_keeps_the_contract(project: Path) -> None:
    for i, (path, step) in enumerate(STEPS):
        if i == 2:  # the line in tests/cases.py is asked for
            assert "1 failed" in outcome(project, "left_out")
        file = project / path
        file.write_text(edited(file.read_text(), step))
    passed = re.search(r"^(\d+) passed, \d+ deselected", outcome(project, "left_out or Usam"), re.M)
    assert passed
    assert int(passed[1]) > 20
