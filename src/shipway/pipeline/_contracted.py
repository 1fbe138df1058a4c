"""The contract of a data set measured before its ref moves, where the gate of that ref asks for it."""

from __future__ import annotations

from shipway import __version__
from shipway.access import Actor, KeyRing, Signer
from shipway.gate import attest, load_evidence, policy_in_force
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest
from shipway.spec import Pass, SpecMalformed
from shipway.store import ObjectDamaged, ObjectMissing, ObjectUnexpected, Store


def attest_contract(store: Store, signer: Signer, keys: KeyRing, actor: Actor, *, name: str, snapshot: Digest) -> Digest | None:
    """Judge a snapshot by the contract that the policy in force names for `data/NAME`; the envelope.

    None where the gate does not ask for it, has no contract of that name, or the snapshot was judged by it before. Raises
    DataUnreadable.
    """
    try:
        policy = policy_in_force(store)
    except (ObjectMissing, ObjectDamaged, ObjectUnexpected, SpecMalformed):
        return None  # the gate says that of every move
    definition, rule = policy.contracts.get(name), policy.rule(f"data/{name}", observed=True)
    if definition is None or not any(isinstance(asked, Pass) and asked.name == "contract" for asked in rule.require):
        return None
    known = load_evidence(store, keys, snapshot, predicate=media.CHECK_PREDICATE)
    if any(one.predicate.get("definition") == definition for one in known):
        return None
    from shipway.data import load_table, measure_contract  # with a library whose threads would forbid a fork before
    from shipway.data.in_place import check_in_place

    result = measure_contract(store.get(definition, "contract"), load_table(store, snapshot, name=name))
    check_in_place(store, snapshot)
    tool: Json = {"name": "shipway", "version": __version__}
    predicate: JsonObject = {
        "check": result.check.to_json(),
        "at": instant(store.clock.now()),
        "by": actor.name,
        "tool": tool,
        "definition": definition,
        "result": result.to_json(),
    }
    named = f"data/{name}"
    return attest(store, signer, subject=snapshot, name=named, predicate_type=media.CHECK_PREDICATE, predicate=predicate,
                  label="contract")  # fmt: skip
