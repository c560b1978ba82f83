"""Loaders of real data on files made here, and on the digits that come with scikit-learn."""

import gzip
import struct
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.random import Generator
from sklearn.datasets import load_digits

from sims.data import cifar
from sims.data.idx import IDX_TYPES, read_idx
from sims.data.real_data import load
from spec.problems import RealData
from spec.validation import InputError, InputWarning

CODES = {"uint8": 8, "int8": 9, "int16": 11, "int32": 12, "float32": 13, "float64": 14}
MNIST_COUNTS = {"train": 30, "t10k": 20}
LAST_FILES = {"mnist": "t10k-labels-idx1-ubyte", "cifar10": "test_batch.bin", "cifar100": "test.bin"}


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def idx(values: np.ndarray) -> bytes:
    head = struct.pack(f">BBBB{values.ndim}I", 0, 0, CODES[str(values.dtype)], values.ndim, *values.shape)
    return head + values.astype(values.dtype.newbyteorder(">")).tobytes()


def labels_of(count: int, classes: int) -> np.ndarray:
    return (np.arange(count) % classes).astype(np.uint8)


def make_mnist(folder: Path, rng: Generator, sep: str = "-", end: str = "") -> RealData:
    for part, count in MNIST_COUNTS.items():
        images = rng.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        write(folder / f"{part}-images{sep}idx3-ubyte{end}", idx(images))
        write(folder / f"{part}-labels{sep}idx1-ubyte{end}", idx(labels_of(count, 10)))
    return RealData("mnist", n_train=20, n_validation=5, path=str(folder))


def make_cifar(folder: Path, rng: Generator, classes: int) -> tuple[RealData, np.ndarray, np.ndarray]:
    folder.mkdir(exist_ok=True)
    batches = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
    files = batches if classes == 10 else ["train.bin", "test.bin"]
    x = rng.integers(0, 256, (len(files), classes, 3072), dtype=np.uint8)
    y = np.stack([rng.permutation(classes).astype(np.uint8) for _ in files])
    for name, pixels, fine in zip(files, x, y[..., None], strict=True):
        columns = [fine, pixels] if classes == 10 else [fine // 5, fine, pixels]
        write(folder / name, np.hstack(columns).tobytes())
    return RealData(f"cifar{classes}", n_train=10, n_validation=5, path=str(folder)), colours_last(x), y.ravel()


def colours_last(x: np.ndarray) -> np.ndarray:
    """From one plane for each colour, as in the files, to the three colours of one pixel side by side."""
    return np.stack([plane.reshape(-1, 1024) for plane in np.split(x.reshape(-1, 3072), 3, axis=1)], 2).reshape(
        -1, 3072
    )


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("dtype", CODES)
def test_idx_round_trip_is_exact(tmp_path: Path, rng: Generator, dtype: str, end: str) -> None:
    bits = rng.integers(0, 256, (4, 3, 2, 8), dtype=np.uint8)
    values = bits.view(dtype) if "float" not in dtype else rng.normal(size=(4, 3, 2)).astype(dtype)
    back = read_idx(write(tmp_path / f"a-idx3-ubyte{end}", idx(values)))
    assert back.dtype == values.dtype
    np.testing.assert_array_equal(back, values)


def test_idx_content_is_read_as_the_format_says(tmp_path: Path) -> None:
    content = bytes([0, 0, 0x0B, 2, 0, 0, 0, 1, 0, 0, 0, 2, 0x01, 0x02, 0xFF, 0xFE])
    np.testing.assert_array_equal(read_idx(write(tmp_path / "a", content)), [[0x0102, -2]])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "first four bytes"),
        (b"\0\0\x08", "first four bytes"),
        (b"\x01\0\x08\x01\0\0\0\x01\x05", "first four bytes"),
        (b"\0\0\x0a\x01\0\0\0\x01\x05", "first four bytes"),
        (b"\0\0\x08\0\x05", "first four bytes"),
        (b"\0\0\x08\x02\0\0\0\x01\0", "at least 12 bytes"),
        (b"\0\0\x08\x01\0\0\0\x03\x01\x02", r"11 bytes for the shape \(3,\), got 10"),
        (b"\0\0\x08\x01\0\0\0\x01\x01\x02", r"9 bytes for the shape \(1,\), got 10"),
    ],
)
@pytest.mark.parametrize("end", ["", ".gz"])
def test_idx_refuses_unsound_files(tmp_path: Path, content: bytes, message: str, end: str) -> None:
    with pytest.raises(InputError, match=message):
        read_idx(write(tmp_path / f"a{end}", content))


