"""The command line with one made-up experiment, whose parts wait for given seconds. For test_stopping and test_dask.

Each part leaves a file named after its seconds in the folder STARTED when it begins: in which process.
"""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import xarray as xr

from paper_repro import __main__ as cli
from paper_repro import papers
from paper_repro.registry import Experiment, Parts
from spec.fields import Count, Grid, NonNegative


@dataclass(frozen=True)
class Waits:
    seconds: Grid[NonNegative] = (0.1, 1.0, 60.0, 0.1)
    seeds: Count = 2


def wait(seconds: float) -> xr.Dataset:
    Path(os.environ["STARTED"], str(seconds)).write_text(str(os.getpid()), "utf-8")
    time.sleep(seconds)
    return xr.Dataset({"waited": seconds})


def run(config: Waits, parts: Parts) -> xr.Dataset:
    return xr.concat(parts.map(wait, list(config.seconds)), "part")


def tables(_: Any) -> tuple[Any, ...]:
    return ()


EXPERIMENT = Experiment(
    id="made.up",
    title="waiting",
    question="",
    config=dict.fromkeys(("smoke", "standard", "full"), Waits()),
    units=lambda config: len(config.seconds),
    run=run,
    figures=(),
    tables=tables,
)

if __name__ == "__main__":
    from slow_experiment import EXPERIMENT  # whose functions other processes find by that name

    papers.chosen_experiments = lambda ids: (EXPERIMENT,)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where the tests run in a shell's background
    cli.main()
