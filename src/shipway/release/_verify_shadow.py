"""What a bundle says about itself, as a store of its own that is thrown away: so that the gate reads and judges statements
from outside with the very code that it reads and judges its own with.

Of the history in it only those moves are made again whose verdict a trusted key has signed.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from shipway.access import KeyRing
from shipway.gate import load_evidence, release_of
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import Clock, SystemClock, parse_instant
from shipway.kernel.digest import Digest, is_digest
from shipway.kernel.errors import ShipwayError
from shipway.release._attachment import Attachment
from shipway.release._bundle import Freight
from shipway.release._bundle_import import index_evidence
from shipway.release._layout import Bundle
from shipway.store import NewAudit, ObjectDamaged, ObjectMissing, Store, open_store

_VERDICT_FIELD = "https://shipway.dev/verdict"  # of a verification summary


@contextmanager
def open_shadow(bundle: Bundle, *, clock: Clock | None = None) -> Iterator[Store]:
    """A store of the bundle's documents and statements, gone when this ends."""
    with tempfile.TemporaryDirectory(prefix="shipway-verify-") as folder:
        store = open_store(Path(folder), project_of(bundle), create=True, clock=clock or SystemClock())
        try:
            for data in bundle.reader.documents.values():
                store.objects.put(data)
            for freight in bundle.freights:
                index_evidence(store, freight)
            yield store
        finally:
            store.close()


def records(bundle: Bundle, freight: Freight, kind: str) -> list[tuple[Attachment, JsonObject]]:
    """The records of a kind that go with a release, oldest first."""
    wanted = media.media_type(kind)
    found = [carried.attachment for carried in freight.carried if carried.attachment.media_type == wanted]
    return [(made, bundle.reader.record(made.data)) for made in sorted(found, key=lambda made: made.created)]


def signed_verdicts(bundle: Bundle, freight: Freight, store: Store, keys: KeyRing) -> list[tuple[Digest, JsonObject]]:
    """The verdicts that a trusted key has signed a summary of, oldest first."""
    signed = {
        digest
        for statement in load_evidence(store, keys, freight.release.digest, predicate=media.SUMMARY_PREDICATE)
        if (digest := _verdict_of(statement.predicate))
    }
    found = records(bundle, freight, "verdict")
    return [(made.data.digest, verdict) for made, verdict in found if made.data.digest in signed]


def replay(store: Store, verdicts: list[tuple[Digest, JsonObject]], *, ref: str) -> bool:
    """Make the signed moves of other refs again, and put `ref` where it was before the release; whether that is known."""
    known = False
    for _, verdict in verdicts:
        with suppress(ShipwayError, ValueError, KeyError):
            if verdict["ref"] != ref:
                _move(store, str(verdict["ref"]), str(verdict["to"]), verdict)
            elif not known:
                known = verdict["from"] is None or _move(store, ref, str(verdict["from"]), verdict)
    return known


def _move(store: Store, ref: str, to: str, verdict: JsonObject) -> bool:
    """A move in the shadow; False for one to an object that the bundle does not hold."""
    if not ref.startswith("deploy/") or not is_digest(to):
        return False
    target, present = Digest(to), store.ref(ref)
    source = present.digest if present else None
    try:
        release = release_of(store, target)
        if release:
            store.get(release)
    except (ObjectMissing, ObjectDamaged):
        return False
    if source == target:
        return True
    words = {"project": store.project, "ref": ref, "from": source, "to": target, "allowed": True}
    allowed = store.put({"kind": "verdict", "version": 1, **words})
    at = parse_instant(str(verdict["at"]))
    record = NewAudit(at, str(verdict["actor"]), "move", ref, "moved", source, target, allowed, release=release)
    store.move(record, expected=source)
    return True


def _verdict_of(predicate: JsonObject) -> Digest | None:
    field = predicate.get(_VERDICT_FIELD)
    named = field.get("digest") if isinstance(field, Mapping) else None
    text = f"sha256:{named.get('sha256')}" if isinstance(named, Mapping) else ""
    return Digest(text) if is_digest(text) and predicate.get("verificationResult") == "PASSED" else None


def project_of(bundle: Bundle) -> str:
    """The project that its verdicts are of; nothing is lost when that is unknown."""
    named = Counter(
        str(verdict.get("project"))
        for freight in bundle.freights
        for _, verdict in records(bundle, freight, "verdict")
        if verdict.get("project")
    )
    return named.most_common(1)[0][0] if named else "bundle"
