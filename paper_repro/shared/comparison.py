"""Methods side by side on the same seeds: what most experiments on data consist of.

Every entry is one training run; entries of one block share problem, seeds, initialisation and batches, and are compared
with the first entry of their block by paired differences. Test accuracy is read at the epoch that the (clean)
validation split chose for each seed, and at the final epoch; the test split plays no part in any choice.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from paper_repro.registry import Parts, Table
from paper_repro.statistics import interval
from paper_repro.trajectories import at_validated_epoch
from sims import simulate
from spec.runs import TrainingRun


class Entry(NamedTuple):
    """A run, the block it is compared in, and what readers call it there."""

    block: str
    label: str
    unit: TrainingRun


def units(entries: Sequence[Entry]) -> list[TrainingRun]:
    """The runs of the entries, each once."""
    return list(dict.fromkeys(entry.unit for entry in entries))


def compare(entries: Sequence[Entry], parts: Parts) -> xr.Dataset:
    """Trajectories (run, seed, record) of all entries, with coordinates block and label, and readings (run, seed).

    selected, final: test accuracy; gap: the largest excess of clean over mislabelled training accuracy;
    memorised: mislabelled training accuracy (agreement with the wrong label) at the final epoch; fit: clean accuracy.
    """
    runs = units(entries)
    results = dict(zip(runs, parts.map(simulate, runs), strict=True))
    rows = [_readings(results[entry.unit]) for entry in entries]
    labels = {"block": [entry.block for entry in entries], "label": [entry.label for entry in entries]}
    return xr.concat(rows, "run", combine_attrs="drop").assign_coords({n: ("run", v) for n, v in labels.items()})


def _readings(result: xr.Dataset) -> xr.Dataset:
    # Runs of other lengths have other epochs, and as many records.
    epochs = result["epoch"].values
    result = result.drop_vars("epoch").rename_dims(epoch="record")
    clean, mislabelled = result["clean_accuracy"], result["mislabelled_accuracy"]
    return result.assign(
        epochs=("record", epochs),
        selected=at_validated_epoch(result, "record"),
        final=result["test_accuracy"].isel(record=-1),
        gap=(clean - mislabelled).max("record"),
        memorised=mislabelled.isel(record=-1),
        fit=clean.isel(record=-1),
    )


def table(dataset: xr.Dataset, caption: str, blocks: Sequence[str] | None = None) -> Table:
    """One row for each entry: readings, and paired differences to the first entry of its block, with intervals."""
    names = list(dict.fromkeys(dataset["block"].values)) if blocks is None else list(blocks)
    rows = []
    for block in names:
        here = dataset.isel(run=(dataset["block"] == block).values)
        base = here.isel(run=0)
        for k in range(here.sizes["run"]):
            run = here.isel(run=k)
            gaps = [interval((run[n] - base[n]).values).points(signed=True) if k else "" for n in ("selected", "final")]
            levels = [f"{100 * float(run[n].mean()):.1f}" for n in ("selected", "final")]
            fits = [f"{100 * float(run[n].mean()):.0f}" for n in ("fit", "memorised")]
            rows.append((block, str(run["label"].values), levels[0], gaps[0], levels[1], gaps[1], " / ".join(fits)))
    head = ("", "method", "test (%)", "− first", "test, final", "− first", "final clean / mislabelled fit")
    return Table(caption, head, tuple(rows))


def difference(dataset: xr.Dataset, block: str, first: str, second: str, reading: str = "selected") -> np.ndarray:
    """Paired differences first - second of a reading within a block, (seed,)."""
    here = dataset.isel(run=(dataset["block"] == block).values)
    a, b = (here.isel(run=int(np.flatnonzero(here["label"].values == name)[0])) for name in (first, second))
    return np.asarray(a[reading].values - b[reading].values)
