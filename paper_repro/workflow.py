"""What the commands do: run experiments, check claims, write the page. Each writes only whole files."""

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict
from itertools import repeat
from pathlib import Path
from typing import Any, NamedTuple

from paper_repro import compiling, console, costs, drawing, executors, keys, page, verdicts
from paper_repro.checking import check as check_claim
from paper_repro.compiling import Compiled
from paper_repro.feasible import require_feasible
from paper_repro.files import locked, results_folder
from paper_repro.papers import PAPERS
from paper_repro.registry import Experiment
from paper_repro.settings import UnknownSettingError, adjusted
from paper_repro.source import SOURCE
from paper_repro.store import Store
from sims.divergence import blaming, complaint
from spec.claims import Claim, Verdict
from spec.validation import NonFiniteError, require

PAUSE = 10.0  # seconds between two times that the page is written, while experiments finish


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
    """Run each experiment part by part, drawing its figures as it finishes and rewriting the page every few seconds.

    Raises NonFiniteError at the end where runs diverged, naming them; all others are kept and shown.
    """
    diverged: list[str] = []
    computing, compiled, written = 0.0, Compiled(), 0.0
    places = {e.id: page.folder_of(e, config, preset, out) for e, config in configs}
    SOURCE.read()
    with results_folder(out, files=[f"{name}.nc" for name, place in places.items() if place == out]):
        console.show_plan(configs, preset)
        with console.progress() as progress:

            def finished(chosen: tuple[Experiment, Any]) -> Store:
                return _finished(*chosen, preset, out, places[chosen[0].id], executor, fresh, progress)

            for store in executors.side_by_side(executor, finished, configs):
                diverged += store.diverged
                computing += store.seconds
                compiled.add(store.compiled)
                if time.monotonic() - written > PAUSE:
                    report(out)
                    written = time.monotonic()
        report(out)
    console.show_compiling(compiled.told(computing))
    for experiment, _ in configs:
        if places[experiment.id] != out or len(configs) == 1:
            console.show_page(page.page_of(experiment, places[experiment.id], out))
    if len(configs) > 1:
        console.show_page(out / "index.html")
    if diverged:
        raise NonFiniteError(complaint(diverged))


def _finished(
    experiment: Experiment,
    config: Any,
    preset: str,
    out: Path,
    place: Path,
    executor: Executor,
    fresh: bool,
    progress: console.Bars,
) -> Store:
    """Run an experiment, write its result and its figures to a place in `out`, and say so."""
    advance = progress.add(experiment.title, experiment.units(config))
    store = Store(out, experiment.id, executor=executor, place=place, fresh=fresh, advance=advance)
    with blaming(store.diverged):
        key = keys.of_result(experiment, config)  # data files are those that the parts were asked for
        dataset = experiment.run(config, store)
        with locked(out):  # together, so that those of several processes do not mix
            start = time.perf_counter()
            dataset = store.finish(dataset, preset, key)
            drawing.figures(experiment, dataset, place / "figures")
    seconds = store.seconds + time.perf_counter() - start
    if advance.reused == 0 and config == experiment.config[preset]:
        costs.remember(experiment.id, preset, seconds)
    progress.finished(experiment, seconds, advance.reused)
    return store


def check(claims: Sequence[Claim], preset: str, out: Path, *, executor: Executor, as_json: bool) -> bool:
    """Check claims side by side, print each verdict, keep them for the page; True when all hold."""
    found, computing, compiled = [], 0.0, Compiled()
    with results_folder(out):
        for claim, checked in zip(claims, executor.map(_checked, claims, repeat(preset)), strict=True):
            verdicts.write(out, claim, checked.verdict, preset, checked.code)
            found.append(checked.verdict)
            computing += checked.seconds
            compiled.add(checked.compiled)
            if not as_json:
                console.show_verdict(claim, checked.verdict, checked.seconds)
    if as_json:
        print(json.dumps([verdicts.plain(asdict(v)) for v in found], indent=1))
    else:
        console.show_check_summary(found)
        console.show_compiling(compiled.told(computing))
    return all(v.ok for v in found)


class _Checked(NamedTuple):
    """A verdict, the code it came from, and what it took."""

    verdict: Verdict
    code: dict[str, str]
    seconds: float
    compiled: Compiled


def _checked(claim: Claim, preset: str) -> _Checked:
    """Wherever it runs."""
    start, code = time.perf_counter(), keys.of_claim(claim)
    with compiling.counted() as compiled:
        verdict = check_claim(claim, preset)
    return _Checked(verdict, code, time.perf_counter() - start, compiled)


def report(out: Path) -> Path:
    """Write the page from what is on disk."""
    with results_folder(out), locked(out):
        return page.write(PAPERS, out)
