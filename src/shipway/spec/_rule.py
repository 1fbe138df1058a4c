"""PolicyRule: what a ref asks before it moves, its stored form, and several rules as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import cast

import msgspec

from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.units import Seconds
from shipway.spec._calendar import Freeze, Hours
from shipway.spec._names import matches
from shipway.spec._requirement import Requirement, requirement_text, requirement_to_json

INCONCLUSIVE = ("hold", "ask", "warn")  # the strictest first
RETRAIN = ("proposes", "promotes")  # the strictest first


class PolicyRule(msgspec.Struct, frozen=True, kw_only=True):
    """What a ref, or all refs of a pattern, ask. A setting that is left out asks nothing, but for `inconclusive: hold`.

    approvals: how many people; roles: how many of them by keys that are trusted for this role; evidence_within and soak in
    seconds; hours: groups that all have to be open, each when one of its hours is; observe: judged and told, yet let pass.
    allow_pickle: whether a model may go there that may run code when it is loaded, pickle_approvals and pickle_roles: how many
    people have to approve what holds one. retrain: what `shipway retrain` does with a challenger that the gate lets pass.
    """

    ref: str
    require: tuple[Requirement, ...] = ()
    approvals: int = 0
    roles: Mapping[str, int] = {}
    author_approves: bool = True
    inconclusive: str = "hold"
    evidence_within: Seconds | None = None
    hours: tuple[tuple[Hours, ...], ...] = ()
    freeze: tuple[Freeze, ...] = ()
    soak: Seconds | None = None
    observe: bool = False
    allow_pickle: bool = True
    pickle_approvals: int = 0
    pickle_roles: Mapping[str, int] = {}
    retrain: str = "proposes"

    @property
    def judges_pickles(self) -> bool:
        """Whether it asks whether a model may run code when it is loaded."""
        return not self.allow_pickle or self.pickle_approvals > 0 or bool(self.pickle_roles)

    @property
    def asks(self) -> bool:
        """Whether it asks anything of a move."""
        return self != PolicyRule(ref=self.ref, inconclusive=self.inconclusive, observe=self.observe, retrain=self.retrain)

    def to_json(self) -> JsonObject:
        """The stored form; whatever is left out of it is as when it is left out of the spec."""
        record: dict[str, Json] = {
            "ref": self.ref,
            "require": _each_once(map(requirement_to_json, self.require)),
            "approvals": self.approvals,
            "inconclusive": self.inconclusive,
        }
        if self.roles:
            record["roles"] = {role: self.roles[role] for role in sorted(self.roles)}
        if not self.author_approves:
            record["author_approves"] = False
        for name in ("evidence_within", "soak"):
            if (seconds := getattr(self, name)) is not None:
                record[f"{name}_seconds"] = int(seconds) if float(seconds).is_integer() else seconds
        if self.hours:
            record["hours"] = _each_once(sorted({hours.text for hours in group}) for group in self.hours)
        if self.freeze:
            record["freeze"] = [{"from": one.start, "until": one.end or None} for one in sorted(set(self.freeze))]
        if self.observe:
            record["observe"] = True
        if self.retrain != RETRAIN[0]:
            record["retrain"] = self.retrain
        if self.judges_pickles:
            roles = {role: self.pickle_roles[role] for role in sorted(self.pickle_roles)}
            record["allow_pickle"] = {"approvals": self.pickle_approvals, "roles": roles} if self.allow_pickle else False
        return record


def unite(ref: str, rules: Iterable[PolicyRule]) -> PolicyRule:
    """Several rules as one that asks what each of them asks: requirements, hours and freezes of all, of every number the most
    demanding, of `inconclusive` and `retrain` the strictest. It observes when all of them do. None asks nothing, and `hold`.
    """
    found = list(rules)
    if len(found) == 1:
        return msgspec.structs.replace(found[0], ref=ref)
    within = [rule.evidence_within for rule in found if rule.evidence_within is not None]
    soak = [rule.soak for rule in found if rule.soak is not None]
    return PolicyRule(
        ref=ref,
        require=tuple(dict.fromkeys(line for rule in found for line in rule.require)),
        approvals=max((rule.approvals for rule in found), default=0),
        roles=_most(rule.roles for rule in found),
        author_approves=all(rule.author_approves for rule in found),
        inconclusive=min((rule.inconclusive for rule in found), key=INCONCLUSIVE.index, default="hold"),
        evidence_within=min(within, default=None),
        hours=tuple(dict.fromkeys(group for rule in found for group in rule.hours)),
        freeze=tuple(dict.fromkeys(one for rule in found for one in rule.freeze)),
        soak=max(soak, default=None),
        observe=bool(found) and all(rule.observe for rule in found),
        allow_pickle=all(rule.allow_pickle for rule in found),
        pickle_approvals=max((rule.pickle_approvals for rule in found), default=0),
        pickle_roles=_most(rule.pickle_roles for rule in found),
        retrain=min((rule.retrain for rule in found), key=RETRAIN.index, default=RETRAIN[0]),
    )


def _most(roles: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Of each role the largest number that is asked."""
    found = list(roles)
    return {role: max(one.get(role, 0) for one in found) for role in sorted({role for one in found for role in one})}


def rule_of(rules: Mapping[str, PolicyRule], ref: str, *, observed: bool = False) -> PolicyRule:
    """What the rules ask of a ref, those of all patterns that it matches together; observed: with those that observe only."""
    return unite(ref, (rules[key] for key in sorted(rules) if matches(key, ref) and (observed or not rules[key].observe)))


def section_of(record: Mapping[str, Json]) -> dict[str, Json]:
    """A stored rule as a person writes it; raises what a value of another type raises."""
    section: dict[str, Json] = {"approvals": record["approvals"], "inconclusive": record["inconclusive"]}
    for line in cast("list[Mapping[str, Json]]", record["require"]):
        name = str(line["name"])
        section[name] = [*cast("list[Json]", section.get(name, [])), requirement_text(line)]
    if roles := cast("Mapping[str, Json]", record.get("roles")):
        section["approvals"] = [record["approvals"], *_by_role(roles)]
    if (pickle := record.get("allow_pickle")) is not None:
        asked = cast("Mapping[str, Mapping[str, Json]]", pickle)
        section["allow_pickle"] = [asked["approvals"], *_by_role(asked["roles"])] if pickle else False
    for name in ("author_approves", "observe", "retrain"):
        if name in record:
            section[name] = record[name]
    for name in ("evidence_within", "soak"):
        if f"{name}_seconds" in record:
            section[name] = f"{Decimal(str(record[f'{name}_seconds'])):f}s"  # never 1e-05, which no duration is
    if "hours" in record:
        section["hours"] = record["hours"]
    if "freeze" in record:
        spans = cast("list[Mapping[str, Json]]", record["freeze"])
        section["freeze"] = [f"{one['from']}..{one['until'] or ''}" for one in spans]
    return section


def _by_role(roles: Mapping[str, Json]) -> list[Json]:
    return [{"count": roles[role], "role": role} for role in sorted(roles)]


def _each_once(records: Iterable[Json]) -> list[Json]:
    """In the order of their canonical JSON, each once."""
    found = {canonical_json(record): record for record in records}
    return [found[key] for key in sorted(found)]
