"""Data sets in memory, read once for every state of the world they depend on: their files, and SEED_SHIFT."""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from sims.data import real_data
from sims.data.sampling import Source
from spec.problems import RealData
from spec.seeds import seed_shift

# Name, size and times of change of a file: while they stay, its contents are taken to stay.
State = tuple[str, int, int, int, int]


def source(problem: RealData) -> Source:
    """The loaded data set of a problem (sims.data.real_data.load); read again when a file or SEED_SHIFT has changed."""
    return _loaded(problem, seed_shift(), tuple(map(_state, real_data.files(problem))))


def contents(problem: RealData) -> dict[str, str]:
    """A digest of each local file of the data set; empty for data that come without files. Errors as in load."""
    return {str(path): _digest(_state(path)) for path in real_data.files(problem)}


def unchanged(known: Mapping[str, str]) -> bool:
    """Whether the files with these digests are the same now; files that are not here are not judged."""
    return all(_digest(_state(Path(path))) == digest for path, digest in known.items() if Path(path).is_file())


def _state(path: Path) -> State:
    found = path.stat()
    return str(path), found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino


@lru_cache(maxsize=4)
def _loaded(problem: RealData, shift: int, files: tuple[State, ...]) -> Source:
    return real_data.load(problem)


@lru_cache(maxsize=256)
def _digest(state: State) -> str:
    with Path(state[0]).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
