"""The workers of a Dask scheduler as an executor (extra `cluster`); what they must have: paper_repro.store."""

import logging
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor
from contextlib import contextmanager, suppress
from typing import Any

from spec.validation import InputError

KEPT = "finished parts are kept, the same command continues"


@contextmanager
def executor(address: str) -> Iterator[Executor]:
    """An executor on the workers. Raises InputError where there is no scheduler, and where it or workers are lost."""
    client = _client(address)
    workers = client.get_executor()
    try:
        yield workers
    except Exception as error:
        loss = _loss(error)
        if loss is None:
            raise
        raise InputError(f"the cluster at {address} must last to the end, but {loss}; {KEPT}") from None
    finally:
        for goodbye in (lambda: workers.shutdown(wait=False), lambda: client.close(timeout=2)):
            with suppress(Exception):  # a scheduler that is gone cannot be told
                goodbye()


def _client(address: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise InputError(f"--cluster needs the extra `cluster` (dask, distributed), got {address!r}") from None
    for name in ("distributed", "distributed.client"):  # which print traces of what is said here in a sentence
        logging.getLogger(name).setLevel(logging.CRITICAL)
    try:
        # As the default one it would take over other work of this process, such as the locks with which xarray writes.
        return Client(address, timeout=10, set_as_default=False)
    except Exception as error:  # what an address can be wrong about is of many kinds
        why = " ".join(str(error).split())[:200]
        raise InputError(f"--cluster must be the address of a Dask scheduler, got {address!r} ({why})") from None


def _loss(error: Exception) -> str | None:
    """What happened to the cluster, if that is what an error says."""
    if isinstance(error, CancelledError):
        return "its scheduler was lost"
    if type(error).__name__ == "KilledWorker":
        return "workers died on a part, one after another (is their memory too small?)"
    if isinstance(error, ImportError):
        return f"a worker lacks the code of a part ({error})"
    if type(error).__module__.startswith("distributed"):
        return f"it failed ({' '.join(str(error).split())[:200]})"
    return None
