"""Parts computed by the workers of a Dask scheduler (needs the extra `cluster`)."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
from distributed import LocalCluster

from paper_repro import __main__ as cli
from paper_repro import drawing, papers
from paper_repro.files import load

pytestmark = pytest.mark.evidence
TESTS = Path(__file__).parents[1] / "paper_repro"


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where parts of the made-up experiment say that they have begun; workers find it, and the experiment."""
    monkeypatch.setenv("STARTED", str(tmp_path / "started"))
    monkeypatch.syspath_prepend(str(TESTS))
    (tmp_path / "started").mkdir()
    return tmp_path / "started"


@pytest.fixture
def address(started: Path) -> Iterator[str]:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster.scheduler_address


def repro(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit code of a command, which draws no kept figures."""
    monkeypatch.setattr(drawing, "kept", lambda *_: None)
    monkeypatch.setattr(sys, "argv", ["repro", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_a_run_on_a_cluster_equals_a_local_run(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, where in (("there", ["--cluster", address]), ("here", [])):
        command = ["run", "baek2024.linear_toy", "--preset", "smoke", "--out", str(tmp_path / folder)]
        assert not repro(monkeypatch, *command, *where)
    there, here = (load(tmp_path / f / "baek2024.linear_toy.nc") for f in ("there", "here"))
    assert there.equals(here)


def test_a_part_whose_worker_is_killed_is_computed_by_another(
    address: str, started: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from slow_experiment import EXPERIMENT

    monkeypatch.setattr(papers, "chosen_experiments", lambda ids: (EXPERIMENT,))
    begun, killed = started / "8.0", []

    def kill() -> None:
        while not (begun.exists() and begun.read_text()):
            time.sleep(0.05)
        killed.append(int(begun.read_text()))
        os.kill(killed[0], signal.SIGKILL)

    thread = Thread(target=kill, daemon=True)
    thread.start()
    changes = ("--set", "seconds=0.1,8.0,0.2,0.3")
    assert not repro(monkeypatch, "run", *changes, "--out", str(tmp_path), "--cluster", address)
    thread.join(1)
    assert killed != [int(begun.read_text())]
    (result,) = tmp_path.glob("changed/*/made.up.nc")
    assert load(result)["waited"].values.tolist() == [0.1, 8.0, 0.2, 0.3]