@pytest.mark.parametrize("bad", [np.float32(np.nan), np.float32(np.inf), np.float64(-np.inf)])
def test_idx_refuses_values_that_are_not_finite(tmp_path: Path, bad: np.floating) -> None:
    values = np.array([[0, 0, 0], [0, 0, bad]], bad.dtype)
    with pytest.raises(InputError, match=r"finite everywhere, got .* at index \(1, 2\)"):
        read_idx(write(tmp_path / "a", idx(values)))


def test_gzip_files_must_be_complete(tmp_path: Path) -> None:
    whole = gzip.compress(idx(np.arange(200, dtype=np.int32)))
    for content in (whole[:-20], b"not gzip at all", whole[:40] + bytes(40) + whole[80:]):
        (tmp_path / "a.gz").write_bytes(content)
        with pytest.raises(InputError, match="must be a complete gzip file"):
            read_idx(tmp_path / "a.gz")


@pytest.mark.parametrize("end", ["", ".gz"])
@pytest.mark.parametrize("sep", ["-", "."])
def test_mnist_joins_training_and_test_files(tmp_path: Path, rng: Generator, sep: str, end: str) -> None:
    source = load(make_mnist(tmp_path, rng, sep, end))
    images = [read_idx(tmp_path / f"{part}-images{sep}idx3-ubyte{end}") for part in MNIST_COUNTS]
    assert (source.x.dtype, source.y.dtype, source.classes) == (np.float32, np.int32, 10)
    np.testing.assert_array_equal(source.x * np.float32(255), np.concatenate(images).reshape(50, 784))
    np.testing.assert_array_equal(source.y, np.concatenate([labels_of(n, 10) for n in MNIST_COUNTS.values()]))


def test_mnist_takes_floating_point_pixels_as_they_are(tmp_path: Path, rng: Generator) -> None:
    problem = make_mnist(tmp_path, rng)
    images = {part: rng.random((n, 28, 28)).astype(np.float32) for part, n in MNIST_COUNTS.items()}
    write(tmp_path / "train-images-idx3-ubyte", idx(images["train"]))
    with pytest.raises(InputError, match="pixels of the files in path must be of one number type"):
        load(problem)
    write(tmp_path / "t10k-images-idx3-ubyte", idx(images["t10k"]))
    np.testing.assert_array_equal(load(problem).x, np.concatenate(list(images.values())).reshape(50, 784))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("train-images-idx3-ubyte", np.zeros((29, 28, 28), np.uint8), "'images': 29, 'labels': 30"),
        ("train-images-idx3-ubyte", np.zeros((30, 784), np.uint8), r"shape \(n, 28, 28\), got \(30, 784\)"),
        ("t10k-images-idx3-ubyte", np.full((20, 28, 28), 1.5, np.float32), r"must be in \[0, 1\], got 1.5"),
        ("t10k-images-idx3-ubyte", np.full((20, 28, 28), -3, np.int16), r"must be in \[0, 255\], got -3"),
        ("t10k-images-idx3-ubyte", np.full((20, 28, 28), np.nan, np.float32), "finite everywhere"),
        ("t10k-labels-idx1-ubyte", np.full(20, 10, np.uint8), "must be 0, ..., 9, got 10 at example 0"),
        ("t10k-labels-idx1-ubyte", np.full(20, -1, np.int8), "must be 0, ..., 9, got -1"),
        ("t10k-labels-idx1-ubyte", np.zeros(20, np.float32), "integers in one dimension, got 'float32"),
    ],
)
def test_mnist_refuses_impossible_content(
    tmp_path: Path, rng: Generator, name: str, values: np.ndarray, message: str
) -> None:
    problem = make_mnist(tmp_path, rng)
    write(tmp_path / name, idx(values))
    with pytest.raises(InputError, match=message):
        load(problem)


