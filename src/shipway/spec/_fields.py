"""Typed readings of nodes. Each takes a node and what it is called, and raises SpecMalformed at the node's place."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from shipway.kernel.errors import ShipwayError, nearest
from shipway.kernel.units import Seconds, parse_duration
from shipway.spec._node import Node, shown

T = TypeVar("T")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SAFE = 2**53 - 1  # beyond it canonical JSON no longer keeps a number a number


def group(node: Node, what: str) -> Mapping[str, Node]:
    """The entries of a mapping; nothing at all is an empty one."""
    if node.value is None:
        return {}
    if not isinstance(node.value, dict):
        raise node.fail(f"{what} is a group of keys, not {node.shown()}", mend=f"write `KEY: VALUE` lines under {what}")
    return node.value


def fields(node: Node, known: Sequence[str], what: str) -> Mapping[str, Node]:
    """The entries of a mapping whose keys are known and have values."""
    entries = group(node, what)
    for name, value in entries.items():
        key = node.keys[name]
        if name not in known:
            raise key.fail(f"{shown(name)} is not a key of {what}", mend=meant(name, known))
        if value.value is None:
            raise key.fail(f"`{name}` of {what} has no value", mend="give it one, or remove the line")
    return entries


def named(node: Node | None, what: str, read: Callable[[Node, Node], T]) -> dict[str, T]:
    """name -> read(key, value) for each entry of a section; an absent section is empty."""
    if node is None:
        return {}
    return {name: read(node.keys[name], value) for name, value in group(node, what).items()}


def meant(name: str, known: Sequence[str]) -> str:
    """The known name nearest to a wrong one, else all of them, as advice."""
    near = nearest(name[:80], list(known))
    return f"did you mean `{near}`?" if near else "one of: " + ", ".join(known)


def text(node: Node, what: str) -> str:
    """A text on one line that is not empty."""
    if isinstance(node.value, bool | int | float):
        kind = "true or false" if isinstance(node.value, bool) else "a number"
        raise node.fail(f"{what} is text, and {node.raw} reads as {kind}", mend=f'put it in quotes: "{node.raw}"')
    if not isinstance(node.value, str):
        raise node.fail(f"{what} is text, not {node.shown()}")
    if not node.value.strip() or _CONTROL.search(node.value):
        raise node.fail(f"{what} is one line of text, not {node.shown()}")
    return node.value


def texts(node: Node, what: str) -> tuple[str, ...]:
    """One text, or a list of them, each once."""
    if not isinstance(node.value, list):
        return (text(node, what),)
    found: dict[str, None] = {}  # an ordered set
    for item in node.value:
        if text(item, what) in found:
            raise item.fail(f"{item.shown()} is listed twice in {what}", mend="keep one")
        found[item.raw] = None
    return tuple(found)


def listed(node: Node, what: str) -> list[Node]:
    """The items of a list that has some."""
    if not isinstance(node.value, list) or not node.value:
        raise node.fail(f"{what} is a list, not {node.shown()}", mend="as in [a, b]")
    return node.value


def choice(node: Node, what: str, allowed: Sequence[str]) -> str:
    """One of the allowed words."""
    if isinstance(node.value, str) and node.value in allowed:
        return node.value
    raise node.fail(f"{what} is not {node.shown()}", mend=meant(node.raw, allowed))


def flag(node: Node, what: str) -> bool:
    """true or false."""
    if not isinstance(node.value, bool):
        raise node.fail(f"{what} is true or false, not {node.shown()}", mend="as in true")
    return node.value


def count(node: Node, what: str, *, least: int = 0) -> int:
    """A whole number from `least` up to 2^53."""
    if isinstance(node.value, bool) or not isinstance(node.value, int) or not least <= node.value <= _SAFE:
        raise node.fail(f"{what} is a whole number, {least} or more, not {node.shown()}")
    return node.value


def number(node: Node, what: str) -> int | float:
    """A finite number whose size survives canonical JSON."""
    value = node.value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise node.fail(f"{what} is a number, not {node.shown()}")
    if (isinstance(value, int) and abs(value) > _SAFE) or not math.isfinite(value):
        raise node.fail(f"{what} is a number within 2^53, not {node.shown()}")
    return value


def duration(node: Node, what: str) -> Seconds:
    """Seconds of a text such as `28d`."""
    with_unit = node.raw if not isinstance(node.value, list | dict) else ""
    try:
        seconds = parse_duration(with_unit)
    except ShipwayError as problem:
        raise node.fail(f"{what} is a duration, not {node.shown()}", mend=problem.mend) from problem
    if not math.isfinite(seconds):
        raise node.fail(f"{what} is longer than any clock", mend="as in 28d")
    return seconds
