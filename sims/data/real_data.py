r"""Real data sets: scikit-learn's digits, generated MNIST-1D, and MNIST and CIFAR from local files.

Nothing is downloaded. A data set is a line in DATA_SETS and a name in spec.problems.
"""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sims.data import cifar, label_files, mnist, mnist1d, own
from sims.data.examples import Examples, require_labels
from sims.data.sampling import Source, require_classes_last, require_room
from spec.problems import GivenNoise, RealData
from spec.validation import InputError, require


class DataSet(NamedTuple):
    """read() or, for data in local files, read(folder) gives pixels (n, ...) and labels (n,) in 0, ..., classes - 1.

    classes None: as many as the labels name. largest: the largest whole-number pixel. files(folder): the files that are
    read; None for data that need none.
    """

    read: Callable[..., Examples]
    classes: int | None
    largest: int
    files: Callable[[Path], tuple[Path, ...]] | None = None


def _digits() -> Examples:
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    return pixels.astype(np.uint8), labels


DATA_SETS: dict[Any, DataSet] = {
    "digits": DataSet(_digits, 10, 16),
    "mnist1d": DataSet(mnist1d.generate, mnist1d.CLASSES, 1),
    "mnist1d_standard": DataSet(mnist1d.standard, mnist1d.CLASSES, 1),
    "own": DataSet(own.read, None, 255, own.files),
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
    pixels, y = data.read() if data.files is None else data.read(_place(problem))
    classes = int(y.max()) + 1 if data.classes is None else data.classes
    kept = tuple(range(classes)) if problem.classes is None else problem.classes
    t = _given(problem.noise, len(y), classes) if isinstance(problem.noise, GivenNoise) else y
    pixels, y = pixels[: len(t)], y[: len(t)]
    among = np.isin(y, kept) & np.isin(t, kept)
    _require_examples(y[among], kept)
    require_room(problem, int(among.sum()))
    require_classes_last(problem, np.array([np.sum(y[among] == c) for c in kept]))
    x = pixels[among].reshape(int(among.sum()), -1).astype(np.float32)
    if np.issubdtype(pixels.dtype, np.integer):
        x /= np.float32(data.largest)
    observed = _numbered(t[among], kept) if t is not y else None
    return Source(x, _numbered(y[among], kept), len(kept), observed)


def files(problem: RealData) -> tuple[Path, ...]:
    """The local files that load reads; none where it reads none. Raises InputError where one is missing."""
    found, noise = DATA_SETS[problem.name].files, problem.noise
    labels = (Path(noise.path).expanduser(),) if isinstance(noise, GivenNoise) else ()
    require(
        all(file.is_file() for file in labels), "noise.path", [str(f) for f in labels], "an existing file of labels"
    )
    return (*(() if found is None else found(_place(problem))), *labels)


def _place(problem: RealData) -> Path:
    place = Path(str(problem.path)).expanduser()
    holds = (
        "an existing .npz file" if problem.name == "own" else f"an existing folder that holds the {problem.name} files"
    )
    require(place.is_file() if problem.name == "own" else place.is_dir(), "path", problem.path, holds)
    return place


def _given(noise: GivenNoise, n: int, classes: int) -> np.ndarray:
    """The observed labels of the first examples."""
    t = label_files.read(noise.path, column=noise.column)
    require(len(t) <= n, f"labels in {noise.path}", len(t), f"at most as many as the {n} examples")
    require_labels(Path(noise.path), t, classes)
    return t


def _require_examples(labels: np.ndarray, kept: tuple[int, ...]) -> None:
    present = set(np.unique(labels).tolist())
    for c in kept:
        if c not in present:
            raise InputError(f"classes must each have at least one example, class {c!r} has none")


def _numbered(labels: np.ndarray, kept: tuple[int, ...]) -> np.ndarray:
    """Positions of labels in `kept`."""
    number = np.zeros(max(kept) + 1, np.int32)
    number[list(kept)] = np.arange(len(kept))
    return number[labels]