@pytest.mark.parametrize(
    ("classes", "nested", "n"),
    [(10, "", 60), (10, "cifar-10-batches-bin", 60), (100, "", 200), (100, "cifar-100-binary", 200)],
)
def test_cifar_round_trip(tmp_path: Path, rng: Generator, classes: int, nested: str, n: int) -> None:
    problem, pixels, labels = make_cifar(tmp_path / nested, rng, classes)
    source = load(replace(problem, path=str(tmp_path)))
    assert (source.x.shape, source.x.dtype) == ((n, 3072), np.float32)
    assert (source.y.dtype, source.classes) == (np.int32, classes)
    np.testing.assert_array_equal(source.x * np.float32(255), pixels)
    np.testing.assert_array_equal(source.y, labels)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"positive multiple of 3073 bytes"),
        (bytes(3072), r"length of .*data_batch_3.bin must be a positive multiple of 3073 bytes, got 3072"),
        (bytes(3073) + b"\x0a" + bytes(3072), r"data_batch_3.bin must be 0, ..., 9, got 10 at example 1"),
    ],
)
def test_cifar_refuses_unsound_files(tmp_path: Path, rng: Generator, content: bytes, message: str) -> None:
    problem, _, _ = make_cifar(tmp_path, rng, 10)
    (tmp_path / "data_batch_3.bin").write_bytes(content)
    with pytest.raises(InputError, match=message):
        load(problem)


@pytest.mark.parametrize("found", ["data_batch_1", "batches.meta", "cifar-10-batches-py", "train", "cifar-100-python"])
def test_pickles_are_refused_unread(tmp_path: Path, found: str) -> None:
    name = "cifar10" if "batch" in found else "cifar100"
    (tmp_path / found).write_bytes(b"cos\nabort\n(tR.")
    with pytest.raises(InputError, match=f"binary version .* with {found} of the python version; pickles are never"):
        load(RealData(name, path=str(tmp_path)))


@pytest.mark.parametrize(("name", "missing"), LAST_FILES.items())
def test_missing_files_are_named(tmp_path: Path, rng: Generator, name: str, missing: str) -> None:
    with pytest.raises(InputError, match=f"path must be an existing folder that holds the {name} files, got '.*none'"):
        load(RealData(name, path=str(tmp_path / "none")))
    problem = make_mnist(tmp_path, rng) if name == "mnist" else make_cifar(tmp_path, rng, int(name[5:]))[0]
    (tmp_path / missing).unlink()
    with pytest.raises(InputError, match=f"path must hold .*{missing}.*, got '"):
        load(problem)


def test_kept_classes_are_renumbered_in_the_order_given(tmp_path: Path, rng: Generator) -> None:
    problem = make_mnist(tmp_path, rng)
    whole = load(problem)
    part = load(replace(problem, classes=(7, 2, 4), n_train=8, n_validation=2))
    index = np.isin(whole.y, (7, 2, 4))
    assert part.classes == 3
    np.testing.assert_array_equal(np.array([7, 2, 4])[part.y], whole.y[index])
    np.testing.assert_array_equal(part.x, whole.x[index])


def test_every_class_must_have_an_example(tmp_path: Path, rng: Generator) -> None:
    problem = make_mnist(tmp_path, rng)
    for part, count in MNIST_COUNTS.items():
        write(tmp_path / f"{part}-labels-idx1-ubyte", idx(labels_of(count, 7)))
    for classes in (None, (1, 7), (7, 1)):
        with pytest.raises(InputError, match="classes must each have at least one example, class 7 has none"):
            load(replace(problem, classes=classes))
    assert load(replace(problem, classes=tuple(range(7)))).classes == 7


