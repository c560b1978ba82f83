"""Seeds by name: every random draw of the project starts from here."""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from spec.validation import InputError

_shift: ContextVar[int | None] = ContextVar("seed_shift", default=None)


@contextmanager
def shifted(shift: int) -> Iterator[None]:
    """Within it, in the present thread only, seeds are moved by `shift`, whatever the environment says."""
    token = _shift.set(shift)
    try:
        yield
    finally:
        _shift.reset(token)


def seed_shift() -> int:
    """The environment variable SEED_SHIFT (default 0), which moves every named seed at once."""
    here = _shift.get()
    if here is not None:
        return here
    text = os.environ.get("SEED_SHIFT", "0")
    try:
        return int(text)
    except ValueError:
        raise InputError(f"SEED_SHIFT must be an integer, got {text!r}") from None


def named_seed(name: str) -> int:
    """A 31-bit seed fixed by a name and by SEED_SHIFT, the same on every platform."""
    digest = hashlib.sha256(f"{name}/{seed_shift()}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def named_seeds(name: str, count: int) -> tuple[int, ...]:
    """Independent seeds name/0, name/1, ... so that a longer run contains a shorter one."""
    return tuple(named_seed(f"{name}/{i}") for i in range(count))
