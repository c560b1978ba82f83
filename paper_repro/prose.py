"""Numbers in sentences come from kept tables: a text is a template whose fields in braces name cells.

A field is {[word] experiment[.table] | row | column [| how]}, with an experiment's id or, within its paper, its name; a
table's place (1 if left out); a row's first cells joined by ', '; and a column's head (#2: the second of that name;
a sum may name several, joined by &).

word  nothing: one row, and the number in its cell
      range, sum: over all rows that match, where * stands for any text; 'least to largest', or the total
      count: 'k of n' rows that match whose cell contains the text given as how
      above, below: 'k of n' rows that match whose interval, as printed, lies above or below zero
how   words applied in turn: a place (2: the second number of the cell), abs (without sign), round (to a whole number);
      or alone: interval, the mean and its interval as the cell has them; cell, all of it

{seeds experiment} is the number of seeds of the run.
"""

import re
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from itertools import accumulate
from typing import Any

from paper_repro import reference
from paper_repro.files import DamagedError
from paper_repro.registry import Table

FIELD = re.compile(r"\{([^{}]+)\}")
NUMBER = re.compile(r"[-+−]?\d*\.?\d+(?:e[-+]?\d+)?")


class ProseError(LookupError):
    """A field that names nothing, or no number."""


def rendered(text: str, paper: str = "") -> str:
    """The text with every field replaced. Raises ProseError, which names the field."""
    return FIELD.sub(lambda match: _named(match[1], paper), text)


def rendered_where_known(text: str, paper: str, note: Callable[[str], None]) -> str:
    """The same, with '(not at hand)' for fields that cannot be rendered; each is noted."""

    def value(match: re.Match[str]) -> str:
        try:
            return _named(match[1], paper)
        except ProseError as error:
            note(str(error))
            return "(not at hand)"

    return FIELD.sub(value, text)


def first_sentence(text: str) -> str:
    """What stands before the first full stop that a capital follows."""
    return re.split(r"(?<=[^.]\.) (?=[A-Z])", text)[0].rstrip(".")


def _named(field: str, paper: str) -> str:
    try:
        return _value(field, paper)
    except (LookupError, ValueError, DamagedError) as error:
        raise ProseError(f"the field {{{field}}} names nothing in the kept numbers: {error}") from None


def _value(field: str, paper: str) -> str:
    source, *rest = (" ".join(part.split()) for part in field.split("|"))
    word, _, name = source.rpartition(" ")
    if word == "seeds":
        return str(_kept(name, paper)["seeds"])
    row, column, *how = rest
    name, place = _split(name)
    table = _kept(name, paper)["tables"][place - 1]
    cells = _cells(table, row, column)
    if word == "count":
        return f"{sum(how[0] in cell for cell in cells)} of {len(cells)}"
    if word == "":
        (cell,) = cells
        return _interval(cell) if how == ["interval"] else cell if how == ["cell"] else _said(_number(cell, how))
    if word in ("above", "below"):
        ends = [[_float(end) for end in NUMBER.findall(_interval(cell))[1:]] for cell in cells]
        beyond = [low > 0 if word == "above" else high < 0 for low, high in ends]
        return f"{sum(beyond)} of {len(beyond)}"
    numbers = [_number(cell, how) for cell in cells]
    if word == "sum":
        return str(sum(map(int, numbers)))
    return " to ".join(_said(f(numbers, key=_float)) for f in {"range": (min, max)}[word])


def _split(name: str) -> tuple[str, int]:
    """An experiment and the place of its table."""
    head, _, tail = name.rpartition(".")
    return (head, int(tail)) if tail.isdigit() else (name, 1)


def _kept(name: str, paper: str) -> dict[str, Any]:
    identifier = name if "." in name else f"{paper}.{name}"
    kept = reference.read(identifier)
    if kept is None:
        raise ProseError(f"no reference numbers of {identifier}")
    return kept


def _cells(table: Table, row: str, column: str) -> list[str]:
    columns = [_place(table.head, name.strip()) for name in column.split("&")]
    rows = [r for r in table.rows if any(fnmatchcase(start, row) for start in _starts(r))]
    cells = [str(r[i]) for r in rows for i in columns]
    if not cells:
        raise ProseError(f"no row {row!r} in {table.caption!r}")
    return cells


def _place(head: Sequence[str], column: str) -> int:
    name, _, which = column.partition("#")
    return [i for i, one in enumerate(head) if one == name][int(which or 1) - 1]


def _starts(row: Sequence[str]) -> list[str]:
    """The first cell, the first two joined, and so on."""
    return list(accumulate(map(str, row), lambda a, b: f"{a}, {b}"))


def _interval(cell: str) -> str:
    found = re.search(r"[-+]?\d*\.?\d+ \[[^]]+\]", cell)
    if not found:
        raise ProseError(f"no interval in {cell!r}")
    return _said(found[0])


def _number(cell: str, how: Sequence[str]) -> str:
    words = how[0].split() if how else []
    place = next((int(word) for word in words if word.isdigit()), 1)
    number = NUMBER.findall(cell)[place - 1]
    number = number.lstrip("+-−") if "abs" in words else number
    return f"{_float(number):.0f}" if "round" in words else number


def _float(number: str) -> float:
    return float(number.replace("−", "-"))


def _said(number: str) -> str:
    """With the minus sign of print."""
    return number.replace("-", "−")
