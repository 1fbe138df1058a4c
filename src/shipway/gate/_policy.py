"""The policy in force: the object at `policy/main`, or the built-in default before there is one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from msgspec.structs import replace

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest, parse_digest
from shipway.spec import ContractSpec, PolicyRule, matches, policy_from_json, policy_to_json, rule_of
from shipway.store import Store

POLICY_REF = "policy/main"

DEFAULT_POLICY: JsonObject = {"kind": "policy", "version": 1, "rules": [], "definitions": {"contract": {}}}
"""Asks nothing of any move: what holds on a laptop until a project states its own rules."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules per ref or pattern, and the digests of the check definitions that count: contracts by data name, golden sets by
    evaluation. order: ref of a deployment -> the environment that it comes after; None leaves that to the deployment.
    """

    digest: Digest
    rules: Mapping[str, PolicyRule]
    contracts: Mapping[str, Digest]
    golden: Mapping[str, Digest] = field(default_factory=dict)
    order: Mapping[str, str] | None = None

    def rule(self, ref: str, *, observed: bool = False) -> PolicyRule:
        """What the rules that match `ref` ask of its move together; none asks nothing. observed: those that observe too."""
        return rule_of(self.rules, ref, observed=observed)

    def at_any_time(self) -> Policy:
        """The same without hours and freezes: what may stand at a ref, not when it may move there."""
        rules = {ref: replace(rule, hours=(), freeze=()) for ref, rule in self.rules.items()}
        return Policy(self.digest, rules, self.contracts, self.golden, self.order)

    def observes(self, ref: str) -> bool:
        """Whether a rule that only observes is about `ref`."""
        return any(rule.observe and matches(key, ref) for key, rule in self.rules.items())


def policy_object(
    store: Store,
    rules: Mapping[str, PolicyRule],
    contracts: Mapping[str, ContractSpec],
    golden: Mapping[str, Digest] | None = None,
    order: Mapping[str, str] | None = None,
) -> JsonObject:
    """The policy of a spec; the contracts become objects of their own, and their digests are what counts.

    golden: evaluation -> digest of its golden set; order: as in Policy. A policy without any looks as it did before there were
    such things.
    """
    digests: dict[str, Json] = {name: store.put(contract.to_json()) for name, contract in sorted(contracts.items())}
    definitions: dict[str, Json] = {"contract": digests}
    if golden:
        definitions["golden"] = {name: golden[name] for name in sorted(golden)}
    following: dict[str, Json] = {"order": {ref: order[ref] for ref in sorted(order)}} if order else {}
    return {**policy_to_json(rules), "definitions": definitions, **following}


def policy_in_force(store: Store) -> Policy:
    """What judges every move now."""
    return load_policy(store, policy_digest(store))


def policy_digest(store: Store) -> Digest:
    """Which policy is in force, without reading it."""
    ref = store.ref(POLICY_REF)
    return ref.digest if ref else store.put(DEFAULT_POLICY)


def load_policy(store: Store, digest: Digest) -> Policy:
    """The policy of that digest. Raises ObjectMissing, ObjectUnexpected, SpecMalformed."""
    record = store.get(digest, "policy")
    definitions = cast("Mapping[str, Mapping[str, str]]", record["definitions"])
    contracts, golden = (
        {name: parse_digest(text) for name, text in definitions.get(kind, {}).items()} for kind in ("contract", "golden")
    )
    order = cast("Mapping[str, str] | None", record.get("order"))
    return Policy(digest, policy_from_json(record), contracts, golden, order)
