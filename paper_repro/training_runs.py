"""One training run for every seed, from records alone: the unit that experiments are made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from sims import data, ensemble, models, observables, real_data, rules
from sims.composition import composition
from sims.correction import correction
from sims.train import train
from spec.networks import Network
from spec.problems import Problem, RealData
from spec.rules import Rule
from spec.training import Training


@dataclass(frozen=True)
class TrainingRun:
    """One rule on one problem, repeated over seeds. The same seed means the same data, initialisation and batches.

    observe: names of functions in sims.observables; 'composition' is that of sims.composition, for the rule `probe`;
    'correction' that of sims.correction, on batches of the training's size.
    """

    rule: Rule
    problem: Problem
    network: Network
    training: Training
    observe: tuple[str, ...]
    seeds: tuple[int, ...]
    dtype: Literal["float32", "float64"] = "float32"
    probe: Rule | None = None


def simulate(unit: TrainingRun) -> xr.Dataset:
    """Train for every seed; dimensions (seed, epoch). Raises NonFiniteError naming quantity, step and seed."""
    source = _source(unit.problem) if isinstance(unit.problem, RealData) else None
    # The continuous fields of a rule are traced, so that one compiled program serves a whole grid of them.
    traced, kind = jax.tree.flatten(unit.rule)
    size = source.x.shape[1] if source is not None else unit.problem.d  # type: ignore[union-attr]
    classes = None if source is None else source.classes
    return ensemble.ensemble(
        _program(kind, unit.problem, unit.network, unit.training, unit.observe, unit.dtype, size, classes, unit.probe),
        seeds=unit.seeds,
        grid={},
        epochs=range(0, unit.training.epochs + 1, unit.training.record_every),
        shared=(source, [np.asarray(value, unit.dtype) for value in traced]),
        block=1 if jax.default_backend() == "cpu" else None,  # vectorised seeds are slower on few cores
    )


@cache
def _source(problem: RealData) -> data.Source:
    return real_data.load(problem)


@cache
def _program(
    kind: jax.tree_util.PyTreeDef,
    problem: Problem,
    network: Network,
    training: Training,
    observe: tuple[str, ...],
    dtype: str,
    size: int,
    classes: int | None,
    probe: Rule | None,
) -> Callable[[jax.Array, Mapping[str, jax.Array], Any], Mapping[str, jax.Array]]:
    model = models.build(network, size, classes)
    loss = rules.logistic if classes is None else rules.cross_entropy
    recorded = observables.together(*(_observable(name, training, probe) for name in observe))

    def run(key: jax.Array, hyper: Mapping[str, jax.Array], shared: Any) -> Mapping[str, jax.Array]:
        source, traced = shared
        draw, start, order = jax.random.split(key, 3)
        drawn = data.sample(problem, draw, dtype=jnp.dtype(dtype), source=source)
        rule = rules.bind(jax.tree.unflatten(kind, traced), drawn.train, jax.random.fold_in(key, 3))
        params = model.init(start, jnp.dtype(dtype))
        return train(rule, training, model=model, loss=loss, params=params, data=drawn, observe=recorded, key=order)[1]

    return run


def _observable(name: str, training: Training, probe: Rule | None) -> observables.Observable:
    if name == "composition":
        return composition(probe)
    if name == "correction":
        return correction(training.batch)  # type: ignore[arg-type]  # which names the batch where it is None
    return getattr(observables, name)


def concatenate(units: Sequence[TrainingRun], results: Sequence[xr.Dataset], **coords: Sequence[Any]) -> xr.Dataset:
    """Stack results along 'run', labelled by the rule's name, its rho, and any further coordinates."""
    names = [unit.rule.name for unit in units]
    rho = np.array([getattr(unit.rule, "rho", 0.0) for unit in units])
    dataset = xr.concat(list(results), dim="run", combine_attrs="drop")
    labels: dict[str, Any] = {"method": names, "rho": rho, **coords}
    return dataset.assign_coords({name: ("run", list(values)) for name, values in labels.items()})
