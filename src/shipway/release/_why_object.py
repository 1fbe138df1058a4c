"""Why an object: what it is, where refs name it or named it, what it came from, what used it, what was stated about it."""

from __future__ import annotations

from shipway.access import KeyRing
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest, short
from shipway.release._lineage import Lineage, note_lineage, trace_lineage
from shipway.release._reason import Reason, when
from shipway.release._sources import statement_of, subjects_of_statement, thing_at
from shipway.release._why import explain_object_parts, explain_verdict
from shipway.release._why_evidence import explain_envelope
from shipway.store import ObjectMissing, Store

_NAMED, _STEP = 10, 10


def explain_object(store: Store, keys: KeyRing, digest: Digest) -> Reason:
    """All that the store knows of an object. Raises ObjectMissing when it is neither kept nor named anywhere."""
    thing = thing_at(store, digest)
    note_lineage(store)
    used = trace_lineage(store, digest, down=True, depth=1, most=_STEP)
    named = _named(store, digest)
    if thing.kind == "missing" and not named and not used.next:
        raise ObjectMissing(f"no object {digest}", where=str(store.root), mend="shipway log names what there is")
    if thing.kind == "verdict":
        own: tuple[Reason, ...] = (explain_verdict(store, keys, digest, thing.record),)
    elif thing.kind == "evidence" and thing.record:
        own = (explain_envelope(store, keys, digest), *_about(store, statement_of(thing.record)))
    else:
        own = explain_object_parts(store, keys, digest)
    came = trace_lineage(store, digest, depth=1, most=_STEP)
    behind = (*named, *own, *_step("came from", came), *_step("was used by", used))
    return Reason(thing.kind, f"{thing.kind} {digest}", digest, {"is": thing.kind}, behind)


def _named(store: Store, digest: Digest) -> tuple[Reason, ...]:
    """The refs that point at it now, and the moves that put one there before or judged by it."""
    now = {ref.audit: ref.name for ref in store.refs() if ref.digest == digest}
    found = [Reason("named", f"{name} points at it", digest, {"ref": name}) for name in now.values()]
    records = [record for record in store.naming(digest, limit=_NAMED + len(now)) if record.id not in now]
    for record in records[:_NAMED]:
        move = f"{record.outcome} at {record.resource} by {record.actor}, {when(record.at)}"
        values: dict[str, Json] = {"ref": record.resource, "outcome": record.outcome, "when": instant(record.at)}
        found.append(Reason("named", move, record.verdict, values))
    return tuple(found)


def _about(store: Store, statement: JsonObject) -> list[Reason]:
    """What a statement is about."""
    kinds = {digest: thing_at(store, digest).kind for digest in subjects_of_statement(statement)}
    return [Reason("subject", f"about {kind} {short(digest)}", digest, {"is": kind}) for digest, kind in kinds.items()]


def _step(words: str, tree: Lineage) -> list[Reason]:
    """One step of lineage in either direction."""
    found = []
    for child in tree.next:
        names = f" ({', '.join(child.names)})" if child.names else ""
        text = f"{words} {child.role}: {child.kind} {short(child.digest)}{names}"
        found.append(Reason("lineage", text, child.digest, {"role": child.role, "is": child.kind}))
    if tree.beyond:
        found.append(Reason("lineage", f"{words} {tree.beyond:,} more", values={"left_out": tree.beyond}))
    return found
