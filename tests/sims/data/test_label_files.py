"""Files of labels in their three kinds, and what is refused."""

import numpy as np
import pytest

from sims.data import label_files
from sims.data.label_noise import CIFAR10_SIMILAR, flip_to
from spec.validation import InputError

LABELS = np.array([3, 0, 2, 2], np.int64)


def test_kinds_of_files(tmp_path):
    np.save(tmp_path / "a.npy", LABELS)
    np.savez(tmp_path / "b.npz", worse=LABELS, other=LABELS[::-1])
    (tmp_path / "c.txt").write_text("3\n0\n2\n2\n")
    for name, column in (("a.npy", None), ("b.npz", "worse"), ("c.txt", None)):
        found = label_files.read(tmp_path / name, column=column, count=4)
        np.testing.assert_array_equal(found, LABELS)
        assert found.dtype == np.int32


def test_what_is_refused(tmp_path):
    np.save(tmp_path / "pickled.npy", np.array({"worse_label": LABELS}, dtype=object), allow_pickle=True)
    np.savez(tmp_path / "b.npz", worse=LABELS, shares=LABELS / 2, onehot=np.eye(4))
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    (tmp_path / "cut.npz").write_bytes((tmp_path / "b.npz").read_bytes()[:100])
    for name, column, message in (
        ("pickled.npy", None, "without pickled objects"),
        ("names.txt", None, "must hold integers, as text"),
        ("cut.npz", "worse", "must hold integers"),
        ("missing.npy", None, "an existing file of labels"),
        ("b.npz", None, "column must be one of 'worse', 'shares', 'onehot', got None"),
        ("b.npz", "shares", "must be integers"),
        ("b.npz", "onehot", r"must be of shape \(n,\)"),
    ):
        with pytest.raises(InputError, match=message):
            label_files.read(tmp_path / name, column=column)
    with pytest.raises(InputError, match="as many as 5 examples, got 4"):
        label_files.read(tmp_path / "b.npz", column="worse", count=5)


def test_similar_classes_are_confused(key):
    """Cats become dogs and dogs cats; classes without a similar one keep their labels."""
    y = np.repeat(np.arange(10), 200)
    t = np.asarray(flip_to(y, CIFAR10_SIMILAR, 0.4, "stratified", key))
    moved = t != y
    assert set(zip(y[moved].tolist(), t[moved].tolist(), strict=True)) == {(9, 1), (2, 0), (4, 7), (3, 5), (5, 3)}
    # 0.4 of all labels are chosen, half of them of classes that move: hypergeometric, within six standard deviations
    assert abs(moved.sum() - 400) < 6 * np.sqrt(800 * 0.25 * 1200 / 1999)
    with pytest.raises(InputError, match="targets must be"):
        flip_to(y, {3: 3}, 0.4, "stratified", key)
