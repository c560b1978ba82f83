"""Compiling: its share of the time that is spent on computing, and compiled programs kept between commands."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from threading import Lock

import jax
from jax import monitoring

from paper_repro import user_cache

SIZE = 2**30  # bytes of compiled programs that are kept between commands
STEPS = tuple(
    f"/jax/core/compile/{step}_duration" for step in ("jaxpr_trace", "jaxpr_to_mlir_module", "backend_compile")
)
HIT = "/jax/compilation_cache/cache_hits"


@dataclass
class Compiled:
    """Programs that were compiled or fetched, those fetched, and seconds, added up over threads."""

    programs: int = 0
    fetched: int = 0
    seconds: float = 0.0
    _changing: Lock = field(default_factory=Lock)

    def took(self, event: str, duration_secs: float, **_: str | int) -> None:
        """What JAX says of each step of compiling; the last step of each program is there for fetched ones too."""
        if event in STEPS:
            with self._changing:
                self.seconds += duration_secs
                self.programs += event == STEPS[-1]

    def happened(self, event: str, **_: str | int) -> None:
        """What JAX says of each program that it finds among those kept."""
        if event == HIT:
            with self._changing:
                self.fetched += 1

    def told(self, computing: float) -> str:
        """What compiling was of `computing` seconds, both added up over threads; counts from 0 again."""
        with self._changing:
            share = f"{self.seconds / computing:.0%} of" if computing else "beside"
            new, kept = self.programs - self.fetched, self.fetched
            text = f"compiling took {self.seconds:.0f} s, {share} {computing:.0f} s of computing"
            self.programs, self.fetched, self.seconds = 0, 0, 0.0
        return f"{text}; {new} programs compiled, {kept} found compiled"


SPENT = Compiled()


@cache
def begin() -> None:
    """Watch the compiler and keep what it makes. Called by entry points."""
    monitoring.register_event_duration_secs_listener(SPENT.took)
    monitoring.register_event_listener(SPENT.happened)
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
