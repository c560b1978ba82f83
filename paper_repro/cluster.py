"""The workers of a Dask scheduler as an executor (extra `cluster`)."""

from collections.abc import Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from typing import Any

from spec.validation import InputError


@contextmanager
def executor(address: str) -> Iterator[Executor]:
    """An executor on the workers. Raises InputError where there is no scheduler, and where it or workers are lost."""
    with _client(address) as client:
        yield client.get_executor()


def _client(address: str) -> Any:
    try:
        from distributed import Client

        return Client(address, timeout=10)
    except ImportError:
        raise InputError(f"--cluster needs the extra `cluster` (dask, distributed), got {address!r}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"--cluster must be the address of a Dask scheduler, got {address!r} ({error})") from None
