r"""Real data sets: MNIST (IDX) and CIFAR (binary) from local files, scikit-learn's digits, and generated MNIST-1D.

Nothing is downloaded, and pickles are never read: a pickle can run any code.

CIFAR (source: Krizhevsky, the CIFAR-10 and CIFAR-100 page, binary version): records of one label byte (CIFAR-100:
coarse label, then fine label) and 3072 pixel bytes, which are a red, a green and a blue plane of 32 rows of 32.
"""

import warnings
from pathlib import Path
from typing import NamedTuple

import numpy as np

from sims.data import mnist1d
from sims.data.idx import opened, read_idx, taken
from sims.data.sampling import Source, require_classes_last, require_room
from spec.problems import RealData
from spec.validation import InputError, InputWarning, require

Examples = tuple[np.ndarray, np.ndarray]


class _Cifar(NamedTuple):
    folder: str
    files: tuple[str, ...]
    records: tuple[int, ...]
    label_bytes: int
    classes: int
    python: tuple[str, ...]


_CIFAR = {
    "cifar10": _Cifar(
        "cifar-10-batches-bin",
        (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"),
        (10_000,) * 6,
        1,
        10,
        ("data_batch_1", "batches.meta", "cifar-10-batches-py"),
    ),
    "cifar100": _Cifar(
        "cifar-100-binary", ("train.bin", "test.bin"), (50_000, 10_000), 2, 100, ("train", "meta", "cifar-100-python")
    ),
}


def load(problem: RealData) -> Source:
    """Read the data set of a problem, without its split: x (n, d) float32, y (n,) int32.

    The files' own training and test parts are put together, because the problem splits all examples at random.
    Whole-number pixels are divided by their largest possible value (255; digits: 16), floating-point ones are taken as
    they are. d is 64 (digits), 40 (mnist1d), 784 (mnist) or 3072 (cifar10 and cifar100, with its fine labels).
    Raises InputError where a file is missing, damaged or holds impossible values, where a class has no example, and
    where n_train and n_validation leave nothing to test on.
    """
    pixels, labels, classes, largest = _read(problem)
    kept = tuple(range(classes)) if problem.classes is None else problem.classes
    _require_examples(labels, kept)
    require_room(problem, int(np.isin(labels, kept).sum()))
    require_classes_last(problem, np.array([np.sum(labels == c) for c in kept]))
    if problem.classes is not None:
        pixels, labels = _keep(pixels, labels, kept)
    x = pixels.reshape(len(pixels), -1).astype(np.float32)
    if np.issubdtype(pixels.dtype, np.integer):
        x /= np.float32(largest)
    return Source(x, labels.astype(np.int32), len(kept))


def files(problem: RealData) -> tuple[Path, ...]:
    """The local files that load reads; none where it reads none. Raises InputError where one is missing."""
    if problem.name in ("digits", "mnist1d"):
        return ()
    folder = _folder(problem)
    if problem.name == "mnist":
        stems = [(part, *kind) for part in ("train", "t10k") for kind in (("images", 3), ("labels", 1))]
        return tuple(_idx_path(folder, f"{part}-{what}", dimensions) for part, what, dimensions in stems)
    return tuple(_cifar_paths(folder, _CIFAR[problem.name]))


def _folder(problem: RealData) -> Path:
    folder = Path(str(problem.path)).expanduser()
    require(folder.is_dir(), "path", problem.path, f"an existing folder that holds the {problem.name} files")
    return folder


def _read(problem: RealData) -> tuple[np.ndarray, np.ndarray, int, int]:
    """Pixels (n, ...), labels (n,), the number of classes, and the largest whole-number pixel."""
    if problem.name == "digits":
        return *_digits(), 10, 16
    if problem.name == "mnist1d":
        return *mnist1d.generate(), mnist1d.CLASSES, 1
    folder = _folder(problem)
    if problem.name == "mnist":
        return *_join([_mnist_part(folder, part) for part in ("train", "t10k")]), 10, 255
    return *_join(_cifar_files(folder, problem.name)), _CIFAR[problem.name].classes, 255


def _join(parts: list[Examples]) -> Examples:
    pixels, labels = zip(*parts, strict=True)
    types = sorted({str(p.dtype) for p in pixels})
    require(len(types) == 1, "pixels of the files in path", types, "of one number type")
    return np.concatenate(pixels), np.concatenate(labels)


def _require_examples(labels: np.ndarray, kept: tuple[int, ...]) -> None:
    present = set(np.unique(labels).tolist())
    for c in kept:
        if c not in present:
            raise InputError(f"classes must each have at least one example, class {c!r} has none")


def _keep(pixels: np.ndarray, labels: np.ndarray, kept: tuple[int, ...]) -> Examples:
    """Only the examples of the kept classes, whose labels become positions in `kept`."""
    number = np.zeros(labels.max() + 1, np.int32)
    number[list(kept)] = np.arange(len(kept))
    index = np.isin(labels, kept)
    return pixels[index], number[labels[index]]


def _require_labels(path: Path, labels: np.ndarray, classes: int) -> None:
    whole = labels.ndim == 1 and np.issubdtype(labels.dtype, np.integer)
    require(whole, f"labels in {path}", f"{labels.dtype} {labels.shape}", "integers in one dimension")
    outside = np.flatnonzero((labels < 0) | (labels >= classes))
    if len(outside):
        i = int(outside[0])
        raise InputError(f"labels in {path} must be 0, ..., {classes - 1}, got {labels[i]} at example {i}")


def _digits() -> Examples:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return pixels.astype(np.uint8), labels


def _mnist_part(folder: Path, part: str) -> Examples:
    """Images (n, rows, columns) and labels (n,) of the files train-* or t10k-*."""
    image_path, label_path = _idx_path(folder, f"{part}-images", 3), _idx_path(folder, f"{part}-labels", 1)
    images, labels = read_idx(image_path), read_idx(label_path)
    require(images.shape[1:] == (28, 28), f"images in {image_path}", images.shape, "of shape (n, 28, 28)")
    _require_labels(label_path, labels, 10)
    counts = {"images": len(images), "labels": len(labels)}
    require(len(images) == len(labels), f"images and labels of {part} in path", counts, "equally many")
    largest = 255 if np.issubdtype(images.dtype, np.integer) else 1
    outside = images[(images < 0) | (images > largest)]
    if outside.size:
        raise InputError(f"pixels in {image_path} must be in [0, {largest}], got {outside[0]}")
    return images, labels


def _idx_path(folder: Path, stem: str, dimensions: int) -> Path:
    names = [f"{stem}{sep}idx{dimensions}-ubyte{end}" for sep in "-." for end in ("", ".gz")]
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise InputError(f"path must hold one of the files {', '.join(names)}, got {str(folder)!r} without them")


def _cifar_paths(folder: Path, layout: _Cifar) -> list[Path]:
    nested = folder / layout.folder
    home = nested if nested.is_dir() else folder
    for name in layout.files:
        if not (home / name).is_file():
            _refuse_pickles(folder, layout)
            raise InputError(f"path must hold {name} of the CIFAR binary version, got {str(home)!r} without it")
    return [home / name for name in layout.files]


def _refuse_pickles(folder: Path, layout: _Cifar) -> None:
    for name in layout.python:
        if (folder / name).exists():
            raise InputError(
                f"path must hold the CIFAR binary version ({', '.join(layout.files)}), got {str(folder)!r} with {name} "
                "of the python version; pickles are never read"
            )


def _cifar_files(folder: Path, name: str) -> list[Examples]:
    """The parts of a CIFAR data set. A file that was cut short is refused, a set of fewer records is said to be one.

    Files of the published size stand together, and so do the six equally long ones of CIFAR-10.
    """
    layout = _CIFAR[name]
    paths = _cifar_paths(folder, layout)
    parts = [_cifar_file(path, layout, most) for path, most in zip(paths, layout.records, strict=True)]
    counts = tuple(len(labels) for _, labels in parts)
    if counts != layout.records:
        found = dict(zip(layout.files, counts, strict=True))
        even = len(set(layout.records)) > 1 or len(set(counts)) == 1
        cut = any(a == b for a, b in zip(counts, layout.records, strict=True))
        require(even and not cut, f"the records in {folder}", found, f"{layout.records}, as in the published {name}")
        warnings.warn(InputWarning(f"{folder} holds {found} records; {name} has {layout.records}"), stacklevel=2)
    return parts


def _cifar_file(path: Path, layout: _Cifar, most: int) -> Examples:
    """Pixels (n, 3072) in the order height, width, colour, and labels (n,). The length gives the number of records."""
    size = layout.label_bytes + 3072
    with opened(path) as file:
        content = np.frombuffer(taken(file, most * size + 1), np.uint8)
    length = f"the length of {path}"
    require(len(content) <= most * size, length, len(content), f"at most {most * size} bytes, as published")
    require(len(content) > 0 and len(content) % size == 0, length, len(content), f"a positive multiple of {size} bytes")
    records = content.reshape(-1, size)
    labels = records[:, layout.label_bytes - 1]
    _require_labels(path, labels, layout.classes)
    colours_last = records[:, layout.label_bytes :].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    return colours_last.reshape(-1, 3072), labels
