"""Parts and claims in other processes: the same numbers, one sentence where a process is lost, and no process left."""

import multiprocessing
import os
import threading
import time
from concurrent.futures import Executor
from pathlib import Path

import jax
import pytest

from paper_repro import executors, papers, store, workflow
from paper_repro.baek2024.experiments.formulas import Upweighting, upweighting
from spec.claims import Claim
from spec.validation import InputError

CHEAP = "xu2026.split"


def here(seconds: float) -> tuple[int, bool]:
    time.sleep(seconds)
    return os.getpid(), jax.config.read("jax_enable_x64")


def named(claim: Claim) -> str:
    return claim.id


def compare(executor: Executor, out: Path) -> None:
    unit, claims = Upweighting(C=(1.0,), points=3), papers.chosen_claims([CHEAP])
    assert {x64 for _, x64 in executor.map(here, [0.0, 0.0])} == {True}
    assert os.getpid() not in {process for process, _ in executor.map(here, [0.0, 0.0])}
    (there,) = store.Store(out, "baek2024.there", executor=executor).map(upweighting, [unit])
    assert upweighting(unit).drop_attrs().equals(there.drop_attrs())
    assert next(executor.map(named, claims)) == CHEAP


def lose_a_process(out: Path) -> None:
    with executors.executor(2, 5) as executor:
        compare(executor, out)
        executor.submit(os._exit, 1).result()


def test_other_processes_give_the_same_numbers_until_one_is_lost(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"one died .*; finished parts are kept"):
        lose_a_process(tmp_path)
    assert multiprocessing.active_children() == []


def test_one_task_is_computed_in_this_process() -> None:
    with executors.executor(4, 1) as executor:
        assert executor.submit(here, 0.0).result()[0] == os.getpid()
    with executors.executor(1, 4) as executor:
        assert (
            list(executors.side_by_side(executor, lambda _: threading.current_thread(), [1, 2]))
            == [threading.main_thread()] * 2
        )


def test_a_failure_ends_what_has_not_begun() -> None:
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            raise ArithmeticError("one")
        time.sleep(0.05)
        return item

    never_started = executors.ProcessPoolExecutor(1)
    with pytest.raises(ArithmeticError, match="one"):
        list(executors.side_by_side(never_started, work, list(range(1, 200))))
    assert len(begun) < 100


def test_verdicts_come_with_what_they_took() -> None:
    (claim,) = papers.chosen_claims([CHEAP])
    found = workflow._checked(claim, "smoke")
    assert found.verdict.ok
    assert found.seconds > 0
