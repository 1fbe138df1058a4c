"""What differs between two JSON values, path by path: for every kind that has no words of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TypeVar

from shipway.kernel.canonical import Json, JsonObject
from shipway.release._described import Described, Look, counted, cut, value_text

_Key = TypeVar("_Key")
_DEPTH = 40  # deeper than any format here; below it two values are equal or not


def describe_json(look: Look, before: JsonObject, after: JsonObject) -> Described:
    """The paths whose values differ, each with both values."""
    found = list(json_changes(before, after))
    if not found:
        return Described()
    return Described(
        counted(len(found), "value") + (" differs" if len(found) == 1 else " differ"),
        cut(found, look.lines, width=160, noun="value"),
        {"values": len(found)},
    )


def json_changes(before: Json, after: Json, path: str = "", depth: int = _DEPTH) -> Iterator[str]:
    """`path old -> new` for each value that differs; lists are compared place by place.

    >>> list(json_changes({"a": [1, 2], "b": {"c": None}}, {"a": [1, 3, 4], "b": {}}))
    ['a[1] 2 -> 3', '+a[2] 4', '-b.c none']
    """
    if before == after and type(before) is type(after):
        return
    if depth and isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in sorted(before.keys() | after.keys()):
            yield from _one(before, after, key, f"{path}.{key}" if path else key, depth)
    elif depth and isinstance(before, list) and isinstance(after, list):
        old, new = dict(enumerate(before)), dict(enumerate(after))
        for place in range(max(len(old), len(new))):
            yield from _one(old, new, place, f"{path}[{place}]", depth)
    elif before != after:
        yield f"{path} {value_text(before)} -> {value_text(after)}".strip()


def _one(before: Mapping[_Key, Json], after: Mapping[_Key, Json], key: _Key, path: str, depth: int) -> Iterator[str]:
    if key not in before:
        yield f"+{path} {value_text(after[key])}"
    elif key not in after:
        yield f"-{path} {value_text(before[key])}"
    else:
        yield from json_changes(before[key], after[key], path, depth - 1)
