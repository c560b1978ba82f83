"""FBR against the field on data: whether it outperforms consistently, whose gain it is, and what its ingredients do."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import xarray as xr

from figures import comparison as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.shared import comparison
from paper_repro.statistics import Interval, interval
from paper_repro.zhang2025.experiments.field_entries import (
    CE,
    CLEAN,
    DIGITS,
    FBR,
    IMBALANCED,
    L2RW,
    META,
    MNIST1D,
    NOISES,
    ORACLE,
    TRAINING,
    Field,
    block_name,
    entries,
)
from spec.clean_subset import CleanSubset
from spec.networks import Mlp
from spec.problems import RealData
from spec.runs import TrainingRun


def run(config: Field, parts: Parts) -> xr.Dataset:
    """Every method, with the place, V, and examples trained on in an epoch as further coordinates of the runs."""
    chosen = entries(config)
    coords = {
        "place": [e.block.rsplit(", V = ", 1)[0] for e in chosen],
        "extra": [e.unit.extra.epochs for e in chosen],
        "seen": [_seen(e.unit) for e in chosen],
    }
    return comparison.compare(chosen, parts).assign_coords({name: ("run", v) for name, v in coords.items()})


def _seen(unit: TrainingRun) -> int:
    return unit.problem.n_train + unit.extra.epochs * unit.clean.m  # type: ignore[union-attr]


def against(dataset: xr.Dataset, others: Sequence[str], reading: str, caption: str) -> Table:
    """FBR minus others in every block that has any, and in how many the paired interval lies above or below zero."""
    others = [name for name in others if name in dataset["label"].values]
    runs = zip(dataset["block"].values, dataset["label"].values, strict=True)
    blocks = list(dict.fromkeys(block for block, label in runs if label in others))
    gaps = {(b, name): _gap(dataset, (b, FBR), (b, name), reading) for b in blocks for name in others}
    rows = [(str(b), *(_cell(gaps[b, name]) for name in others)) for b in blocks]
    return Table(caption, ("FBR minus", *others), (*rows, ("all blocks", *(_count(gaps, name) for name in others))))


def consistent(dataset: xr.Dataset, others: Sequence[str]) -> dict[str, tuple[int, int, int]]:
    """For either reading: comparisons in which FBR is shown to be better, to be worse, and all of them."""
    blocks = dict.fromkeys(dataset["block"].values)
    counts = {}
    for reading in ("selected", "final"):
        gaps = [_gap(dataset, (b, FBR), (b, name), reading) for b in blocks for name in others]
        known = [g for g in gaps if g is not None]
        counts[reading] = (sum(g.low > 0 for g in known), sum(g.high < 0 for g in known), len(known))
    return counts


def is_shown(counts: dict[str, tuple[int, int, int]]) -> bool:
    """Whether FBR is better in every comparison of either reading; where there is none, nothing is shown."""
    return all(better == n > 0 for better, _, n in counts.values())


def _gap(dataset: xr.Dataset, first: tuple[str, str], second: tuple[str, str], reading: str) -> Interval | None:
    """The paired difference of two (block, label), if both were run."""
    runs = list(zip(dataset["block"].values, dataset["label"].values, strict=True))
    if first not in runs or second not in runs:
        return None
    a, b = (dataset[reading].isel(run=runs.index(which)).values for which in (first, second))
    return interval(np.asarray(a - b))


def _cell(gap: Interval | None) -> str:
    if gap is None:
        return "–"
    return f"{gap.points(signed=True)}: {'better' if gap.low > 0 else 'worse' if gap.high < 0 else 'not shown'}"


def _count(gaps: dict[tuple[str, str], Interval | None], other: str) -> str:
    known = [gap for (_, name), gap in gaps.items() if name == other and gap is not None]
    return f"better in {sum(g.low > 0 for g in known)}, worse in {sum(g.high < 0 for g in known)} of {len(known)}"


def credit(dataset: xr.Dataset) -> Table:
    """What of FBR's distance to cross-entropy extra clean epochs explain: V is the largest number of them."""
    V = int(dataset["extra"].max())
    pairs = ((FBR, V, CE, 0), (CE, V, CE, 0), (CLEAN, V, CE, 0), (FBR, 0, CE, 0), (FBR, V, CE, V))
    rows = []
    for place in dict.fromkeys(dataset["place"].values):
        gaps = [_gap(dataset, (block_name(place, v), a), (block_name(place, u), b), "selected") for a, v, b, u in pairs]
        rows.append((str(place), *map(_cell, gaps)))
    head = ("test accuracy, points", *(f"{a}, V = {v} − {b}, V = {u}" for a, v, b, u in pairs))
    return Table("Whose gain it is: the method's, or that of extra epochs on the clean subset?", head, tuple(rows))


