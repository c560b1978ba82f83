"""Ctrl-C: one press, a few seconds, one sentence, and nothing that was finished is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from paper_repro.files import load

SCRIPT, ROOT = Path(__file__).with_name("slow_experiment.py"), Path(__file__).resolve().parents[2]


def test_one_press_keeps_what_is_finished_and_what_finishes_meanwhile(tmp_path: Path) -> None:
    command = [sys.executable, str(SCRIPT), "run", "--preset", "smoke", "--jobs", "3", "--out"]
    results, started = tmp_path / "results", tmp_path / "started"
    started.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "STARTED": str(started)}
    process = subprocess.Popen(
        [*command, str(results)], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    parts = results / "parts" / "made.up"
    deadline = time.monotonic() + 120

    def under_way() -> bool:
        return bool(list(parts.glob("*.nc"))) and {path.name for path in started.iterdir()} == {"0.1", "1.0", "60.0"}

    while not under_way() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    pressed = time.monotonic()
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - pressed < 10
    assert process.returncode == 130, err
    assert err.splitlines()[-1] == "stopped; finished parts are kept, the same command continues"
    assert "Traceback" not in out + err
    assert {float(load(path)["waited"]) for path in parts.glob("*.nc")} == {0.1, 1.0}


PRESSED = """
import signal, time
from paper_repro import __main__ as cli

class Dropped:
    {method}
        signal.raise_signal(signal.SIGINT)
        len(str(self))  # where the handler runs
        self.made = True

    {other}

def app():
    Dropped()
    time.sleep(60)

cli.app = app
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in a shell's background
cli.main()
"""


@pytest.mark.parametrize(
    ("method", "other"),
    [("def __del__(self):", ""), ("def __init__(self):", "__del__ = lambda self: self.made")],
    ids=["a finaliser, where it is not lost", "a constructor, whose finaliser then fails"],
)
def test_a_press_during(method: str, other: str) -> None:
    begin = time.monotonic()
    script = PRESSED.format(method=method, other=other)
    found = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert time.monotonic() - begin < 30
    assert (found.returncode, found.stderr) == (130, "stopped; finished parts are kept, the same command continues\n")
