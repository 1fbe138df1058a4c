"""What a person types for an object: a digest, its first digits, a ref, or where a ref stood earlier."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass

from shipway.kernel.canonical import JsonObject, parse_object
from shipway.kernel.clock import parse_instant
from shipway.kernel.digest import Digest, is_digest, parse_digest, short
from shipway.kernel.errors import ShipwayError
from shipway.release._manifest import RELEASE_TYPE
from shipway.store import Store

_EARLIER = re.compile(r"(?P<ref>.+?)(?:~(?P<steps>[0-9]{1,6})|@\{(?P<time>[^{}]+)\})")
_HEX = re.compile(r"[0-9a-f]{4,64}")
_LEAST = 4  # digits: with fewer, what one means changes from day to day
_LARGEST = 20_000_000  # bytes of an object that is looked into; what is larger is a leaf
_PAGE = 500


class ObjectUnknown(ShipwayError):
    """Nothing, or more than one thing, is called so."""

    code = "release.object-unknown"


@dataclass(frozen=True, slots=True)
class Found:
    """An object by what it is; name: of what, where the text that found it says so (`delay` of `data/delay`)."""

    digest: Digest
    kind: str
    name: str
    text: str


def find_object(store: Store, text: str) -> Found:
    """The object of `sha256:...`, of its first digits, of a ref (`data/flights`, `deploy/delay@prod`), of the place before
    (`deploy/delay@prod~1`) or at a time (`deploy/delay@prod@{2026-11-28 12:00}`).

    Raises ObjectUnknown, ObjectMissing, ObjectDamaged.
    """
    plain = text.strip()
    digits = plain.removeprefix("sha256:")
    if is_digest(f"sha256:{digits}"):
        return _found(store, parse_digest(f"sha256:{digits}"), "", text)
    if plain.startswith("sha256:") or _HEX.fullmatch(digits):
        return _by_digits(store, digits, text)
    match = _EARLIER.fullmatch(plain)
    ref = (match["ref"] if match else plain).removesuffix("@approved")
    return _found(store, _stood(store, ref, match, text), ref.partition("/")[2].partition("@")[0], text)


def kind_of(record: JsonObject) -> str:
    """What an object is: its kind, or what OCI and DSSE call what has none of ours."""
    if isinstance(record.get("kind"), str):
        return str(record["kind"])
    if record.get("artifactType") == RELEASE_TYPE:
        return "release"
    if "payloadType" in record:
        return "evidence"
    return "manifest" if "schemaVersion" in record else "thing without kind"


def _found(store: Store, digest: Digest, name: str, text: str) -> Found:
    if (store.objects.size(digest) or 0) > _LARGEST:
        raise ObjectUnknown(f"{text} is no object, but bytes that one names", where=digest, mend="name the object")
    data = store.objects.get(digest)
    try:
        return Found(digest, kind_of(parse_object(data)), name, text)
    except ShipwayError:
        raise ObjectUnknown(f"{text} is no object, but bytes that one names", where=digest, mend="name the object") from None


def _by_digits(store: Store, digits: str, text: str) -> Found:
    if len(digits) < _LEAST or not _HEX.fullmatch(digits):
        raise ObjectUnknown(f"{text!r} is too short for a digest", mend=f"give at least {_LEAST} of its digits")
    fitting = []
    for digest in store.objects.find(digits):
        with suppress(ShipwayError):  # a leaf, or a damaged one: nothing that could be meant
            fitting.append(_found(store, digest, "", text))
    if len(fitting) == 1:
        return fitting[0]
    if not fitting:
        raise ObjectUnknown(f"no object begins with {digits}", mend="list refs with: shipway log")
    what = ", ".join(f"{short(found.digest)} (a {found.kind})" for found in fitting[:4])
    raise ObjectUnknown(f"{len(fitting)} objects begin with {digits}: {what}", mend="give more digits")


def _stood(store: Store, ref: str, match: re.Match[str] | None, text: str) -> Digest:
    present = store.ref(ref)
    if present is None:
        raise ObjectUnknown(f"there is no object and no ref {text}", where=store.project, mend="list refs with: shipway log")
    if match is None:
        return present.digest
    return _back(store, ref, int(match["steps"])) if match["steps"] else _at(store, ref, match["time"])


def _back(store: Store, ref: str, steps: int) -> Digest:
    """Where the ref stood so many moves ago."""
    left, before = steps, None
    while page := store.lives(ref, before=before, limit=_PAGE):
        if left < len(page) and page[left].target:
            return Digest(str(page[left].target))
        left, before = left - len(page), page[-1].id
    made = steps - left
    raise ObjectUnknown(f"{ref} moved {made} times, so there is no {ref}~{steps}", where=ref, mend=f"shipway log {ref}")


def _at(store: Store, ref: str, time: str) -> Digest:
    """Where the ref stood at that time."""
    try:
        moment = parse_instant(time)
    except ValueError:
        raise ObjectUnknown(f"{time!r} is no time", where=ref, mend=f"as in {ref}@{{2026-11-28 12:00}}, in UTC") from None
    before: int | None = None
    while page := store.lives(ref, before=before, limit=_PAGE):
        for record in page:
            if record.at <= moment and record.target:
                return record.target
        before = page[-1].id
    raise ObjectUnknown(f"{ref} pointed at nothing yet at {time}", where=ref, mend=f"shipway log {ref}")
