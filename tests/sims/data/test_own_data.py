"""Data and labels of one's own in problems, and the published MNIST-1D by its package."""

import random
import sys
from types import ModuleType, SimpleNamespace

import jax
import numpy as np
import pytest

from sims.data import mnist1d, sources
from sims.data.real_data import load
from sims.data.sampling import sample
from spec.problems import GivenNoise, RealData
from spec.validation import InputError


@pytest.fixture
def mine(tmp_path, rng):
    """Thirty examples of three classes, a third of whose observed labels are other than the true ones."""
    x, y = rng.random((30, 2, 4)), np.arange(30) % 3
    np.savez(tmp_path / "mine.npz", x=x, y=y, t=(y + (np.arange(30) < 10)) % 3)
    return tmp_path / "mine.npz", x, y


def problem(file, noise=None, **others):
    return RealData("own", 12, 6, noise or GivenNoise(str(file), "t"), path=str(file), **others)


def test_own_inputs_and_observed_labels(mine, key):
    file, x, y = mine
    source = load(problem(file))
    np.testing.assert_array_equal(source.x, x.reshape(30, 8).astype(np.float32))
    np.testing.assert_array_equal(source.y, y)
    data = jax.jit(lambda s, k: sample(problem(file), k, dtype="float32", source=s))(source, key)
    places = [int(np.flatnonzero((source.x == row).all(axis=1))[0]) for row in np.asarray(data.train.x)]
    np.testing.assert_array_equal(data.train.mislabelled, np.asarray(places) < 10)
    assert not data.test.mislabelled.any()
    assert not data.validation.mislabelled.any()


def test_labels_for_the_first_examples_alone(mine, tmp_path):
    """As those of CIFAR-10N, which has none for the test files; kept classes need an observed label among them too."""
    file, x, _ = mine
    (tmp_path / "labels.txt").write_text("\n".join(str((i + (i < 4)) % 3) for i in range(24)))
    noise = GivenNoise(str(tmp_path / "labels.txt"))
    assert load(problem(file, noise)).x.shape == (24, 8)
    two = load(RealData("own", 4, 2, noise, path=str(file), classes=(2, 0)))
    kept = [i for i in range(24) if i % 3 != 1 and (i + (i < 4)) % 3 != 1]
    np.testing.assert_array_equal(two.x, x.reshape(30, 8)[kept].astype(np.float32))
    np.testing.assert_array_equal(two.y, [0 if i % 3 == 2 else 1 for i in kept])
    np.testing.assert_array_equal(two.t, [0 if (i + (i < 4)) % 3 == 2 else 1 for i in kept])


def test_a_changed_file_of_labels_is_read_again(mine, tmp_path):
    file, _, y = mine
    np.save(tmp_path / "t.npy", y)
    noisy = problem(file, GivenNoise(str(tmp_path / "t.npy")))
    before = sources.contents(noisy), sources.source(noisy).t
    np.save(tmp_path / "t.npy", (y + 1) % 3)
    assert sources.contents(noisy).keys() == {str(file), str(tmp_path / "t.npy")}
    assert sources.contents(noisy) != before[0]
    assert (sources.source(noisy).t != before[1]).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": np.arange(30) % 3}, r"x in .* must be floating-point numbers or uint8 \(n, ...\), got"),
        ({"x": np.zeros((30, 2)), "y": np.arange(29) % 3}, r"x and y in .* must be one class for each example"),
        ({"x": np.zeros((30, 2)), "y": np.arange(30) % 3 - 1}, "y in .* must be classes 0, 1, ..., got -1"),
        ({"x": np.zeros((30, 2)), "y": np.arange(30) % 3 * 2}, "class 1 has none"),
        ({"x": np.full((30, 2), np.nan), "y": np.arange(30) % 3}, "must be finite everywhere"),
        ({"x": np.zeros((30, 2)), "labels": np.arange(30)}, "column must be one of 'x', 'labels', got 'y'"),
    ],
)
def test_what_is_refused(arrays, message, tmp_path):
    np.savez(tmp_path / "mine.npz", **arrays)
    with pytest.raises(InputError, match=message):
        load(RealData("own", 12, 6, path=str(tmp_path / "mine.npz")))


