"""Compare a value from JSON with the shape that a reader needs, which is written as a type hint.

    class Note(TypedDict):
        records: Count
        labels: list[str]

    fault_of({'records': 'many', 'labels': []}, Note)    # "records is 'many', not a whole number"
    fault_of([], Note)                                   # 'it is a list, not an object'

Takes int (a whole number), float (any number), str, bool, None, Any, lists (`list[str]`, `Sequence[int]`),
objects with any keys (`dict[str, int]`) and with known ones (TypedDicts and dataclasses), unions,
`Annotated[int, 1]`, a number of at least 1, and `Literal[1, 2]`, one of some values. Keys that a TypedDict
does not require and fields with a default may be missing; further keys are ignored, as later versions may
have some.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal, Union

Count = Annotated[int, 0]

_WORDS = {
    str: 'text',
    int: 'a whole number',
    float: 'a number',
    bool: 'true or false',
    types.NoneType: 'null',
    list: 'a list',
    dict: 'an object',
}
_LONGEST = 40  # characters of a value in a message


def fault_of(value: Any, kind: Any, place: str = '') -> str:
    """What is wrong with `value`, at `place` in its file, if it is to be of a kind; '' if nothing is."""
    return next(_faults(value, kind, place), '')


def known(kind: type, value: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of an object that are fields of the dataclass `kind`."""
    return {field.name: value[field.name] for field in dataclasses.fields(kind) if field.name in value}


def _faults(value: Any, kind: Any, place: str) -> Iterator[str]:
    if kind is Any:
        return
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        yield from _faults(value, arguments[0], place)
        if isinstance(value, int | float) and value < arguments[1]:
            yield f'{place or "it"} is {value}, less than {arguments[1]}'
    elif origin is Literal:
        if value not in arguments or not _is(value, type(arguments[0])):
            yield f'{place or "it"} is {_shown(value)}, not one of {", ".join(map(str, arguments))}'
    elif origin in (Union, types.UnionType):
        if all(fault_of(value, one, place) for one in arguments):
            yield _of_union(value, arguments, place)
    elif keys := _keys(kind):
        yield from _of_object(value, *keys, place)
    elif (plain := _plain(origin or kind)) is list:
        yield from _wrong(value, list, place)
        for number, one in enumerate(value if arguments else ()):
            yield from _faults(one, arguments[0], f'{place or "entry"} {number + 1}')
    elif plain is dict:
        yield from _wrong(value, dict, place)
        for key, one in value.items() if arguments else ():
            yield from _faults(one, arguments[1], _below(place, key))
    else:
        yield from _wrong(value, plain, place)


def _wrong(value: Any, kind: type, place: str) -> Iterator[str]:
    """The fault of a value that is not of a plain kind."""
    if not _is(value, kind):
        yield f'{place or "it"} is {_shown(value)}, not {_WORDS[kind]}'


def _is(value: Any, kind: type) -> bool:
    if isinstance(value, bool):
        return kind is bool
    return isinstance(value, (int, float) if kind is float else kind)


def _of_object(value: Any, hints: Mapping[str, Any], required: frozenset[str], place: str) -> Iterator[str]:
    yield from _wrong(value, dict, place)
    for key, hint in hints.items():
        if key in value:
            yield from _faults(value[key], hint, _below(place, key))
        elif key in required:
            yield f'{place or "it"} has no {key!r}'


def _of_union(value: Any, kinds: Sequence[Any], place: str) -> str:
    """The fault of the object that the value resembles most; or all kinds in words."""
    objects = [kind for kind in kinds if _keys(kind)]
    if isinstance(value, dict) and objects:
        nearest = max(objects, key=lambda kind: len(_keys(kind)[1] & value.keys()))
        return fault_of(value, nearest, place)
    same = [kind for kind in kinds if _is(value, _kind_of(kind))]
    if same:
        return fault_of(value, same[0], place)
    words = ' or '.join(dict.fromkeys(_WORDS[_kind_of(kind)] for kind in kinds))
    return f'{place or "it"} is {_shown(value)}, not {words}'


@functools.cache
def _keys(kind: Any) -> tuple[dict[str, Any], frozenset[str]] | None:
    """The hints of a TypedDict or dataclass, and the keys that it requires; None for other kinds."""
    if typing.is_typeddict(kind):
        return typing.get_type_hints(kind, include_extras=True), kind.__required_keys__
    if not dataclasses.is_dataclass(kind):
        return None
    missing = dataclasses.MISSING
    given = [f.name for f in dataclasses.fields(kind) if f.default is missing is f.default_factory]
    return typing.get_type_hints(kind, include_extras=True), frozenset(given)


def _kind_of(kind: Any) -> type:
    """The plain kind of a hint."""
    if typing.get_origin(kind) is Annotated:
        return _kind_of(typing.get_args(kind)[0])
    if typing.get_origin(kind) is Literal:
        return type(typing.get_args(kind)[0])
    return dict if _keys(kind) else _plain(typing.get_origin(kind) or kind)


def _plain(kind: Any) -> type:
    if kind is None:
        return types.NoneType
    if kind in (str, int, float, bool, types.NoneType):
        return kind
    return dict if issubclass(kind, Mapping) else list


def _below(place: str, key: str) -> str:
    return f'{place}.{key}' if place else key


def _shown(value: Any) -> str:
    if isinstance(value, dict | list):
        return 'an object' if isinstance(value, dict) else 'a list'
    text = repr(value) if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= _LONGEST else f'{text[: _LONGEST - 3]}...'
