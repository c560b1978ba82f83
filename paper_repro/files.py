"""Files that are whole or not there: atomic writing, a checksum at the end, and damaged ones set aside."""

import fcntl
import hashlib
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import BytesIO
from pathlib import Path

import xarray as xr

from paper_repro import console
from spec.validation import InputError

# Stands between the content of a file and the SHA-256 of that content. Readers of netCDF do not look beyond its end.
MARK = b"\nsha256 "


class DamagedError(ValueError):
    """A stored file that is not what was written; the message says why."""


@contextmanager
def writing(place: Path) -> Iterator[None]:
    """Turns a failure of the system to write (disk full, a folder in the way) into InputError, in one sentence."""
    try:
        yield
    except OSError as error:
        what = f"'{place}' ({error.strerror or error})"
        raise InputError(f"results must be written, but cannot be to {what}; finished parts are kept") from None


def write_atomically(path: Path, content: bytes) -> None:
    """The file appears whole or not at all, even under kill -9. Raises InputError where it cannot be written."""
    with writing(path):
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
    """Write a data set atomically as netCDF4 with a checksum behind it; it is made in memory, not in another file."""
    content = bytes(dataset.to_netcdf(engine="h5netcdf"))
    write_atomically(path, content + MARK + hashlib.sha256(content).hexdigest().encode())


def load(path: Path) -> xr.Dataset:
    """Read a data set whole, leaving no file open. Raises DamagedError where it is not one that was written whole.

    A file without a checksum is read, unless it has a key: older versions wrote neither.
    """
    try:
        whole = path.read_bytes()
    except OSError as error:
        raise DamagedError(f"cannot be read ({error.strerror})") from None
    content, mark, digest = whole.rpartition(MARK)
    if mark and hashlib.sha256(content).hexdigest().encode() != digest:
        raise DamagedError("is damaged (its checksum is another)")
    try:
        dataset = xr.load_dataset(BytesIO(content if mark else whole), engine="h5netcdf")
    except Exception:  # what the libraries raise on damaged bytes is of any kind
        raise DamagedError("is not a whole netCDF file") from None
    if "key" in dataset.attrs and not mark:
        raise DamagedError("is damaged (its checksum is gone)")
    return dataset


def set_aside(path: Path, why: str) -> None:
    """Rename a file that cannot be used to NAME.damaged (or .damaged2, ...), and say so."""
    target = path.with_name(f"{path.name}.damaged")
    count = 1
    while target.exists():
        count += 1
        target = path.with_name(f"{path.name}.damaged{count}")
    with writing(target):
        try:
            path.rename(target)
        except FileNotFoundError:  # another process was faster
            return
    console.note(f"{path} {why}: set aside as {target.name}")


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time in this folder; the system gives the lock back when a process ends, however it ends."""
    with writing(folder / ".lock"):
        file = (folder / ".lock").open("a")
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def results_folder(out: Path, files: Sequence[str] = ()) -> Iterator[None]:
    """A folder that takes results: made if needed, and gone again if a command fails that wrote nothing there.

    Raises InputError, before anything is computed, when results cannot be written there: to the page, to the folders of
    parts, figures and verdicts, or to the given files.
    """
    new = [folder for folder in (out, *out.parents) if not folder.exists()]
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise InputError(f"--out must be a folder that can be written, got '{out}' ({error.strerror})") from None
    _require_kinds(out, ("index.html", *files))
    try:
        yield
    except BaseException:
        if out in new:
            _remove_empty([*sorted(out.rglob("*"), reverse=True), *new])
        raise


def _remove_empty(folders: Sequence[Path]) -> None:
    for folder in folders:
        with suppress(OSError):  # a file, or not empty
            folder.rmdir()


def _require_kinds(out: Path, files: Sequence[str]) -> None:
    for name in ("parts", "figures", "claims"):
        if (out / name).exists() and not (out / name).is_dir():
            raise InputError(f"'{out / name}' must be a folder, where results are kept, got a file")
    for name in files:
        if (out / name).is_dir():
            raise InputError(f"'{out / name}' must be a file, where results are written, got a folder")
