"""Samples of problems: arrays drawn from a data law by a key. All of it can be traced and vectorised over keys."""

from dataclasses import dataclass
from functools import partial, singledispatch
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from sims.data.label_noise import flip_binary, flip_classes
from spec.clean_subset import CleanSubset
from spec.problems import GivenNoise, NoisyLinearTeacher, RealData, SignalNoiseMixture, SymmetricNoise
from spec.validation import InputError, require

MARGIN = 5.0


class Split(NamedTuple):
    """x (n, d); t (n,) observed labels; y (n,) true labels. Binary labels are -1 and 1, classes are 0, 1, ..."""

    x: jax.Array
    t: jax.Array
    y: jax.Array

    @property
    def mislabelled(self) -> jax.Array:
        return self.t != self.y


class Data(NamedTuple):
    """Only the training split carries label noise; validation is None for synthetic problems."""

    train: Split
    validation: Split | None
    test: Split


@partial(jax.tree_util.register_dataclass, data_fields=("x", "y", "t"), meta_fields=("classes",))
@dataclass(frozen=True, eq=False)
class Source:
    """A loaded real data set: x (n, d), y (n,) classes, and t (n,) observed ones where they come with it.

    A JAX pytree whose `classes` is static, because it fixes shapes: a Source can be an argument of compiled code.
    """

    x: Any
    y: Any
    classes: int
    t: Any = None


def require_precision(dtype: Any) -> None:
    """Refuse float64 where JAX would silently compute in float32."""
    if jnp.dtype(dtype) == jnp.float64 and not jax.config.read("jax_enable_x64"):
        raise InputError("dtype must be float32 unless jax_enable_x64 is set, got float64")


def require_classes(source: Source) -> None:
    """Refuse labels that are not one class 0, 1, ... for every example."""
    y = np.asarray(source.y)
    require(y.shape == np.shape(source.x)[:1], "y", y.shape, f"one label for each of {len(source.x)} examples")
    require(bool(np.issubdtype(y.dtype, np.integer)), "the type of y", str(y.dtype), "integers")
    for place in np.flatnonzero((y < 0) | (y >= source.classes))[:1]:
        raise InputError(f"y must be 0, ..., {source.classes - 1}, got {y[place]} at example {place}")


def require_room(problem: RealData, n: int) -> None:
    """Refuse a split of n examples that leaves none to test on."""
    if problem.n_train + problem.n_validation >= n:
        raise InputError(
            f"n_train + n_validation must leave at least one test example of {n}, "
            f"got n_train={problem.n_train!r} and n_validation={problem.n_validation!r}"
        )


def require_classes_last(problem: RealData, counts: np.ndarray) -> None:
    """Refuse an imbalance for which a class may run out, given how many examples (classes,) there are of each.

    The pool that the training split is chosen from holds a hypergeometric number of each class. Every class must have
    its seats MARGIN standard deviations below the mean, which fails in less than one of a million splits.
    """
    if problem.imbalance == 1:
        return
    n = int(counts.sum())
    pool = (n - problem.n_train - problem.n_validation) // 2 + problem.n_train
    mean = pool * counts / n
    least = np.floor(mean - MARGIN * np.sqrt(mean * (1 - counts / n) * (n - pool) / max(n - 1, 1)))
    grid = np.geomspace(1, problem.imbalance, 200)
    seats = np.array([_seats(problem.n_train, r, len(counts)) for r in grid])
    possible = grid[(seats <= least).all(axis=1)]
    for c in np.flatnonzero(seats[-1] > least)[:1]:
        most = f"at most {np.floor(100 * possible[-1]) / 100:g}" if len(possible) else "1"
        raise InputError(
            f"imbalance must be {most} for n_train={problem.n_train} of these {n} examples, got {problem.imbalance!r}: "
            f"class {c} would need {round(seats[-1][c])} of them, and as few as {max(0, int(least[c]))} may be left"
        )


def _seats(n_train: int, imbalance: float, classes: int) -> np.ndarray:
    """Training examples of every class, up to rounding."""
    share = imbalance ** (-np.arange(classes) / (classes - 1))
    return n_train * share / share.sum()


@singledispatch
def sample(problem: Any, key: jax.Array, *, dtype: Any, n_test: int = 1000, source: Source | None = None) -> Data:
    """Draw a training split with label noise and a clean test split.

    n_test: size of the test split of synthetic problems. source: the loaded arrays of a RealData problem
    (sims.data.real_data.load), passed in so that they need not be baked into compiled code.

    >>> import jax
    >>> from spec.problems import SignalNoiseMixture
    >>> train = sample(SignalNoiseMixture(n=10, d=3, B=2.0, Delta=0.2), jax.random.key(0), dtype="float32").train
    >>> train.x.shape, int(train.mislabelled.sum())
    ((10, 3), 2)
    """
    raise TypeError(f"cannot sample {problem!r}")


