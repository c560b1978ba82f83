"""Where parts and claims are computed: in this process, in several of this machine, or on the workers of a cluster.

Several processes are as many interpreters: building and compiling programs, most of the time of a short run, is work
for the interpreter, which threads of one process take turns at.
"""

import copyreg
import multiprocessing
import os
import signal
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from typing import TypeVar

import jax
from threadpoolctl import threadpool_limits

from paper_repro import cluster, compiling, console, papers
from paper_repro.store import GRACE
from spec.claims import Claim
from spec.validation import InputError

T = TypeVar("T")
R = TypeVar("R")


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def executor(jobs: int | None, tasks: int, address: str | None = None) -> Iterator[Executor]:
    """For so many tasks: a thread of this process, as many as `jobs` processes, or a Dask scheduler's workers.

    Raises InputError where processes or workers are lost. What has not ended when something fails is dropped.
    """
    count = min(jobs or cores(), tasks)
    if address is not None:
        with cluster.executor(address) as workers:
            yield workers
        return
    pool = ThreadPoolExecutor(1) if count <= 1 else _processes(count)
    try:
        yield pool
    except BaseException as failure:
        # What is under way was waited for, as long as it may be: processes end now, a thread ends by itself.
        for process in multiprocessing.active_children():
            process.kill()
        pool.shutdown(wait=isinstance(pool, ProcessPoolExecutor), cancel_futures=True)
        if isinstance(failure, BrokenProcessPool):
            what = "processes that compute must last to the end, but one died (is the memory too small?)"
            raise InputError(f"{what}; finished parts are kept, the same command continues") from None
        raise
    pool.shutdown()


def side_by_side(executor: Executor, work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """work(item) of every item, as each is finished, where `work` itself waits for the executor.

    In this thread, one after another, where there is but one; else with one more under way than is computed, which may
    be drawn meanwhile. After a failure, or Ctrl-C, no other item begins and what is under way has GRACE seconds to
    end; whoever made the executor drops the rest.
    """
    if len(items) == 1 or isinstance(executor, ThreadPoolExecutor):
        yield from map(work, items)
        return
    threads = ThreadPoolExecutor(cores() + 1)
    futures = [threads.submit(work, item) for item in items]
    try:
        for future in as_completed(futures):
            yield future.result()
    except BaseException:
        threads.shutdown(wait=False, cancel_futures=True)
        wait(futures, timeout=GRACE)
        raise
    threads.shutdown()


def _processes(count: int) -> Executor:
    copyreg.pickle(Claim, _sent)
    return ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin, (max(1, cores() // count),))


def _sent(claim: Claim) -> tuple[Callable[[str], Claim], tuple[str]]:
    """A claim holds functions that cannot be sent to another process: its ID is."""
    return _received, (claim.id,)


def _received(name: str) -> Claim:
    (claim,) = papers.chosen_claims([name])
    return claim


def _begin(threads: int) -> None:
    """A process that computes is as the one that asks, except that Ctrl-C is for that one, and ends with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.showwarning = console.show_warning  # type: ignore[assignment]  # which leaves out where it was
    threadpool_limits(threads)  # of linear algebra: more than there are cores wait for each other
    jax.config.update("jax_enable_x64", True)
    compiling.begin()
    asking = multiprocessing.parent_process()
    if asking is not None:
        threading.Thread(target=_end_with, args=(asking,), daemon=True).start()


def _end_with(process: BaseProcess) -> None:
    process.join()
    os._exit(1)  # compiled code that still runs in other threads cannot be stopped
