"""The `policy:` section: what a ref asks before it moves. Published as an object, so its JSON has one form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

import msgspec

from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.errors import ShipwayError, nearest
from shipway.spec._errors import SpecMalformed
from shipway.spec._fields import choice, count, group, listed, meant, named, text
from shipway.spec._names import policy_ref
from shipway.spec._node import Node, node_of, shown
from shipway.spec._requirement import FORMS, Requirement, parse_requirement, requirement_text, requirement_to_json

INCONCLUSIVE = ("hold", "ask", "warn")
_REQUIREMENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.@-]*")


class PolicyRule(msgspec.Struct, frozen=True, kw_only=True):
    """What one ref asks: requirements, approvals by others than the author, and what an inconclusive check does."""

    ref: str
    require: tuple[Requirement, ...] = ()
    approvals: int = 0
    inconclusive: str = "hold"

    def to_json(self) -> JsonObject:
        lines = {canonical_json(line): line for line in map(requirement_to_json, self.require)}
        return {
            "ref": self.ref,
            "require": [lines[key] for key in sorted(lines)],
            "approvals": self.approvals,
            "inconclusive": self.inconclusive,
        }


def policy_to_json(policy: Mapping[str, PolicyRule]) -> JsonObject:
    """The canonical policy object; the order of rules and requirements does not count, and levels are spelled out."""
    return {"kind": "policy", "version": 1, "rules": [policy[ref].to_json() for ref in sorted(policy)]}


def policy_from_json(record: JsonObject) -> dict[str, PolicyRule]:
    """ref -> rule of a stored policy; raises SpecMalformed."""
    rules = record.get("rules")
    if record.get("kind") != "policy" or record.get("version") != 1 or not isinstance(rules, list):
        raise SpecMalformed("this record is no policy of version 1")
    try:
        sections = {cast("str", rule["ref"]): _section(rule) for rule in rules}
    except (KeyError, TypeError, ArithmeticError, AttributeError) as problem:
        raise SpecMalformed(f"this record is no policy: {problem!r}") from problem
    return read_policy(node_of(sections, "policy"))


def _section(rule: Mapping[str, Json]) -> dict[str, Json]:
    """A stored rule as a person writes it."""
    section: dict[str, Json] = {"approvals": rule["approvals"], "inconclusive": rule["inconclusive"]}
    for line in cast("list[Mapping[str, Json]]", rule["require"]):
        name = str(line["name"])
        section[name] = [*cast("list[Json]", section.get(name, [])), requirement_text(line)]
    return section


def read_policy(node: Node | None) -> dict[str, PolicyRule]:
    return named(node, "policy", _read_rule)


def _read_rule(key: Node, node: Node) -> PolicyRule:
    policy_ref(key)
    entries = dict(group(node, f"the policy of {key.raw}"))
    approvals, inconclusive = entries.pop("approvals", None), entries.pop("inconclusive", None)
    return PolicyRule(
        ref=key.raw,
        require=tuple(line for name, value in entries.items() for line in _read_require(node.keys[name], value)),
        approvals=count(approvals, "approvals") if approvals else 0,
        inconclusive=choice(inconclusive, "inconclusive", INCONCLUSIVE) if inconclusive else "hold",
    )


def _read_require(key: Node, node: Node) -> list[Requirement]:
    if not _REQUIREMENT_NAME.fullmatch(key.raw):
        raise key.fail(f"{shown(key.raw)} is not the name of a check or metric", mend="letters, digits, _ . @ and -")
    lines = listed(node, key.raw) if isinstance(node.value, list) else [node]
    return [_read_requirement(key, line) for line in lines]


def _read_requirement(key: Node, node: Node) -> Requirement:
    near = nearest(key.raw[:80], ["approvals", "inconclusive"])
    mend = f"did you mean `{near}`?" if near else FORMS
    if not isinstance(node.value, str):
        raise node.fail(f"{shown(key.raw)} is not {node.shown()}", mend=mend)
    try:
        return parse_requirement(key.raw, text(node, key.raw))
    except ShipwayError as problem:
        raise node.fail(problem.what, mend=mend if near else problem.mend) from problem


def check_policy(node: Node | None, declared: Mapping[str, Mapping[str, object]]) -> None:
    """Raises SpecMalformed for a rule whose ref is not declared: it would guard nothing, silently.

    declared: kind of ref -> its names; a kind without any declared is left to the store.
    """
    for ref, key in (node.keys if node else {}).items():
        kind, name = policy_ref(key)
        names = list(declared.get(kind, ()))
        if names and name not in names:
            raise key.fail(f"{ref} guards nothing: the spec has no {kind} {name}", mend=meant(name, names))
