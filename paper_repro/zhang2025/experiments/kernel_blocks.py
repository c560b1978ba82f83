"""Does the kernel separate classes? Blocks of the tangent kernel on pairs of digits, before and after training."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr

from figures import kernels as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.statistics import interval
from paper_repro.zhang2025.claims.measured_training import FloatArray
from sims import objectives, tangent_kernel
from sims.data import real_data, sampling
from sims.models import networks
from sims.train import train
from spec.fields import Among, Checked, Count, Grid, Seeds
from spec.problems import RealData
from spec.rules import Sgd
from spec.seeds import named_seeds
from spec.training import Training
from spec.validation import require
from theory import ntk
from theory.reweighting import regrowth

EDGES = np.linspace(-4, 4, 81)
"""Bins of kernel entries over their mean absolute value; entries beyond count at the ends."""
OUTPUTS = np.linspace(-2, 2, 81)
PAIRS = tuple(f"{a}-{b}" for a in range(10) for b in range(10) if a != b)


@dataclass(frozen=True)
class KernelBlocks(Checked):
    """Pairs of classes 'a-b' of a data set (digits, or mnist with a path), a network, and its training to labels -1, 1.

    Architecture, loss and full batches as in the first author's code; its initialisation and step differ.
    """

    problem: RealData = RealData(n_train=120, n_validation=40)
    pairs: Grid[Annotated[str, Among(PAIRS)]] = ("1-7", "3-8", "4-9", "0-1")
    hidden: tuple[Count, ...] = (256, 256)
    training: Training = Training(eta=0.3, epochs=200, record_every=200)
    seeds: Seeds = 4


@dataclass(frozen=True)
class _Unit:
    config: KernelBlocks
    pair: str
    seed: int


def run_blocks(config: KernelBlocks, parts: Parts) -> xr.Dataset:
    """Histograms and separation of the kernel between training and clean examples, for every pair and seed."""
    seeds = named_seeds("zhang2025.kernel_blocks", config.seeds)
    units = [_Unit(config, pair, seed) for pair in config.pairs for seed in seeds]
    results = parts.map(_measured, units)
    rows = [xr.concat(results[i : i + len(seeds)], dim="seed") for i in range(0, len(results), len(seeds))]
    return xr.concat(rows, dim="pair").assign_coords(pair=list(config.pairs))


def _measured(unit: _Unit) -> xr.Dataset:
    config = unit.config
    problem = replace(config.problem, classes=tuple(int(c) for c in unit.pair.split("-")))
    source = real_data.load(problem)
    draw_key, start_key = jax.random.split(jax.random.key(unit.seed))
    drawn = sampling.sample(problem, draw_key, dtype=jnp.float32, source=source)
    # True labels: the question is what the kernel does to clean classes. Pixels in [-1, 1].
    splits = [sampling.Split(2 * s.x - 1, *(jnp.where(s.y == 1, 1.0, -1.0).astype(s.x.dtype),) * 2) for s in drawn if s]
    model, trained = _network(source.x.shape[1], config.hidden, config.training)
    start = model.init(start_key, jnp.float32)
    end = trained(start, sampling.Data(*splits), start_key)
    y, y_clean = (np.asarray(s.y, dtype=float) for s in splits[:2])
    both = 0 < np.sum(y_clean > 0) < len(y_clean)
    require(
        bool(both), "n_validation", problem.n_validation, f"so large that both classes of {unit.pair} are among them"
    )
    kinds: dict[str, xr.Dataset] = {}
    for name, params in (("initial", start), ("trained", end)):
        cross, among = (
            np.asarray(tangent_kernel.empirical(model, params, splits[1].x, s.x), dtype=float) for s in splits[:2]
        )
        balanced = 0.5 / np.where(y_clean > 0, np.sum(y_clean > 0), np.sum(y_clean < 0))
        centred = ntk.centred(cross, among, cross.T, among, balanced)
        kinds[f"raw, {name}"] = _of_kernel(cross, y, y_clean, balanced)
        kinds[f"centred, {name}"] = _of_kernel(centred, y, y_clean, balanced)
    result = xr.concat(list(kinds.values()), dim="kind").assign_coords(kind=list(kinds))
    outputs = np.asarray(model.apply(start, splits[0].x))
    result["initial_outputs"] = ("output", _histogram(outputs, OUTPUTS))
    result["largest_output"] = float(np.abs(outputs).max())
    return result.assign_coords(entry=(EDGES[1:] + EDGES[:-1]) / 2, output=(OUTPUTS[1:] + OUTPUTS[:-1]) / 2)


@cache
def _network(d: int, hidden: tuple[int, ...], training: Training) -> tuple[networks.Model, Any]:
    """The model, and (params, data, key) -> trained params, compiled once."""
    model = networks.mlp((d, *hidden, 1), scaling="ntk")

    def trained(params: Any, drawn: sampling.Data, key: jax.Array) -> Any:
        observe: Any = lambda *_: {}  # noqa: E731
        settings: Any = {"model": model, "loss": objectives.squared, "observe": observe}
        return train(Sgd(), training, params=params, data=drawn, key=key, **settings)[0]

    return model, jax.jit(trained)


def _of_kernel(cross: FloatArray, y: FloatArray, y_clean: FloatArray, balanced: FloatArray) -> xr.Dataset:
    same = y_clean[:, None] * y > 0
    scaled, k = cross / np.abs(cross).mean(), y_clean[:, None] * y * cross
    a, b = cross[same].mean(), cross[~same].mean()
    values: dict[str, Any] = {
        "same": ("entry", _histogram(scaled[same], EDGES)),
        "different": ("entry", _histogram(scaled[~same], EDGES)),
        "same_positive": float(np.mean(cross[same] > 0)),
        "different_negative": float(np.mean(cross[~same] < 0)),
        "row_mean_positive": float(np.mean(k.mean(axis=0) > 0)),
        "balanced_row_mean_positive": float(np.mean(balanced @ k > 0)),
        "imbalance_allowed": float(np.clip(regrowth.centring_threshold(a, b), 0, 1)) if b > 0 else 1.0,
    }
    return xr.Dataset(values)


def _histogram(values: FloatArray, edges: FloatArray) -> FloatArray:
    return np.histogram(np.clip(values, edges[0], edges[-1]), edges, density=True)[0]


def _table(dataset: xr.Dataset) -> Table:
    rows = []
    for pair in dataset["pair"].values:
        for kind in dataset["kind"].values:
            one = dataset.sel(pair=pair, kind=kind)
            names = ("same_positive", "different_negative", "row_mean_positive", "balanced_row_mean_positive")
            shares = [interval(one[n]).points() for n in names]
            rows.append((str(pair), str(kind), *shares, f"{float(one['imbalance_allowed'].mean()):.2f}"))
    head = ("pair", "kernel", "same class > 0 (%)", "different class < 0 (%)", "row means > 0 (%)",
            "class-balanced row means > 0 (%)", "imbalance of clean residuals it bears")  # fmt: skip
    return Table("Kernel separation of two classes: strict, and by row means (95 % over seeds)", head, tuple(rows))


KERNEL_BLOCKS = Experiment(
    id="zhang2025.kernel_blocks",
    title="Kernel separation on pairs of digits",
    question="Is the kernel positive within a class and negative between two, raw or centred, trained or not?",
    config={
        "smoke": KernelBlocks(
            problem=RealData(n_train=40, n_validation=12),
            pairs=("1-7",),
            hidden=(16,),
            training=Training(0.3, 4),
            seeds=2,
        ),
        "standard": KernelBlocks(pairs=("1-7", "4-9")),
        "full": KernelBlocks(training=Training(eta=0.3, epochs=1000, record_every=1000), hidden=(256,) * 3, seeds=8),
    },
    units=lambda config: len(config.pairs) * config.seeds,
    run=run_blocks,
    figures=(
        FigureBinding(
            "zhang2025.kernel_blocks",
            "Kernel entries within a class and between classes; outputs at the start",
            "Entries over their mean absolute value, mean over seeds. Raw kernels share a positive part.",
            draw.blocks,
        ),
    ),
    tables=lambda dataset: (_table(dataset),),
)
