"""A training run for every seed: what gives spec.runs.TrainingRun its meaning."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from sims import ensemble, objectives, rules
from sims.data import sampling, sources
from sims.models import networks
from sims.observables import scalars
from sims.train import extra_epochs, train
from spec.problems import RealData
from spec.rules import Sgd
from spec.runs import TrainingRun


def simulate(unit: TrainingRun) -> xr.Dataset:
    """Train for every seed; dimensions (seed, epoch). Raises NonFiniteError naming quantity, step and seed."""
    source = sources.source(unit.problem) if isinstance(unit.problem, RealData) else None
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


@lru_cache(maxsize=ensemble.PROGRAMS)
def _program(
    kind: jax.tree_util.PyTreeDef, unit: TrainingRun, size: int, classes: int | None
) -> Callable[[jax.Array, Mapping[str, jax.Array], Any], Mapping[str, jax.Array]]:
    model = networks.build(unit.network, size, classes)
    loss = objectives.logistic if classes is None else objectives.cross_entropy
    recorded = scalars.together(*map(scalars.observable, unit.observe))

    def run(key: jax.Array, hyper: Mapping[str, jax.Array], shared: Any) -> Mapping[str, jax.Array]:
        source, traced = shared
        draw, start, order = jax.random.split(key, 3)
        drawn = sampling.sample(unit.problem, draw, dtype=jnp.dtype(unit.dtype), source=source)
        rule, clean, extra = jax.tree.unflatten(kind, traced), None, None
        if unit.clean is not None and classes is not None:
            drawn, clean = sampling.set_aside(drawn, unit.clean, classes, jax.random.fold_in(key, 4))
            extra = extra_epochs(unit.extra, clean)
        rule = rules.bind(rule, rules.Context(drawn.train, clean, jax.random.fold_in(key, 3)))
        params = model.init(start, jnp.dtype(unit.dtype))
        options = {"model": model, "loss": loss, "observe": recorded, "key": order, "extra": extra}
        return train(rule, unit.training, params=params, data=drawn, **options)[1]

    return run