def test_classes_outside_the_data_set_are_refused() -> None:
    with pytest.raises(InputError, match="class 10 has none"):
        load(RealData(classes=(0, 10)))


def test_the_split_must_leave_something_to_test_on() -> None:
    assert len(load(RealData(n_train=1500, n_validation=296)).y) == 1797
    with pytest.raises(InputError, match=r"test example of 1797, got n_train=1500 and n_validation=297"):
        load(RealData(n_train=1500, n_validation=297))
    with pytest.raises(InputError, match=r"test example of 360, got n_train=1000"):
        load(RealData(classes=(0, 1)))


def test_digits_are_those_of_scikit_learn() -> None:
    source = load(RealData())
    pixels, labels = load_digits(return_X_y=True)
    assert (source.x.shape, source.x.dtype, source.y.dtype, source.classes) == ((1797, 64), np.float32, np.int32, 10)
    np.testing.assert_array_equal(source.x * 16, pixels)
    np.testing.assert_array_equal(source.y, labels)


def test_a_set_of_fewer_records_is_said_and_a_cut_file_refused(tmp_path: Path, rng: Generator) -> None:
    ten, _, _ = make_cifar(tmp_path / "10", rng, 10)
    hundred, _, _ = make_cifar(tmp_path / "100", rng, 100)
    with pytest.warns(InputWarning, match=r"'data_batch_1.bin': 10, .* cifar10 has \(10000, "):
        load(ten)
    with pytest.warns(InputWarning, match=r"'train.bin': 100, .* cifar100 has \(50000, 10000\)"):
        load(hundred)
    last = tmp_path / "10" / "test_batch.bin"
    last.write_bytes(last.read_bytes()[: -2 * 3073])
    with pytest.raises(InputError, match=r"'test_batch\.bin': 8"):
        load(ten)


