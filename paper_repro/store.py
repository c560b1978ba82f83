"""Labelled results on disk: one netCDF file for each finished part, keyed by its record; atomic and resumable."""

import hashlib
import json
import os
import platform
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, as_completed
from datetime import UTC, datetime
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import xarray as xr

from spec.records import describe
from spec.seeds import seed_shift
from spec.validation import InputError

ROOT = Path(__file__).resolve().parent.parent
# What can change a number: everything but drawing and the page.
CODE = ("spec", "theory", "sims", "paper_repro/trajectories.py", "paper_repro/statistics.py")


@cache
def fingerprint(*extra: str) -> str:
    """A digest of the source that computes numbers, so that results of other code are never taken for current ones."""
    digest = hashlib.sha256()
    for place in (*CODE, *extra):
        path = ROOT / place
        for file in [path] if path.is_file() else sorted(path.rglob("*.py")):
            digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def provenance() -> dict[str, str]:
    """Where and with what a result was computed."""
    packages = ("numpy", "scipy", "jax", "optax", "xarray", "scikit-learn")
    try:
        version = metadata.version("sharpness-under-label-noise")
    except metadata.PackageNotFoundError:
        version = "not installed"
    return {
        "version": version,
        "python": platform.python_version(),
        "packages": ", ".join(f"{p} {metadata.version(p)}" for p in packages),
        "platform": platform.platform(terse=True),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "seed_shift": str(seed_shift()),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def write_atomically(path: Path, content: bytes) -> None:
    """The file appears whole or not at all, even under kill -9."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def save(dataset: xr.Dataset, path: Path) -> None:
    """Write a data set atomically as netCDF4."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder) / "result.nc"
        dataset.to_netcdf(scratch, engine="h5netcdf")
        write_atomically(path, scratch.read_bytes())


def load(path: Path) -> xr.Dataset:
    """Read a data set whole, leaving no file open."""
    return xr.load_dataset(path, engine="h5netcdf")


def require_writable(out: Path) -> None:
    """Raise InputError before any computation when results cannot be written to out."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(f"--out must be a folder that can be written, got '{out}' ({error.strerror})") from None


class Store:
    """The parts of one experiment under out/parts/<experiment>, and its combined result out/<experiment>.nc.

    A part is looked up by the digest of its record, its function and the code; map computes only what is missing, side
    by side on `executor`, and writes each part as soon as it is finished.
    """

    def __init__(
        self,
        out: Path,
        experiment: str,
        *,
        executor: Executor,
        fresh: bool = False,
        advance: Callable[[bool], None] = lambda reused: None,
    ) -> None:
        self.out, self.experiment, self.executor, self.advance = out, experiment, executor, advance
        self.code = fingerprint(f"paper_repro/{experiment.split('.')[0]}")
        if fresh:
            for part in self.folder.glob("*.nc"):
                part.unlink()

    @property
    def folder(self) -> Path:
        return self.out / "parts" / self.experiment

    @property
    def result(self) -> Path:
        return self.out / f"{self.experiment}.nc"

    def part(self, function: Callable[[Any], xr.Dataset], unit: Any) -> Path:
        key = [f"{function.__module__}.{function.__qualname__}", describe(unit), self.code]
        return self.folder / f"{hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:24]}.nc"

    def map(self, function: Callable[[Any], xr.Dataset], units: Sequence[Any]) -> list[xr.Dataset]:
        paths = [self.part(function, unit) for unit in units]
        missing = [i for i, path in enumerate(paths) if not path.exists()]
        for _ in range(len(units) - len(missing)):
            self.advance(True)
        futures = {self.executor.submit(_timed, function, units[i]): i for i in missing}
        try:
            for future in as_completed(futures):
                i = futures[future]
                dataset = future.result()
                dataset.attrs["record"] = json.dumps(describe(units[i]))
                save(dataset, paths[i])
                self.advance(False)
        finally:
            for future in futures:
                future.cancel()
        return [load(path) for path in paths]

    def finish(self, dataset: xr.Dataset, config: Any, preset: str) -> xr.Dataset:
        """Write the combined result with its provenance."""
        attributes = {"experiment": self.experiment, "preset": preset, "config": json.dumps(describe(config))}
        dataset = dataset.assign_attrs(dataset.attrs | attributes | provenance() | {"code": self.code})
        save(dataset, self.result)
        return dataset


def _timed(function: Callable[[Any], xr.Dataset], unit: Any) -> xr.Dataset:
    """One part, wherever it runs: in another process this is the entry point, so float64 is allowed here too."""
    jax.config.update("jax_enable_x64", True)
    start = time.perf_counter()
    dataset = function(unit)
    return dataset.assign_attrs(seconds=time.perf_counter() - start)
