"""What the deciding experiment decides, from paired intervals over seeds: the sign rule, the length, the regimes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr

from paper_repro.registry import Table
from paper_repro.shared import comparison
from paper_repro.statistics import Interval, decision, interval
from theory.compensation.correction import helpful_sign

SAM, ORACLE, PUBLISHED = "SAM", "SAM, ascent under true labels", "+ margin, ball"
LATE = ("eps_norm", "clean_cosine", "sam_cosine", "precision", "right", "kept", "gamma")
OUTCOMES = {"clean_cosine": "cosine with the clean gradient", "selected": "test", "final": "test, final"}


def late(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with what the correction logs as means over the second half of the training, (run, seed)."""
    half = slice((dataset.sizes["record"] + 1) // 2, None)
    return dataset.assign({name: dataset[name].isel(record=half).mean("record") for name in LATE})


def gap(dataset: xr.Dataset, block: str, first: str, second: str, reading: str) -> Interval:
    """The interval of the paired difference first - second."""
    return interval(comparison.difference(dataset, block, first, second, reading))


def _blocks(dataset: xr.Dataset) -> Iterator[tuple[str, xr.Dataset]]:
    for block in dict.fromkeys(map(str, dataset["block"].values)):
        yield block, dataset.isel(run=(dataset["block"] == block).values)


def _level(here: xr.Dataset, label: str, reading: str) -> float:
    return float(here[reading].values[here["label"].values == label].mean())


def _is_sam(label: str) -> bool:
    return label == SAM or label.startswith(f"{SAM}, ρ")


def agreement(found: Interval, predicted: float) -> str:
    """'as predicted' when the interval excludes zero on the predicted side, 'against' on the other, else 'open'."""
    if found.low <= 0 <= found.high:
        return "open"
    return "as predicted" if np.sign(found.mean) == predicted else "against"


class Pair(NamedTuple):
    """Two methods that differ in sign. right, kept: share of right labels in g* and in the batch."""

    block: str
    name: str
    right: float
    kept: float
    gamma: float
    gaps: dict[str, Interval]

    @property
    def predicted(self) -> float:
        """The sign that the rule names."""
        return float(helpful_sign(1 - self.kept, self.right))

    @property
    def window(self) -> float:
        """The gamma below which the named sign lowers the effective noise rate and the other one raises it."""
        Delta = 1 - self.kept
        return 1.0 if self.predicted > 0 else 2 * Delta / (1 + Delta - self.right)


def pairs(dataset: xr.Dataset) -> list[Pair]:
    """Every pair of signs, with the paired differences + less − of the outcomes."""
    found = []
    for block, here in _blocks(dataset):
        labels = [str(label) for label in here["label"].values]
        for plus in labels:
            minus = f"−{plus[1:]}"
            if plus.startswith("+") and minus in labels:
                right, kept, gamma = (
                    (_level(here, plus, n) + _level(here, minus, n)) / 2 for n in ("right", "kept", "gamma")
                )
                gaps = {name: gap(here, block, plus, minus, name) for name in OUTCOMES}
                found.append(Pair(block, plus[2:], right, kept, gamma, gaps))
    return found


def sign_rule(dataset: xr.Dataset) -> tuple[Table, Table]:
    """How often correction.helpful_sign names the better sign, and every pair of signs beside it."""
    every = pairs(dataset)
    outcomes = ("as predicted", "against", "open")
    tally = []
    scopes = {"all": every, "γ inside the window": [p for p in every if p.gamma < p.window]}
    scopes |= {p.block: [q for q in every if q.block == p.block] for p in every}
    for scope, chosen in scopes.items():
        for name, says in OUTCOMES.items():
            counts = Counter(agreement(p.gaps[name], p.predicted) for p in chosen)
            tally.append((scope, says, *(str(counts[v]) for v in outcomes)))
    rows = []
    for p in every:
        cells = (f"{i.points(signed=True)}: {agreement(i, p.predicted)}" for i in p.gaps.values())
        sign = {1.0: "+", -1.0: "−", 0.0: "none"}[p.predicted]
        size = f"{p.gamma:.2g} / {p.window:.2g}"
        rows.append((p.block, p.name, f"{p.right:.2f} / {p.kept:.2f}", sign, size, *cells))
    head = ("", "pair", "labels right: g* / batch", "sign by the rule", "γ / window", *OUTCOMES.values())
    caption = "Adding less subtracting, against the sign rule (in hundredths, paired 95 % intervals)"
    return (
        Table("Does the sign rule predict the outcome? Pairs of signs", ("pairs", "outcome", *outcomes), tuple(tally)),
        Table(caption, head, tuple(rows)),
    )


def matched(here: xr.Dataset, label: str) -> str:
    """The plain SAM of a block whose length is nearest to that of a method, by ratio."""
    lengths = {str(n): _level(here, str(n), "eps_norm") for n in here["label"].values if _is_sam(str(n))}
    own = max(_level(here, label, "eps_norm"), np.finfo(float).tiny)
    return min(lengths, key=lambda n: abs(np.log(max(lengths[n], np.finfo(float).tiny) / own)))


def length(dataset: xr.Dataset) -> Table:
    """For every corrected method: its gain over SAM, what SAM gains at the nearest length, and what is left."""
    rows = []
    for block, here in _blocks(dataset):
        for label in map(str, here["label"].values):
            if _is_sam(label):
                continue
            twin = matched(here, label)
            gain, longer, rest = (
                gap(here, block, a, b, "selected") for a, b in ((label, SAM), (twin, SAM), (label, twin))
            )
            norms = f"{_level(here, label, 'eps_norm'):.3g} / {_level(here, twin, 'eps_norm'):.3g}"
            cosine = f"{_level(here, label, 'clean_cosine'):.2f} / {_level(here, label, 'sam_cosine'):.2f}"
            cells = (f"{i.points(signed=True)}" for i in (gain, longer))
            rows.append((block, label, norms, cosine, *cells, f"{rest.points(signed=True)}: {decision(rest)}"))
    head = (
        "",
        "method",
        "‖ε′‖: its, nearest SAM's",
        "cosine with g_y: ε′ / ε_SAM",
        "− SAM",
        "nearest SAM − SAM",
        "− nearest SAM",
    )
    caption = "How much of a gain is a longer perturbation? Test accuracy in points, paired 95 % intervals"
    return Table(caption, head, tuple(rows))


def best_sam(here: xr.Dataset) -> str:
    """The plain SAM of a block that validation prefers: largest mean over seeds of the best validation accuracy."""
    score = here["validation_accuracy"].max("record").mean("seed").values
    labels = [str(label) for label in here["label"].values]
    return max((n for n in labels if _is_sam(n)), key=lambda n: score[labels.index(n)])


def regimes(dataset: xr.Dataset) -> Table:
    """Whether the published algorithm wins in a block, and against what."""
    rows = []
    for block, here in _blocks(dataset):
        rivals: Sequence[tuple[str, str, str]] = (
            ("published − SAM", PUBLISHED, SAM),
            ("published − SAM of the best ρ", PUBLISHED, best_sam(here)),
            ("published − its other sign", PUBLISHED, f"−{PUBLISHED[1:]}"),
            ("published − random selection", PUBLISHED, "+ random, ball"),
            ("ceiling: ascent under true labels − SAM", ORACLE, SAM),
        )
        for says, first, second in rivals:
            if {first, second} <= set(here["label"].values):
                found = [gap(here, block, first, second, reading) for reading in ("selected", "final")]
                rows.append((block, f"{says} ({second})", *(f"{i.points(signed=True)}: {decision(i)}" for i in found)))
    caption = "Is there a regime where the published algorithm wins? Points, paired 95 % intervals"
    return Table(caption, ("", "difference", "test", "test, final"), tuple(rows))


def tables(dataset: xr.Dataset) -> tuple[Table, ...]:
    """The three questions, and all readings."""
    means = late(dataset)
    everything = comparison.table(dataset, "Deciding experiment: all readings")
    return (*sign_rule(means), length(means), regimes(means), everything)
