"""The `policy:` section: what refs ask before they move. Published as an object, so its JSON has one form."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import cast

from shipway.kernel.canonical import JsonObject
from shipway.kernel.errors import ShipwayError, nearest
from shipway.kernel.units import Seconds
from shipway.spec._calendar import Freeze, Hours, parse_freeze, parse_hours
from shipway.spec._deploy import DeploySpec
from shipway.spec._errors import SpecMalformed
from shipway.spec._fields import T, choice, count, duration, fields, group, listed, meant, named, text
from shipway.spec._monitors import MONITORS
from shipway.spec._names import is_pattern, matches, policy_ref
from shipway.spec._node import Node, node_of, shown
from shipway.spec._requirement import FORMS, Pass, Requirement, is_foreign, parse_requirement
from shipway.spec._rule import INCONCLUSIVE, RETRAIN, PolicyRule, section_of

SETTINGS = (
    *("approvals", "author_approves", "inconclusive", "evidence_within"),
    *("hours", "freeze", "soak", "observe", "allow_pickle", "retrain"),
)
_REQUIREMENT_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.@-]*")
_ROLE = re.compile(r"[a-z][a-z0-9_-]*")


def policy_to_json(policy: Mapping[str, PolicyRule]) -> JsonObject:
    """The canonical policy object; the order of rules and requirements does not count, and levels are spelled out."""
    return {"kind": "policy", "version": 1, "rules": [policy[ref].to_json() for ref in sorted(policy)]}


def policy_from_json(record: JsonObject) -> dict[str, PolicyRule]:
    """ref -> rule of a stored policy; raises SpecMalformed."""
    rules = record.get("rules")
    if record.get("kind") != "policy" or record.get("version") != 1 or not isinstance(rules, list):
        raise SpecMalformed("this record is no policy of version 1")
    try:
        sections = {cast("str", rule["ref"]): section_of(rule) for rule in rules}
    except (KeyError, TypeError, ArithmeticError, AttributeError) as problem:
        raise SpecMalformed(f"this record is no policy: {problem!r}") from problem
    return read_policy(node_of(sections, "policy"))


def read_policy(node: Node | None) -> dict[str, PolicyRule]:
    return named(node, "policy", _read_rule)


def _read_rule(key: Node, node: Node) -> PolicyRule:
    policy_ref(key)
    entries = dict(group(node, f"the policy of {key.raw}"))

    def setting(name: str, read: Callable[[Node, str], T], without: T) -> T:
        found = entries.pop(name, None)
        return without if found is None else read(found, name)

    people, roles = setting("approvals", _approvals, (0, dict[str, int]()))
    pickle, by_people, by_roles = setting("allow_pickle", _pickle, (True, 0, dict[str, int]()))
    return PolicyRule(
        ref=key.raw,
        approvals=people,
        roles=roles,
        author_approves=setting("author_approves", _yes_or_no, without=True),
        inconclusive=setting("inconclusive", lambda found, what: choice(found, what, INCONCLUSIVE), "hold"),
        evidence_within=setting("evidence_within", _span, None),
        hours=setting("hours", _hours, ()),
        freeze=setting("freeze", _freeze, ()),
        soak=setting("soak", _span, None),
        observe=setting("observe", _yes_or_no, without=False),
        allow_pickle=pickle,
        pickle_approvals=by_people,
        pickle_roles=by_roles,
        retrain=setting("retrain", lambda found, what: _retrain(key, found, what), RETRAIN[0]),
        require=tuple(line for name, value in entries.items() for line in _read_require(node.keys[name], value)),
    )


def _approvals(node: Node, what: str) -> tuple[int, dict[str, int]]:
    """How many people, and how many of each role: `2`, `{count: 2, role: NAME}`, or a list of such; of equal ones the most."""
    people, roles = 0, dict[str, int]()
    for item in listed(node, what) if isinstance(node.value, list) else [node]:
        if not isinstance(item.value, dict):
            people = max(people, count(item, what))
            continue
        entries = fields(item, ("count", "role"), what)
        number = count(entries["count"], f"count of {what}") if "count" in entries else 1
        if "role" not in entries:
            people = max(people, number)
            continue
        role = text(entries["role"], f"role of {what}")
        if not _ROLE.fullmatch(role) or role == "checker":
            mend = "admin, approver or a word of your own, as in `shipway key trust FILE --role release-manager`"
            raise entries["role"].fail(f"{shown(role)} is no role that approves", mend=mend)
        if number:
            roles[role] = max(roles.get(role, 0), number)
    return people, roles


def _pickle(node: Node, what: str) -> tuple[bool, int, dict[str, int]]:
    """Whether such a model may go there, and who has to approve it: yes or no, or the forms of approvals."""
    if isinstance(node.value, bool) or node.value in ("yes", "no"):
        return _yes_or_no(node, what), 0, {}
    return True, *_approvals(node, what)


def _retrain(key: Node, node: Node, what: str) -> str:
    """What a challenger does that the gate of a deployment lets pass; nothing else is retrained."""
    if not key.raw.startswith("deploy/"):
        raise node.fail(f"{what} is about deployments, and {key.raw} is none", mend="write it under deploy/APP@ENV")
    return choice(node, what, RETRAIN)


def _yes_or_no(node: Node, what: str) -> bool:
    if isinstance(node.value, bool):
        return node.value
    if node.value in ("yes", "no"):
        return node.value == "yes"
    raise node.fail(f"{what} is yes or no, not {node.shown()}", mend="yes or no")


def _span(node: Node, what: str) -> Seconds:
    seconds = duration(node, what)
    if not seconds:
        raise node.fail(f"{what} is longer than nothing", mend="as in 24h; without the line nothing is asked")
    return seconds


def _hours(node: Node, what: str) -> tuple[tuple[Hours, ...], ...]:
    """One text, or a list of which one has to be open; a stored rule may hold a list of lists, which all have to be."""
    items = listed(node, what) if isinstance(node.value, list) else [node]
    groups = items if items[0].value and isinstance(items[0].value, list) else [node]
    return tuple(_hours_group(one, what) for one in groups)


def _hours_group(node: Node, what: str) -> tuple[Hours, ...]:
    lines = listed(node, what) if isinstance(node.value, list) else [node]
    return tuple(sorted({_parsed(line, what, parse_hours) for line in lines}))


def _freeze(node: Node, what: str) -> tuple[Freeze, ...]:
    lines = listed(node, what) if isinstance(node.value, list) else [node]
    return tuple(sorted({_parsed(line, what, parse_freeze) for line in lines}))


def _parsed(node: Node, what: str, parse: Callable[[str], T]) -> T:
    try:
        return parse(text(node, what))
    except SpecMalformed as problem:
        raise problem if problem.where else node.fail(problem.what, mend=problem.mend) from problem


def _read_require(key: Node, node: Node) -> list[Requirement]:
    if not _REQUIREMENT_NAME.fullmatch(key.raw):
        raise key.fail(f"{shown(key.raw)} is not the name of a check or metric", mend="letters, digits, _ . @ and -")
    lines = listed(node, key.raw) if isinstance(node.value, list) else [node]
    return [_read_requirement(key, line) for line in lines]


def _read_requirement(key: Node, node: Node) -> Requirement:
    near = nearest(key.raw[:80], list(SETTINGS))
    mend = f"did you mean `{near}`?" if near else FORMS
    if not isinstance(node.value, str):
        raise node.fail(f"{shown(key.raw)} is not {node.shown()}", mend=mend)
    try:
        return parse_requirement(key.raw, text(node, key.raw))
    except ShipwayError as problem:
        raise node.fail(problem.what, mend=mend if near else problem.mend) from problem


def check_policy(node: Node | None, declared: Mapping[str, Mapping[str, object]]) -> None:
    """Raises SpecMalformed for a rule whose ref is not declared, or that matches nothing: it would guard nothing, silently.

    declared: kind of ref -> its names; of a kind without any declared, a single ref is left to the store.
    """
    for ref, key in (node.keys if node else {}).items():
        kind, name = policy_ref(key)
        names = list(declared.get(kind, ()))
        if is_pattern(ref):
            _check_pattern(key, kind, name, names)
        elif names and name not in names:
            raise key.fail(f"{ref} guards nothing: the spec has no {kind} {name}", mend=meant(name, names))


def _check_pattern(key: Node, kind: str, name: str, names: list[str]) -> None:
    if any(matches(f"{kind}/{name}", f"{kind}/{known}") for known in names):
        return
    mend = meant(name, names) if names else f"declare it first, or name one ref: {kind}/NAME"
    raise key.fail(f"{key.raw} guards nothing: no {kind} of the spec matches it", mend=mend)


def check_passes(node: Node, policy: Mapping[str, PolicyRule], evals: Collection[str]) -> None:
    """Raises SpecMalformed for `NAME: pass` of a check that nothing here makes and `check import` would name otherwise.

    evals: those that are declared; their metrics are numbers, which `check_metrics` says.
    """
    known = ["contract", "equal_outputs", "personal", "splits", *sorted(MONITORS)]
    for ref, rule in policy.items():
        for name in [line.name for line in rule.require if isinstance(line, Pass)]:
            if name in known or is_foreign(name) or name.partition(".")[0] in evals:
                continue
            near = nearest(name[:80], known)
            mend = f"did you mean `{near}`?" if near else f"`import.{name[:80]}: pass`, for what `check import` brings in"
            raise group(node, "policy")[ref].keys[name].fail(f"no check is called {shown(name)}", mend=mend)


def check_soak(node: Node | None, policy: Mapping[str, PolicyRule], deploys: Mapping[str, DeploySpec]) -> None:
    """Raises SpecMalformed for a soak of what comes after nothing: there would be no place to have been live at."""
    for ref, rule in policy.items():
        if rule.soak is None or node is None:
            continue
        fitting = [deploy for name, deploy in deploys.items() if matches(ref, f"deploy/{name}")]
        if not any(deploy.after for deploy in fitting):
            place = group(node, "policy")[ref].keys["soak"]
            what = f"soak of {ref} waits for nothing: it comes after no environment"
            raise place.fail(what, mend="say what it follows under deploy:, as in `after: staging`")
