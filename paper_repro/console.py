"""What a user sees in the terminal."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from paper_repro import costs
from paper_repro.lookup import Match
from paper_repro.registry import Experiment
from spec.claims import Claim, Verdict
from spec.validation import InputWarning

out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


def note(text: str) -> None:
    """Say something beside the results: output that a program reads stays as it is."""
    err.print(text, markup=False)


def replace_unprintable() -> None:
    """Print '?' for what the terminal's encoding lacks, instead of ending with an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def show_warning(message: Warning | str, category: type[Warning], *_: Any) -> None:
    """Our own warnings are sentences, and others lose the line of code that they came from."""
    note(f"warning: {message}" if category is InputWarning else f"{category.__name__}: {message}")


def show_everything(catalogue: dict[str, Any]) -> None:
    """All experiments and claims with their statements."""
    for paper in catalogue["papers"]:
        out.print(f"[bold]{paper['key']}[/bold]  {paper['citation']}  {paper['url']}\n")
        for experiment in paper["experiments"]:
            out.print(f"  experiment [cyan]{experiment['id']}[/cyan]  {escape(experiment['title'])}")
        for claim in paper["claims"]:
            out.print(f"  claim      [green]{claim['id']}[/green]")
            out.print(f"    {claim['statement']}", markup=False)


def show_lines(lines: Sequence[str]) -> None:
    """Text as it is."""
    for line in lines:
        out.print(line, markup=False)


def show_matches(matches: Sequence[Match]) -> None:
    """What was found, a line each."""
    for match in matches:
        out.print(f"{match.kind:10} [cyan]{escape(match.name)}[/cyan]  {escape(match.says)}")


def show_plan(configs: Sequence[tuple[Experiment, Any]], preset: str) -> None:
    """The estimated time first."""
    table = Table(title=f"{preset} preset", title_justify="left")
    for head in ("experiment", "parts", "seeds", "a part", "about"):
        table.add_column(head, no_wrap=True)
    for experiment, config in configs:
        parts, seconds = experiment.units(config), costs.of_run(experiment, preset, config)
        times = [costs.in_words(seconds and seconds / parts), costs.in_words(seconds)]
        table.add_row(experiment.id, str(parts), str(config.seeds), *times)
    known = [seconds for e, c in configs if (seconds := costs.of_run(e, preset, c)) is not None]
    together = costs.in_words(sum(known) if len(known) == len(configs) else None)
    table.add_row("together", "", "", "", together)
    # Whole lines, however narrow the terminal, or the 80 columns of a pipe.
    needed = Measurement.get(out, out.options.update(max_width=1000), table).maximum
    Console(file=out.file, width=max(needed, out.width), soft_wrap=True, highlight=False).print(table)


class Bars:
    """One progress bar for each experiment."""

    def __init__(self, bars: Progress) -> None:
        self.bars = bars

    def add(self, title: str, total: int) -> "Advance":
        """A new bar, and what moves it on."""
        return Advance(self.bars, self.bars.add_task(title, total=total))

    def finished(self, experiment: Experiment, seconds: float, reused: int) -> None:
        """Say that an experiment is done."""
        note = f", {reused} parts reused" if reused else ""
        self.bars.console.print(f"{experiment.id}: done in {seconds:.1f} s{note}")


class Advance:
    """Called once for each part, with whether it was reused."""

    def __init__(self, bars: Progress, task: TaskID) -> None:
        self.bars, self.task, self.reused = bars, task, 0

    def __call__(self, reused: bool) -> None:
        """One part more."""
        self.reused += reused
        self.bars.advance(self.task)


@contextmanager
def progress() -> Iterator[Bars]:
    """Bars with counts, elapsed and remaining time."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out) as bars:
        yield Bars(bars)


def show_verdict(claim: Claim, verdict: Verdict, seconds: float) -> None:
    """One claim: predicted, measured, tolerance, power, mutants."""
    mark = "[green]holds[/green]" if verdict.ok else "[red]FAILS[/red]"
    rejected = sum(m.rejected for m in verdict.mutants)
    out.print(f"{mark}  [bold]{claim.id}[/bold]  ({seconds:.1f} s)")
    out.print(f"    {claim.statement}", markup=False)
    out.print(
        f"    predicted {verdict.predicted:.6g}  measured {verdict.measured:.6g}  |  {kind(claim)}: "
        f"{verdict.summary}  |  power {verdict.power:.3g}  |  "
        f"mutants rejected {rejected}/{len(verdict.mutants)}",
        markup=False,
    )
    for mutant in verdict.mutants:
        if not mutant.rejected:
            out.print(f"    [red]not rejected:[/red] {mutant.wrong} (score {mutant.score:.2g} < 1)")


def kind(claim: Claim) -> str:
    """The tolerance kind in words; the verdict's summary says what came out."""
    names = {
        "Exact": "identity",
        "MonteCarlo": "expectation",
        "Asymptotic": "limit with a rate",
        "Ordering": "signs",
        "AtMost": "upper bound",
        "AtLeast": "lower bound",
    }
    return names[type(claim.tolerance).__name__]


def show_check_summary(verdicts: Sequence[Verdict]) -> None:
    """How many claims hold, and which do not."""
    failed = [v.claim for v in verdicts if not v.ok]
    mutants = sum(len(v.mutants) for v in verdicts)
    out.print(f"{len(verdicts) - len(failed)} of {len(verdicts)} claims hold, {mutants} mutants tried")
    if failed:
        out.print(f"[red]failed:[/red] {', '.join(failed)}")


def show_compiling(sentence: str) -> None:
    """What compiling took of a run."""
    out.print(sentence, markup=False)


def show_page(path: Path) -> None:
    """Say where the page is."""
    out.print(f"page: {path.resolve()}", markup=False)
