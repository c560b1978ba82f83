"""Records as plain data: what keys results on disk and what provenance prints."""

from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def describe(record: Any) -> Any:
    """A nested dict of a record with its type names; tuples become lists, numpy scalars become numbers.

    >>> from spec.rules import Sam
    >>> describe(Sam(0.1))
    {'record': 'Sam', 'rho': 0.1, 'sharpness': 'example', 'ascent': 'all'}
    """
    if is_dataclass(record) and not isinstance(record, type):
        values = {f.name: describe(getattr(record, f.name)) for f in fields(record)}
        # Equal records must have equal descriptions: a field of type float may hold the integer 1.
        values |= {f.name: float(values[f.name]) for f in fields(record) if _kind(f.type) is float}
        return {"record": type(record).__name__, **values}
    if isinstance(record, dict):
        return {str(k): describe(v) for k, v in record.items()}
    if isinstance(record, list | tuple):
        return [describe(v) for v in record]
    if isinstance(record, np.generic):
        return record.item()
    if record is None or isinstance(record, bool | int | float | str):
        return record
    raise TypeError(f"cannot describe {record!r} of type {type(record).__name__}")


def _kind(declared: Any) -> Any:
    """float of a field that is declared as a float with a range."""
    return getattr(declared, "__origin__", declared)
