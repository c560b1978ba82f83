"""A training run as a record: one rule on one problem, repeated over seeds."""

from dataclasses import dataclass
from typing import Literal

from spec.clean_subset import CleanEpochs, CleanSubset
from spec.networks import Network
from spec.observables import Observable
from spec.problems import Problem, RealData
from spec.rules import Rule
from spec.training import Training
from spec.validation import require


@dataclass(frozen=True)
class TrainingRun:
    """One rule on one problem, repeated over seeds. The same seed means the same data, initialisation and batches.

    rule     an update rule (spec.rules)
    observe  what is recorded along the training (spec.observables)
    seeds    one repetition for each
    dtype    precision of data and parameters
    clean    a subset of the validation split: extra epochs train on it, and rules that need it look at it
    extra    epochs on that subset alone before every epoch

    Raises InputError where the rule or extra epochs need a clean subset and have none, or the problem could give none.
    """

    rule: Rule
    problem: Problem
    network: Network
    training: Training
    observe: tuple[Observable, ...]
    seeds: tuple[int, ...]
    dtype: Literal["float32", "float64"] = "float32"
    clean: CleanSubset | None = None
    extra: CleanEpochs = CleanEpochs(0)

    def __post_init__(self) -> None:
        if self.rule.needs_clean_subset or self.extra.epochs:
            require(self.clean is not None, "clean", self.clean, "a clean subset, for weights or extra epochs")
            require(isinstance(self.problem, RealData), "problem", self.problem, "real data, to have a clean subset")
