"""What things cost, as ratios measured in one run: python -m benchmarks [SECTION ...] (or make bench).

--record NAME keeps every row as soon as it is measured, with the machine, date and versions (benchmarks.record).
--seconds N begins no row after so many seconds and says which sections are left.
Sections: steps, convolutions, down_weighting, sweeps, kernels, meta, epochs, mean_field, memory, operations (default:
all). Every row times two programs alternately, after warm-up, until their results are ready; operations are counted.
Writes out/ratios.json and out/ratios.svg. Absolute times on shared machines mean little.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console
from rich.table import Table

from benchmarks import (
    convolutions,
    down_weighting,
    epochs,
    kernels,
    mean_field,
    memory,
    meta_gradient,
    operations,
    record,
    steps,
    sweeps,
    torch_peers,
)
from benchmarks.timing import Row
from spec.validation import require

OUT = Path(__file__).parent / "out"
SECTIONS: dict[str, Callable[[int], Iterable[Row]]] = {
    "steps": steps.rows,
    "convolutions": convolutions.rows,
    "down_weighting": down_weighting.rows,
    "sweeps": sweeps.rows,
    "kernels": kernels.rows,
    "meta": meta_gradient.rows,
    "epochs": epochs.rows,
    "mean_field": mean_field.rows,
    "memory": memory.rows,
    "operations": operations.rows,
}
REPEATS = 15
WIDTH = 118  # of the table, whatever it is printed to: a narrower one would lose numbers


def table(rows: list[Row]) -> Table:
    """Medians with quartiles, section by section."""
    shown = Table(width=WIDTH, title=r"Medians \[quartiles] of ratios measured in one run", title_justify="left")
    for head in ("what", "against", "median", "quartiles", "unit"):
        shown.add_column(head, justify="right" if head == "median" else "left")
    section = None
    for row in rows:
        if row.section != section:
            section = row.section
            shown.add_section()
            shown.add_row(f"[bold]{section}[/bold]")
        shown.add_row(row.what, row.peer, f"{row.median:.3g}", f"[{row.low:.3g}, {row.high:.3g}]", row.unit)
    return shown


def plot(rows: list[Row]) -> Figure:
    """Speed ratios on a logarithmic axis, quartiles as bars."""
    timed = [row for row in rows if row.unit == "times as fast"][::-1]
    figure = Figure(figsize=(9, 1 + 0.22 * len(timed)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    for y, row in enumerate(timed):
        axes.plot([row.low, row.high], [y, y], color="#56B4E9", linewidth=4)
        axes.plot(row.median, y, "o", color="#D55E00", markersize=4)
    axes.axvline(1, color="grey", linewidth=0.8)
    labels = [f"{row.section}: {row.what} against {row.peer}" for row in timed]
    axes.set_yticks(range(len(timed)), labels, fontsize=6)
    axes.set(xscale="log", xlabel="times as fast (median and quartiles)")
    return figure


def measured(sections: list[str], limit: float, console: Console) -> Iterator[Row]:
    """The rows of the sections until `limit` seconds have passed."""
    end = time.monotonic() + limit
    for k, name in enumerate(sections):
        console.print(f"measuring {name} ...")
        for row in SECTIONS[name](REPEATS):
            yield row
            if time.monotonic() > end:
                console.print(f"The time is over; not finished: {' '.join(sections[k:])}")
                return


def main(arguments: list[str]) -> None:
    """Measure, print the table, write the JSON and the plot."""
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m benchmarks", description=__doc__, formatter_class=as_written)
    parser.add_argument("--record", metavar="NAME")
    parser.add_argument("--seconds", metavar="N", type=float, default=float("inf"))
    parser.add_argument("sections", metavar="SECTION", nargs="*")
    options = parser.parse_args(arguments)
    for name in options.sections:
        require(name in SECTIONS, "SECTION", name, "one of " + ", ".join(SECTIONS))
    console = Console(width=max(WIDTH, Console().width))
    if torch_peers.torch is None:
        console.print("PyTorch is not installed (the extra `peers`): its rows are left out.")
    measurement = record.begun(" ".join(["python -m benchmarks", *arguments]))
    rows: list[Row] = []
    for row in measured(options.sections or list(SECTIONS), options.seconds, console):
        rows.append(row)
        if options.record is not None:  # at once: what is measured is not lost where a section is cut short
            record.keep(options.record, measurement, rows)
    if kernels.SECTION in {row.section for row in rows} and not any("neural" in row.peer for row in rows):
        console.print("neural-tangents is left out: NEURAL_TANGENTS_PYTHON names no environment that has it.")
    console.print(table(rows))
    OUT.mkdir(exist_ok=True)
    (OUT / "ratios.json").write_text(json.dumps([row._asdict() for row in rows], indent=1))
    plot(rows).savefig(OUT / "ratios.svg", metadata={"Date": None})


if __name__ == "__main__":
    main(sys.argv[1:])
