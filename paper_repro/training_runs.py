"""One training run for every seed, from records alone: the unit that experiments are made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from sims import data, ensemble, models, objectives, observables, real_data, rules
from sims.composition import composition
from sims.correction import correction
from sims.reweighting import reweighted
from sims.train import extra_epochs, train
from spec.networks import Network
from spec.problems import Problem, RealData
from spec.reweighting import CleanEpochs, CleanSubset, Scheme
from spec.rules import Rule, Sgd
from spec.training import Training
from spec.validation import require


@dataclass(frozen=True)
class TrainingRun:
    """One rule on one problem, repeated over seeds. The same seed means the same data, initialisation and batches.

    observe: names of functions in sims.observables; 'composition' is that of sims.composition, for the rule `probe`;
    'correction' that of sims.correction, on batches of the training's size.
    clean: the subset that extra epochs train on, and that the rule looks at if it is a scheme of example weights
    (spec.reweighting).
    """

    rule: Rule
    problem: Problem
    network: Network
    training: Training
    observe: tuple[str, ...]
    seeds: tuple[int, ...]
    dtype: Literal["float32", "float64"] = "float32"
    probe: Rule | None = None
    clean: CleanSubset | None = None
    extra: CleanEpochs = CleanEpochs(0)

    def __post_init__(self) -> None:
        if isinstance(self.rule, Scheme) or self.extra.epochs:
            require(self.clean is not None, "clean", self.clean, "a clean subset, for weights or extra epochs")
            require(isinstance(self.problem, RealData), "problem", self.problem, "real data, to have a clean subset")


def simulate(unit: TrainingRun) -> xr.Dataset:
    """Train for every seed; dimensions (seed, epoch). Raises NonFiniteError naming quantity, step and seed."""
    source = _source(unit.problem) if isinstance(unit.problem, RealData) else None
    # The continuous fields of a rule are traced, so that one compiled program serves a whole grid of them; what the
    # program does not depend on is left out.
    traced, kind = jax.tree.flatten(unit.rule)
    size = source.x.shape[1] if source is not None else unit.problem.d  # type: ignore[union-attr]
    classes = None if source is None else source.classes
    return ensemble.ensemble(
        _program(kind, replace(unit, rule=Sgd(), seeds=()), size, classes),
        seeds=unit.seeds,
        grid={},
        epochs=range(0, unit.training.epochs + 1, unit.training.record_every),
        shared=(source, [np.asarray(value, unit.dtype) for value in traced]),
        block=1 if jax.default_backend() == "cpu" else None,  # vectorised seeds are slower on few cores
    )


@cache
def _source(problem: RealData) -> data.Source:
    return real_data.load(problem)


@lru_cache(maxsize=ensemble.PROGRAMS)
def _program(
    kind: jax.tree_util.PyTreeDef, unit: TrainingRun, size: int, classes: int | None
) -> Callable[[jax.Array, Mapping[str, jax.Array], Any], Mapping[str, jax.Array]]:
    model = models.build(unit.network, size, classes)
    loss = objectives.logistic if classes is None else objectives.cross_entropy
    recorded = observables.together(*(_observable(name, unit.training, unit.probe) for name in unit.observe))

    def run(key: jax.Array, hyper: Mapping[str, jax.Array], shared: Any) -> Mapping[str, jax.Array]:
        source, traced = shared
        draw, start, order = jax.random.split(key, 3)
        drawn = data.sample(unit.problem, draw, dtype=jnp.dtype(unit.dtype), source=source)
        rule, extra = jax.tree.unflatten(kind, traced), None
        if unit.clean is not None and classes is not None:
            drawn, clean = data.set_aside(drawn, unit.clean, classes, jax.random.fold_in(key, 4))
            rule = reweighted(rule, clean, drawn.train) if isinstance(rule, Scheme) else rule
            extra = extra_epochs(unit.extra, clean)
        rule = rules.bind(rule, drawn.train, jax.random.fold_in(key, 3))
        params = model.init(start, jnp.dtype(unit.dtype))
        options = {"model": model, "loss": loss, "observe": recorded, "key": order, "extra": extra}
        return train(rule, unit.training, params=params, data=drawn, **options)[1]

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


def at_validated_epoch(dataset: xr.Dataset, records: str = "epoch") -> xr.DataArray:
    """Test accuracy at the record with the best validation accuracy (the first such one) of each run and seed."""
    best = dataset["validation_accuracy"].argmax(records)
    return dataset["test_accuracy"].isel({records: best}).drop_vars(records, errors="ignore")


def tuned(dataset: xr.Dataset) -> dict[str, int]:
    """For each method the place of its run with the largest best validation accuracy, in the mean over seeds."""
    score, methods = dataset["validation_accuracy"].max("epoch").mean("seed").values, dataset["method"].values
    return {str(m): int(np.flatnonzero(methods == m)[np.argmax(score[methods == m])]) for m in dict.fromkeys(methods)}
