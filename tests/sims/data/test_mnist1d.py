"""MNIST-1D against its published construction: each step rebuilt plainly, and what the set as a whole must be."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter1d

from sims.data import mnist1d, real_data
from spec.problems import RealData


def test_templates_start_and_end_at_zero_and_differ():
    strokes = mnist1d.templates()
    assert not np.any(strokes[:, [0, -1]])
    np.testing.assert_allclose(strokes.std(axis=1), 1 / 6)
    assert min(np.abs(a - b).max() for i, a in enumerate(strokes) for b in strokes[:i]) > 0.1


@pytest.mark.parametrize("padding", [36, 51, 60])
def test_stretching_is_interpolation_of_the_padded_stroke(padding):
    stroke = mnist1d.templates()[7]
    values, inside = mnist1d._stretched(stroke[None], np.array([padding]))
    padded = np.concatenate([stroke + 1e-8, np.zeros(padding)])
    direct = np.interp(np.linspace(0, 1, 72), np.linspace(0, 1, len(padded)), padded)
    np.testing.assert_allclose(values[0], direct, atol=1e-7)
    np.testing.assert_array_equal(inside[0], direct != 0)


def test_rotation_is_a_roll(rng):
    a, by = rng.normal(size=(4, 9)), np.array([0, 1, 5, 8])
    np.testing.assert_array_equal(mnist1d._rotated(a, by), [np.roll(row, k) for row, k in zip(a, by, strict=True)])


def test_smoothing_is_a_gaussian_filter(rng):
    noise = rng.normal(size=(3, mnist1d.STRETCHED))
    np.testing.assert_allclose(mnist1d._smoothed(noise), gaussian_filter1d(noise, 2, axis=1), atol=1e-12)


def test_the_set_is_balanced_standardised_and_made_once():
    x, y = mnist1d.generate()
    assert x.shape == (5000, 40)
    assert x.dtype == np.float32
    np.testing.assert_array_equal(np.bincount(y), 500)
    assert abs(x.mean()) < 1e-4
    assert abs(x.std() - 1) < 1e-4
    assert mnist1d.generate()[0] is x


def test_the_set_is_standardised_as_a_whole_and_not_feature_by_feature():
    x, _ = mnist1d.generate()
    spread = x.std(axis=0)
    assert spread.min() < 0.9
    assert spread.max() > 1.05


def test_no_two_examples_are_the_same_and_classes_can_be_told_apart():
    x, y = mnist1d.generate()
    assert len(np.unique(x, axis=0)) == len(x)
    # Strokes move, so no class has a mean of its own; the power spectrum does not see translations.
    spectrum = np.abs(np.fft.rfft(x, axis=1))
    means = np.stack([spectrum[y == c][:250].mean(axis=0) for c in range(10)])
    held_out = np.concatenate([np.arange(5000)[y == c][250:] for c in range(10)])
    nearest = np.argmin(((spectrum[held_out, None] - means) ** 2).sum(-1), axis=1)
    assert np.mean(nearest == y[held_out]) > 0.25  # chance: 0.1


def test_it_loads_as_a_data_set_without_files():
    source = real_data.load(RealData("mnist1d", n_train=100, classes=(3, 8)))
    assert source.x.shape == (1000, 40)
    assert source.classes == 2
    assert np.any(source.x < 0)
