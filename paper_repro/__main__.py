"""The command line: list, run, check, report, all. `python -m paper_repro --help`, or `repro --help` once installed.

What computes (JAX, scipy, matplotlib) takes seconds to import: it is imported by the commands that compute, once their
options are known to be good.
"""

import os
import signal
import sys
import threading
import time
import warnings
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from paper_repro import __version__, catalogue, console, lookup
from paper_repro.registry import PRESETS
from paper_repro.settings import Written
from spec.validation import InputError, NonFiniteError, require, require_choice, require_integer

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Reproduce the papers' figures, check their claims, and write one page of both.\n\n"
    "Typical use: `repro all` (everything, then open results/index.html), `repro list`, "
    "`repro run baek2024.digits --seeds 16`, `repro check baek2024.lemma_3_1`.",
)


def _completed(incomplete: str) -> list[str]:
    """The IDs that begin so, for the shell."""
    known = catalogue.read()
    names = [
        n for kind in (catalogue.PAPER, catalogue.EXPERIMENT, catalogue.CLAIM) for n in catalogue.known(known, kind)
    ]
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete)]


Ids = Annotated[
    list[str] | None,
    typer.Argument(help="IDs from `repro list`, or a paper's key; none: everything.", autocompletion=_completed),
]
Needed = Annotated[list[str], typer.Argument(help="IDs from `repro list`.", autocompletion=_completed)]
Preset = Annotated[str, typer.Option(help="smoke (seconds), standard (minutes), full (hours, all controls).")]
Seeds = Annotated[int | None, typer.Option(help="Number of seeds instead of the preset's.", metavar="N")]
Out = Annotated[
    Path, typer.Option(help="Folder for results, figures and the page.", metavar="DIR", callback=Path.expanduser)
]
Resume = Annotated[bool, typer.Option("--resume/--fresh", help="Keep finished parts, or compute everything anew.")]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Change one setting, e.g. `--set Delta=0.4`, `--set rho=0.1,0.3`, `--set training.eta=0.05`, "
        "`--set problem.name=mnist --set problem.path=DIR`, `--set 'network=Mlp(hidden=(64,))'`. `repro list ID` shows "
        "the names.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(help="Address of a Dask scheduler to compute parts on (extra `cluster`).", metavar="ADDRESS"),
]
Jobs = Annotated[
    int | None, typer.Option(help="Parts computed side by side (default: one for each core).", metavar="N")
]


@app.callback()
def options(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.", is_eager=True)] = False,
) -> None:
    """Nothing but options of the whole."""
    if version:
        typer.echo(__version__)
        raise typer.Exit


@app.command("list")
def list_(
    ids: Ids = None,
    all_: Annotated[bool, typer.Option("--all", help="Every experiment, and every claim with its statement.")] = False,
    out: Out = Path("results"),
) -> None:
    """Show papers with their statements' statuses and experiments with their cost; of given IDs, all there is."""
    catalogue.require_known(ids or [])
    if all_:
        console.show_everything(catalogue.read())
        return
    lines = [line for name in ids or [] for line in lookup.shown(catalogue.read(), name, out)]
    console.show_lines(lines or [*lookup.overview(catalogue.read()), "More: repro list --all, repro show ID"])


@app.command()
def show(ids: Needed, out: Out = Path("results")) -> None:
    """Show all there is of an ID: formula, file and line, figure, last verdict, settings and presets."""
    list_(ids, all_=False, out=out)


@app.command()
def find(words: Annotated[list[str], typer.Argument(help="Words, e.g. `shrinkage last layer`.")]) -> None:
    """Find statements, claims, experiments and symbols that have all the words."""
    matches = lookup.find(catalogue.read(), words)
    if not matches:
        raise InputError(f"WORDS must all occur in one entry, got {' '.join(words)!r}, which none has; try fewer")
    console.show_matches(matches)


@app.command()
def explain(ids: Needed) -> None:
    """Say in words what a claim says, how it is checked and what the check must reject."""
    catalogue.require_known(ids, catalogue.CLAIM)
    for name in ids:
        console.show_lines(lookup.explained(catalogue.read(), name))


