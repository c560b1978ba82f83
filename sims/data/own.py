"""Data of one's own: an .npz file with inputs x (n, ...) and true classes y (n,) = 0, 1, ...; nothing is unpickled."""

import zipfile
from pathlib import Path

import numpy as np

from sims.data import label_files
from sims.data.examples import Examples
from spec.validation import InputError, require, require_finite


def files(path: Path) -> tuple[Path, ...]:
    """The file itself. Raises InputError where there is none."""
    require(path.is_file() and path.suffix == ".npz", "path", str(path), "an existing .npz file with arrays x and y")
    return (path,)


def read(path: Path) -> Examples:
    """x as it stands, and y. Raises InputError for other content."""
    (file,) = files(path)
    y = label_files.read(file, column="y")
    try:
        with np.load(file, allow_pickle=False) as arrays:
            x = arrays["x"] if "x" in arrays.files else np.zeros(())
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} must hold x as a plain array of numbers: {error}") from None
    kind = bool(np.issubdtype(x.dtype, np.floating) or np.issubdtype(x.dtype, np.unsignedinteger))
    require(kind and x.ndim > 1, f"x in {path}", f"{x.dtype} {x.shape}", "floating-point numbers or uint8 (n, ...)")
    require(len(x) == len(y), f"x and y in {path}", (len(x), len(y)), "one class for each example")
    require(bool((y >= 0).all()), f"y in {path}", int(y.min()), "classes 0, 1, ...")
    require_finite(f"x in {path}", x)
    return x, y
