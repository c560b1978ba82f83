"""Trajectories of several training runs: stacked under labels, read at the validated epoch, tuned on validation."""

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import xarray as xr

from spec.rules import Rule
from spec.runs import TrainingRun


def concatenate(units: Sequence[TrainingRun], results: Sequence[xr.Dataset], **coords: Sequence[Any]) -> xr.Dataset:
    """Stack results along 'run', labelled by the rule's name, its rho, and any further coordinates."""
    names = [unit.rule.name for unit in units]
    rho = np.array([radius(unit.rule) for unit in units])
    dataset = xr.concat(list(results), dim="run", combine_attrs="drop")
    labels: dict[str, Any] = {"method": names, "rho": rho, **coords}
    return dataset.assign_coords({name: ("run", list(values)) for name, values in labels.items()})


def radius(rule: Rule) -> float:
    """rho of a rule's ascent, or of the rule that it is built on; 0 of one that does not ascend."""
    inner = [radius(one) for one in rule.inner().values()]
    return float(rule.rho) if "rho" in {f.name for f in fields(rule)} else max(inner, default=0.0)  # type: ignore[attr-defined]


def at_validated_epoch(dataset: xr.Dataset, records: str = "epoch") -> xr.DataArray:
    """Test accuracy at the record with the best validation accuracy (the first such one) of each run and seed."""
    best = dataset["validation_accuracy"].argmax(records)
    return dataset["test_accuracy"].isel({records: best}).drop_vars(records, errors="ignore")


def tuned(dataset: xr.Dataset) -> dict[str, int]:
    """For each method the place of its run with the largest best validation accuracy, in the mean over seeds.

    A run of which a seed diverged is chosen only where no other is left.
    """
    diverged = (dataset["first_nonfinite_step"] >= 0).any("seed")
    score = dataset["validation_accuracy"].max("epoch").mean("seed").where(~diverged, -1.0).values
    methods = dataset["method"].values
    return {str(m): int(np.flatnonzero(methods == m)[np.argmax(score[methods == m])]) for m in dict.fromkeys(methods)}
