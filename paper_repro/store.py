"""Parts and results of experiments on disk, found by their keys, compared before they are used, and resumable."""

import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future, as_completed, wait
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import jax
import xarray as xr

from paper_repro import __version__, compiling, keys
from paper_repro.compiling import Compiled
from paper_repro.files import DamagedError, load, save, set_aside
from paper_repro.keys import Key
from sims.divergence import complaint
from spec.seeds import seed_shift, shifted
from spec.validation import InputError, NonFiniteError

GRACE = 2.0  # seconds that a stopped run waits for parts that are nearly finished


def provenance() -> dict[str, str]:
    """Where and with what a result was computed."""
    packages = ("numpy", "scipy", "jax", "optax", "xarray", "scikit-learn")
    return {
        "version": __version__,
        "python": platform.python_version(),
        "packages": ", ".join(f"{p} {metadata.version(p)}" for p in packages),
        "platform": platform.platform(terse=True),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "seed_shift": str(seed_shift()),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


class Store:
    """The parts of one experiment under out/parts/<experiment>, and its combined result <place>/<experiment>.nc.

    A part is used again if the whole key in its file is the one wanted (paper_repro.keys); a file that is damaged or
    holds another part is set aside. map computes what is missing (fresh: everything), side by side on `executor`,
    writes each part as soon as it is finished, over an older one only then.
    """

    def __init__(
        self,
        out: Path,
        experiment: str,
        *,
        executor: Executor,
        place: Path | None = None,
        fresh: bool = False,
        advance: Callable[[bool], None] = lambda reused: None,
    ) -> None:
        self.out, self.experiment, self.executor, self.advance = out, experiment, executor, advance
        self.place = out if place is None else place
        self.fresh = fresh
        self.seconds = 0.0  # that computing took, added up over parts
        self.compiled = Compiled()
        self.diverged: list[str] = []  # runs that left the finite numbers, a line for each

    @property
    def folder(self) -> Path:
        return self.out / "parts" / self.experiment

    @property
    def result(self) -> Path:
        return self.place / f"{self.experiment}.nc"

    def part(self, key: Key) -> Path:
        """Where the part with this key is kept."""
        return self.folder / f"{keys.digest(key)}.nc"

    def map(self, function: Callable[[Any], xr.Dataset], units: Sequence[Any]) -> list[xr.Dataset]:
        """function of every unit, in order. One that leaves the finite numbers is raised after all the others."""
        jax.config.update("jax_enable_x64", True)  # as in `computed`
        wanted = [keys.of_part(function, unit) for unit in units]
        found = [None if self.fresh else self._kept(key) for key in wanted]
        missing = [i for i, dataset in enumerate(found) if dataset is None]
        for _ in range(len(units) - len(missing)):
            self.advance(True)
        futures = {self.executor.submit(computed, function, units[i], keys.text(wanted[i])): i for i in missing}
        self._collect(futures, wanted)
        parts = [self._written(key) if part is None else part for key, part in zip(wanted, found, strict=True)]
        self._notice_divergence(parts)
        return parts

    def _notice_divergence(self, parts: Sequence[xr.Dataset]) -> None:
        """Remember what parts say of runs that left the finite numbers; raise NonFiniteError where no other is left."""
        self.diverged += [line for part in parts for line in part.attrs.get("diverged", "").splitlines()]
        if parts and all("diverged" in part.attrs and (part["first_nonfinite_step"] >= 0).all() for part in parts):
            raise NonFiniteError(complaint(self.diverged))

    def _collect(self, futures: dict[Future[xr.Dataset], int], wanted: Sequence[Key]) -> None:
        """Write parts as they are finished. Where one fails or the run is stopped, what is under way is kept too."""
        left, diverged = dict(futures), None
        try:
            for future in as_completed(futures):
                try:
                    self._keep(future.result(), wanted[left[future]])
                except NonFiniteError as error:
                    diverged = diverged or error
                del left[future]
        except BaseException as stopped:
            running = {future for future in left if not future.cancel()}
            for future in wait(running, timeout=None if isinstance(stopped, Exception) else GRACE).done:
                if not future.exception():
                    self._keep(future.result(), wanted[left[future]])
            raise
        if diverged is not None:
            raise diverged

    def _keep(self, dataset: xr.Dataset, key: Key) -> None:
        self.seconds += dataset.attrs["seconds"]
        self.compiled.add(Compiled.of(dataset.attrs))
        save(dataset.assign_attrs(key=keys.text(key)), self.part(key))
        self.advance(False)

    def _kept(self, key: Key) -> xr.Dataset | None:
        """The part with this key, if there is one; what stands in its place is set aside."""
        path = self.part(key)
        if not path.exists():
            return None
        try:
            return self._written(key)
        except DamagedError as error:
            set_aside(path, str(error))
            return None

    def _written(self, key: Key) -> xr.Dataset:
        dataset = load(self.part(key))
        if dataset.attrs.get("key") != keys.text(key):
            raise DamagedError("holds another part than its name says")
        return dataset

    def finish(self, dataset: xr.Dataset, preset: str, key: Key) -> xr.Dataset:
        """Write the combined result with its key and its provenance."""
        about = {"experiment": self.experiment, "preset": preset, "config": json.dumps(key["record"])}
        about |= provenance() | {"code": keys.digest(key["code"]), "key": keys.text(key)}
        if self.diverged:
            about |= {"diverged": "\n".join(self.diverged)}
        save(dataset.assign_attrs(about), self.result)
        return load(self.result)


def computed(function: Callable[[Any], xr.Dataset], unit: Any, wanted: str) -> xr.Dataset:
    """One part, wherever it runs: in another process this is the entry point, and what it needs is compared there.

    Raises InputError where this process would compute other numbers than the one that asks, and where data files change
    while they are used.
    """
    jax.config.update("jax_enable_x64", True)
    key = json.loads(wanted)
    with shifted(key["seed_shift"]):
        _require_same(key, keys.of_part(function, unit), "a worker must have what this process has")
        start = time.perf_counter()
        with compiling.counted() as compiled:
            dataset = function(unit)
        seconds = time.perf_counter() - start
        _require_same(key, key | {"data": keys.of_data(unit)}, "data files must stay while they are used")
    return dataset.assign_attrs(seconds=seconds, **compiled.attributes())


def _require_same(wanted: Key, here: Key, rule: str) -> None:
    if keys.text(wanted) != keys.text(here):
        raise InputError(f"{rule}, got others: {keys.differences(wanted, here)}")
