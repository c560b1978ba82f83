"""Settings by name: what `repro run --set NAME=VALUE` and explore(**settings) change in a configuration."""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Annotated, Any, get_args, get_origin

from spec.fields import accepts, declarations, records_in
from spec.validation import InputError

Place = tuple[str, ...]
EACH = "*"
"""Stands in a place for every record of a tuple of them, which is called by the singular: problem.Delta of problems."""


class UnknownSettingError(InputError):
    """A name that is no setting of a configuration."""

    def __init__(self, name: str, known: str) -> None:
        super().__init__(f"--set name must be one of {known}; got {name!r}")
        self.name = name


@dataclass(frozen=True)
class Written:
    """A value as it stands on the command line: what it means depends on what its field accepts."""

    text: str


def adjusted(config: Any, changes: Mapping[str, Any]) -> Any:
    """The config with fields replaced, all of them at once, by dotted name (problem.Delta) or bare name (Delta).

    A bare name means the experiment's own field, else the one nested field of that name. Whole records (network, or
    problem.noise) are replaced first, so that other settings may be theirs. A single value for a field that holds a
    tuple becomes a tuple of one; a field of the records in a tuple is replaced in all of them, under the name that it
    would have if there were one (problem.Delta in a config with `problems`, which `problem` replaces by one).
    Raises InputError for unknown names, and for values that a record refuses.
    """
    left = dict(changes)
    whole = {name: place for name in left if is_dataclass(_at(config, place := _found(config, name)))}
    for name in sorted(whole, key=lambda n: len(whole[n])):
        config = _with(config, {_place(config, name): left.pop(name)})
    values: dict[Place, Any] = {}
    for name, value in left.items():
        place = _place(config, name)
        if place in values:
            raise InputError(f"--set must give every setting once, got {'.'.join(_names(place))!r} twice")
        values[place] = value
    return _with(config, values)


def _places(record: Any) -> Iterator[Place]:
    """Of every field, records before what is inside them."""
    for f in fields(record):
        yield (f.name,)
        value = getattr(record, f.name)
        if is_dataclass(value):
            yield from ((f.name, *rest) for rest in _places(value))
        elif _are_records(value):
            first, *others = ([*_places(one)] for one in value)
            yield from ((f.name, EACH, *rest) for rest in first if all(rest in other for other in others))


def _are_records(value: Any) -> bool:
    return isinstance(value, tuple) and len(value) > 0 and all(map(is_dataclass, value))


def _names(place: Place) -> Place:
    """What a place is called: a record of a tuple by the singular of the tuple's field."""
    pairs = zip(place, (*place[1:], ""), strict=True)
    return tuple(name.removesuffix("s") if following == EACH else name for name, following in pairs if name != EACH)


def _at(record: Any, place: Place) -> Any:
    """What stands at a place; None for no place at all, or for one in several records."""
    if EACH in place:
        return None
    for name in place:
        record = getattr(record, name)
    return record if place else None


def _found(config: Any, name: str) -> Place:
    """The place that a name means; no place if it means none, or several."""
    places = {_names(p): p for p in _places(config)}
    places |= {(*p[:-1], p[-1].removesuffix("s")): p for p in places.values() if _are_records(_at(config, p))}
    whole = tuple(name.split("."))
    found = [p for names, p in places.items() if names == whole] or [
        p for names, p in places.items() if names[-1:] == whole
    ]
    return found[0] if len(found) == 1 else ()


def _place(config: Any, name: str) -> Place:
    place = _found(config, name)
    if not place:
        raise UnknownSettingError(name, ", ".join(".".join(_names(p)) for p in _places(config)))
    return place


def _with(record: Any, values: Mapping[Place, Any]) -> Any:
    """The record with values at places, every record on the way made once."""
    changes: dict[str, Any] = {}
    kind: Any = type(record)
    for head in dict.fromkeys(place[0] for place in values):
        inside = {place[1:]: value for place, value in values.items() if place[0] == head}
        old = getattr(record, head)
        if () in inside:
            changes[head] = fitted(inside[()], declarations(kind)[head])
        elif isinstance(old, tuple):
            renewed = (_with(one, {place[1:]: value for place, value in inside.items()}) for one in old)
            changes[head] = tuple(dict.fromkeys(renewed))  # what has become the same is one
        else:
            changes[head] = _with(old, inside)
    return replace(record, **changes)


def fitted(value: Any, declared: Any) -> Any:
    """The value as a field of the declared type takes it; itself where that accepts none of its readings."""
    readings = list(_readings(value.text, declared)) if isinstance(value, Written) else [value]
    shaped = [_shaped(reading, declared) for reading in readings]
    return next((one for one in shaped if accepts(declared, one)), shaped[0])


def _shaped(value: Any, declared: Any) -> Any:
    value = tuple(value) if isinstance(value, list) else value
    alone = not isinstance(value, tuple) and not accepts(declared, value)
    return (value,) if alone and _holds_tuple(declared) else value


def _holds_tuple(declared: Any) -> bool:
    origin = get_origin(declared)
    inner = get_args(declared)[:1] if origin is Annotated else get_args(declared)
    return origin is tuple or any(map(_holds_tuple, inner))


def _readings(text: str, declared: Any) -> Iterator[Any]:
    """What a text may mean, likeliest first: a Python value, itself, words between commas.

    A field of text takes it as it stands, but for None: a folder may be called 1e3.
    """
    try:
        value = _value(ast.parse(text.strip(), mode="eval").body, records_in(declared))
        if value is None or not accepts(declared, text):
            yield value
    except InputError:
        raise
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        pass
    yield text
    yield tuple(word.strip() for word in text.split(",") if word.strip())


def _value(node: ast.expr, records: Mapping[str, type]) -> Any:
    """The value of an expression of constants, signs, tuples, lists, and records by name. Nothing is evaluated."""
    match node:
        case ast.Tuple(elts=parts) | ast.List(elts=parts):
            return tuple(_value(part, records) for part in parts)
        case ast.Call(func=ast.Name(id=name)) if name in records:
            return _record(node, records[name], records)
        case _:
            return ast.literal_eval(node)


def _record(node: ast.Call, kind: type, records: Mapping[str, type]) -> Any:
    arguments = [_value(part, records) for part in node.args]
    named = {part.arg: _value(part.value, records) for part in node.keywords if part.arg}
    declared = declarations(kind)
    values = dict(zip(declared, arguments, strict=False)) | named
    if len(values) != len(node.args) + len(node.keywords) or not set(values) <= set(declared):
        raise InputError(f"{kind.__name__} must be given {', '.join(declared)}, each once; got {ast.unparse(node)!r}")
    try:
        return kind(**{name: _shaped(value, declared[name]) for name, value in values.items()})
    except TypeError as error:
        raise InputError(f"{kind.__name__}(...) must be complete, got {ast.unparse(node)!r} ({error})") from None
