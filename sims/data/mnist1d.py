r"""MNIST-1D: ten one-dimensional digits, generated rather than downloaded.

Every example starts from the template of its class, 12 points of a stroke that begins and ends at zero. It is padded
with p zeros, p uniform on {36, ..., 60}, and stretched to 72 points; scaled by a factor uniform on [.8, 1.2]; rotated
by k places, k uniform on {0, ..., 47}. The padding receives noise smoothed by a Gaussian of width 2, everything gets
white noise and a random slope, and the result is read at 40 points. Finally the whole set is centred and scaled to
standard deviation one.

Source: Greydanus, "Scaling down deep learning" (2020), default settings: templates and constants are those of the
published generator; its stream of random numbers is not, so the examples are others of the same law.
"""

import random
from functools import cache

import numpy as np

from spec.seeds import named_seed
from spec.validation import InputError

CLASSES, LENGTH, PER_CLASS = 10, 40, 500
STRETCHED = 72
PADDING, ROTATION = (36, 60), 48
SCALE, SLOPE = 0.4, 0.75  # full widths of the uniform laws of the scale and of the slope
SMOOTH_NOISE, SMOOTHING, WHITE_NOISE = 0.25, 2, 0.02

_STROKES = np.array(
    [
        [5, 6, 6.5, 6.75, 7, 7, 7, 7, 6.75, 6.5, 6, 5],
        [5, 3, 3, 3.4, 3.8, 4.2, 4.6, 5, 5.4, 5.8, 5, 5],
        [5, 6, 6.5, 6.5, 6, 5.25, 4.75, 4, 3.5, 3.5, 4, 5],
        [5, 6, 6.5, 6.5, 6, 5, 5, 6, 6.5, 6.5, 6, 5],
        [5, 4.4, 3.8, 3.2, 2.6, 2.6, 5, 5, 5, 5, 5, 5],
        [5, 3, 3, 3, 3, 5, 6, 6.5, 6.5, 6, 4.5, 5],
        [5, 4, 3.5, 3.25, 3, 3, 3, 3, 3.25, 3.5, 4, 5],
        [5, 7, 7, 6.6, 6.2, 5.8, 5.4, 5, 4.6, 4.2, 5, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 4, 3.5, 3.5, 4, 5],
        [5, 4, 3.5, 3.5, 4, 5, 5, 5, 5, 4.7, 4.3, 5],
    ]
)


def templates() -> np.ndarray:
    """The ten strokes (10, 12): each with standard deviation 1/6 and starting at zero."""
    relative = (_STROKES - _STROKES[:, :1]) / _STROKES.std(axis=1, keepdims=True)
    return relative / 6


def generate() -> tuple[np.ndarray, np.ndarray]:
    """The data set: x (5000, 40) float32 of mean 0 and standard deviation 1, y (5000,) classes, 500 of each.

    One set for all experiments, from the seed named 'mnist1d'; they split it at random, as they do files.
    """
    return _generated(named_seed("mnist1d"))


@cache
def standard() -> tuple[np.ndarray, np.ndarray]:
    """The published set: its 4000 training examples, then its 1000 test examples, made by the package `mnist1d`.

    Raises InputError where that is not installed. Its seed, 42, is set for NumPy and Python and put back.
    """
    try:
        from mnist1d.data import get_dataset_args, make_dataset
    except ImportError:
        raise InputError(
            "name must not be 'mnist1d_standard' without the package mnist1d: install '.[mnist1d]'"
        ) from None
    before = np.random.get_state(), random.getstate()  # noqa: NPY002
    try:
        made = make_dataset(get_dataset_args())
    finally:
        np.random.set_state(before[0])  # noqa: NPY002
        random.setstate(before[1])
    x = np.concatenate([made["x"], made["x_test"]]).astype(np.float32)
    return x, np.concatenate([made["y"], made["y_test"]]).astype(np.int32)


@cache
def _generated(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.repeat(np.arange(CLASSES), PER_CLASS)
    n = len(y)
    padding = rng.integers(PADDING[0], PADDING[1] + 1, n)
    scale = 1 + SCALE * rng.uniform(-0.5, 0.5, n)
    rotation = rng.integers(0, ROTATION, n)
    strokes, inside = _stretched(templates()[y], padding)
    strokes, inside = (_rotated(a, rotation) for a in (scale[:, None] * strokes, inside))
    smooth = _smoothed(SMOOTH_NOISE * rng.normal(size=strokes.shape))
    x = np.where(inside, strokes, smooth) + WHITE_NOISE * rng.normal(size=strokes.shape)
    x -= SLOPE * rng.uniform(-0.5, 0.5, (n, 1)) * np.linspace(-0.5, 0.5, STRETCHED)
    x = _resampled(x)
    return ((x - x.mean()) / x.std()).astype(np.float32), y


def _stretched(strokes: np.ndarray, padding: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Strokes and their padding read at STRETCHED equally spaced points, and where the stroke is (not the padding)."""
    size = strokes.shape[1]
    place = np.linspace(0, 1, STRETCHED) * (size + padding - 1)[:, None]
    values = np.stack([np.interp(p, np.arange(size), s, right=0.0) for p, s in zip(place, strokes, strict=True)])
    return values, place < size


def _rotated(a: np.ndarray, by: np.ndarray) -> np.ndarray:
    return np.take_along_axis(a, (np.arange(a.shape[1]) - by[:, None]) % a.shape[1], axis=1)


def _smoothed(noise: np.ndarray) -> np.ndarray:
    """Rows convolved with a Gaussian of width SMOOTHING, cut at four widths; the ends are mirrored."""
    reach = 4 * SMOOTHING
    weights = np.exp(-((np.arange(-reach, reach + 1) / SMOOTHING) ** 2) / 2)
    padded = np.pad(noise, ((0, 0), (reach, reach)), mode="symmetric")
    return np.lib.stride_tricks.sliding_window_view(padded, len(weights), axis=1) @ (weights / weights.sum())


def _resampled(x: np.ndarray) -> np.ndarray:
    places = np.linspace(0, 1, LENGTH) * (STRETCHED - 1)
    return np.stack([np.interp(places, np.arange(STRETCHED), row) for row in x])
