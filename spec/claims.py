"""A claim is data: a statement, two independent sides, a tolerance chosen beforehand, and wrong variants to reject."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Exact:
    """A deterministic identity at finite size.

    Accepted when max|measured - predicted| <= relative * max|predicted|; a mutant is rejected beyond `power` times it.
    """

    relative: float = 1e-10
    power: float = 1000.0


@dataclass(frozen=True)
class MonteCarlo:
    """An expectation. `measured` has one row for each independent seed (>= 32), one column for each point.

    Accepted when |mean - predicted| <= t* standard errors at every point, t* from Student's t at `family_error` over
    all points; a mutant is rejected beyond 2 t*, where the standard error is also <= effect/10.
    """

    family_error: float = 1e-4


@dataclass(frozen=True)
class Asymptotic:
    """A limit, with a rate. `measured` has one row for each seed and one column for each of `sizes`.

    The root-mean-square error over seeds must fall as size**exponent (fitted slope within `slope`), and at the
    largest size it must lie inside the error extrapolated from the smaller sizes. `wrong_exponents` must be rejected.
    """

    sizes: tuple[int, ...]
    exponent: float
    wrong_exponents: tuple[float, ...]
    slope: float = 0.15


@dataclass(frozen=True)
class Ordering:
    """A sign. `predicted` is +1 or -1 for each point; `measured` has a row for each seed and a column for each point.

    With one row the comparison is deterministic: every sign must agree. With several, every mean must have the
    predicted sign beyond the one-sided t* at `family_error`. The swapped order must be rejected.
    """

    family_error: float = 1e-4


Tolerance = Exact | MonteCarlo | Asymptotic | Ordering


@dataclass(frozen=True)
class Sample:
    """What a check draws from: `seed` for the randomness, `count` independent seeds or random points."""

    seed: int
    count: int


Side = Callable[[Any], Any]


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

    worst and threshold share a unit (relative error, t statistic, slope distance): accepted iff worst <= threshold.
    predicted and measured are the values at the worst point. power is the smallest mutant score over what it needs
    (>= 1: every mutant was rejected). ok: accepted, and the check had power.
    """

    claim: str
    ok: bool
    worst: float
    threshold: float
    predicted: float
    measured: float
    power: float
    mutants: tuple[MutantVerdict, ...]
