"""The `gateway:` section: budgets, limits, retries, fallbacks, caches, and the keys of those who call."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import msgspec

from shipway.kernel.errors import ShipwayError
from shipway.kernel.units import Seconds, parse_share
from shipway.spec._errors import SpecMalformed
from shipway.spec._fields import choice, count, duration, fields, named, text
from shipway.spec._names import declared, groups_of, name_of, secret_ref
from shipway.spec._node import Node

LEDGER_DOWN = ("refuse", "allow")
TIMEOUT, RETRIES = Seconds(60.0), 2
_BUDGET = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,6})?) usd/(hour|day|week|month)")
_RATE = re.compile(r"([0-9]{1,9})/(second|minute)")
_PERIODS: Mapping[str, float] = {"hour": 3600.0, "day": 86400.0, "week": 604800.0, "month": 30 * 86400.0}
_HASH = re.compile(r"sha256:[0-9a-f]{64}")


class BudgetSpec(msgspec.Struct, frozen=True, kw_only=True):
    """At most this many US dollars in any window of this many seconds; text: as written."""

    usd: float
    window: Seconds
    text: str


class GatewayKeySpec(msgspec.Struct, frozen=True, kw_only=True):
    """A caller. key: `secret://env/NAME` or the `sha256:` of the key; budget and rate (calls a minute) of its own, if any;
    groups: that its readers are in, none for what everybody may see; tenant: keys of one tenant share cached answers, None
    for a tenant of its own.
    """

    name: str
    key: str
    budget: BudgetSpec | None = None
    rate: int | None = None
    groups: tuple[str, ...] = ()
    tenant: str | None = None


class GatewaySpec(msgspec.Struct, frozen=True, kw_only=True):
    """How LLM traffic is let through. rate: calls a minute of all together; ledger_down: `refuse` or `allow` calls whose cost
    cannot be booked; timeout: of a call with all its tries, those of its fallbacks too; fallback: provider -> those that
    answer in its place, in this order; semantic_errors: the share of wrong hits that the semantic cache may have, None when
    it is off.
    """

    budget: BudgetSpec | None = None
    rate: int | None = None
    ledger_down: str = "refuse"
    timeout: Seconds = TIMEOUT
    retries: int = RETRIES
    fallback: Mapping[str, tuple[str, ...]] = {}
    exact_cache: bool = True
    semantic_errors: float | None = None
    keys: Mapping[str, GatewayKeySpec] = {}


def read_gateway(node: Node, *, providers: Collection[str]) -> GatewaySpec:
    entries = fields(
        node,
        (
            *("budget", "rate", "ledger_down", "timeout", "retries", "fallback"),
            *("exact_cache", "semantic_cache", "keys"),
        ),
        "gateway",
    )
    return GatewaySpec(
        budget=_budget(entries["budget"], "the gateway's budget") if "budget" in entries else None,
        rate=_rate(entries["rate"], "the gateway's rate") if "rate" in entries else None,
        ledger_down=choice(entries["ledger_down"], "ledger_down", LEDGER_DOWN) if "ledger_down" in entries else "refuse",
        timeout=_timeout(entries["timeout"]) if "timeout" in entries else TIMEOUT,
        retries=_retries(entries["retries"]) if "retries" in entries else RETRIES,
        fallback=named(entries.get("fallback"), "fallback", lambda key, value: _fallback(key, value, providers)),
        exact_cache=_switch(entries["exact_cache"], "exact_cache") if "exact_cache" in entries else True,
        semantic_errors=_semantic(entries["semantic_cache"]) if "semantic_cache" in entries else None,
        keys=_keys(entries.get("keys")),
    )


def _budget(node: Node, what: str) -> BudgetSpec:
    words = " ".join(text(node, what).split()) if not isinstance(node.value, int | float) else ""
    match = _BUDGET.fullmatch(words)
    if not match or not float(match[1]):
        mend = "as in 200 usd/month, 5 usd/day or 1.5 usd/hour; a month is 30 days"
        raise node.fail(f"{what} is dollars in a time, not {node.shown()}", mend=mend)
    return BudgetSpec(usd=float(match[1]), window=Seconds(_PERIODS[match[2]]), text=words)


def _rate(node: Node, what: str) -> int:
    """Calls a minute."""
    match = _RATE.fullmatch(node.raw.replace(" ", "")) if isinstance(node.value, str) else None
    if not match or not int(match[1]):
        raise node.fail(f"{what} is calls in a time, not {node.shown()}", mend="as in 600/minute or 10/second")
    return int(match[1]) * (60 if match[2] == "second" else 1)


def _timeout(node: Node) -> Seconds:
    seconds = duration(node, "timeout")
    if not 0 < seconds <= 3600:
        raise node.fail(f"timeout is above 0 and at most an hour, not {node.shown()}", mend="as in 60s")
    return seconds


def _retries(node: Node) -> int:
    retries = count(node, "retries")
    if retries > 10:
        raise node.fail(f"retries are at most 10, not {node.shown()}", mend="as in 2")
    return retries


def _fallback(key: Node, node: Node, providers: Collection[str]) -> tuple[str, ...]:
    first = declared(Node(key.raw, key.where, raw=key.raw), "provider", providers)
    found: list[str] = []
    for item in node.value if isinstance(node.value, list) else [node]:
        name = declared(item, "provider", providers)
        if name == first or name in found:
            raise item.fail(f"{name} is already tried before this", mend="another provider, or remove it")
        found.append(name)
    if not found:
        raise node.fail(f"the fallback of {first} names no provider", mend="remove the line, or name one")
    return tuple(found)


def _switch(node: Node, what: str) -> bool:
    if isinstance(node.value, bool):
        return node.value
    return choice(node, what, ("on", "off")) == "on"


def _semantic(node: Node) -> float | None:
    if node.value is False or node.raw == "off":
        return None
    if not isinstance(node.value, dict):
        mend = "off, or the share of wrong hits that it may have: {errors: 1%}"
        raise node.fail(f"semantic_cache is not {node.shown()}", mend=mend)
    entries = fields(node, ("errors",), "semantic_cache")
    if "errors" not in entries:
        raise node.fail("semantic_cache does not say how many wrong hits it may have", mend="{errors: 1%}")
    return _errors(entries["errors"])


def _errors(node: Node) -> float:
    try:
        share = parse_share(node.raw if isinstance(node.value, str) and len(node.raw) < 20 else "")
    except ShipwayError as problem:
        raise node.fail(f"errors is a share, not {node.shown()}", mend="as in 1%") from problem
    if not 0 < share <= 0.5:
        raise node.fail(f"errors is above 0% and at most 50%, not {node.shown()}", mend="as in 1%")
    return share


def _keys(node: Node | None) -> dict[str, GatewayKeySpec]:
    found: dict[str, GatewayKeySpec] = {}
    for name, entry in named(node, "keys", lambda key, value: (value, _read_key(key, value))).items():
        value, read = entry
        for other in found.values():
            if other.key == read.key:  # whose budget would it be?
                raise value.fail(f"{name} and {other.name} are the same key", mend="give each caller a key of its own")
        found[name] = read
    return found


def _read_key(key: Node, node: Node) -> GatewayKeySpec:
    name = _caller(key)
    if not isinstance(node.value, dict):
        return GatewayKeySpec(name=name, key=_key(node, name))
    entries = fields(node, ("key", "budget", "rate", "groups", "tenant"), f"key {name}")
    if "key" not in entries:
        raise key.fail(f"key {name} does not say what it is", mend="key: secret://env/NAME")
    return GatewayKeySpec(
        name=name,
        key=_key(entries["key"], name),
        budget=_budget(entries["budget"], f"the budget of {name}") if "budget" in entries else None,
        rate=_rate(entries["rate"], f"the rate of {name}") if "rate" in entries else None,
        groups=groups_of(entries["groups"], f"key {name}") if "groups" in entries else (),
        tenant=name_of(entries["tenant"], f"the tenant of {name}") if "tenant" in entries else None,
    )


def _caller(key: Node) -> str:
    """The name of a caller; one that is none is not repeated, for it may be the key in the wrong place."""
    try:
        return name_of(key, "a caller")
    except SpecMalformed:
        what = "a caller's name is a small letter, then small letters, digits, _ and -"
        raise key.fail(what, mend="as in team: {key: secret://env/TEAM_KEY}") from None


def _key(node: Node, name: str) -> str:
    if isinstance(node.value, str) and _HASH.fullmatch(node.value):
        return node.value
    return secret_ref(node, f"the key of {name}")
