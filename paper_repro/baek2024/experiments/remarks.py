"""What the paper remarks in passing, or was asked: m between 1 and the batch, weight decay, and no label noise.

One radius for all, so that only what a block is about changes; the protocol is paper_repro.shared.comparison.
"""

from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import xarray as xr

from figures import comparison as draw
from paper_repro.registry import Experiment, FigureBinding, Parts
from paper_repro.shared import comparison
from paper_repro.shared.comparison import Entry
from spec.fields import Among, Checked, Grid, NonNegative, Positive, Seeds, Whole
from spec.networks import Linear, Mlp, Network
from spec.observables import Accuracies
from spec.problems import RealData, SymmetricNoise
from spec.rules import Regularised, Rule, Sam, Sgd
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training

BLOCKS = ("m-sharpness", "linear model", "no label noise")


@dataclass(frozen=True)
class Remarks(Checked):
    """m: divisors of the batch; decay: larger weight decays; penalty: both coefficients of it; blocks: which to run."""

    problem: RealData = RealData()
    network: Mlp = Mlp((64,))
    training: Training = Training(eta=0.1, epochs=60, batch=50, momentum=0.9, weight_decay=5e-4, record_every=2)
    rho: NonNegative = 0.1
    m: Grid[Annotated[int, Whole(1)]] = (1, 5, 25, 50)
    decay: Grid[Positive] = (5e-3, 2e-2)
    penalty: Grid[Positive] = (0.01, 0.03)
    blocks: Grid[Annotated[str, Among(BLOCKS)]] = BLOCKS
    seeds: Seeds = 8


class _Method(NamedTuple):
    label: str
    rule: Rule
    decay: float | None = None


def entries(config: Remarks) -> list[Entry]:
    """Blocks of methods, SGD first."""
    methods = {"m-sharpness": _shards(config), "linear model": _linear(config), "no label noise": _without(config)}
    clean = replace(config.problem, noise=SymmetricNoise(0.0))
    networks: dict[str, Network] = {"linear model": Linear()}
    seeds, found = named_seeds("baek2024.remarks", config.seeds), []
    for block in config.blocks:
        problem = clean if block == "no label noise" else config.problem
        for label, rule, decay in (_Method("SGD", Sgd()), *methods[block]):
            weight_decay = config.training.weight_decay if decay is None else decay
            training, network = replace(config.training, weight_decay=weight_decay), networks.get(block, config.network)
            found.append(Entry(block, label, TrainingRun(rule, problem, network, training, (Accuracies(),), seeds)))
    return found


def _shards(config: Remarks) -> list[_Method]:
    return [_Method(f"m = {m}", Sam(config.rho, "example" if m == 1 else m)) for m in config.m]


def _linear(config: Remarks) -> list[_Method]:
    """The logit scale is all that 1-SAM changes here."""
    radii = [_Method(f"1-SAM, ρ = {rho:g}", Sam(rho)) for rho in (config.rho, 4 * config.rho)]
    return [_Method(f"decay {decay:g}", Sgd(), decay) for decay in config.decay] + radii


def _without(config: Remarks) -> list[_Method]:
    penalties = [_Method(f"SGD + {c:g} norms", Regularised(c, c, "norm")) for c in config.penalty]
    return [_Method("1-SAM", Sam(config.rho)), *penalties]


def run(config: Remarks, parts: Parts) -> xr.Dataset:
    """Readings of every entry."""
    return comparison.compare(entries(config), parts)


SMOKE = Remarks(
    RealData(n_train=200, n_validation=300),
    Mlp((8,)),
    Training(eta=0.1, epochs=2, batch=50, momentum=0.9, record_every=1),
    m=(25,),
    blocks=("m-sharpness",),
    seeds=2,
)
REMARKS = Experiment(
    id="baek2024.remarks",
    title="m-sharpness, weight decay, no label noise",
    question="How does the gain run between m = 1 and the batch, does weight decay do what the logit scale does in a "
    "linear model, and what does the penalty do without label noise?",
    config={"smoke": SMOKE, "standard": Remarks(seeds=4), "full": Remarks()},
    units=lambda config: len(comparison.units(entries(config))),
    run=run,
    figures=(
        FigureBinding(
            "baek2024.remarks",
            "m-sharpness, weight decay, no label noise",
            "Differences to SGD in points, paired over seeds: test accuracy at the validated epoch, and mislabelled "
            "training examples fitted at the end.",
            draw.differences,
        ),
    ),
    tables=lambda dataset: (comparison.table(dataset, "Remarks: all readings"),),
)
