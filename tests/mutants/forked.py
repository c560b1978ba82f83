"""pytest in a tree, in a copy of this process: what takes seconds to import is imported once for all trees."""

import importlib
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

RED, GREEN, HANGS = 1, 0, -1  # exit codes of pytest: a test failed, all passed; others say that it could not run
SECONDS = 300  # for each of the tests that a process runs
HEAVY = ("jax", "jax.numpy", "optax", "scipy.integrate", "scipy.optimize", "scipy.stats", "sympy", "xarray",
         "sklearn.datasets", "matplotlib.figure", "h5netcdf", "typer", "rich.progress", "jinja2", "pytest")  # fmt: skip
OURS = ("spec", "theory", "sims", "figures", "paper_repro", "benchmarks", "notebooks", "tests", "cases", "conftest")


def prepare() -> None:
    """Import what the trees share. The test suite's own settings come first: some are read when JAX is imported."""
    importlib.import_module("tests.conftest")
    for name in HEAVY:
        importlib.import_module(name)


class Run:
    """The tests of a tree in a process of their own; it writes to `log` what pytest says."""

    def __init__(self, tree: Path, tests: Sequence[str], log: Path) -> None:
        self.log, self.start, self.limit = log, time.perf_counter(), SECONDS * len(tests)
        # Nothing of JAX has started when the process is copied, and this one has a single thread.
        self.process = multiprocessing.get_context("fork").Process(target=_child, args=(tree, tuple(tests), log))
        self.process.start()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self.start

    def code(self) -> int | None:
        """The exit code of pytest; None while it runs."""
        if self.process.is_alive() and self.seconds > self.limit:
            self.process.kill()
            self.process.join()
            return HANGS
        return self.process.exitcode

    def says(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def _child(tree: Path, tests: tuple[str, ...], log: Path) -> None:
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    sys.stdout, sys.stderr = os.fdopen(1, "w", closefd=False), os.fdopen(2, "w", closefd=False)
    sys.dont_write_bytecode = True
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.chdir(tree)
    sys.path[:] = [str(tree), *(p for p in sys.path if p and not Path(p, "spec", "claims.py").is_file())]
    importlib.invalidate_caches()
    for name in [n for n in sys.modules if n.partition(".")[0] in OURS]:
        del sys.modules[name]
    import pytest

    code = pytest.main(["-x", "-q", "--tb=line", "-p", "no:cacheprovider", *tests])
    sys.stdout.flush()
    os._exit(int(code))
