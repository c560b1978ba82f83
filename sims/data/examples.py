"""Examples as data files hold them: pixels (n, ...) and labels (n,), in one or several parts."""

from pathlib import Path

import numpy as np

from spec.validation import InputError, require

Examples = tuple[np.ndarray, np.ndarray]


def joined(parts: list[Examples]) -> Examples:
    """All parts in one. Raises InputError where they hold numbers of different types."""
    pixels, labels = zip(*parts, strict=True)
    types = sorted({str(p.dtype) for p in pixels})
    require(len(types) == 1, "pixels of the files in path", types, "of one number type")
    return np.concatenate(pixels), np.concatenate(labels)


def require_labels(path: Path, labels: np.ndarray, classes: int) -> None:
    """Raise InputError, naming the file, unless labels are whole numbers 0, ..., classes - 1 in one dimension."""
    whole = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    require(whole, f"labels in {path}", f"{labels.dtype} {labels.shape}", "integers in one dimension")
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(outside):
        i = int(outside[0])
        raise InputError(f"labels in {path} must be 0, ..., {classes - 1}, got {labels[i]} at example {i}")
