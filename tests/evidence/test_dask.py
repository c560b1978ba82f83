"""Parts computed by the workers of a Dask scheduler (needs the extra `cluster`)."""

import sys
from pathlib import Path

import pytest
from distributed import LocalCluster

from paper_repro import __main__ as cli
from paper_repro.files import load

pytestmark = pytest.mark.evidence


def test_a_run_on_a_cluster_equals_a_local_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        for folder, where in (("there", ["--cluster", cluster.scheduler_address]), ("here", [])):
            command = ["run", "baek2024.linear_toy", "--preset", "smoke", "--out", str(tmp_path / folder)]
            monkeypatch.setattr(sys, "argv", ["repro", *command, *where])
            with pytest.raises(SystemExit) as ended:
                cli.main()
            assert not ended.value.code
    there, here = (load(tmp_path / f / "baek2024.linear_toy.nc") for f in ("there", "here"))
    assert there.equals(here)
