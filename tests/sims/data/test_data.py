"""Samples of problems: moments of the data laws, and splits whose training labels alone are noisy.

Every statistical test has an error probability of at most LEVEL if the code is right.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from sims.data.sampling import Data, Source, Split, sample, set_aside
from spec.clean_subset import CleanSubset
from spec.problems import (
    AsymmetricNoise,
    InstanceNoise,
    LabelNoise,
    NoisyLinearTeacher,
    RealData,
    SignalNoiseMixture,
    SymmetricNoise,
)
from spec.validation import InputError

LEVEL = 1e-4
# The same sizes throughout: JAX then compiles every operation once for the whole file.
N, D, N_TEST = 20_000, 5, 4000
MIXTURE = SignalNoiseMixture(n=N, d=D, B=1.5, gamma=0.7, Delta=0.2)
TEACHER = NoisyLinearTeacher(n=N, d=D, Delta=0.2)
REAL = RealData(n_train=100, n_validation=40, noise=AsymmetricNoise(0.3))
CLASSES = 3
KINDS = ["isotropic", "orthogonal"]


def draw(problem: Any, key: jax.Array, dtype: Any = jnp.float64) -> Data:
    return sample(problem, key, dtype=dtype, n_test=N_TEST)


def assert_normal(z: np.ndarray) -> None:
    """Every one of several standard normal numbers is as small as its share of LEVEL allows."""
    assert np.abs(z).max() < stats.norm.isf(LEVEL / 2 / np.size(z))


def assert_moments(z: np.ndarray) -> None:
    """The rows of z (n, k) look like draws from N(0, I_k): mean, variances and correlations."""
    n, k = z.shape
    assert_normal(z.mean(0) * np.sqrt(n))
    low, high = stats.chi2.ppf([LEVEL / 2 / k, 1 - LEVEL / 2 / k], n - 1)
    sums = ((z - z.mean(0)) ** 2).sum(0)
    assert (low < sums).all()
    assert (sums < high).all()
    assert_normal(np.corrcoef(z.T)[np.triu_indices(k, 1)] * np.sqrt(n))


def assert_uncorrelated(a: np.ndarray, b: np.ndarray) -> None:
    assert_normal(np.asarray(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1] * np.sqrt(np.size(a))))


@pytest.fixture
def source(rng: np.random.Generator) -> Source:
    """A data set whose inputs are the positions of its examples."""
    return Source(np.arange(200, dtype=np.float32)[:, None], rng.permutation(200).astype(np.int32) % CLASSES, CLASSES)


@pytest.fixture
def without_x64() -> Iterator[None]:
    jax.config.update("jax_enable_x64", False)
    yield
    jax.config.update("jax_enable_x64", True)


def places(split: Split) -> np.ndarray:
    return np.asarray(split.x[:, 0], int)


@pytest.mark.parametrize("noise", KINDS)
@pytest.mark.parametrize("label", [-1, 1])
@pytest.mark.parametrize("part", ["train", "test"])
def test_mixture_moments(key: jax.Array, noise: str, label: int, part: str) -> None:
    split = getattr(draw(replace(MIXTURE, noise=noise), key), part)
    x = np.asarray(split.x)[np.asarray(split.y) == label]
    z = (label * x - MIXTURE.B * np.eye(D)[0]) / MIXTURE.gamma
    if noise == "orthogonal":
        np.testing.assert_array_equal(x[:, 0], label * MIXTURE.B)
    assert_moments(z if noise == "isotropic" else z[:, 1:])


def test_mixture_labels_are_balanced(key: jax.Array) -> None:
    data = jax.jit(lambda k: draw(replace(MIXTURE, n=11), k))(key)
    for split, size in ((data.train, 11), (data.test, N_TEST)):
        assert split.y.shape == (size,)
        assert (split.y == -1).sum() == size // 2
        assert (split.y == 1).sum() == size - size // 2


@pytest.mark.parametrize("problem", [MIXTURE, TEACHER])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.float64])
def test_synthetic_splits_have_the_asked_shape_and_type(key: jax.Array, problem: Any, dtype: Any) -> None:
    data = jax.eval_shape(lambda k: draw(problem, k, dtype), key)
    for split, n in ((data.train, N), (data.test, N_TEST)):
        assert (split.x.shape, split.t.shape, split.y.shape) == ((n, D), (n,), (n,))
        assert {split.x.dtype, split.t.dtype, split.y.dtype} == {jnp.dtype(dtype)}


@pytest.mark.parametrize("problem", [MIXTURE, TEACHER])
@pytest.mark.parametrize("flips", ["stratified", "bernoulli"])
def test_synthetic_label_noise_is_in_the_training_split_only(key: jax.Array, problem: Any, flips: str) -> None:
    data = draw(replace(problem, flips=flips), key)
    wrong = np.asarray(data.train.mislabelled)
    low, high = (N // 5, N // 5) if flips == "stratified" else stats.binom.interval(1 - LEVEL, N, 0.2)
    assert low <= wrong.sum() <= high
    np.testing.assert_array_equal(data.train.t, np.where(wrong, -1, 1) * data.train.y)
    np.testing.assert_array_equal(data.test.t, data.test.y)
    assert data.validation is None


@pytest.mark.parametrize("problem", [MIXTURE, TEACHER])
def test_flips_do_not_depend_on_the_example(key: jax.Array, problem: Any) -> None:
    train = draw(problem, key).train
    wrong = np.asarray(train.mislabelled)
    assert_uncorrelated(wrong, train.y)
    for column in np.asarray(train.x * train.y[:, None]).T:
        assert_uncorrelated(wrong, column)


@pytest.mark.parametrize("problem", [MIXTURE, TEACHER])
def test_training_and_test_splits_are_independent(key: jax.Array, problem: Any) -> None:
    data = draw(problem, key)
    assert not np.isin(data.train.x[:, 1], data.test.x[:, 1]).any()
    assert_uncorrelated(data.train.x[:N_TEST], data.test.x)
    assert_uncorrelated(data.train.y[:N_TEST], data.test.y)


def test_teacher_inputs_and_labels(key: jax.Array) -> None:
    data = draw(TEACHER, key)
    for split in (data.train, data.test):
        assert_moments(np.asarray(split.x))
        np.testing.assert_array_equal(split.y, np.sign(split.x[:, 0]))


def test_draws_are_fixed_by_the_key_also_when_vectorised(key: jax.Array) -> None:
    keys = jax.random.split(key, 2)
    batch = jax.jit(jax.vmap(lambda k: draw(MIXTURE, k)))(keys)
    for i in range(2):
        alone = draw(MIXTURE, keys[i])
        np.testing.assert_array_equal(batch.train.t[i], alone.train.t)
        # B + gamma z may cancel, so that rounding is relative to B and not to the sum.
        np.testing.assert_allclose(batch.test.x[i], alone.test.x, rtol=1e-12, atol=1e-14)
    assert (batch.train.x[0] != batch.train.x[1])[:, 1:].all()


def test_real_split_is_disjoint_and_complete(key: jax.Array, source: Source) -> None:
    data = sample(REAL, key, dtype=jnp.float32, source=source)
    parts = [data.train, data.validation, data.test]
    assert [len(split.y) for split in parts] == [100, 40, 60]
    np.testing.assert_array_equal(np.sort(np.concatenate([places(split) for split in parts])), np.arange(200))
    for split in parts:
        assert (split.x.dtype, split.t.dtype, split.y.dtype) == (jnp.float32, jnp.int32, jnp.int32)
        np.testing.assert_array_equal(split.y, source.y[places(split)])


def test_imbalanced_classes_fall_geometrically_in_the_training_split_alone(key: jax.Array) -> None:
    """Counts are Sainte-Lague's seats for shares 16, 4, 1; validation and test keep the law of all examples."""
    y = np.arange(900) % CLASSES
    source = Source(np.arange(900.0)[:, None], y, CLASSES)
    problem = replace(REAL, imbalance=16.0, noise=SymmetricNoise(0.0))
    data = sample(problem, key, dtype=jnp.float64, source=source)
    assert data.validation is not None
    np.testing.assert_array_equal(np.bincount(data.train.y), [76, 19, 5])
    assert [len(split.y) for split in (data.train, data.validation, data.test)] == [100, 40, 380]
    drawn = np.concatenate([places(split) for split in (data.train, data.validation, data.test)])
    assert len(np.unique(drawn)) == 520
    # The largest of three hypergeometric counts of the test split, each about 127 with standard deviation 7.
    assert np.abs(np.bincount(data.test.y) - 380 / 3).max() < stats.norm.isf(LEVEL / 6) * 7


