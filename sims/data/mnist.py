"""MNIST from local IDX files, compressed or not: train-images, train-labels, t10k-images, t10k-labels."""

from pathlib import Path

import numpy as np

from sims.data.examples import Examples, joined, require_labels
from sims.data.idx import read_idx
from spec.validation import InputError, require

PARTS = ("train", "t10k")
CLASSES = 10


def files(folder: Path) -> tuple[Path, ...]:
    """The four files. Raises InputError where one is missing."""
    stems = [(part, *kind) for part in PARTS for kind in (("images", 3), ("labels", 1))]
    return tuple(_path(folder, f"{part}-{what}", dimensions) for part, what, dimensions in stems)


def read(folder: Path) -> Examples:
    """Images (n, 28, 28) and labels (n,), the training part first. Raises InputError for damaged or foreign files."""
    return joined([_part(folder, part) for part in PARTS])


def _part(folder: Path, part: str) -> Examples:
    """Images (n, rows, columns) and labels (n,) of the files train-* or t10k-*."""
    image_path, label_path = _path(folder, f"{part}-images", 3), _path(folder, f"{part}-labels", 1)
    images, labels = read_idx(image_path), read_idx(label_path)
    require(images.shape[1:] == (28, 28), f"images in {image_path}", images.shape, "of shape (n, 28, 28)")
    require_labels(label_path, labels, CLASSES)
    counts = {"images": len(images), "labels": len(labels)}
    require(len(images) == len(labels), f"images and labels of {part} in path", counts, "equally many")
    largest = 255 if np.issubdtype(images.dtype, np.integer) else 1
    outside = images[(images < 0) | (images > largest)]
    if outside.size:
        raise InputError(f"pixels in {image_path} must be in [0, {largest}], got {outside[0]}")
    return images, labels


def _path(folder: Path, stem: str, dimensions: int) -> Path:
    names = [f"{stem}{sep}idx{dimensions}-ubyte{end}" for sep in "-." for end in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"path must hold one of the files {', '.join(names)}, got {str(folder)!r} without them")
