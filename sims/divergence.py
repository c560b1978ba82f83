"""Training that left the finite numbers: marked where it did, and named."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import xarray as xr

from spec.problems import RealData
from spec.runs import TrainingRun
from spec.validation import NonFiniteError

SHOWN = 20  # of the runs that diverged, by name


def complaint(lines: Sequence[str]) -> str:
    """One text about all runs that diverged."""
    more = [f"and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    head = f"{len(lines)} runs diverged; what they record is empty (NaN) from there on, all others are kept:"
    return "\n  ".join([head, *lines[:SHOWN], *more])


@contextmanager
def blaming(lines: Sequence[str]) -> Iterator[None]:
    """What fails inside fails because of the runs that diverged, if any did: then they are what is reported."""
    try:
        yield
    except Exception as error:
        if lines:
            raise NonFiniteError(complaint(lines)) from error
        raise


def marked(dataset: xr.Dataset, run: TrainingRun) -> xr.Dataset:
    """The records (seed, epoch) of a run with NaN after the first step without a finite gradient.

    first_nonfinite_step  (seed, epoch), as far as a record knows it; in the result (seed,), that of the whole training
    The attribute `diverged` has a line for each seed that left the finite numbers, and is missing where none did.
    """
    first = dataset["first_nonfinite_step"]
    last = first.isel(epoch=-1, drop=True)
    kept = dataset.drop_vars("first_nonfinite_step").where(first < 0).assign(first_nonfinite_step=last)
    lines = [line for seed in range(len(run.seeds)) for line in _complaint(kept.isel(seed=seed), run)]
    return kept.assign_attrs(diverged="\n".join(lines)) if lines else kept


def _complaint(kept: xr.Dataset, run: TrainingRun) -> Iterator[str]:
    """At most one line about one seed."""
    step, who = int(kept["first_nonfinite_step"]), f"{_named(run)}, seed={int(kept['seed'])}"
    if step >= 0:
        yield f"gradient is not finite at step {step} ({who})"
        return
    for name, values in kept.data_vars.items():
        bad = np.flatnonzero(~np.isfinite(values.values))
        if len(bad):
            yield f"{name} is not finite ({who}, epoch={int(kept['epoch'][bad[0]])})"
            return


def _named(run: TrainingRun) -> str:
    """Rule and problem with the numbers that tell them from others of a grid: '1-SAM, rho=0.1, digits, Delta=0.3'."""
    problem = run.problem
    if isinstance(problem, RealData):
        place = [problem.name, *_numbers(problem.noise)]
    else:
        place = [type(problem).__name__, f"Delta={problem.Delta:g}"]
    return ", ".join([run.rule.name, *_numbers(run.rule), *place, f"eta={run.training.eta:g}"])


def _numbers(record: Any) -> Iterator[str]:
    for field in fields(record):
        value = getattr(record, field.name)
        if is_dataclass(value):
            yield from _numbers(value)
        elif isinstance(value, float | np.floating):
            yield f"{field.name}={value:g}"
