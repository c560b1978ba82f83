"""The form of claims on whole trainings: what the limit says of the end against samples, case by case."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spec.claims import Claim, MonteCarlo, Mutant
from spec.rules import Rule

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Model:
    """A model whose trainings close in the limit, and what all claims on it have in common.

    stated(descent) and stated(descent, closure), (names,): the predicted end; measured(descent, seed, count),
    (count, names): that of samples. A descent is a record of a rule and of what it is given; claims add the sample.
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
            predicted=lambda case: self.stated(case[1]),
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
