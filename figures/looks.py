"""What a rule looks like in every figure, and the colours of all that is no rule.

Rules of a family share a colour and differ by marker and line; no two rules have colour and marker in common. The base
colours are Okabe and Ito's and two more, which keep as far from one another as those do for colour-blind readers; what
is no rule has none of these colours.
"""

import re
from typing import Any, NamedTuple
from zlib import crc32

import matplotlib as mpl
import numpy as np


class Look(NamedTuple):
    """A colour, a marker for what is simulated, and a line for where a colour alone would not tell rules apart."""

    colour: str
    marker: str
    line: str | tuple[int, tuple[int, ...]] = "solid"


ORANGE, PURPLE, WINE, OLIVE = "#E69F00", "#CC79A7", "#882255", "#A5A55D"
LOOKS = {
    "SGD": Look("#000000", "o"),
    "n-SAM": Look(ORANGE, "s"),
    "L-SAM": Look("#56B4E9", "^"),
    "J-SAM": Look("#009E73", "D"),
    "1-SAM": Look("#D55E00", "v"),
    "SGD + norms": Look("#0072B2", "p"),
    "SGD + squared norms": Look("#F0E442", "h"),
    "n-SAM (oracle)": Look(ORANGE, "*", "dashdot"),
    "GSAM": Look(ORANGE, "<", "dashed"),
    "FSAM": Look(ORANGE, ">", "dotted"),
    "VaSSO": Look(ORANGE, "8", (0, (5, 1, 1, 1, 1, 1))),
    "n-SAM ↓B": Look(WINE, "X"),
    "1-SAM ↓B": Look(WINE, "d", "dashed"),
    "NC+": Look(PURPLE, "P"),
    "NC−": Look(PURPLE, "X", "dashed"),
    "NCSAM": Look(PURPLE, "H", "dotted"),
    "FBR": Look(OLIVE, "<"),
    "clipped meta-reweighting": Look(OLIVE, ">", "dashed"),
    "L2RW": Look(OLIVE, "8", "dotted"),
    "MW-Net": Look(OLIVE, "H", "dashdot"),
}
ALSO = {
    "GD": "SGD",
    "SAM": "n-SAM",
    "SANER": "n-SAM ↓B",
    "norm": "SGD + norms",
    "meta": "clipped meta-reweighting",
}
STRENGTH = re.compile(r"(?<=\+) [\d.]+(?= )|, [ρβα] = .*$|(?<=^NC[+−]) \(.*\)$")
OTHER_COLOUR, OTHER_MARKERS = "#6F6F6F", "osDv^<>ph"

SERIES = ("#332288", "#CC6677", "#117733", "#DDCC77", "#88CCEE", "#AA4499")
CLEAN_TONE, MISLABELLED_TONE = SERIES[:2]
GROUPS = dict(zip("ABC", SERIES, strict=False))


def rule_of(text: str) -> str | None:
    """The rule that a label names, whatever its strength; None where it is none of LOOKS.

    >>> rule_of("SAM, ρ = 0.1"), rule_of("SGD + 0.01 norms"), rule_of("A halved")
    ('n-SAM', 'SGD + norms', None)
    """
    name = STRENGTH.sub("", text)
    name = ALSO.get(name, name)
    return name if name in LOOKS else None


def look(rule: str) -> Look:
    """The look of a rule, or of a label that names it; of others a grey one, with a marker by the name."""
    known = rule_of(rule)
    if known is None:
        return Look(OTHER_COLOUR, OTHER_MARKERS[crc32(rule.encode()) % len(OTHER_MARKERS)])
    return LOOKS[known]


def colour(rule: str) -> str:
    """The colour of a rule in every figure."""
    return look(rule).colour


def marker(rule: str) -> str:
    """The marker of a rule in every figure."""
    return look(rule).marker


def of_curve(rule: str) -> dict[str, Any]:
    """How a simulated curve of a rule is drawn: a few markers along it, at other places for other rules."""
    colour, marker, _ = look(rule)
    start = 0.2 * (list(LOOKS).index(rule_of(rule) or "SGD") % 7) / 7
    return {"color": colour, "marker": marker, "markevery": (start, 0.2), "markersize": 3.5}


def shades(rule: str, count: int) -> list[tuple[float, float, float]]:
    """From a light to the full tone of a rule's colour, for a grid of its strengths."""
    return _from_light(colour(rule), count)


def tones(count: int) -> list[tuple[float, float, float]]:
    """From light to dark, for a quantity that is no rule's strength."""
    return _from_light(SERIES[0], count)


def series(k: int) -> str:
    """The colour of the k-th of some things that are neither rules nor a quantity."""
    return SERIES[k % len(SERIES)]


def _from_light(full: str, count: int) -> list[tuple[float, float, float]]:
    rgb = np.array(mpl.colors.to_rgb(full))
    return [tuple(1 - (1 - rgb) * s) for s in np.linspace(1.0, 0.4, count)[::-1]]
