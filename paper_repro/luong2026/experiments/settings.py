"""What the experiments with SANER on data share: settings, blocks of methods, and how they are shown.

All on one protocol (paper_repro.shared.comparison), paired over seeds. rho is one for all methods of a block and given
in the label of the block; the full preset has two.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import xarray as xr

from figures import comparison as draw
from paper_repro.registry import Experiment, FigureBinding, Parts, Table
from paper_repro.shared import comparison
from paper_repro.shared.comparison import Entry
from spec.fields import Checked, Grid, NonNegative, Seeds, Share
from spec.networks import Mlp
from spec.observables import Accuracies
from spec.problems import RealData
from spec.rules import DownWeight, Rule
from spec.runs import TrainingRun
from spec.seeds import named_seeds
from spec.training import Training
from spec.validation import require_choice, require_different

ALPHA = 0.5
TRAINING = Training(eta=0.1, epochs=80, batch=50, momentum=0.9, weight_decay=5e-4, record_every=2)
BOTH = (RealData(), RealData("mnist1d"))


@dataclass(frozen=True)
class OnData(Checked):
    """Data sets, a network and a training; every block at every rho. warmup: its length as a share of the training.

    only: the methods, kinds of noise, members of the family or settings to keep; none: all.
    """

    problems: Grid[RealData] = (RealData(),)
    network: Mlp = Mlp((256,))
    training: Training = TRAINING
    rho: Grid[NonNegative] = (0.1,)
    warmup: Share = 0.25
    only: Grid[str] | tuple[()] = ()
    seeds: Seeds = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        require_different("problems", [problem.name for problem in self.problems])

    def keeps(self, name: str) -> bool:
        """Whether `only` lets it through."""
        return not self.only or name in self.only


def unit_of(config: OnData, rule: Rule, problem: RealData, network: Mlp, training: Training) -> TrainingRun:
    """A rule on the seeds that all these experiments share."""
    seeds = named_seeds("luong2026.controls", config.seeds)
    return TrainingRun(rule, problem, network, training, (Accuracies(),), seeds)


def warm_up(config: OnData, problem: RealData, training: Training, share: float | None = None) -> int:
    """Steps of a warm-up over a share of the training (None: that of the settings)."""
    steps = training.epochs * training.steps(problem.n_train)
    return round((config.warmup if share is None else share) * steps)


def saner(config: OnData, base: Rule, problem: RealData) -> DownWeight:
    """Half of group B removed, after the warm-up."""
    return DownWeight(base, ALPHA, "B", warm_up(config, problem, config.training))


def blocks(config: OnData) -> Iterator[tuple[str, RealData, float]]:
    """(name, problem, rho) of every block."""
    for problem in config.problems:
        for rho in config.rho:
            yield f"{problem.name}, ρ = {rho:g}", problem, rho


def experiment(
    name: str,
    title: str,
    question: str,
    entries: Callable[[OnData], list[Entry]],
    standard: OnData,
    full: OnData,
    smallest: tuple[str, ...],
    extra: Callable[[xr.Dataset], Sequence[Table]] = lambda dataset: (),
) -> Experiment:
    """An experiment on entries. smallest: what its smoke preset keeps; extra: tables before that of all readings."""

    def known(config: OnData) -> list[Entry]:
        """The entries, if every name in `only` has some."""
        for one in config.only:
            if not entries(replace(config, only=(one,))):
                every = entries(replace(config, only=()))
                words = dict.fromkeys([e.label for e in every] + [e.block.rpartition(", ")[2] for e in every])
                names = tuple(word for word in words if entries(replace(config, only=(word,))))
                require_choice("only", one, names)
        return entries(config)

    def run(config: OnData, parts: Parts) -> xr.Dataset:
        return comparison.compare(known(config), parts)

    small = replace(TRAINING, epochs=2, record_every=1)
    smoke = OnData((RealData(n_train=250, n_validation=300),), Mlp((8,)), small, (0.1,), 0.5, smallest, 2)
    return Experiment(
        id=f"luong2026.{name}",
        title=title,
        question=question,
        config={"smoke": smoke, "standard": standard, "full": full},
        units=lambda config: len(comparison.units(known(config))),
        run=run,
        figures=(
            FigureBinding(
                f"luong2026.{name}",
                title,
                "Differences to the first method of each block in points, paired over seeds: test accuracy at the "
                "validated epoch, and mislabelled training examples fitted at the end.",
                draw.differences,
            ),
        ),
        tables=lambda dataset: (*extra(dataset), comparison.table(dataset, f"{title}: all readings")),
    )