def test_a_published_file_beside_a_cut_one_is_refused(
    tmp_path: Path, rng: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    hundred, _, _ = make_cifar(tmp_path, rng, 100)
    whole = cifar.LAYOUTS["cifar100"]._replace(records=(100, 100))
    monkeypatch.setitem(cifar.LAYOUTS, "cifar100", whole)
    load(hundred)
    train = tmp_path / "train.bin"
    content = train.read_bytes()
    train.write_bytes(content[:-3074])
    with pytest.raises(InputError, match=r"must be \(100, 100\), as in the published cifar100, got .*'train.bin': 99"):
        load(hundred)
    train.write_bytes(content + content[:3074])
    with pytest.raises(InputError, match=rf"at most {100 * 3074} bytes, as published, got {100 * 3074 + 1}"):
        load(hundred)


@pytest.mark.parametrize("shape", [(0, 2**32 - 1), (2**32 - 1, 0, 2**32 - 1, 2**32 - 1), (0,)])
def test_a_shape_with_a_zero_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    head = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    with pytest.raises(InputError, match="without a zero"):
        read_idx(write(tmp_path / "a", head))


def test_what_a_small_file_unpacks_to_is_not_read_beyond_its_declared_size(tmp_path: Path) -> None:
    """100 MB of zeros in 100 kB: refused with little more memory than the two bytes that the header declares."""
    head = struct.pack(">BBBBI", 0, 0, 8, 1, 2)
    bomb = tmp_path / "a.gz"
    bomb.write_bytes(gzip.compress(head) + gzip.compress(bytes(10**7)) * 10)
    tracemalloc.start()
    with pytest.raises(InputError, match="10 bytes for the shape \\(2,\\), got 11 or more"):
        read_idx(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * 2**20
    huge = struct.pack(">BBBBIII", 0, 0, 8, 3, 2**30, 28, 28)
    with pytest.raises(InputError, match=r"the size that .* declares must be at most 536870912 bytes"):
        read_idx(write(tmp_path / "b.gz", huge))


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-images-idx3-ubyte.gz"])
def test_files_that_cannot_be_read_are_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=f"{name} must be a"):
        read_idx(tmp_path / name)
    (tmp_path / name).mkdir()
    with pytest.raises(InputError, match=f"{name} must be a"):
        read_idx(tmp_path / name)


def test_a_tilde_is_the_home_folder(tmp_path: Path, rng: Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    problem = make_mnist(tmp_path / "data", rng)
    np.testing.assert_array_equal(load(replace(problem, path="~/data")).x, load(problem).x)


def damaged(content: bytes, rng: Generator) -> bytes:
    """One of the ways in which files go wrong: bytes changed, cut, doubled, removed, put in."""
    data, place = bytearray(content), int(rng.integers(len(content)))
    count = int(rng.integers(1, 9))
    match int(rng.integers(6)):
        case 0:
            data[place] ^= 1 << int(rng.integers(8))
        case 1:
            data[place : place + count] = rng.bytes(count)
        case 2:
            del data[place:]
        case 3:
            data[place:place] = rng.bytes(count)
        case 4:
            del data[place : place + count]
        case _:
            data += data[place:]
    return bytes(data)


def as_declared(content: bytes) -> np.ndarray:
    """What the bytes of an IDX file say, read without any check."""
    dtype = np.dtype(IDX_TYPES[content[2]])
    shape = struct.unpack(f">{content[3]}I", content[4 : 4 + 4 * content[3]])
    return np.frombuffer(content[4 + 4 * content[3] :], dtype).reshape(shape)


def survive(folder: Path, rng: Generator, count: int) -> int:
    """Loads of damaged files either give what the bytes say or are refused by InputError. Returns how many loaded."""
    values = [rng.integers(0, 256, (5, 4, 3), dtype=np.uint8), rng.normal(size=(3, 7)).astype(np.float32)]
    contents, loaded = [idx(v) for v in values], 0
    for k in range(count):
        whole, zipped = contents[k % 2], k % 4 >= 2
        content = damaged(gzip.compress(whole, 1, mtime=0) if zipped else whole, rng)
        path = folder / ("a.gz" if zipped else "a")
        path.write_bytes(content)
        try:
            found = read_idx(path)
        except InputError:
            continue
        loaded += 1
        np.testing.assert_array_equal(found, as_declared(gzip.decompress(content) if zipped else content))
    return loaded


def survive_cifar(folder: Path, rng: Generator, count: int) -> int:
    """The same for one file of a CIFAR data set beside a sound one."""
    problem, _, _ = make_cifar(folder, rng, 100)
    path, loaded = folder / "test.bin", 0
    whole = path.read_bytes()[: 4 * 3074]
    for _ in range(count):
        content = damaged(whole, rng)
        path.write_bytes(content)
        try:
            source = load(problem)
        except InputError:
            continue
        loaded += 1
        records = np.frombuffer(content, np.uint8).reshape(-1, 3074)
        np.testing.assert_array_equal(source.y[100:], records[:, 1])
        np.testing.assert_array_equal(source.x[100:] * np.float32(255), colours_last(records[:, 2:]))
    return loaded


@pytest.mark.filterwarnings("ignore::spec.validation.InputWarning")
def test_damaged_files_are_read_as_they_are_or_refused(tmp_path: Path, rng: Generator) -> None:
    assert 50 < survive(tmp_path, rng, 2000) < 1000
    assert 2 < survive_cifar(tmp_path / "cifar", rng, 40) < 40


@pytest.mark.evidence
@pytest.mark.filterwarnings("ignore::spec.validation.InputWarning")
def test_a_hundred_thousand_damaged_files(tmp_path: Path, rng: Generator) -> None:
    assert survive(tmp_path, rng, 98_000) > 2500
    assert survive_cifar(tmp_path / "cifar", rng, 2000) > 100