def kept(dataset: xr.Dataset) -> Table:
    """Final example weights of both groups, and the examples trained on in an epoch."""
    names = ("clean_example_weight", "mislabelled_example_weight", "noise_share")
    end = dataset[list(names)].isel(record=-1).mean("seed")
    rows = [
        (
            str(dataset["block"].values[k]),
            str(dataset["label"].values[k]),
            *(f"{float(end[n][k]):.3f}" for n in names),
            str(int(dataset["seen"][k])),
        )
        for k in range(dataset.sizes["run"])
    ]
    head = ("", "method", "clean weight", "mislabelled weight", "share on mislabelled", "examples an epoch")
    return Table("Mean weights at the end", head, tuple(rows))


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """Whether FBR outperforms consistently, whose gain it is, what its ingredients do, and all readings."""
    labels = list(dict.fromkeys(dataset["label"].values))
    taken_apart = [name for name in labels if name.startswith(f"{FBR},")]
    others = [name for name in labels if name not in (FBR, ORACLE, *taken_apart)]
    counts = consistent(dataset, others)
    found = "; ".join(f"{r} better {a}, worse {b} of {n}" for r, (a, b, n) in counts.items())
    verdict = "is shown" if is_shown(counts) else "is not shown"
    captions = {
        "selected": f"“Consistently outperforms” {verdict} ({found}): test accuracy at the validated epoch",
        "final": "The same at the final epoch",
    }
    units = "points, paired 95 % intervals, not corrected for their number"
    ablated = (
        against(dataset, taken_apart, "final", f"FBR minus FBR with one ingredient changed, final epoch: {units}"),
    )
    return (
        *(against(dataset, [*others, ORACLE], reading, f"{says}: {units}") for reading, says in captions.items()),
        *(ablated if taken_apart else ()),
        credit(dataset),
        kept(dataset),
        comparison.table(dataset, "FBR against the field: all readings"),
    )


def _most_extra(dataset: xr.Dataset) -> xr.Dataset:
    return dataset.isel(run=(dataset["extra"] == dataset["extra"].max()).values)


_FEW = (CE, CLEAN, L2RW, f"{META}, β = 10", FBR, ORACLE)
FIELD = Experiment(
    id="zhang2025.field",
    title="FBR against the field",
    question="Does feature-based reweighting outperform consistently, and is it the method or the extra clean epochs?",
    config={
        "smoke": Field(
            (RealData(n_train=250, n_validation=300),),
            subsets=(CleanSubset(50),),
            extra=(1,),
            network=Mlp((8,)),
            training=replace(TRAINING, epochs=2, record_every=1),
            only=(CE, CLEAN, f"{META}, β = 10", FBR),
            seeds=2,
        ),
        "standard": Field(extra=(0, 10), only=_FEW, seeds=3),
        "full": Field(
            (DIGITS, MNIST1D, IMBALANCED),
            tuple(NOISES),
            (CleanSubset(), CleanSubset(20), CleanSubset(200), CleanSubset(100, 0.2)),
        ),
    },
    units=lambda config: len(comparison.units(entries(config))),
    run=run,
    figures=(
        FigureBinding(
            "zhang2025.field",
            "FBR and its rivals over cross-entropy with as many extra clean epochs",
            "Differences to cross-entropy at the largest number V of extra clean epochs, in points, paired "
            "over seeds: test accuracy at the validated epoch, and mislabelled training examples fitted at the end.",
            lambda dataset: draw.differences(_most_extra(dataset)),
        ),
    ),
    tables=tables,
)
