"""Experiments in memory: what notebooks and scripts call to look at other regimes."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import xarray as xr
from matplotlib import rc_context
from matplotlib.figure import Figure

from figures import style
from paper_repro import reference
from paper_repro.feasible import require_feasible
from paper_repro.papers import chosen_experiments, experiments
from paper_repro.registry import PRESETS
from paper_repro.settings import adjusted
from spec.validation import InputError, require_choice


class InMemory:
    """Computes parts one after another and keeps nothing on disk."""

    def map(self, function: Callable[[Any], xr.Dataset], units: Sequence[Any]) -> list[xr.Dataset]:
        """function of every unit, in order."""
        return [function(unit) for unit in units]


def explore(experiment_id: str, preset: str = "standard", **settings: Any) -> xr.Dataset:
    """The result of an experiment with some settings changed, e.g. explore("baek2024.linear_toy", Delta=0.3, seeds=4).

    Names are those of `repro run --set`; write a dotted name as **{"problem.B": 3.0}.
    float64 is allowed meanwhile, as it is on the command line, so that the numbers are the same.
    Raises InputError for an unknown experiment, preset, name or value.
    """
    require_choice("preset", preset, PRESETS)
    (experiment,) = chosen_experiments([experiment_id])
    config = adjusted(experiment.config[preset], settings)
    require_feasible(experiment, config)
    with _float64():
        return experiment.run(config, InMemory())


def evidence(experiment_id: str, preset: str = "standard") -> xr.Dataset:
    """The result whose data are kept with the package, otherwise that of a preset; prints which of them it is."""
    kept = reference.read(experiment_id)
    if kept is None or kept["data"] is None:
        print(f"{experiment_id}, computed here, preset {preset}")
        return explore(experiment_id, preset)
    print(f"{kept['command']}, kept since {kept['date']}")
    dataset: xr.Dataset = kept["data"]()
    return dataset


@contextmanager
def _float64() -> Iterator[None]:
    before = jax.config.read("jax_enable_x64")
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


def draw(figure_id: str, dataset: xr.Dataset) -> Figure:
    """One of the experiment's figures, drawn from its result."""
    known = {figure.id: figure.draw for experiment in experiments() for figure in experiment.figures}
    if figure_id not in known:
        raise InputError(f"figure_id must be one of {', '.join(known)}; got {figure_id!r}")
    with rc_context(style.RC):
        return known[figure_id](dataset)
