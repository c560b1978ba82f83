"""Methods against label noise, each with SGD, SAM and SANER: the paper's Table 7 at our scale."""

from dataclasses import replace
from functools import partial

import xarray as xr

from paper_repro.luong2026.experiments.settings import TRAINING, OnData, blocks, experiment, saner
from paper_repro.registry import Table
from paper_repro.shared.comparison import Entry
from paper_repro.statistics import Interval, decision, interval
from spec.clean_subset import CleanSubset
from spec.observables import Accuracies
from spec.problems import RealData
from spec.rules import Bootstrapped, CoTeaching, Rule, Sam, Sgd, WeightedBy, WeightNet
from spec.runs import TrainingRun
from spec.seeds import named_seeds

NONE, SOFT, HARD, CO, NET = "no method", "soft bootstrap", "hard bootstrap", "Co-teaching", "MW-Net"
METHODS = (NONE, SOFT, HARD, CO, NET)
NET_RATE = 1.0  # of .01, .1, 1, 10, 100, tried on two other seeds: with the others every weight ends near one


def with_method(method: str, base: Rule, config: OnData, problem: RealData) -> Rule:
    """A method around a base: shares of labels kept as in the sources, the share forgotten is the true noise rate."""
    training = config.training
    if method == SOFT:
        return Bootstrapped(base, 0.95, "soft")
    if method == HARD:
        return Bootstrapped(base, 0.8, "hard")
    if method == CO:
        ramp, decay = max(1, training.epochs // 8), training.weight_decay
        return CoTeaching(base, problem.noise.Delta, training.eta, ramp, training.momentum, decay)
    return WeightedBy(base, WeightNet(NET_RATE, training.eta)) if method == NET else base


def pipeline_entries(config: OnData) -> list[Entry]:
    """Every method with every rule, a block for each method; MW-Net alone looks at a clean subset."""
    seeds, found = named_seeds("luong2026.pipelines", config.seeds), []
    for block, problem, rho in blocks(config):
        sam = Sam(rho, "batch")
        bases: dict[str, Rule] = {"SGD": Sgd(), "SAM": sam, "SANER": saner(config, sam, problem)}
        run = partial(TrainingRun, problem=problem, network=config.network, training=config.training, seeds=seeds)
        for method in filter(config.keeps, METHODS):
            clean = CleanSubset() if method == NET else None
            for name, base in bases.items():
                rule = with_method(method, base, config, problem)
                found.append(Entry(f"{block}, {method}", name, run(rule, observe=(Accuracies(),), clean=clean)))
    return found


def adds(dataset: xr.Dataset) -> Table:
    """What SAM adds to each method, SANER to SAM, and the method to SAM: paired differences, at both epochs."""
    rows = []
    for block in dict.fromkeys(dataset["block"].values):
        plain = f"{block.rpartition(', ')[0]}, {NONE}"
        pairs = [((block, "SAM"), (block, "SGD")), ((block, "SANER"), (block, "SAM"))]
        pairs += [((block, "SAM"), (plain, "SAM"))] if plain != block and plain in dataset["block"].values else []
        gaps = [_gap(dataset, *pair, reading) for pair in pairs for reading in ("selected", "final")]
        rows.append((str(block), *(f"{g.points(signed=True)}: {decision(g)}" for g in gaps), *("–",) * (6 - len(gaps))))
    heads = ("SAM − SGD", "SANER − SAM", "method − no method, under SAM")
    columns = [f"{head}, {when}" for head in heads for when in ("validated", "final")]
    return Table("What SAM, SANER and the methods add to one another (points)", ("", *columns), tuple(rows))


def _gap(dataset: xr.Dataset, first: tuple[str, str], second: tuple[str, str], reading: str) -> Interval:
    runs = list(zip(dataset["block"].values, dataset["label"].values, strict=True))
    a, b = (dataset[reading].isel(run=runs.index(which)).values for which in (first, second))
    return interval(a - b)


PIPELINES = experiment(
    "pipelines",
    "Methods against label noise with SGD, SAM and SANER",
    "Do SAM and SANER still help where a method against label noise is used, and does the method beside them?",
    pipeline_entries,
    OnData(rho=(0.1,), training=replace(TRAINING, epochs=40), only=(NONE, CO), seeds=2),
    OnData(rho=(0.1,)),
    (HARD,),
    lambda dataset: (adds(dataset),),
)
