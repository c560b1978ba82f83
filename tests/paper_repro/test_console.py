"""What the terminal shows, whatever it can show."""

import io
import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from rich.console import Console

from paper_repro import __main__ as cli
from paper_repro import console, papers
from spec.validation import InputWarning


@pytest.mark.parametrize("width", [20, 80])
def test_the_plan_is_whole_on_narrow_terminals_and_in_pipes(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(console, "out", Console(file=shown, width=width, soft_wrap=True, highlight=False))
    console.show_plan([(e, e.config["smoke"]) for e in papers.experiments()], "smoke")
    rows = [line for line in shown.getvalue().splitlines() if "│" in line]
    assert len(rows) == len(papers.experiments()) + 1
    for row, experiment in zip(rows, papers.experiments(), strict=False):
        cells = [cell.strip() for cell in row.strip("│").split("│")]
        assert cells[0] == experiment.id
        assert cells[1] == str(experiment.units(experiment.config["smoke"]))
        assert len(cells) == 5
    assert "…" not in shown.getvalue()


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_a_terminal_cannot_print_is_replaced(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, errors="strict"))
    with pytest.raises(UnicodeEncodeError):
        print("ρ → ∞")
    console.replace_unprintable()
    print("ρ → ∞")
    sys.stdout.flush()
    assert b"? ? ?" in raw.getvalue()


def test_a_plain_terminal_lists_everything(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "LC_ALL": "C", "COLUMNS": "40"}
    command = [sys.executable, "-m", "paper_repro", "list"]
    ended = subprocess.run(command, capture_output=True, env=environment, check=False)
    assert ended.returncode == 0, ended.stderr
    assert all(e.id.encode() in ended.stdout for e in papers.experiments())


@pytest.mark.parametrize(
    "words", [("list", "--all"), ("find", "a"), ("show", "baek2024"), ("explain", "baek2024.lemma_3_1")]
)
def test_a_reader_that_stops_reading_ends_a_command_without_a_word(words: tuple[str, ...]) -> None:
    """As in `repro list | head`: nobody reads on."""
    reading, writing = os.pipe()
    os.close(reading)
    command = [sys.executable, "-m", "paper_repro", *words]
    ended = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert ended.stderr == ""
    assert ended.returncode in (0, 1)


def test_warnings_are_sentences(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["repro", "list"])
    monkeypatch.setattr(cli, "app", lambda: warnings.warn(InputWarning("the folder holds less"), stacklevel=1))
    before = warnings.showwarning
    cli.main()
    assert warnings.showwarning is before
    assert capsys.readouterr().err == "warning: the folder holds less\n"


def test_too_little_memory_is_a_sentence(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fill() -> None:
        raise MemoryError("Unable to allocate 65 GB")

    monkeypatch.setattr(cli, "app", fill)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert "must fit the memory, and does not (Unable to allocate 65 GB)" in capsys.readouterr().err
