"""The `notify:` section: who is told of incidents, and how often at most."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from shipway.kernel.units import Seconds, parse_duration
from shipway.spec._fields import duration, fields, listed
from shipway.spec._names import secret_ref
from shipway.spec._node import Node

EVERY = parse_duration("30m")


class NotifySpec(msgspec.Struct, frozen=True, kw_only=True):
    """page, ticket: references to addresses, which hold keys; every: between two messages about one incident, seconds."""

    page: tuple[str, ...] = ()
    ticket: tuple[str, ...] = ()
    every: Seconds = EVERY


def read_notify(node: Node) -> NotifySpec:
    """Addresses are secrets: a webhook's path and a mail server's password stand in them."""
    entries = fields(node, ("page", "ticket", "every"), "notify")
    every = duration(entries["every"], "notify.every") if "every" in entries else EVERY
    return NotifySpec(page=_addresses(entries, "page"), ticket=_addresses(entries, "ticket"), every=every)


def _addresses(entries: Mapping[str, Node], name: str) -> tuple[str, ...]:
    if name not in entries:
        return ()
    node = entries[name]
    items = listed(node, f"notify.{name}") if isinstance(node.value, list) else [node]
    return tuple(secret_ref(item, f"an address of notify.{name}") for item in items)
