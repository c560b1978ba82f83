"""The form of claims on whole trainings: what the limit says of the end against samples, case by case."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec.claims import Claim, MonteCarlo, Mutant
from spec.rules import Rule
from theory.mean_field.setting import Accuracy

FloatArray = NDArray[np.float64]
FEW = 2  # seeds for which a prediction need be no finer than it is: wrong variants, which are far off


def finer(accuracy: Accuracy, seeds: int) -> Accuracy:
    """Four times the samples for 32 seeds, and as their root from there: the more seeds, the less may a prediction err.

    A prediction is made of samples too. Its own error, of the order of one over their number, must be a small part of
    the standard error of a mean over seeds, which is all that a tolerance knows of.
    """
    return replace(accuracy, samples=accuracy.samples * 2 ** round(2 + math.log2(seeds / 32) / 2))


@dataclass(frozen=True)
class Model:
    """A model whose trainings close in the limit, and what all claims on it have in common.

    stated(descent), stated(descent, closure) and stated(descent, seeds=...), (names,): the predicted end, fine enough
    for so many seeds; measured(descent, seed, count), (count, names): that of samples. A descent is a record of a rule
    and of what it is given; claims add the sample.
    """

    source: str
    regime: str
    theory: str
    figure: str
    stated: Callable[..., FloatArray]
    measured: Callable[[Any, int, int], FloatArray]

    def whole(self, name: str, statement: str, descent: Any, mutants: tuple[Mutant, ...]) -> Claim:
        """A claim on the end of one descent."""
        return Claim(
            id=f"beyond.{name}",
            origin="derived",
            source=self.source,
            statement=statement,
            regime=self.regime,
            tolerance=MonteCarlo(),
            setup=lambda sample: (sample, descent),
            predicted=lambda case: self.stated(case[1], seeds=case[0].count),
            measured=lambda case: self.measured(case[1], case[0].seed, case[0].count),
            mutants=mutants,
            theory=self.theory,
            figure=self.figure,
        )

    def closed(self, wrong: str, closure: Any) -> Mutant:
        """Another closure."""
        return Mutant(wrong, predicted=lambda case: self.stated(case[1], closure))

    def of(self, wrong: str, change: Callable[[Any], Any]) -> Mutant:
        """Another descent."""
        return Mutant(wrong, predicted=lambda case: self.stated(change(case[1])))

    def ruled(self, wrong: str, rule: Rule) -> Mutant:
        """Another rule."""
        return self.of(wrong, lambda descent: descent._replace(rule=rule))
