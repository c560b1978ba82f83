"""Observed labels from a file: text, .npy, or a column of an .npz. Nothing is unpickled."""

import zipfile
from pathlib import Path

import numpy as np

from spec.validation import InputError, require, require_choice


def read(path: str | Path, *, column: str | None = None, count: int | None = None) -> np.ndarray:
    """The integer labels (n,) of a file.

    .npy holds one array, .npz the named column; any other file is text with one integer on a line. count: how many
    there must be. Raises InputError for a file that cannot be read, holds pickled objects, or other than integers.
    """
    file = Path(path).expanduser()
    require(file.is_file(), "path", str(path), "an existing file of labels")
    try:
        values = _values(file, column)
    except InputError:
        raise
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        accepted = "integers, as text or as a plain array without pickled objects"
        raise InputError(f"{path} must hold {accepted}: {error}") from None
    require(values.ndim == 1, f"labels in {path}", values.shape, "of shape (n,)")
    whole = values.dtype.kind in "iu" or (values.dtype.kind == "f" and bool((values == np.round(values)).all()))
    require(whole, f"labels in {path}", values, "integers")
    require(count in (None, len(values)), f"labels in {path}", len(values), f"as many as {count} examples")
    return values.astype(np.int32)


def _values(file: Path, column: str | None) -> np.ndarray:
    if file.suffix == ".npy":
        return np.asarray(np.load(file, allow_pickle=False))
    if file.suffix != ".npz":
        return np.loadtxt(file, dtype=np.int64, ndmin=1)
    with np.load(file, allow_pickle=False) as columns:
        require_choice("column", column, tuple(columns.files))
        return np.asarray(columns[column])