@sample.register
def _(
    problem: SignalNoiseMixture,
    key: jax.Array,
    *,
    dtype: Any,
    n_test: int = 1000,
    source: Source | None = None,
) -> Data:
    require_precision(dtype)
    train, test, flips = jax.random.split(key, 3)

    def examples(key: jax.Array, n: int) -> tuple[jax.Array, jax.Array]:
        labels, noise = jax.random.split(key)
        y = jax.random.permutation(labels, jnp.where(jnp.arange(n) < n // 2, -1, 1)).astype(dtype)
        z = jax.random.normal(noise, (n, problem.d), dtype)
        if problem.noise == "orthogonal":
            z = z.at[:, 0].set(0)
        mean = jnp.zeros((1, problem.d), dtype).at[0, 0].set(problem.B)
        return y[:, None] * (mean + problem.gamma * z), y

    x, y = examples(train, problem.n)
    x_test, y_test = examples(test, n_test)
    t = flip_binary(y, problem.Delta, problem.flips, flips)
    return Data(Split(x, t, y), None, Split(x_test, y_test, y_test))


@sample.register
def _(
    problem: NoisyLinearTeacher,
    key: jax.Array,
    *,
    dtype: Any,
    n_test: int = 1000,
    source: Source | None = None,
) -> Data:
    require_precision(dtype)
    train, test, flips = jax.random.split(key, 3)
    x = jax.random.normal(train, (problem.n, problem.d), dtype)
    x_test = jax.random.normal(test, (n_test, problem.d), dtype)
    y, y_test = (jnp.where(a[:, 0] >= 0, 1, -1).astype(dtype) for a in (x, x_test))
    t = flip_binary(y, problem.Delta, problem.flips, flips)
    return Data(Split(x, t, y), None, Split(x_test, y_test, y_test))


@sample.register
def _(
    problem: RealData,
    key: jax.Array,
    *,
    dtype: Any,
    n_test: int | None = None,
    source: Source | None = None,
) -> Data:
    require_precision(dtype)
    if source is None:
        raise InputError("source must hold the loaded arrays of the data set (sims.data.real_data.load), got None")
    require_room(problem, len(source.y))
    if not isinstance(source.y, jax.core.Tracer):
        require_classes(source)
        require_classes_last(problem, np.bincount(np.asarray(source.y), minlength=source.classes))
    shuffle, flips = jax.random.split(key)
    inputs, labels = jnp.asarray(source.x, dtype), jnp.asarray(source.y, jnp.int32)
    parts = _parts(problem, labels, source.classes, jax.random.permutation(shuffle, len(labels)))
    (x, y), (x_v, y_v), (x_t, y_t) = ((inputs[i], labels[i]) for i in parts)
    if isinstance(problem.noise, GivenNoise):
        require(source.t is not None, "source", source, "one with observed labels t, as sims.data.real_data.load gives")
        t = jnp.asarray(source.t, jnp.int32)[parts[0]]
    else:
        t = flip_classes(problem.noise, x, y, source.classes, flips)
    return Data(Split(x, t, y), Split(x_v, y_v, y_v), Split(x_t, y_t, y_t))


def _parts(problem: RealData, y: jax.Array, classes: int, order: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Places of the training, validation and test examples, given all places in random order."""
    stops = (problem.n_train, problem.n_train + problem.n_validation)
    if problem.imbalance == 1:
        return order[: stops[0]], order[stops[0] : stops[1]], order[stops[1] :]
    tested = (len(y) - stops[1] + 1) // 2
    validation, test, pool = jnp.split(order, (problem.n_validation, problem.n_validation + tested))
    share = problem.imbalance ** (-jnp.arange(classes) / (classes - 1))
    member = jax.nn.one_hot(y[pool], classes)
    before = jnp.sum((jnp.cumsum(member, axis=0) - member) * member, axis=1)  # earlier examples of the same class
    # Sainte-Lague's divisors give every class its share of any number of seats, to the nearest whole number.
    chosen = jnp.argsort((before + 0.5) / share[y[pool]])[: problem.n_train]
    return pool[chosen], validation, test


def set_aside(data: Data, subset: CleanSubset, classes: int, key: jax.Array) -> tuple[Data, Split]:
    """(the data with a smaller validation split, the clean subset: its first examples, some labels wrong if asked).

    Raises InputError where no validation example would be left.
    """
    held = data.validation
    if held is None or subset.m >= len(held.t):
        left = 0 if held is None else len(held.t)
        raise InputError(f"m must be smaller than the number of validation examples {left}, got {subset.m}")
    x, y = held.x[: subset.m], held.y[: subset.m]
    clean = Split(x, flip_classes(SymmetricNoise(subset.wrong), x, y, classes, key), y)
    return data._replace(validation=jax.tree.map(lambda a: a[subset.m :], held)), clean
