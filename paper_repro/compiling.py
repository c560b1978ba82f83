"""Compiling: its share of the time that is spent on computing, and compiled programs kept between commands."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

import jax
from jax import monitoring

from paper_repro import user_cache
from sims import programs

MANY = 400  # programs of a process, which take gigabytes
SIZE = 2**30  # bytes of compiled programs that are kept between commands
STEPS = tuple(
    f"/jax/core/compile/{step}_duration" for step in ("jaxpr_trace", "jaxpr_to_mlir_module", "backend_compile")
)
HIT = "/jax/compilation_cache/cache_hits"


@dataclass
class Compiled:
    """Programs that were compiled or fetched, those fetched, and the seconds that both took."""

    programs: int = 0
    fetched: int = 0
    seconds: float = 0.0

    def add(self, other: "Compiled") -> None:
        """What else was compiled."""
        self.programs += other.programs
        self.fetched += other.fetched
        self.seconds += other.seconds

    def attributes(self) -> dict[str, float]:
        """As attributes of a data set."""
        return {f"compiled_{name}": value for name, value in asdict(self).items()}

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> "Compiled":
        """From the attributes of a data set."""
        return cls(**{field.name: attributes[f"compiled_{field.name}"] for field in fields(cls)})

    def told(self, computing: float) -> str:
        """What compiling was of so many seconds of computing."""
        share = f"{self.seconds / computing:.0%} of" if computing else "beside"
        text = f"compiling took {self.seconds:.0f} s, {share} {computing:.0f} s of computing"
        return f"{text}; {self.programs - self.fetched} programs compiled, {self.fetched} found compiled"


class _Counting(threading.local):
    """What this thread counts now."""

    def __init__(self) -> None:
        self.now: list[Compiled] = []


_COUNTING = _Counting()
_SINCE, _CHANGING = Compiled(), Lock()  # what this process compiled since it forgot


@contextmanager
def counted() -> Iterator[Compiled]:
    """What this thread compiles inside; afterwards programs are forgotten if there are MANY."""
    found = Compiled()
    _COUNTING.now.append(found)
    try:
        yield found
    finally:
        _COUNTING.now.pop()
        _forget_many(found.programs)


def _forget_many(more: int) -> None:
    with _CHANGING:
        _SINCE.programs += more
        if _SINCE.programs >= MANY:
            _SINCE.programs = 0
            programs.forget()


def _took(event: str, duration_secs: float, **_: str | int) -> None:
    """What JAX says of each step of compiling; the last step of each program is there for fetched ones too."""
    if event in STEPS:
        for count in _COUNTING.now:
            count.seconds += duration_secs
            count.programs += event == STEPS[-1]


def _happened(event: str, **_: str | int) -> None:
    """What JAX says of each program that it finds among those kept."""
    if event == HIT:
        for count in _COUNTING.now:
            count.fetched += 1


@cache
def begin() -> None:
    """Watch the compiler and keep what it makes. Called by entry points."""
    monitoring.register_event_duration_secs_listener(_took)
    monitoring.register_event_listener(_happened)
    keep()


def keep() -> None:
    """Let JAX keep compiled programs in the user's cache folder.

    JAX's own environment variables go first: JAX_COMPILATION_CACHE_DIR names another folder, and
    JAX_ENABLE_COMPILATION_CACHE=false keeps nothing.
    """
    if jax.config.values["jax_compilation_cache_dir"] is None:
        folder = user_cache.folder() / "compiled"
        prune(folder, SIZE)
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def prune(folder: Path, size: int) -> None:
    """Delete the files of a folder that were not used for the longest time, until the rest has at most `size` bytes."""
    # A file that another command deletes meanwhile is gone, as it should be.
    files = {path: path.stat() for path in folder.glob("*") if path.is_file()}
    total = sum(found.st_size for found in files.values())
    for path, found in sorted(files.items(), key=lambda item: max(item[1].st_atime, item[1].st_mtime)):
        if total <= size:
            return
        path.unlink(missing_ok=True)
        total -= found.st_size
