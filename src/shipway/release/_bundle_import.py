"""Taking a bundle into a store: every byte is checked on its way in, and nothing is named before all of it is there."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from shipway.access import Actor, KeyRing
from shipway.gate import move_ref
from shipway.kernel import media
from shipway.kernel.canonical import Json, NotCanonical, parse_object
from shipway.kernel.clock import parse_instant
from shipway.kernel.digest import Descriptor, Digest
from shipway.kernel.errors import ShipwayError
from shipway.release._attachment import Attachment, attach
from shipway.release._bundle import WHEELS, BundleDamaged, Freight
from shipway.release._layout import Bundle
from shipway.release._layout_source import chunks_of
from shipway.release._wheels import restore_wheels
from shipway.store import EvidenceRow, ObjectDamaged, Store, StoreFull, while_working

_RELEASE_REF = "release/"
_APPLICATION = re.compile(r"[a-z][a-z0-9_-]{0,199}")  # as a spec has it: a ref stands in every list and history from then on


class ImportUnnamed(ShipwayError):
    """A bundle whose release no application of ours has had, or one of no fit name, so that nobody knows what to call it."""

    code = "release.import-unnamed"


@dataclass(frozen=True, slots=True)
class Imported:
    """A release that was taken in: blobs and bytes that the store did not have, statements, and refs that point at it."""

    release: Digest
    new_blobs: int
    new_bytes: int
    statements: int
    refs: tuple[str, ...]


def keep_bundle(store: Store, bundle: Bundle, *, report: Callable[[int], None] | None = None) -> tuple[int, int]:
    """Bring all blobs of a bundle into the store: how many were new, and their bytes. Names nothing. Raises BundleDamaged."""
    check_room(store, (blob for blob, _ in bundle.blobs().values()))
    blobs = size = 0
    for blob, label in bundle.blobs().values():
        place = bundle.files.blobs[blob.digest]
        document = bundle.reader.documents.get(blob.digest)
        chunks = iter([document]) if document is not None else _reported(chunks_of(place), report)
        try:
            taken = store.objects.put_stream(blob, chunks)
        except ObjectDamaged as problem:
            raise BundleDamaged(f"{label} is damaged: {problem.what}", where=str(place.path)) from problem
        blobs, size = blobs + taken, size + (blob.size if taken else 0)
    return blobs, size


def check_room(store: Store, blobs: Iterable[Descriptor]) -> None:
    """Hours of copying should not end in a full disk, whatever sizes somebody promises. Raises StoreFull."""
    missing = sum(blob.size for blob in blobs if not store.objects.keeps(blob.digest, blob.size))
    free = shutil.disk_usage(store.root).free
    if missing > free:
        what = f"the release needs {missing:,} bytes, and there are {free:,} here"
        raise StoreFull(what, where=str(store.root), mend="free some space and run it again")


def name_freight(
    store: Store, keys: KeyRing, actor: Actor, freight: Freight, *, application: str | None = None, why: str = ""
) -> tuple[int, tuple[str, ...]]:
    """Index the statements and attachments of a release whose bytes are in the store, and point `release/<application>` at it.

    application: otherwise the one that its verdicts name. Returns how many statements there are, and the refs.
    Raises ImportUnnamed, Forbidden, MoveRefused.
    """
    if application and not _APPLICATION.fullmatch(application):
        raise ImportUnnamed(f"{application[:60]!r} is no name of an application", mend="small letters, digits, _ and -")
    refs = (f"{_RELEASE_REF}{application}",) if application else _refs_of(store, freight)
    if not refs:
        what = f"no verdict in the bundle says of which application {freight.release.digest} is a release"
        raise ImportUnnamed(what, mend="name it with --as APPLICATION")
    statements = index_evidence(store, freight)
    for carried in freight.carried:
        if carried.attachment.media_type == WHEELS:
            restore_wheels(store, [carried.attachment.data])
        elif carried.attachment.media_type != media.DSSE:
            attach(store, _foreign(carried.attachment))
    for ref in refs:
        move_ref(store, keys, actor, ref=ref, target=freight.release.digest, why=why)
    return statements, refs


def index_evidence(store: Store, freight: Freight) -> int:
    """Index the statements of a release, whose envelopes are in the store; how many there are. Whether they count is another
    question.
    """
    made = [carried.attachment for carried in freight.carried if carried.attachment.media_type == media.DSSE]
    for attachment in made:
        store.add_evidence(_row(store, attachment))
    return len(made)


def _foreign(made: Attachment) -> Attachment:
    """The policy that was in force elsewhere is not in force here: it is one that verdicts cite."""
    return replace(made, name="policy", created="") if made.media_type == media.media_type("policy") else made


def _row(store: Store, made: Attachment) -> EvidenceRow:
    predicate = ""
    with suppress(NotCanonical, ValueError, KeyError):
        predicate = _predicate_of(store.objects.get(made.data.digest))
    return EvidenceRow(made.data.digest, made.subject, predicate, made.name, _when(store, made))


def _predicate_of(envelope: bytes) -> str:
    """What kind of statement it is, as its payload says; whether it counts is for the gate to say."""
    payload = parse_object(base64.b64decode(str(parse_object(envelope)["payload"]), validate=True))
    return str(payload["predicateType"])


def _when(store: Store, made: Attachment) -> datetime:
    """When it was indexed where it was made, as far as that is not in the future here."""
    now = store.clock.now()
    with suppress(ValueError):
        return min(parse_instant(made.created), now)
    return now


def _refs_of(store: Store, freight: Freight) -> tuple[str, ...]:
    """The refs below release/ that verdicts in the bundle moved to this release."""
    found = set()
    for carried in freight.carried:
        if carried.attachment.media_type == media.media_type("verdict"):
            verdict = _object(store, carried.attachment.data)
            ref = str(verdict.get("ref"))
            named = ref.startswith(_RELEASE_REF) and _APPLICATION.fullmatch(ref.removeprefix(_RELEASE_REF))
            if named and verdict.get("to") == freight.release.digest:
                found.add(ref)
    return tuple(sorted(found))


def _object(store: Store, data: Descriptor) -> dict[str, Json]:
    try:
        return parse_object(store.objects.get(data.digest))
    except NotCanonical:
        return {}


def _made_at(freight: Freight) -> str:
    """When the release was made, as its first verdict says: of several, the ref ends at the newest."""
    wanted = media.media_type("verdict")
    moves = [c.attachment for c in freight.carried if c.attachment.media_type == wanted]
    return min((made.created for made in moves if made.name.startswith(_RELEASE_REF)), default="")


def _reported(chunks: Iterator[memoryview], report: Callable[[int], None] | None) -> Iterator[memoryview]:
    for chunk in chunks:
        if report:
            report(len(chunk))
        yield chunk


@while_working
def import_bundle(
    store: Store,
    keys: KeyRing,
    actor: Actor,
    bundle: Bundle,
    *,
    application: str | None = None,
    why: str = "",
    report: Callable[[int], None] | None = None,
) -> tuple[Imported, ...]:
    """All releases of a bundle: first every byte, then the names. Raises BundleDamaged, ImportUnnamed, Forbidden, StoreFull."""
    blobs, size = keep_bundle(store, bundle, report=report)
    made = []
    for freight in sorted(bundle.freights, key=_made_at):
        statements, refs = name_freight(store, keys, actor, freight, application=application, why=why)
        made.append(Imported(freight.release.digest, blobs, size, statements, refs))
    return tuple(made)
