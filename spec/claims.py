"""A claim is data: a statement, two independent sides, a tolerance chosen beforehand, and wrong variants to reject."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

Side = Callable[[Any], Any]


@dataclass(frozen=True)
class Exact:
    """A deterministic identity at finite size.

    Accepted when |measured - predicted| <= max(relative, 100 eps condition) * max|predicted| at every point; a mutant
    is rejected beyond `power` times it. condition(case): by how much rounding is magnified at each point, where a side
    takes the difference of terms much larger than the result. A sum of terms of size one is off by some eps whatever it
    comes to; relative to a result of size r that is eps/r, and what is computed from its direction is off as much. The
    condition is 1/r then. 100 counts the roundings; without a condition 1e-10 leaves room for one of 5000.
    """

    relative: float = 1e-10
    power: float = 1000.0
    condition: Side | None = None


@dataclass(frozen=True)
class MonteCarlo:
    """An expectation. `measured` has one row for each independent seed (>= 32), one column for each point.

    Accepted when |mean - predicted| <= t* standard errors at every point, t* from Student's t at `family_error` over
    all points and both sides; a mutant is rejected beyond 2 t* and beyond 10, where the standard error is <= effect/10.
    """

    family_error: float = 1e-4


@dataclass(frozen=True)
class Asymptotic:
    """A limit, with a rate. `measured` has one column for each of `sizes`, and a row for each seed (>= 32) or one row.

    The root-mean-square error over seeds must fall as size**exponent: the fitted slope and the last error over the one
    extrapolated from the smaller sizes may be off by what a `slope` error makes (finite sizes) plus t* standard errors
    (finite seeds, none with one row). `wrong_exponents` must be rejected.

    mean_exponent: for errors that scatter around zero, whose rate says little about the limit: the mean over seeds is
    off by O(size**mean_exponent), and what is left of it after extrapolating must be zero within t* standard errors. A
    limit that is wrong by the share `resolution` must be rejected as a mutant of MonteCarlo is.
    """

    sizes: tuple[int, ...]
    exponent: float
    wrong_exponents: tuple[float, ...]
    slope: float = 0.15
    mean_exponent: float | None = None
    resolution: float = 0.05
    family_error: float = 1e-4


@dataclass(frozen=True)
class Ordering:
    """A sign. `predicted` has the sign of each point; `measured` has a row for each seed and a column for each point.

    With one row the comparison is deterministic: every sign must agree. With several (>= 32), every mean must have the
    predicted sign beyond the one-sided t* at `family_error` over all points. The swapped order must be rejected.
    """

    family_error: float = 1e-4


@dataclass(frozen=True)
class AtMost:
    """A proved bound: `predicted` is the bound, `measured` the value, with one row or one for each seed (>= 32).

    With one row, accepted when measured - predicted <= 1e-12 of the larger of the two, which is rounding, at every
    point; a mutant is rejected where the bound is broken by a thousand times that. With several, the mean may exceed
    the bound by the one-sided t* standard errors at `family_error` over all points, for a bound may be attained; a
    mutant is rejected as for MonteCarlo. Mutants of a bound leave one of its terms out.
    """

    family_error: float = 1e-4


@dataclass(frozen=True)
class AtLeast:
    """AtMost from the other side: `predicted` is a lower bound of `measured`."""

    family_error: float = 1e-4


Tolerance = Exact | MonteCarlo | Asymptotic | Ordering | AtMost | AtLeast


@dataclass(frozen=True)
class Sample:
    """What a check draws from: `seed` for the randomness, `count` independent seeds or random points."""

    seed: int
    count: int


@dataclass(frozen=True)
class Mutant:
    """A wrong variant of one side that the same check must reject."""

    wrong: str
    predicted: Side | None = None
    measured: Side | None = None


@dataclass(frozen=True)
class Claim:
    """A checked statement.

    origin     'paper' when the statement is the source's; 'derived' when it is ours
    setup      builds the common input of both sides from a Sample
    theory     dotted name of the function that states the formula
    figure     id of the figure that shows it, or None
    """

    id: str
    origin: Literal["paper", "derived"]
    source: str
    statement: str
    regime: str
    tolerance: Tolerance
    setup: Callable[[Sample], Any]
    predicted: Side
    measured: Side
    mutants: tuple[Mutant, ...]
    theory: str
    figure: str | None = None


@dataclass(frozen=True)
class MutantVerdict:
    """score >= 1: the mutant was rejected."""

    wrong: str
    rejected: bool
    score: float


@dataclass(frozen=True)
class Verdict:
    """The outcome of a check.

    worst and threshold share a unit (relative error, t statistic, rate distance): accepted iff worst <= threshold.
    predicted and measured are the values at the worst point. power is the smallest mutant score over what it needs
    (>= 1: every mutant was rejected). ok: accepted, and the check had power. summary: the outcome in a few words.
    """

    claim: str
    ok: bool
    worst: float
    threshold: float
    predicted: float
    measured: float
    power: float
    mutants: tuple[MutantVerdict, ...]
    summary: str
