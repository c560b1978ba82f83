"""Rows that are kept with where they were measured: python -m benchmarks --record NAME SECTION ...

benchmarks/recorded/NAME.json; docs/factors.md shows them. Rows that are measured again replace those that were there.
"""

import json
import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.timing import Row

FOLDER = Path(__file__).parent / "recorded"
PACKAGES = ("jax", "torch", "opacus")


def keep(name: str, sections: list[str], rows: list[Row]) -> Path:
    """Write the rows, and what was kept of others, with the machine, its load, the date and the versions."""
    path = FOLDER / f"{name}.json"
    before = [Row(**row) for row in read(name)["rows"]] if path.exists() else []
    new = {row[:3] for row in rows}
    found: dict[str, Any] = {
        "machine": f"{os.cpu_count()} cores ({platform.machine()})",
        "load": [round(load, 1) for load in os.getloadavg()],
        "date": datetime.now(UTC).date().isoformat(),
        **{package: _version(package) for package in PACKAGES},
        "command": " ".join(["python -m benchmarks --record", name, *sections]),
        "rows": [row._asdict() for row in before if row[:3] not in new] + [row._asdict() for row in rows],
    }
    path.write_text(json.dumps(found, indent=1) + "\n")
    return path


def read(name: str) -> dict[str, Any]:
    """What is kept under a name."""
    kept: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text())
    return kept


def _version(package: str) -> str | None:
    """None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def table(kept: dict[str, Any]) -> list[str]:
    """Lines of a table in Markdown, with where the rows are from."""
    versions = ", ".join(f"{package} {kept[package]}" for package in PACKAGES if kept.get(package))
    load = f", load {kept['load'][0]:g} when it ended" if "load" in kept else ""
    lines = [
        f"{kept['machine']}{load}; {versions}; {kept['date']}; `{kept['command']}`. Median [quartiles]:",
        "",
        "| | | against | |",
        "|---|---|---|---|",
    ]
    section = ""
    for row in (Row(**row) for row in kept["rows"]):
        lines.append(f"| {row.section if row.section != section else ''} | {row.what} | {row.peer} | {_said(row)} |")
        section = row.section
    return lines


def _said(row: Row) -> str:
    """Median [quartiles]; what is slower in times the other's time."""
    low, median, high, unit = row.low, row.median, row.high, row.unit
    if unit == "times as fast" and median < 1:
        low, median, high, unit = 1 / high, 1 / median, 1 / low, "times the time"
    return f"{median:.3g} [{low:.3g}, {high:.3g}] {unit}"