@app.command()
def run(
    ids: Ids = None,
    preset: Preset = "standard",
    seeds: Seeds = None,
    out: Out = Path("results"),
    resume: Resume = True,
    settings: Set = None,
    jobs: Jobs = None,
    cluster: Cluster = None,
) -> None:
    """Run experiments and write their figures and the page. Interrupted runs continue where they stopped."""
    _check_options(preset, seeds, jobs)
    changes = _parse(settings or [])
    catalogue.require_known(ids or [], catalogue.PAPER, catalogue.EXPERIMENT)
    papers, workflow = _computing()
    configs = workflow.configurations(papers.chosen_experiments(ids or []), preset, seeds, changes)
    with workflow.executors.executor(jobs, sum(e.units(c) for e, c in configs), cluster) as executor:
        workflow.run(configs, preset, out, executor=executor, fresh=not resume)


@app.command()
def check(
    ids: Ids = None,
    preset: Preset = "standard",
    out: Out = Path("results"),
    json: Annotated[bool, typer.Option("--json", help="Print the verdicts as JSON, and nothing else.")] = False,
    jobs: Jobs = None,
) -> None:
    """Check claims: predicted, measured, tolerance, power and mutants. Exit code 1 if any check fails."""
    _check_options(preset, jobs=jobs)
    catalogue.require_known(ids or [], catalogue.PAPER, catalogue.CLAIM)
    papers, workflow = _computing()
    chosen = papers.chosen_claims(ids or [])
    with workflow.executors.executor(jobs, len(chosen)) as executor:
        if not workflow.check(chosen, preset, out, executor=executor, as_json=json):
            raise typer.Exit(1)


@app.command()
def report(out: Out = Path("results")) -> None:
    """Write the page (index.html) from the results that are in the folder."""
    _, workflow = _computing()
    console.show_page(workflow.report(out))


@app.command("reference")
def reference_(
    ids: Ids = None,
    out: Out = Path("results"),
    force: Annotated[bool, typer.Option("--force", help="Also results of other presets or of other code.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Keep nothing; compare what is kept with today's code.")
    ] = False,
) -> None:
    """Keep full results, data and tables, as the reference evidence that the page shows beside fresh runs."""
    catalogue.require_known(ids or [], catalogue.PAPER, catalogue.EXPERIMENT)
    if not (ids or check):
        raise InputError("reference must be given IDs of experiments, or --check; got neither")
    papers, _ = _computing()
    from paper_repro import reference

    differences = 0
    for experiment in papers.chosen_experiments(ids or []):
        changed = reference.check(experiment) if check else reference.keep(experiment, out, force=force)
        differences += len(changed) * check
        if changed:
            typer.echo("\n  ".join([str(reference.path(experiment.id)), *changed]))
    if differences:
        raise typer.Exit(1)


@app.command()
def diff(ids: Needed, out: Out = Path("results")) -> None:
    """Compare the tables of results with the reference numbers, cell by cell. Exit code 1 where any differs."""
    catalogue.require_known(ids, catalogue.PAPER, catalogue.EXPERIMENT)
    papers, _ = _computing()
    from paper_repro import reference

    found = [(e.id, reference.differences(e, out)) for e in papers.chosen_experiments(ids)]
    for name, lines in found:
        console.show_lines([name, *(f"  {line}" for line in lines or ["no cell differs"])])
    if any(lines for _, lines in found):
        raise typer.Exit(1)


@app.command()
def export(
    figure: Annotated[str, typer.Argument(help="ID of a figure, see `repro show EXPERIMENT`.")],
    format_: Annotated[str, typer.Option("--format", help="pdf, svg, png, or csv: the numbers.")] = "pdf",
    width: Annotated[float, typer.Option(help="Inches: 3.25 is a usual column, 6.75 a page.")] = 6.75,
    out: Out = Path("results"),
    kept: Annotated[bool, typer.Option("--kept", help="Of the reference evidence, not of the results.")] = False,
) -> None:
    """Write a figure for a paper into the current folder."""
    require_choice("--format", format_, ("pdf", "svg", "png", "csv"))
    require(1 <= width <= 20, "--width", width, "from 1 to 20")
    catalogue.require_known([figure], catalogue.FIGURE)
    _computing()
    from paper_repro import drawing

    console.show_lines([str(drawing.export(figure, Path.cwd(), out=None if kept else out, kind=format_, width=width))])


