"""IDX files, and files read only as far as they should reach.

IDX (source: LeCun, Cortes and Burges, the MNIST database): two zero bytes, a type byte, the number of dimensions, each
dimension as a big-endian 32-bit integer, then the numbers in C order, big-endian.
"""

import gzip
import math
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from spec.validation import InputError, require, require_finite

LARGEST = 512 * 2**20
"""Bytes of numbers that an IDX file may hold: MNIST in double precision has 376 million."""
IDX_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def read_idx(path: Path) -> np.ndarray:
    """The array of an IDX file, which may be compressed by gzip (.gz). Raises InputError where it is not sound."""
    with opened(path) as file:
        dtype, shape, start = _idx_header(path, file)
        size = math.prod(shape) * dtype.itemsize
        require(size <= LARGEST, f"the size that {path} declares", size, f"at most {LARGEST} bytes")
        content = taken(file, size + 1)
    if len(content) != size:
        found = f"{start + len(content)}{' or more' if len(content) > size else ''}"
        raise InputError(f"the length of {path} must be {start + size} bytes for the shape {shape}, got {found}")
    values = np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="))
    require_finite(f"values in {path}", values)
    return values


def _idx_header(path: Path, file: Any) -> tuple[np.dtype[Any], tuple[int, ...], int]:
    """Type and shape of the numbers, and where they start."""
    header = taken(file, 4)
    known = len(header) == 4 and header[:2] == b"\0\0" and header[2] in IDX_TYPES and 1 <= header[3] <= 32
    require(known, f"the first four bytes of {path}", header, "an IDX magic number: 0, 0, type, dimensions")
    sizes, start = taken(file, 4 * header[3]), 4 + 4 * header[3]
    read = 4 + len(sizes)
    require(read == start, f"the length of {path}", read, f"at least {start} bytes (the IDX header)")
    shape = tuple(np.frombuffer(sizes, ">u4").tolist())
    require(0 not in shape, f"the shape in {path}", shape, "without a zero: it holds no example")
    return np.dtype(IDX_TYPES[header[2]]), shape, start


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """A file, or the contents of a gzip file, to be read as far as needed: a small one may unpack to any size."""
    zipped = path.suffix == ".gz"
    try:
        with path.open("rb") as file:
            yield gzip.GzipFile(fileobj=file) if zipped else file
    except (EOFError, OSError, zlib.error) as error:
        raise InputError(f"{path} must be a {'complete gzip' if zipped else 'readable'} file, got {error}") from None


def taken(file: Any, size: int) -> bytes:
    """At most so many bytes, in pieces, so that no more memory is taken than there is content."""
    pieces = []
    while size > 0 and (piece := file.read(min(size, 2**20))):
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)
