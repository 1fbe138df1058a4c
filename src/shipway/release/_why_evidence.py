"""Evidence in words: what was stated, by which key, with which tool, and whether it counts."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress

from shipway.access import KeyRing
from shipway.gate import explain_row
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, NotCanonical, parse_object
from shipway.kernel.check import Check, CheckMalformed
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest, is_digest, short
from shipway.release._reason import Reason, check_text, when
from shipway.release._sources import statement_of, subjects_of_statement
from shipway.store import EvidenceRow, ObjectDamaged, ObjectMissing, Store

_READ = 200  # statements about one thing that are opened at most


def explain_evidence_of(store: Store, keys: KeyRing, subject: Digest, *, most: int = 20) -> tuple[Reason, ...]:
    """Statements about a digest, oldest first, those that do not count too; of many, the newest `most`.

    Of one check against one and the same thing only the newest is shown, as it is the one that a gate looks at.
    """
    rows = store.evidence(subject)
    newest: dict[object, Reason] = {}
    for row in rows[-_READ:]:
        reason = explain_envelope(store, keys, row.envelope, row)
        key = (row.name, reason.values.get("against"), reason.values.get("definition"), reason.values.get("counts"))
        repeats = row.predicate == media.CHECK_PREDICATE
        newest.pop(key, None)
        newest[key if repeats else row.envelope] = reason
    found = tuple(newest.values())[-most:]
    left = len(rows) - len(found)
    older = (Reason("evidence", f"and {left:,} older ones", values={"left_out": left}),) if left > 0 else ()
    return (*older, *found)


def explain_envelope(store: Store, keys: KeyRing, envelope: Digest, row: EvidenceRow | None = None) -> Reason:
    """One statement: what it says, who signed it when, with which tool, and whether it counts here and now."""
    statement, signer = _opened(store, envelope)
    row = row or _row(store, envelope, statement)
    reading = explain_row(store, keys, row, store.clock.now()) if row else None
    predicate = statement.get("predicate")
    said: JsonObject = predicate if isinstance(predicate, Mapping) else {}
    key = reading.statement.key if reading and reading.statement else keys.find(signer)
    at = reading.at if reading else None
    lacking = reading.why if reading else "no statement that is kept here"
    values: dict[str, Json] = {
        "predicate_type": statement.get("predicateType") or (row.predicate if row else None),
        "check": said.get("check"),
        "by": said.get("by") or said.get("approver"),
        "tool": said.get("tool"),
        "against": said.get("against"),
        "definition": said.get("definition"),
        "at": instant(at) if at else None,
        "key": key.id if key else signer,
        "signer": key.name if key else None,
        "counts": not lacking,
        "why": lacking,
    }
    by = [f"by {values['by']}"] if values["by"] else []
    by += [_tool(said)] if said.get("tool") else []
    by += [f"key {str(values['key'])[:12]}" + (f" of {key.name}" if key else "")] if values["key"] else []
    by += [when(at)] if at else []
    counts = f"does not count: {lacking}" if lacking else "counts"
    text = _text(str(values["predicate_type"]), said)
    return Reason("evidence", f"evidence {short(envelope)}: {text}; {', '.join(by)}; {counts}", envelope, values)


def _opened(store: Store, envelope: Digest) -> tuple[JsonObject, str]:
    """The statement of an envelope, unverified, and the id of the key that is named first; empty where it cannot be read."""
    try:
        record = parse_object(store.objects.get(envelope))
    except (ObjectMissing, ObjectDamaged, NotCanonical):
        return {}, ""
    entries = record.get("signatures")
    first = entries[0] if isinstance(entries, list) and entries else None
    return statement_of(record), str(first.get("keyid") or "") if isinstance(first, Mapping) else ""


def _row(store: Store, envelope: Digest, statement: JsonObject) -> EvidenceRow | None:
    """Where a statement is indexed: under what it says that it is about."""
    for subject in subjects_of_statement(statement):
        for row in store.evidence(subject):
            if row.envelope == envelope:
                return row
    return None


def _text(predicate_type: str, said: JsonObject) -> str:
    if predicate_type == media.CHECK_PREDICATE:
        with suppress(CheckMalformed):
            check = said.get("check")
            against = f" against {short(str(said['against']))}" if said.get("against") else ""
            return check_text(Check.from_json(check)) + against if isinstance(check, Mapping) else "a check"
    if predicate_type == media.APPROVAL_PREDICATE:
        return "approval" + (f" ({said['why']})" if said.get("why") else "")
    if predicate_type == media.REVOCATION_PREDICATE:
        return f"{'revocation lifted' if said.get('lifted') is True else 'revoked'} by {said.get('by')} ({said.get('why')})"
    if predicate_type == media.PROVENANCE_PREDICATE:
        return "provenance of a run"
    if predicate_type == media.REBUILD_PREDICATE:
        return f"rebuilt: {said.get('equality')}"
    if predicate_type == media.REVOCATION_PREDICATE:
        return f"{'revocation lifted' if said.get('lifted') is True else 'revocation'} ({said.get('why')})"
    if predicate_type == media.SUMMARY_PREDICATE:
        return f"summary of a verdict: {said.get('verificationResult')}"
    return predicate_type.removeprefix("https://")


def _tool(said: JsonObject) -> str:
    tool = said.get("tool")
    if not isinstance(tool, Mapping):
        return f"with {tool}"
    return f"with {tool.get('name')} {tool.get('version') or ''}".rstrip()


def explain_run(store: Store, keys: KeyRing, model: Digest) -> tuple[Reason, ...]:
    """The newest run that made an object, with the data, code and environment that it took; empty when none is recorded."""
    rows = [row for row in store.evidence(model) if row.predicate == media.PROVENANCE_PREDICATE]
    return tuple(_run(store, keys, row) for row in rows[-1:])


def _run(store: Store, keys: KeyRing, row: EvidenceRow) -> Reason:
    seen, said = explain_envelope(store, keys, row.envelope, row), _opened(store, row.envelope)[0].get("predicate")
    if not isinstance(said, Mapping):
        return seen
    build, details = (_mapping(said, key) for key in ("buildDefinition", "runDetails"))
    builder, meta = _mapping(details, "builder"), _mapping(details, "metadata")
    inside, parameters = _mapping(build, "internalParameters"), _mapping(build, "externalParameters")
    git, actor = _mapping(inside, "git"), inside.get("actor") or builder.get("actor")  # the latter in runs of before
    commit = f", commit {str(git['commit'])[:12]}{' with changes' if git.get('dirty') else ''}" if git.get("commit") else ""
    host = str(builder.get("id") or "").rpartition("/")[2]
    text = (
        f"made by a run of {actor or 'somebody'} on {host or 'a machine'}, {meta.get('startedOn')}"
        f"{commit} (evidence {short(row.envelope)}, {'counts' if seen.values['counts'] else 'does not count'})"
    )
    values = {"run": meta.get("invocationId"), "git": git, "parameters": parameters.get("parameters"), **seen.values}
    return Reason("run", text, row.envelope, values, tuple(_dependencies(build.get("resolvedDependencies"))))


def _dependencies(value: Json) -> list[Reason]:
    found = []
    for entry in value if isinstance(value, list) else []:
        digest = f"sha256:{_mapping(entry, 'digest').get('sha256')}"
        if isinstance(entry, Mapping) and is_digest(digest):
            name = str(entry.get("name") or entry.get("uri") or "")
            found.append(Reason("dependency", f"from {name} {short(digest)}", Digest(digest), {"name": name}))
    return found


def _mapping(value: Json, key: str) -> JsonObject:
    found = value.get(key) if isinstance(value, Mapping) else None
    return found if isinstance(found, Mapping) else {}
