"""Files that are whole or not there, and folders that take results or are refused before anything is computed."""

import errno
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from paper_repro import files
from spec.validation import InputError

DATA = xr.Dataset({"a": ("seed", np.arange(3.0))}, attrs={"key": "k"})


def test_writing_is_atomic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    files.write_atomically(path, b"old")

    def interrupted(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files.write_atomically(path, b"new, but never whole")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_sentence_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "part.nc"
    files.save(DATA, path)

    def full(*args: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(InputError, match=r"part.nc' \(No space left on device\)"):
        files.save(DATA.assign(a=DATA["a"] + 1), path)
    assert files.load(path).equals(DATA)
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_written_beside_the_target(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full temporary folder once ended a run with a crash of the library that writes."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    files.save(DATA, tmp_path / "part.nc")
    assert files.load(tmp_path / "part.nc").equals(DATA)


def test_other_readers_of_netcdf_read_it(tmp_path: Path) -> None:
    files.save(DATA, tmp_path / "part.nc")
    with xr.open_dataset(tmp_path / "part.nc", engine="h5netcdf") as dataset:
        assert dataset.load().equals(DATA)


def test_no_change_of_a_byte_goes_unnoticed(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "part.nc"
    files.save(DATA, path)
    whole = path.read_bytes()
    for at in [*rng.integers(len(whole), size=200), *range(len(whole) - 72, len(whole))]:
        changed = bytearray(whole)
        changed[at] ^= 1 << int(rng.integers(8))
        path.write_bytes(changed)
        with pytest.raises(files.DamagedError):
            files.load(path)


def test_files_set_aside_do_not_replace_one_another(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(3):
        (tmp_path / "a.nc").write_text("x")
        files.set_aside(tmp_path / "a.nc", "is damaged")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.nc.damaged", "a.nc.damaged2", "a.nc.damaged3"]
    assert f"{tmp_path / 'a.nc'} is damaged: set aside as a.nc.damaged3" in capsys.readouterr().err
    files.set_aside(tmp_path / "a.nc", "was moved by another process")


@pytest.mark.parametrize("name", ["parts", "figures", "claims"])
def test_a_file_where_a_folder_belongs_is_refused_first(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("")
    with pytest.raises(InputError, match=f"{name}' must be a folder"), files.results_folder(tmp_path):
        raise AssertionError("computed")


@pytest.mark.parametrize("name", ["index.html", "a.b.nc"])
def test_a_folder_where_a_file_belongs_is_refused_first(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=f"{name}' must be a file"), files.results_folder(tmp_path, ["a.b.nc"]):
        raise AssertionError("computed")


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="--out"), files.results_folder(tmp_path / "file" / "results"):
        raise AssertionError("computed")


def refused(out: Path, first: Callable[[], None]) -> None:
    with files.results_folder(out):
        first()
        raise InputError("refused")


def test_a_failed_command_leaves_no_empty_folder_and_no_full_one_goes(tmp_path: Path) -> None:
    out, part = tmp_path / "new" / "results", tmp_path / "new" / "results" / "parts" / "a.b" / "c.nc"
    with pytest.raises(InputError):
        refused(out, lambda: part.parent.mkdir(parents=True))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InputError):
        refused(out, lambda: files.write_atomically(part, b"c"))
    assert part.exists()
    (tmp_path / "there").mkdir()
    with pytest.raises(InputError):
        refused(tmp_path / "there", lambda: None)
    assert (tmp_path / "there").exists()


def add_one(folder: Path) -> None:
    with files.locked(folder):
        count = int((folder / "count").read_text())
        (folder / "count").write_text(str(count + 1))


def test_the_lock_lets_one_in_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "count").write_text("0")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(add_one, [tmp_path] * 200))
    assert (tmp_path / "count").read_text() == "200"