def test_refused_places_and_labels(mine, tmp_path):
    file, _, y = mine
    with pytest.raises(InputError, match=r"path must name an .npz file with x and y, got None"):
        RealData("own")
    with pytest.raises(InputError, match=r"path must be an existing .npz file, got"):
        load(RealData("own", path=str(tmp_path)))
    with pytest.raises(InputError, match="an existing file of labels"):
        sources.contents(problem(file, GivenNoise(str(tmp_path / "none.npy"))))
    np.save(tmp_path / "t.npy", y + 1)
    with pytest.raises(InputError, match=r"must be 0, \.\.\., 2, got 3 at example 2"):
        load(problem(file, GivenNoise(str(tmp_path / "t.npy"))))
    np.save(tmp_path / "t.npy", np.zeros(31, int))
    with pytest.raises(InputError, match="at most as many as the 30 examples"):
        load(problem(file, GivenNoise(str(tmp_path / "t.npy"))))


# ---------------------------------------------------------------- the published MNIST-1D


@pytest.fixture
def fresh():
    mnist1d.standard.cache_clear()
    yield
    mnist1d.standard.cache_clear()


def test_the_published_set_by_its_package(fresh, monkeypatch):
    """Its loading, on a package made here: training examples first, and the seed that it sets is put back."""
    package, module = ModuleType("mnist1d"), ModuleType("mnist1d.data")

    def make_dataset(settings):
        np.random.seed(settings.seed)  # noqa: NPY002
        random.seed(settings.seed)
        y = np.arange(50) % 10
        x = np.random.normal(size=(50, 40))  # noqa: NPY002
        return {"x": x[:40], "y": y[:40], "x_test": x[40:], "y_test": y[40:]}

    module.get_dataset_args, module.make_dataset = lambda: SimpleNamespace(seed=42), make_dataset
    monkeypatch.setitem(sys.modules, "mnist1d", package)
    monkeypatch.setitem(sys.modules, "mnist1d.data", module)
    before = np.random.get_state()[1].copy(), random.getstate()  # noqa: NPY002
    source = load(RealData("mnist1d_standard", 20, 10))
    np.testing.assert_array_equal(np.random.get_state()[1], before[0])  # noqa: NPY002
    assert random.getstate() == before[1]
    np.testing.assert_array_equal(source.x, np.random.RandomState(42).normal(size=(50, 40)).astype(np.float32))
    np.testing.assert_array_equal(source.y, np.arange(50) % 10)


def test_without_the_package_it_is_refused(fresh, monkeypatch):
    monkeypatch.setitem(sys.modules, "mnist1d.data", None)
    with pytest.raises(InputError, match="without the package mnist1d: install"):
        load(RealData("mnist1d_standard"))


def test_our_generator_has_the_law_of_the_published_one(fresh):
    """Means and variances of every class at every point, within six standard errors."""
    pytest.importorskip("mnist1d", reason="the extra `mnist1d` is not installed")
    for ours, theirs in zip(moments(*mnist1d.generate()), moments(*mnist1d.standard()), strict=True):
        (a, a_error), (b, b_error) = ours, theirs
        assert (np.abs(a - b) < 6 * np.hypot(a_error, b_error)).all()


def moments(x, y):
    """(means, errors) and (variances, errors) of every class and point, (10, 40)."""
    classes = [np.asarray(x[y == c], np.float64) for c in range(10)]
    for values in (classes, [(c - c.mean(0)) ** 2 for c in classes]):
        yield np.stack([v.mean(0) for v in values]), np.stack([v.std(0) / len(v) ** 0.5 for v in values])
