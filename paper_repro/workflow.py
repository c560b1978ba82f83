"""What the commands do: run experiments, check claims, write the page. Each writes only whole files."""

import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from paper_repro import cluster, compiling, console, costs, drawing, keys, page, verdicts
from paper_repro.checking import check as check_claim
from paper_repro.feasible import require_feasible
from paper_repro.files import locked, results_folder
from paper_repro.papers import PAPERS
from paper_repro.registry import Experiment
from paper_repro.settings import UnknownSettingError, adjusted
from paper_repro.store import Store
from sims import programs
from sims.divergence import blaming, complaint
from spec.claims import Claim, Verdict
from spec.validation import NonFiniteError, require

TOGETHER = 24  # claims between two times that compiled programs are forgotten


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def executor(jobs: int | None, address: str | None = None) -> Iterator[Executor]:
    """Threads on this machine (compiled code releases the interpreter), or the workers of a Dask scheduler."""
    if address is not None:
        with cluster.executor(address) as workers:
            yield workers
        return
    threads = ThreadPoolExecutor(jobs or cores())
    try:
        yield threads
    except BaseException:
        threads.shutdown(wait=False, cancel_futures=True)  # what is under way was waited for, as long as it may be
        raise
    threads.shutdown()


def configurations(
    experiments: Sequence[Experiment], preset: str, seeds: int | None, changes: Mapping[str, Any]
) -> list[tuple[Experiment, Any]]:
    """Each experiment with its configuration; raises InputError before anything is computed.

    Settings must be known to the experiments they are given to: with several experiments, to at least one of them.
    """
    if seeds is not None:
        require("seeds" not in changes, "--seeds", seeds, "left out where --set seeds is given")
        changes = {**changes, "seeds": seeds}
    result = [(experiment, _configured(experiment.config[preset], changes)) for experiment in experiments]
    for experiment, (config, _) in result:
        require(experiment.units(config) > 0, "settings", dict(changes), f"such that {experiment.id} has parts to run")
        require_feasible(experiment, config)
    for name in changes:
        refusals = [unknown[name] for _, (_, unknown) in result if name in unknown]
        if len(refusals) == len(experiments):
            raise refusals[0]
    return [(experiment, config) for experiment, (config, _) in result]


def _configured(config: Any, changes: Mapping[str, Any]) -> tuple[Any, dict[str, UnknownSettingError]]:
    """The config with the settings that it knows, and for each other one what it says."""
    unknown: dict[str, UnknownSettingError] = {}
    while True:
        try:
            return adjusted(config, {name: v for name, v in changes.items() if name not in unknown}), unknown
        except UnknownSettingError as error:
            unknown[error.name] = error


def run(configs: Sequence[tuple[Experiment, Any]], preset: str, out: Path, *, executor: Executor, fresh: bool) -> None:
    """Run each experiment part by part, drawing its figures and rewriting the page as it finishes.

    Raises NonFiniteError at the end where runs diverged, naming them; all others are kept and shown.
    """
    diverged: list[str] = []
    computing = 0.0
    with results_folder(out, files=[f"{experiment.id}.nc" for experiment, _ in configs]):
        console.show_plan(configs, preset)
        with console.progress() as progress:
            for experiment, config in configs:
                start = time.perf_counter()
                advance = progress.add(experiment.title, experiment.units(config))
                store = Store(out, experiment.id, executor=executor, fresh=fresh, advance=advance)
                with blaming(store.diverged):
                    _finish(experiment, config, preset, store)
                diverged += store.diverged
                computing += store.seconds
                programs.forget()  # experiments share hardly any
                seconds = time.perf_counter() - start
                if advance.reused == 0 and config == experiment.config[preset]:
                    costs.remember(experiment.id, preset, seconds)
                progress.finished(experiment, seconds, advance.reused)
    console.show_compiling(compiling.SPENT.told(computing))
    console.show_page(out / "index.html")
    if diverged:
        raise NonFiniteError(complaint(diverged))


def _finish(experiment: Experiment, config: Any, preset: str, store: Store) -> None:
    """Result, figures and page: written together, so that those of several processes do not mix."""
    key = keys.of_result(experiment, config)  # data files are those that the parts were asked for
    dataset = experiment.run(config, store)
    with locked(store.out):
        dataset = store.finish(dataset, preset, key)
        drawing.figures(experiment, dataset, store.out / "figures")
        page.write(PAPERS, store.out)


def check(claims: Sequence[Claim], preset: str, out: Path, *, executor: Executor, as_json: bool) -> bool:
    """Check claims side by side, print each verdict, keep them for the page; True when all hold."""

    def checked(claim: Claim) -> tuple[Verdict, float]:
        start, code = time.perf_counter(), keys.of_claim(claim)
        verdict = check_claim(claim, preset)
        verdicts.write(out, claim, verdict, preset, code)
        return verdict, time.perf_counter() - start

    found, computing = [], 0.0
    with results_folder(out):
        for start in range(0, len(claims), TOGETHER):
            some = claims[start : start + TOGETHER]
            for claim, (verdict, seconds) in zip(some, executor.map(checked, some), strict=True):
                found.append(verdict)
                computing += seconds
                if not as_json:
                    console.show_verdict(claim, verdict, seconds)
            programs.forget()
    if as_json:
        print(json.dumps([verdicts.plain(asdict(v)) for v in found], indent=1))
    else:
        console.show_check_summary(found)
        console.show_compiling(compiling.SPENT.told(computing))
    return all(v.ok for v in found)


def report(out: Path) -> Path:
    """Write the page from what is on disk."""
    with results_folder(out), locked(out):
        return page.write(PAPERS, out)
