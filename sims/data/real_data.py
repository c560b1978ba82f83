r"""Real data sets: scikit-learn's digits, generated MNIST-1D, and MNIST and CIFAR from local files.

Nothing is downloaded. A data set is a line in DATA_SETS and a name in spec.problems.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sims.data import cifar, mnist, mnist1d
from sims.data.examples import Examples
from sims.data.sampling import Source, require_classes_last, require_room
from spec.problems import RealData
from spec.validation import InputError, require


class DataSet(NamedTuple):
    """read() or, for data in local files, read(folder) gives pixels (n, ...) and labels (n,) in 0, ..., classes - 1.

    largest: the largest whole-number pixel. files(folder): the files that are read; None for data that need none.
    """

    read: Callable[..., Examples]
    classes: int
    largest: int
    files: Callable[[Path], tuple[Path, ...]] | None = None


def _digits() -> Examples:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return pixels.astype(np.uint8), labels


DATA_SETS: dict[Any, DataSet] = {
    "digits": DataSet(_digits, 10, 16),
    "mnist1d": DataSet(mnist1d.generate, mnist1d.CLASSES, 1),
    "mnist": DataSet(mnist.read, mnist.CLASSES, 255, mnist.files),
    **{
        name: DataSet(partial(cifar.read, name=name), layout.classes, 255, partial(cifar.files, name=name))
        for name, layout in cifar.LAYOUTS.items()
    },
}


def load(problem: RealData) -> Source:
    """Read the data set of a problem, without its split: x (n, d) float32, y (n,) int32.

    The files' own training and test parts are put together, because the problem splits all examples at random.
    Whole-number pixels are divided by their largest possible value (255; digits: 16), floating-point ones are taken as
    they are. d is 64 (digits), 40 (mnist1d), 784 (mnist) or 3072 (cifar10 and cifar100, with its fine labels).
    Raises InputError where a file is missing, damaged or holds impossible values, where a class has no example, and
    where n_train and n_validation leave nothing to test on.
    """
    data = DATA_SETS[problem.name]
    pixels, labels = data.read() if data.files is None else data.read(_folder(problem))
    kept = tuple(range(data.classes)) if problem.classes is None else problem.classes
    _require_examples(labels, kept)
    require_room(problem, int(np.isin(labels, kept).sum()))
    require_classes_last(problem, np.array([np.sum(labels == c) for c in kept]))
    if problem.classes is not None:
        pixels, labels = _keep(pixels, labels, kept)
    x = pixels.reshape(len(pixels), -1).astype(np.float32)
    if np.issubdtype(pixels.dtype, np.integer):
        x /= np.float32(data.largest)
    return Source(x, labels.astype(np.int32), len(kept))


def files(problem: RealData) -> tuple[Path, ...]:
    """The local files that load reads; none where it reads none. Raises InputError where one is missing."""
    found = DATA_SETS[problem.name].files
    return () if found is None else found(_folder(problem))


def _folder(problem: RealData) -> Path:
    folder = Path(str(problem.path)).expanduser()
    require(folder.is_dir(), "path", problem.path, f"an existing folder that holds the {problem.name} files")
    return folder


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
