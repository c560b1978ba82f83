"""What the commands do: run experiments, check claims, write the page. Each writes only whole files."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from figures import style
from paper_repro import console, page
from paper_repro.checking import check as check_claim
from paper_repro.papers import PAPERS
from paper_repro.registry import Experiment
from paper_repro.settings import UnknownSettingError, adjusted
from paper_repro.store import Store, fingerprint, require_writable, write_atomically
from spec.claims import Claim, Verdict
from spec.validation import InputError, require

CLAIM_CODE = "paper_repro"  # claims compute inside the papers' packages


def cores() -> int:
    """Processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def executor(jobs: int | None, cluster: str | None = None) -> Iterator[Executor]:
    """Threads on this machine (compiled code releases the interpreter), or the workers of a Dask scheduler."""
    if cluster is None:
        with ThreadPoolExecutor(jobs or cores()) as threads:
            yield threads
    else:
        with _client(cluster) as client:
            yield client.get_executor()


def _client(address: str) -> Any:
    try:
        from distributed import Client

        return Client(address, timeout=10)
    except ImportError:
        raise InputError(f"--cluster needs the extra `cluster` (dask, distributed), got {address!r}") from None
    except (OSError, ValueError) as error:
        raise InputError(f"--cluster must be the address of a Dask scheduler, got {address!r} ({error})") from None


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
    """Run each experiment part by part, drawing its figures and rewriting the page as it finishes."""
    require_writable(out)
    console.show_plan(configs, preset)
    with console.progress() as progress:
        for experiment, config in configs:
            start = time.perf_counter()
            advance = progress.add(experiment.title, experiment.units(config))
            store = Store(out, experiment.id, executor=executor, fresh=fresh, advance=advance)
            dataset = store.finish(experiment.run(config, store), config, preset)
            for figure in experiment.figures:
                style.save(figure.draw, dataset, out / "figures" / figure.id)
            page.write(PAPERS, out)
            progress.finished(experiment, time.perf_counter() - start, advance.reused)
    console.show_page(out / "index.html")


def check(claims: Sequence[Claim], preset: str, out: Path, *, executor: Executor, as_json: bool) -> bool:
    """Check claims side by side, print each verdict, keep them for the page; True when all hold."""
    require_writable(out)
    path = out / "claims.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    verdicts = []
    for claim, (verdict, seconds) in zip(claims, executor.map(_timed_check(preset), claims), strict=True):
        verdicts.append(verdict)
        if not as_json:
            console.show_verdict(claim, verdict, seconds)
        known[claim.id] = {"verdict": _plain(asdict(verdict)), "preset": preset, "code": fingerprint(CLAIM_CODE)}
        write_atomically(path, json.dumps(known, indent=1).encode())
    if as_json:
        print(json.dumps([_plain(asdict(v)) for v in verdicts], indent=1))
    else:
        console.show_check_summary(verdicts)
    return all(v.ok for v in verdicts)


def _timed_check(preset: str) -> Callable[[Claim], tuple[Verdict, float]]:
    def timed(claim: Claim) -> tuple[Verdict, float]:
        start = time.perf_counter()
        return check_claim(claim, preset), time.perf_counter() - start

    return timed


def report(out: Path) -> Path:
    """Write the page from what is on disk."""
    require_writable(out)
    return page.write(PAPERS, out)


def _plain(value: Any) -> Any:
    """JSON has no infinity: it is written as a string."""
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not np.isfinite(value):
        return str(value)
    return value
