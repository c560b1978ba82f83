"""CIFAR-10 and CIFAR-100 from local files of the binary version; pickles are never read: a pickle can run any code.

Records of one label byte (CIFAR-100: coarse label, then fine label) and 3072 pixel bytes, which are a red, a green and
a blue plane of 32 rows of 32. Source: Krizhevsky, the CIFAR-10 and CIFAR-100 page, binary version.
"""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sims.data.examples import Examples, joined, require_labels
from sims.data.idx import opened, taken
from spec.validation import InputError, InputWarning, require


class Layout(NamedTuple):
    """Folder, files and their numbers of records as published; and the names of the python version."""

    folder: str
    files: tuple[str, ...]
    records: tuple[int, ...]
    label_bytes: int
    classes: int
    python: tuple[str, ...]


LAYOUTS = {
    "cifar10": Layout(
        "cifar-10-batches-bin",
        (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"),
        (10_000,) * 6,
        1,
        10,
        ("data_batch_1", "batches.meta", "cifar-10-batches-py"),
    ),
    "cifar100": Layout(
        "cifar-100-binary", ("train.bin", "test.bin"), (50_000, 10_000), 2, 100, ("train", "meta", "cifar-100-python")
    ),
}


def files(folder: Path, name: str) -> tuple[Path, ...]:
    """The files of a data set, in the folder or in the one that its archive unpacks to. Errors as in read."""
    layout = LAYOUTS[name]
    nested = folder / layout.folder
    home = nested if nested.is_dir() else folder
    for file in layout.files:
        if not (home / file).is_file():
            _refuse_pickles(folder, layout)
            raise InputError(f"path must hold {file} of the CIFAR binary version, got {str(home)!r} without it")
    return tuple(home / file for file in layout.files)


def read(folder: Path, name: str) -> Examples:
    """Pixels (n, 3072) in the order height, width, colour, and labels (n,); of CIFAR-100 the fine ones.

    A file that was cut short is refused, a set of fewer records is said to be one. Files of the published size
    stand together, and so do the six equally long ones of CIFAR-10.
    """
    layout = LAYOUTS[name]
    parts = [_part(path, layout, most) for path, most in zip(files(folder, name), layout.records, strict=True)]
    counts = tuple(len(labels) for _, labels in parts)
    if counts != layout.records:
        found = dict(zip(layout.files, counts, strict=True))
        even = len(set(layout.records)) > 1 or len(set(counts)) == 1
        cut = any(a == b for a, b in zip(counts, layout.records, strict=True))
        require(even and not cut, f"the records in {folder}", found, f"{layout.records}, as in the published {name}")
        warnings.warn(InputWarning(f"{folder} holds {found} records; {name} has {layout.records}"), stacklevel=2)
    return joined(parts)


def _part(path: Path, layout: Layout, most: int) -> Examples:
    """Pixels (n, 3072) in the order height, width, colour, and labels (n,). The length gives the number of records."""
    size = layout.label_bytes + 3072
    with opened(path) as file:
        content = np.frombuffer(taken(file, most * size + 1), np.uint8)
    length = f"the length of {path}"
    require(len(content) <= most * size, length, len(content), f"at most {most * size} bytes, as published")
    require(len(content) > 0 and len(content) % size == 0, length, len(content), f"a positive multiple of {size} bytes")
    records = content.reshape(-1, size)
    labels = records[:, layout.label_bytes - 1]
    require_labels(path, labels, layout.classes)
    colours_last = records[:, layout.label_bytes :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return colours_last.reshape(-1, 3072), labels


def _refuse_pickles(folder: Path, layout: Layout) -> None:
    for name in layout.python:
        if (folder / name).exists():
            raise InputError(
                f"path must hold the CIFAR binary version ({', '.join(layout.files)}), got {str(folder)!r} with {name} "
                "of the python version; pickles are never read"
            )