@app.command("all")
def all_(preset: Preset = "standard", out: Out = Path("results"), jobs: Jobs = None) -> None:
    """Write the pages from kept evidence, run every experiment, check every claim. Exit code 1 if a claim fails."""
    _check_options(preset, jobs=jobs)
    papers, workflow = _computing()
    console.show_page(workflow.report(out))
    run(preset=preset, out=out, jobs=jobs)
    with workflow.executors.executor(jobs, len(papers.claims())) as executor:
        ok = workflow.check(papers.claims(), preset, out, executor=executor, as_json=False)
    console.show_page(workflow.report(out))
    if not ok:
        raise typer.Exit(1)


def _computing() -> tuple[Any, Any]:
    """(papers, workflow). float64 is allowed from here on; experiments choose their precision."""
    import jax

    from paper_repro import compiling, papers, workflow

    jax.config.update("jax_enable_x64", True)
    compiling.begin()
    return papers, workflow


def _check_options(preset: str, seeds: int | None = None, jobs: int | None = None) -> None:
    require_choice("--preset", preset, PRESETS)
    if seeds is not None:
        require_integer("--seeds", seeds, at_least=2)
    if jobs is not None:
        require_integer("--jobs", jobs, at_least=1)


def _parse(settings: list[str]) -> dict[str, Written]:
    """NAME=VALUE pairs, each name once."""
    changes: dict[str, Written] = {}
    for setting in settings:
        name, equals, text = setting.partition("=")
        if not equals or not name:
            raise InputError(f"--set must be NAME=VALUE, got {setting!r}")
        if name in changes:
            raise InputError(f"--set must give every setting once, got {name!r} twice")
        changes[name] = Written(text)
    return changes


class Stopped(BaseException):
    """Ctrl-C. No KeyboardInterrupt, which the library of the command line would answer with a line of its own."""


_PRESSED = threading.Event()


def _stop(*_: object) -> None:
    _PRESSED.set()
    raise Stopped


def _stop_later(unraisable: "sys.UnraisableHookArgs") -> None:
    """Ctrl-C during a finaliser, or a callback of the garbage collector, is lost there: once more, a moment later.

    After it, objects that were being made cannot be finalised, and their complaints say nothing.
    """
    if isinstance(unraisable.exc_value, Stopped):
        main_thread = threading.main_thread().ident or 0
        threading.Timer(0.05, signal.pthread_kill, (main_thread, signal.SIGINT)).start()
    elif not _PRESSED.is_set():
        sys.__unraisablehook__(unraisable)


def _others_end() -> bool:
    """Whether all other threads end within a second, as those do whose processes were ended."""
    others = [thread for thread in threading.enumerate() if thread is not threading.main_thread() and not thread.daemon]
    end = time.monotonic() + 1
    for thread in others:
        thread.join(max(0.0, end - time.monotonic()))
    return not any(thread.is_alive() for thread in others)


def main() -> None:
    """Entry point. Bad input ends with one sentence and exit code 2."""
    console.replace_unprintable()
    interrupt = signal.getsignal(signal.SIGINT)
    if interrupt is signal.default_int_handler:  # not where whoever started this wants it ignored
        signal.signal(signal.SIGINT, _stop)
        sys.unraisablehook = _stop_later
    try:
        with warnings.catch_warnings():
            warnings.showwarning = console.show_warning  # type: ignore[assignment]  # which leaves out where it was
            app()
    except (InputError, NonFiniteError) as error:
        Console(stderr=True, soft_wrap=True).print(f"[red]error:[/red] {escape(str(error))}")
        sys.exit(2)
    except MemoryError as error:
        console.note(f"error: the run must fit the memory, and does not ({error}); finished parts are kept")
        sys.exit(2)
    except Stopped:
        Console(stderr=True, soft_wrap=True).print("stopped; finished parts are kept, the same command continues")
        sys.stdout.flush()
        if _others_end():
            sys.exit(130)
        os._exit(130)  # compiled code that still runs in other threads cannot be stopped, and would be waited for
    finally:
        signal.signal(signal.SIGINT, interrupt)
        if not _PRESSED.is_set():  # else the process ends, and what was being made with it
            sys.unraisablehook = sys.__unraisablehook__


if __name__ == "__main__":
    main()
