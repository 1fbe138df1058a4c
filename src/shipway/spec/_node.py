"""Node: a value and the place where somebody wrote it, so that every later complaint can point at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import msgspec

from shipway.kernel.canonical import Json
from shipway.spec._errors import SpecMalformed

Scalar = None | bool | int | float | str


class Node(msgspec.Struct, frozen=True):
    """A scalar, a list or a mapping of nodes; `raw` is a scalar as written, `keys` are a mapping's keys as nodes.

    bare: a scalar without quotes.
    """

    value: Scalar | list[Node] | dict[str, Node]
    where: str
    raw: str = ""
    keys: Mapping[str, Node] = {}
    bare: bool = False

    def fail(self, what: str, *, mend: str | None = None) -> SpecMalformed:
        """The error that points here; the caller raises it."""
        return SpecMalformed(what, where=self.where, mend=mend)

    def plain(self) -> Json:
        """The value without its places."""
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        if isinstance(self.value, dict):
            return {name: item.plain() for name, item in self.value.items()}
        return self.value

    def shown(self) -> str:
        """The value in a message: short, and on one line."""
        kind = {list: "a list", dict: "a group of keys", type(None): "nothing"}.get(type(self.value))
        kind = "an empty list" if self.value == [] else kind
        return kind or shown(self.raw)


def shown(text: str) -> str:
    """A text in a message: quoted, short, on one line.

    >>> shown("a" * 80)
    "'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...'"
    """
    return repr(text if len(text) <= 60 else text[:48] + "...")


def node_of(value: Json, where: str) -> Node:
    """A stored JSON value as a node; all of it stands at one place, the record's name."""
    if value is None or isinstance(value, bool | int | float | str):
        return Node(value, where, raw=str(value))
    if isinstance(value, Mapping):
        keys = {name: Node(name, where, raw=name) for name in value}
        return Node({name: node_of(item, where) for name, item in value.items()}, where, keys=keys)
    return Node([node_of(item, where) for item in cast("list[Json]", value)], where)


YamlNode = Node  # its name outside of this room
