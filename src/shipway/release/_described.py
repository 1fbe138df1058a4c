"""What every description of a change is made of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from shipway.access import KeyRing
from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.store import Store

_WIDTH = 60


@dataclass(frozen=True, slots=True)
class Look:
    """With what two objects are compared.

    keys: whose evidence counts (None: none is shown); root: a checkout that knows commits; lines: how many lines of detail
    are shown of one change, 0 for none.
    """

    store: Store
    keys: KeyRing | None = None
    root: Path | None = None
    lines: int = 6


@dataclass(frozen=True, slots=True)
class Described:
    """A change in words on one line, in lines below it, and in numbers; nothing at all where nothing differs."""

    words: str = ""
    lines: tuple[str, ...] = ()
    facts: JsonObject = field(default_factory=dict)


def counted(n: int, noun: str) -> str:
    """
    >>> counted(1, "file"), counted(2, "file")
    ('1 file', '2 files')
    """
    return f"{n:,} {noun}" + ("" if n == 1 else "s")


def cut(lines: Iterable[str], limit: int, *, width: int = 100, noun: str = "line") -> tuple[str, ...]:
    """At most so many lines, each at most so wide, and how many more there are.

    >>> cut(["a", "b", "c"], 2)
    ('a', 'b', 'and 1 line more')
    """
    found = list(lines)
    if limit <= 0:
        return ()
    shown = [line if len(line) <= width else line[: width - 3] + "..." for line in found[:limit]]
    more = len(found) - len(shown)
    return (*shown, *([f"and {counted(more, noun)} more"] if more else []))


def listed(words: Iterable[str], limit: int = 6) -> str:
    """Words in a row, and how many more there are.

    >>> listed(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    found = list(words)
    shown = ", ".join(found[:limit])
    return shown + (f" and {len(found) - limit:,} more" if len(found) > limit else "")


def printable(text: str) -> str:
    """The text on one line: control characters are written out.

    >>> printable("a\\tb\\x1b[2J\\n")
    'a   b\\\\x1b[2J\\\\n'
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text.expandtabs(4))


def value_text(value: Json) -> str:
    """A value on one line; a text as it is."""
    if value is None:
        return "none"
    text = value if isinstance(value, str) and value.isprintable() else canonical_json(value).decode()
    return text if len(text) <= _WIDTH else text[: _WIDTH - 3] + "..."


def number_text(value: float) -> str:
    """
    >>> number_text(0.0031), number_text(200.0), number_text(1234567.0)
    ('0.0031', '200', '1,234,567')
    """
    return f"{value:,.0f}" if value == int(value) else f"{value:.4g}"


def changed_values(before: Mapping[str, Json], after: Mapping[str, Json]) -> list[str]:
    """Each key with its old and new value: changed ones, then those that came, then those that went.

    >>> changed_values({"a": 1, "b": 2}, {"a": 3, "c": None})
    ['a 1 -> 3', '+c none', '-b']
    """
    both = sorted(before.keys() & after.keys())
    words = [f"{key} {value_text(before[key])} -> {value_text(after[key])}" for key in both if before[key] != after[key]]
    words += [f"+{key} {value_text(after[key])}" for key in sorted(after.keys() - before.keys())]
    return words + [f"-{key}" for key in sorted(before.keys() - after.keys())]


def object_of(value: Json) -> JsonObject:
    """A value that should be a JSON object; raises TypeError."""
    if not isinstance(value, Mapping):
        raise TypeError(f"an object was expected, not {type(value).__name__}")
    return value


def names_of(value: Json) -> list[str]:
    """A value that should be a list of texts; raises TypeError."""
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise TypeError("a list of texts was expected")
    return cast("list[str]", value)


def duration_text(seconds: float) -> str:
    """The largest unit that says it in a whole number.

    >>> duration_text(2419200), duration_text(900), duration_text(0.5)
    ('28d', '15m', '0.5s')
    """
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{int(seconds // size)}{unit}"
    return f"{number_text(seconds)}s"
