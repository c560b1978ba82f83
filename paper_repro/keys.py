"""Keys of stored numbers: all that can change a number, written into its file and compared before it is used again.

A key has these entries; each is plain data.

function    of a part: its module and name; of a result: the experiment's id
record      the unit or configuration (spec.records.describe)
seed_shift  SEED_SHIFT
code        digests of the modules it runs and of their packaged data (paper_repro.source)
data        digests of the local data files it reads
versions    of Python (its language, not its patch) and of the packages that compute
precision   whether float64 is allowed, precision of products, kind of processor, compiler flags

The machine is not in it: the same versions may round differently elsewhere, and provenance says where it was.
"""

import hashlib
import json
import os
import platform
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from functools import cache, partial
from importlib import metadata
from typing import Any

import jax

from paper_repro.registry import Experiment
from paper_repro.source import SOURCE
from sims.data import sources
from spec.claims import Claim
from spec.problems import RealData
from spec.records import describe
from spec.seeds import seed_shift

Key = dict[str, Any]
COMPUTING = ("numpy", "scipy", "jax", "jaxlib", "optax", "scikit-learn")


def of_part(function: Callable[[Any], Any], unit: Any) -> Key:
    """The key of function(unit). Raises TypeError unless the function can be imported by its name."""
    name = f"{function.__module__}.{function.__qualname__}"
    if "<" in name:
        raise TypeError(f"the function of a part must be one that can be imported by its name, got {name}")
    return _key(name, unit, SOURCE.of(*sorted(_places([function, unit]))))


def of_result(experiment: Experiment, config: Any) -> Key:
    """The key of an experiment's result."""
    return _key(experiment.id, config, _code_of(experiment, _places(config)))


def is_current(experiment: Experiment, key: Key) -> bool:
    """Whether a result's code is the present one, and its data files, where they are there, are the present ones."""
    return bool(_code_of(experiment, key["code"]) == key["code"] and sources.unchanged(key["data"]))


def of_tables(experiment: Experiment) -> dict[str, str]:
    """The digests of the code that makes tables of a result, and the versions of the packages that it is made with."""
    return _code_of(experiment, _places(experiment.tables)) | _versions()


def of_claim(claim: Claim) -> dict[str, str]:
    """The digests of the code that checks a claim: both sides, mutants, the stated formula and the judge."""
    return SOURCE.of(*sorted(_places(claim) | {"paper_repro.checking", claim.theory.rpartition(".")[0]}))


def _code_of(experiment: Experiment, more: Any) -> dict[str, str]:
    return SOURCE.of(*sorted(_places([experiment.run, experiment.units, dict(experiment.config)]) | set(more)))


def _key(name: str, record: Any, code: Mapping[str, str]) -> Key:
    return {
        "function": name,
        "record": describe(record),
        "seed_shift": seed_shift(),
        "code": dict(code),
        "data": of_data(record),
        "versions": _versions(),
        "precision": _precision(),
    }


def of_data(record: Any) -> dict[str, str]:
    """The digest of every local data file that a record names."""
    problems = [value for value in _inside(record) if isinstance(value, RealData)]
    return {path: digest for problem in problems for path, digest in sources.contents(problem).items()}


def text(key: Key) -> str:
    """A key as a line of JSON; equal keys have equal texts."""
    return json.dumps(key, sort_keys=True)


def digest(value: Any) -> str:
    """24 hexadecimal digits for a key or a part of it."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:24]


def differences(one: Key, other: Key) -> str:
    """Which entries differ, in words: 'seed_shift (0, 1), code (sims.rules)'."""
    words = []
    for name in sorted(one.keys() | other.keys()):
        a, b = one.get(name), other.get(name)
        if text({"": a}) == text({"": b}):
            continue
        if isinstance(a, dict) and isinstance(b, dict):
            inner = ", ".join(n for n in sorted(a.keys() | b.keys()) if a.get(n) != b.get(n))
            words.append(f"{name} ({inner})")
        else:
            words.append(f"{name} ({a}, {b})")
    return ", ".join(words)


@cache
def _versions() -> dict[str, str]:
    python = ".".join(platform.python_version_tuple()[:2])
    return {"python": python} | {name: metadata.version(name) for name in COMPUTING}


def _precision() -> dict[str, Any]:
    return {
        "float64": bool(jax.config.read("jax_enable_x64")),
        "products": str(jax.config.values["jax_default_matmul_precision"]),
        "processor": jax.default_backend(),
        "compiler flags": os.environ.get("XLA_FLAGS", ""),
    }


def _places(value: Any) -> set[str]:
    """The modules in which functions and records within a value are defined."""
    inside = [v if callable(v) and hasattr(v, "__module__") else type(v) for v in _inside(value)]
    return {str(v.__module__) for v in inside}


def _inside(value: Any) -> Iterator[Any]:
    """A value and everything in it: fields of records, items of containers, what functions wrap and close over."""
    seen: set[int] = set()
    todo = [value]
    while todo:
        value = todo.pop()
        if id(value) not in seen:
            seen.add(id(value))
            yield value
            todo += _contents(value)


def _contents(value: Any) -> list[Any]:
    if isinstance(value, type):
        return []
    if is_dataclass(value):
        return [getattr(value, f.name) for f in fields(value)]
    if isinstance(value, partial):
        return [value.func, *value.args, *value.keywords.values()]
    if isinstance(value, Mapping):
        return list(value.values())
    if isinstance(value, list | tuple):
        return list(value)
    if callable(value):
        cells = [cell.cell_contents for cell in getattr(value, "__closure__", None) or ()]
        return [*cells, *(getattr(value, "__defaults__", None) or ()), getattr(value, "__wrapped__", None)]
    return []
