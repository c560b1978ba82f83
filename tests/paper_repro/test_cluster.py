"""What is said when a cluster is lost, whatever way it says so itself. The real ones: tests/evidence/test_dask.py."""

from concurrent.futures import CancelledError

import pytest

from paper_repro import cluster
from paper_repro.executors import side_by_side
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


class Left:
    """A cluster's executor, as distributed has it, and its client in one; the first goodbye fails."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def get_executor(self) -> "Left":
        return self

    def shutdown(self, wait: bool = True) -> None:
        self.told.append(f"shutdown, wait={wait}")
        raise OSError

    def close(self, timeout: float) -> None:
        self.told.append("close")


def test_a_cluster_is_told_to_drop_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    left = Left()
    monkeypatch.setattr(cluster, "_client", lambda address: left)
    with pytest.raises(ZeroDivisionError), cluster.executor("tcp://there") as executor:
        list(side_by_side(executor, lambda item: 1 // item, [0, 1]))
    assert left.told == ["shutdown, wait=False", "close"]
