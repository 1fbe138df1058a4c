"""Why: from a ref, a move, a release or any object back to evidence.

Reads and judges nothing anew, except whether each signature counts by the keys that are trusted here and now. What cannot be
read any more is said to be so, and the rest goes on.
"""

from __future__ import annotations

from contextlib import suppress
from typing import cast

from shipway.access import KeyRing
from shipway.gate import release_of, revoked
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check, CheckMalformed
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.release._manifest import load_components
from shipway.release._reason import Reason, check_text, when
from shipway.release._sources import thing_at
from shipway.release._why_evidence import explain_envelope, explain_evidence_of, explain_run
from shipway.store import AuditRecord, RefMissing, Store

_MARKS = {
    "returning": "returning to what was live",
    "self_approved": "self-approved",
    "forced": "FORCED past the gate",
}
_PAST = 5  # earlier refusals of the same target that are worth a line
_LOOKED = 200  # records before a move that are looked through for them


def explain_ref(store: Store, keys: KeyRing, name: str) -> Reason:
    """What a ref points at, who moved it there and on what, and what that is made of. Raises RefMissing."""
    ref = store.ref(name)
    record = store.audit(ref.audit) if ref else None
    if ref is None or record is None:
        raise RefMissing(f"{name} points at nothing yet", where=store.project, mend="list what exists with: shipway log")
    release = live_release(store, ref.digest)
    shown, kind = (release, "release") if release else (ref.digest, thing_at(store, ref.digest).kind)
    text = f"{name} is at {kind} {short(shown)} since {when(record.at)}"
    behind = explain_object_parts(store, keys, shown)
    return Reason("ref", text, ref.digest, {"ref": name, "release": release}, (explain_move(store, keys, record), *behind))


def explain_move(store: Store, keys: KeyRing, record: AuditRecord) -> Reason:
    """Who moved, or tried to, when, from where and why; the verdict, its policy, its checks and the evidence it cited."""
    verdict = _record(store, record.verdict)
    values: dict[str, Json] = {
        "ref": record.resource,
        "who": record.actor,
        "when": instant(record.at),
        "why": record.why,
        "action": record.action,
        "outcome": record.outcome,
        "from": record.source,
        "to": record.target,
        "release": record.release,
        "verdict": record.verdict,
    }
    source = _place(store, record.source)
    target = f"release {short(record.release)}" if record.release else _place(store, record.target)
    text = f"{record.outcome} from {source} to {target} by {record.actor} at {when(record.at)}"
    text += f", because: {record.why}" if record.why else ", no reason given"
    behind = (explain_verdict(store, keys, record.verdict, verdict),) if record.verdict else ()
    return Reason("move", text, record.verdict, values, (*behind, *_refusals(store, record)))


def explain_verdict(store: Store, keys: KeyRing, digest: Digest, record: JsonObject | None = None) -> Reason:
    """A verdict: the policy that judged, every check, what was missing, the evidence cited."""
    record = record or _record(store, digest)
    if not record:
        return Reason("verdict", f"the verdict {short(digest)} cannot be read any more", digest)
    marks = "".join(f", {words}" for mark, words in _MARKS.items() if record.get(mark))
    marks += f", as plan {short(str(record['plan']))} says" if record.get("plan") else ""
    policy = str(record.get("policy") or "")
    text = f"verdict {short(digest)}: {record.get('verdict')}{marks}, by policy {short(policy)}"
    cited = [Digest(str(one)) for one in _list(record.get("evidence"))]
    behind = [*_checks(record.get("checks")), *_checks(record.get("observed"), "observed")]
    behind += [explain_envelope(store, keys, envelope) for envelope in cited]
    if not behind and record.get("returning"):
        behind = [Reason("check", "a return to what was live asks for permission and intact bytes, nothing else")]
    values = {key: record.get(key) for key in ("verdict", "allowed", "forced", "policy", "plan", "actor", "at", "missing")}
    return Reason("verdict", text, digest, values, tuple(behind))


def explain_object_parts(store: Store, keys: KeyRing, digest: Digest) -> tuple[Reason, ...]:
    """What an object holds or was made from, the run that made it, and all that was stated about it."""
    thing, gone = thing_at(store, digest), explain_revocation(store, keys, digest)
    if thing.kind == "release":
        return (*gone, *explain_evidence_of(store, keys, digest), *_components(store, keys, digest))
    return (*gone, *explain_run(store, keys, digest), *_stated(store, keys, digest))


def live_release(store: Store, digest: Digest | None) -> Digest | None:
    """The release that a deployment puts live; None for another object, and where it cannot be read any more."""
    with suppress(ShipwayError):
        return release_of(store, digest) if digest else None
    return None


def _components(store: Store, keys: KeyRing, release: Digest) -> list[Reason]:
    try:
        parts = load_components(store, release)
    except ShipwayError as problem:
        return [Reason("component", f"its components cannot be read: {problem.what}", release)]
    return [
        Reason(
            "component",
            f"{part.kind} {part.name} {short(part.digest)}".replace("  ", " "),
            part.digest,
            {"component": part.kind, "name": part.name},
            explain_object_parts(store, keys, part.digest),
        )
        for part in parts
    ]


def _stated(store: Store, keys: KeyRing, digest: Digest) -> tuple[Reason, ...]:
    """Evidence about a part; its provenance is told as the run."""
    found = explain_evidence_of(store, keys, digest)
    return tuple(reason for reason in found if not str(reason.values.get("predicate_type")).startswith("https://slsa.dev/prov"))


def _checks(value: Json, kind: str = "check") -> list[Reason]:
    """The checks of a verdict; those that a rule only observes stopped nothing, and say so."""
    found, mark = [], "" if kind == "check" else f"{kind}, stopping nothing: "
    for record in _list(value):
        with suppress(CheckMalformed):
            check = Check.from_json(cast("JsonObject", record))
            found.append(Reason(kind, mark + check_text(check), values=check.to_json()))
    return found


def explain_revocation(store: Store, keys: KeyRing, digest: Digest) -> tuple[Reason, ...]:
    """That an object is revoked now, by whom and why; nothing when it is not."""
    found = revoked(store, keys, digest)
    if found is None:
        return ()
    by, why = (str(found.predicate.get(key) or "") for key in ("by", "why"))
    values: dict[str, Json] = {"by": by, "why": why, "at": instant(found.at)}
    return (Reason("revocation", f"REVOKED by {by} at {when(found.at)}: {why}", found.envelope, values),)


def _refusals(store: Store, record: AuditRecord) -> list[Reason]:
    """That the same target was refused here before."""
    if record.target is None or record.outcome != "moved":
        return []
    before = store.history(record.resource, before=record.id, limit=_LOOKED)
    refused = [r for r in before if r.target == record.target and r.outcome in ("refused", "forbidden")][:_PAST]
    return [
        Reason(
            "refusal",
            f"{r.outcome} before: by {r.actor} at {when(r.at)}"
            + "".join(f"; {line}" for line in _list(_record(store, r.verdict).get("missing"))),
            r.verdict,
            {"who": r.actor, "when": instant(r.at), "outcome": r.outcome},
        )
        for r in refused
    ]


def _place(store: Store, digest: Digest | None) -> str:
    release = live_release(store, digest)
    return f"release {short(release)}" if release else short(digest) if digest else "nothing"


def _record(store: Store, digest: Digest | None) -> JsonObject:
    """An object; nothing where it cannot be read any more."""
    return (thing_at(store, digest).record or {}) if digest else {}


def _list(value: Json) -> list[Json]:
    return list(value) if isinstance(value, list) else []
