"""Rows that are kept with where they were measured: python -m benchmarks --record NAME SECTION ...

benchmarks/recorded/NAME.json is a list of measurements, each with its machine, its load, its date and the versions;
docs/factors.md shows them. What is measured again leaves the older measurement and stands in the new one.
"""

import json
import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

from benchmarks.timing import OPERATIONS, Row

FOLDER = Path(__file__).parent / "recorded"
PACKAGES = ("jax", "torch", "opacus")
Measurement = dict[str, Any]


def begun(command: str) -> Measurement:
    """A measurement that begins here and now, without rows."""
    versions = {package: _version(package) for package in PACKAGES}
    return {"machine": _machine(), "date": datetime.now(UTC).isoformat("T", "seconds"), **versions, "command": command}


def keep(name: str, measurement: Measurement, rows: list[Row]) -> Path:
    """Write the measurement with the rows that it has so far, and of older ones what it did not measure again."""
    path, new = FOLDER / f"{name}.json", {_key(row) for row in rows}
    older = [kept for kept in (read(name) if path.exists() else []) if kept["date"] != measurement["date"]]
    for kept in older:
        kept["rows"] = [row for row in kept["rows"] if _key(Row(**row)) not in new]
    load = [round(load, 1) for load in os.getloadavg()]
    now = measurement | {"load": load, "rows": [row._asdict() for row in rows]}
    path.write_text(json.dumps([kept for kept in [*older, now] if kept["rows"]], indent=1) + "\n")
    return path


def read(name: str) -> list[Measurement]:
    """What is kept under a name."""
    kept: list[Measurement] = json.loads((FOLDER / f"{name}.json").read_text())
    return kept


def _machine() -> str:
    device, cores = jax.devices()[0], f"{os.cpu_count()} cores ({platform.machine()})"
    return cores if device.platform == "cpu" else f"{device.device_kind}, beside {cores}"


def _version(package: str) -> str | None:
    """None where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _key(row: Row) -> tuple[str, ...]:
    return (row.section, row.what, row.peer, *([row.unit] if row.unit == OPERATIONS else []))


def table(kept: list[Measurement]) -> list[str]:
    """Lines of tables in Markdown, one for each measurement, counts of operations beside the times."""
    rows = [Row(**row) for measurement in kept for row in measurement["rows"]]
    counts = {row[:3]: f"{row.median:.3g}" for row in rows if row.unit == OPERATIONS}
    lines: list[str] = []
    for measurement in kept:
        timed = [row for row in (Row(**row) for row in measurement["rows"]) if row.unit != OPERATIONS]
        lines += [*_head(measurement), *_body(timed, counts), ""] if timed else []
    return lines[:-1]


def _head(measurement: Measurement) -> list[str]:
    versions = ", ".join(f"{package} {measurement[package]}" for package in PACKAGES if measurement.get(package))
    load = f", load {measurement['load'][0]:g} when it ended" if "load" in measurement else ""
    date, command = measurement["date"][:10], measurement["command"]
    return [
        f"{measurement['machine']}{load}; {versions}; {date}; `{command}`. Median [quartiles]:",
        "",
        "| | | against | | operations |",
        "|---|---|---|---|---|",
    ]


def _body(rows: list[Row], counts: dict[Any, str]) -> list[str]:
    before = ["", *(row.section for row in rows)]
    return [
        f"| {row.section if row.section != last else ''} | {row.what} | {row.peer} | {_said(row)} "
        f"| {counts.get(row[:3], '')} |"
        for row, last in zip(rows, before, strict=False)
    ]


def _said(row: Row) -> str:
    """Median [quartiles]; what is slower in times the other's time."""
    low, median, high, unit = row.low, row.median, row.high, row.unit
    if unit == "times as fast" and median < 1:
        low, median, high, unit = 1 / high, 1 / median, 1 / low, "times the time"
    return f"{median:.3g} [{low:.3g}, {high:.3g}] {unit}"
