"""What is said when a cluster is lost, whatever way it says so itself. The real ones: tests/evidence/test_dask.py."""

from concurrent.futures import CancelledError

import pytest

from paper_repro import cluster
from spec.validation import InputError


class KilledWorker(Exception):  # noqa: N818
    """Named as distributed names it."""


CLOSED = type("CommClosedError", (OSError,), {"__module__": "distributed.comm.core"})


class Client:
    def get_executor(self) -> None:
        return None

    def close(self, timeout: float) -> None:
        raise TimeoutError


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (CancelledError(), "its scheduler was lost"),
        (KilledWorker("part"), "workers died on a part"),
        (ModuleNotFoundError("No module named 'sims'"), "a worker lacks the code of a part"),
        (
            type("CommClosedError", (OSError,), {"__module__": "distributed.comm.core"})("in\n<TCP>"),
            "failed (in <TCP>)",
        ),
    ],
)
def test_a_lost_cluster_is_one_sentence(monkeypatch: pytest.MonkeyPatch, error: Exception, words: str) -> None:
    monkeypatch.setattr(cluster, "_client", lambda address: Client())
    with pytest.raises(InputError, match="finished parts are kept") as caught, cluster.executor("tcp://there"):
        raise error
    assert words in str(caught.value)


def test_errors_of_parts_stay_what_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cluster, "_client", lambda address: Client())
    with pytest.raises(ZeroDivisionError), cluster.executor("tcp://there"):
        raise ZeroDivisionError
