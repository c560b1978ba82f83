"""Commands that the docs name exist, with their options."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from paper_repro.__main__ import app
from paper_repro.source import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"\brepro (\w+)([^`\n]*(?:\\\n[^`\n]*)*)")
KNOWN = get_command(app).commands  # type: ignore[attr-defined]


def used(text: str) -> list[tuple[str, list[str]]]:
    """Every `repro NAME ...` in code, with the options that follow it."""
    code = "\n".join(re.findall(r"```sh\n.*?```|`[^`\n]+`", text, re.S))
    return [(name, re.findall(r"(?<=\s)--[a-z]+", rest.split(" #")[0])) for name, rest in COMMAND.findall(code)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_and_options_exist(page: Path) -> None:
    for name, options in used(page.read_text("utf-8")):
        assert name in KNOWN, name
        known = {option for parameter in KNOWN[name].params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert set(options) <= known, (name, options)


def test_they_are_found() -> None:
    assert used("a `repro run x --seeds 3 --nope` and ```sh\nrepro find y  # --no option\n```") == [
        ("run", ["--seeds", "--nope"]),
        ("find", []),
    ]
    assert sum(len(used(page.read_text("utf-8"))) for page in PAGES) > 30
