"""Ctrl-C: one press, a few seconds, one sentence, and nothing that was finished is lost."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

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


PRESSED_IN_A_FINALISER = """
import signal, time
from paper_repro import __main__ as cli

class Dropped:
    def __del__(self):
        signal.raise_signal(signal.SIGINT)
        len(str(self))  # where the handler runs

def app():
    Dropped()
    time.sleep(60)

cli.app = app
cli.main()
"""


def test_a_press_during_a_finaliser_is_not_lost() -> None:
    begin = time.monotonic()
    found = subprocess.run([sys.executable, "-c", PRESSED_IN_A_FINALISER], cwd=ROOT, capture_output=True, text=True)
    assert time.monotonic() - begin < 30
    assert (found.returncode, found.stderr) == (130, "stopped; finished parts are kept, the same command continues\n")
