"""What a paper consists of here: experiments, claims, figures, reported numbers, and where each statement is found."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from spec.claims import Claim

if TYPE_CHECKING:
    import xarray as xr  # the command line answers without it

PRESETS = ("smoke", "standard", "full")

PROVED, HOLDS, IN_PART = "proved identity", "holds", "holds in part"
DOES_NOT, NOT_SHOWN, NOT_TESTABLE = "does not hold", "not shown here", "not testable here"
STATUSES = (PROVED, HOLDS, IN_PART, DOES_NOT, NOT_SHOWN, NOT_TESTABLE)
STATUS_MEANS = {
    PROVED: "an equation that both sides satisfy up to rounding",
    HOLDS: "what was derived and what was measured agree with it",
    IN_PART: "true under a condition the finding names, or for some of what it speaks of",
    DOES_NOT: "contradicted by a derivation, or by measurements at our scale",
    NOT_SHOWN: "tested, and not decided by our numbers, or predicted only",
    NOT_TESTABLE: "needs data or networks that are not at hand",
}


class Parts(Protocol):
    """Computes the resumable parts of an experiment (paper_repro.store)."""

    def map(self, function: Callable[[Any], "xr.Dataset"], units: Sequence[Any]) -> "list[xr.Dataset]":
        """function of every unit, in order."""
        ...


class Table(NamedTuple):
    """Numbers a reader sees beside the figures: a caption, column heads and rows of text."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class FigureBinding:
    """Which draw function shows which result. draw(dataset) returns a matplotlib figure."""

    id: str
    title: str
    caption: str
    draw: Callable[["xr.Dataset"], Any]


def one_part(config: Any) -> int:
    """The number of parts of an experiment whose unit is its whole configuration."""
    return 1


@dataclass(frozen=True)
class Experiment:
    """config[preset] is a record with a field `seeds`; run(config, parts) returns the labelled result.

    units(config): how many parts it has. drawn(config): how many samples of its problem it holds at once; None: one, or
    those of all seeds where it has one part.
    """

    id: str
    title: str
    question: str
    config: Mapping[str, Any]
    run: Callable[[Any, Parts], "xr.Dataset"]
    figures: tuple[FigureBinding, ...]
    tables: Callable[["xr.Dataset"], tuple[Table, ...]]
    units: Callable[[Any], int] = one_part
    drawn: Callable[[Any], int] | None = None

    def samples(self, config: Any) -> int:
        """How many samples of its problem are in memory at once."""
        if self.drawn is not None:
            return self.drawn(config)
        return int(config.seeds) if self.units(config) == 1 else 1


class Statement(NamedTuple):
    """One line of the map from a paper's statement to its formula, its claims and its figure.

    theory   the function that states it; None for what is only observed
    status   one of STATUSES; what it rests on is derived (paper_repro.evidence)
    finding  what was found, in words that say no more than the evidence
    """

    where: str
    says: str
    theory: str | None
    claims: tuple[str, ...]
    figure: str | None
    status: str
    finding: str

    @property
    def ours(self) -> bool:
        """Whether it is derived here, and not a statement of the paper."""
        return self.where.split()[0].rstrip(",") in ("follows", "derived", "predicted")


@dataclass(frozen=True)
class Paper:
    """A paper. symbols: (its symbol, ours, meaning); key: the first part of every id that belongs to it."""

    key: str
    citation: str
    url: str
    symbols: tuple[tuple[str, str, str], ...]
    statements: tuple[Statement, ...]
    experiments: tuple[Experiment, ...]
    claims: tuple[Claim, ...]