def test_an_imbalance_that_a_class_cannot_give_is_refused_with_the_largest_possible(key: jax.Array) -> None:
    y = np.repeat(np.arange(CLASSES), [20, 300, 100])
    source = Source(y[:, None], y, CLASSES)
    with pytest.raises(InputError, match=r"imbalance must be 1 for n_train=100 .*, got 100\.0: class 0 would need 9\d"):
        sample(replace(REAL, imbalance=100.0), key, dtype=jnp.float64, source=source)
    y = np.repeat(np.arange(CLASSES), [200, 300, 100])
    with pytest.raises(InputError, match=r"imbalance must be at most \d") as refused:
        sample(replace(REAL, imbalance=1000.0), key, dtype=jnp.float64, source=Source(y[:, None], y, CLASSES))
    most = float(re.findall(r"at most ([\d.]+)", str(refused.value))[0])
    problem = replace(REAL, imbalance=most, noise=SymmetricNoise(0.0))
    counts = np.bincount(
        sample(problem, key, dtype=jnp.float64, source=Source(y[:, None], y, CLASSES)).train.y, minlength=CLASSES
    )
    share = most ** (-np.arange(CLASSES) / 2)
    assert np.abs(counts - 100 * share / share.sum()).max() < 1


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.arange(200) % CLASSES + 1, r"y must be 0, \.\.\., 2, got 3 at example 2"),
        (np.arange(200) % CLASSES - 1, r"y must be 0, \.\.\., 2, got -1 at example 0"),
        ((np.arange(200) % CLASSES)[:, None], r"y must be one label for each of 200 examples, got \(200, 1\)"),
        (np.arange(200) % CLASSES * 1.0, "the type of y must be integers, got 'float64'"),
    ],
)
def test_labels_of_a_source_are_its_classes(key: jax.Array, source: Source, y: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        sample(REAL, key, dtype=jnp.float32, source=replace(source, y=y))


def test_real_label_noise_is_in_the_training_split_only(key: jax.Array, source: Source) -> None:
    data = sample(REAL, key, dtype=jnp.float64, source=source)
    wrong = np.asarray(data.train.mislabelled)
    assert wrong.sum() == 30
    np.testing.assert_array_equal(data.train.t, (np.asarray(data.train.y) + wrong) % CLASSES)
    np.testing.assert_array_equal(data.validation.t, data.validation.y)
    np.testing.assert_array_equal(data.test.t, data.test.y)


def test_real_splits_differ_between_keys_and_repeat_for_one(key: jax.Array, source: Source) -> None:
    first, second = (sample(REAL, k, dtype=jnp.float32, source=source) for k in jax.random.split(key))
    again = sample(REAL, jax.random.split(key)[0], dtype=jnp.float32, source=source)
    assert set(places(first.train)) != set(places(second.train))
    jax.tree.map(np.testing.assert_array_equal, first, again)


def test_a_source_can_be_an_argument_of_compiled_code(key: jax.Array, source: Source) -> None:
    keys = jax.random.split(key, 2)

    def run(k: jax.Array, shared: Source) -> Data:
        return sample(REAL, k, dtype=jnp.float32, source=shared)

    batch = jax.jit(jax.vmap(run, in_axes=(0, None)))(keys, source)
    for i in range(2):
        jax.tree.map(np.testing.assert_array_equal, jax.tree.map(lambda a, i=i: a[i], batch), run(keys[i], source))


@pytest.mark.parametrize("noise", [SymmetricNoise(0.3), AsymmetricNoise(0.3), InstanceNoise(0.3)])
def test_every_label_noise_can_be_traced_with_its_source(key: jax.Array, source: Source, noise: LabelNoise) -> None:
    problem = replace(REAL, noise=noise)
    data = jax.eval_shape(lambda k, shared: sample(problem, k, dtype=jnp.float32, source=shared), key, source)
    assert (data.train.t.shape, data.train.t.dtype) == ((100,), jnp.int32)


def test_real_data_needs_its_arrays_and_room_to_test(key: jax.Array, source: Source) -> None:
    with pytest.raises(InputError, match=r"source must hold the loaded arrays .* got None"):
        sample(REAL, key, dtype=jnp.float32)
    with pytest.raises(InputError, match="test example of 200, got n_train=160 and n_validation=40"):
        sample(replace(REAL, n_train=160), key, dtype=jnp.float32, source=source)


@pytest.mark.parametrize("problem", [MIXTURE, TEACHER, REAL])
@pytest.mark.usefixtures("without_x64")
def test_double_precision_is_refused_where_jax_would_drop_it(key: jax.Array, source: Source, problem: Any) -> None:
    with pytest.raises(InputError, match="dtype must be float32 unless jax_enable_x64 is set, got float64"):
        sample(problem, key, dtype=jnp.float64, source=source)
    single = jax.eval_shape(lambda k: sample(problem, k, dtype=jnp.float32, source=source), key)
    assert single.train.x.dtype == jnp.float32


def test_only_problems_can_be_sampled(key: jax.Array) -> None:
    with pytest.raises(TypeError, match="cannot sample 'mixture'"):
        sample("mixture", key, dtype=jnp.float32)


@pytest.mark.parametrize("wrong", [0.0, 0.25])
def test_a_clean_subset_is_cut_from_validation(key: jax.Array, source: Source, wrong: float) -> None:
    data = sample(REAL, key, dtype=jnp.float64, source=source)
    rest, clean = set_aside(data, CleanSubset(12, wrong), CLASSES, key)
    assert data.validation is not None
    assert rest.validation is not None
    np.testing.assert_array_equal(np.concatenate([places(clean), places(rest.validation)]), places(data.validation))
    np.testing.assert_array_equal(clean.y, np.asarray(source.y)[places(clean)])
    assert int(clean.mislabelled.sum()) == round(12 * wrong)
    jax.tree.map(np.testing.assert_array_equal, (rest.train, rest.test), (data.train, data.test))


def test_a_clean_subset_leaves_something_to_validate_on(key: jax.Array, source: Source) -> None:
    data = sample(REAL, key, dtype=jnp.float64, source=source)
    with pytest.raises(InputError, match="m must be smaller than the number of validation examples 40, got 40"):
        set_aside(data, CleanSubset(40), CLASSES, key)
    with pytest.raises(InputError, match="validation examples 0, got 1"):
        set_aside(data._replace(validation=None), CleanSubset(1), CLASSES, key)
