"""The trust file, `trust.json` beside the private key: which keys count here, for what, from when until when.

It is outside every store, so that whoever can write a store cannot say whom it trusts. A person may read and edit it.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from shipway.access._public import KeyMissing, Period, Revoked, TrustedKey, algorithm_of, key_id, parse_public
from shipway.kernel.canonical import Json, JsonObject, NotCanonical, parse_object
from shipway.kernel.clock import instant, parse_instant
from shipway.kernel.errors import ShipwayError

FILE = "trust.json"
_FIELDS = {
    1: frozenset({"id", "name", "roles", "public", "since", "until", "revoked"}),
    2: frozenset({"id", "name", "roles", "public", "since", "until", "revoked", "earlier"}),
}


class TrustMalformed(ShipwayError):
    """The trust file cannot be read as one: nothing is trusted on a guess."""

    code = "access.trust-malformed"


def load_trust(folder: Path) -> list[TrustedKey]:
    """The keys of `<folder>/trust.json`, in its order; none when there is no such file. Raises TrustMalformed, KeyMissing."""
    path = folder / FILE
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as problem:
        raise TrustMalformed(f"cannot read {FILE}: {problem.strerror}", where=str(path)) from problem
    return parse_trust(data, where=str(path))


def parse_trust(data: bytes, *, where: str) -> list[TrustedKey]:
    """The keys of a trust file's bytes, in its order. Raises TrustMalformed, KeyMissing."""
    try:
        return _keys(parse_object(data), where)
    except (NotCanonical, KeyError, TypeError, ValueError) as problem:
        raise _malformed(str(problem) or type(problem).__name__, where) from problem


def save_trust(folder: Path, keys: Sequence[TrustedKey]) -> None:
    """Write the trust file whole or not at all, mode 0600.

    Of version 2 only where a key was trusted again, so that an older Shipway reads the rest, and refuses what it would misread.
    """
    import json

    version = 2 if any(key.earlier for key in keys) else 1
    value = {"kind": "trust", "version": version, "keys": [_to_json(key) for key in keys]}
    write_private(folder / FILE, json.dumps(value, indent=2, ensure_ascii=False).encode() + b"\n")


@contextmanager
def changing(folder: Path) -> Iterator[None]:
    """One change of the keys at a time; a second process waits for the first."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (folder / ".lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def write_private(path: Path, data: bytes) -> None:
    """Put a file in place at once, readable by its owner alone. Raises KeyMissing."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(prefix=f"{path.name}.", dir=path.parent, delete=False) as out:  # made with mode 0600
            try:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
                Path(out.name).replace(path)
            except BaseException:
                Path(out.name).unlink(missing_ok=True)
                raise
    except OSError as problem:
        mend = "name a folder that can be written with SHIPWAY_KEYS"
        raise KeyMissing(f"cannot write {path.name}: {problem.strerror}", where=str(path), mend=mend) from problem


def _keys(record: JsonObject, where: str) -> list[TrustedKey]:
    if record.get("kind") != "trust":
        raise _malformed(f"its kind is {record.get('kind')!r}, not 'trust'", where)
    version = record.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version not in _FIELDS:
        raise TrustMalformed(
            f"{FILE} has version {version!r}, and this Shipway reads versions 1 and 2",
            where=where,
            mend="upgrade Shipway",
        )
    entries = record["keys"]
    if not isinstance(entries, list):
        raise _malformed("its keys are no list", where)
    keys = [_key(entry, number, where, fields=_FIELDS[version]) for number, entry in enumerate(entries, 1)]
    twice = {key.id for key in keys if sum(other.id == key.id for other in keys) > 1}
    if twice:
        raise _malformed(f"the key {min(twice)} comes twice", where)
    return keys


def _key(entry: Json, number: int, where: str, *, fields: frozenset[str]) -> TrustedKey:
    if not isinstance(entry, Mapping):
        raise _malformed(f"key {number} is no object", where)
    unknown = entry.keys() - fields
    if unknown:
        raise _malformed(f"key {number} has an unknown field {min(unknown)}", where)
    name, pem, roles = entry.get("name"), entry.get("public"), entry.get("roles")
    if not isinstance(name, str) or not isinstance(pem, str) or not name.strip():
        raise _malformed(f"key {number} lacks its name or its public key", where)
    if not isinstance(roles, list) or not roles or not all(isinstance(role, str) and role for role in roles):
        raise _malformed(f"key {number} ({name}) has no list of roles", where)
    public = parse_public(pem.encode(), name=f"key {number} ({name})", where=where)
    if entry.get("id") != key_id(public):
        raise _malformed(f"key {number} ({name}) has another id than its public key", where)
    since, until = (_moment(entry.get(field), f"{field} of key {number} ({name})", where) for field in ("since", "until"))
    revoked = _revoked(entry.get("revoked"), f"revoked of key {number} ({name})", where)
    earlier = _earlier(entry.get("earlier", []), f"earlier of key {number} ({name})", where)
    facts = (key_id(public), name, frozenset(map(str, roles)), algorithm_of(public))
    return TrustedKey(*facts, since, until, revoked, pem, earlier)


def _moment(text: Json, what: str, where: str) -> datetime | None:
    if text is None:
        return None
    try:
        return parse_instant(text if isinstance(text, str) else "")
    except ValueError:
        raise _malformed(f"{what} is no time", where) from None


def _earlier(value: Json, what: str, where: str) -> tuple[Period, ...]:
    """Each period has ended: one without an end would count for ever, whatever `until` says."""
    if not isinstance(value, list):
        raise _malformed(f"{what} is no list", where)
    found = []
    for entry in value:
        if not isinstance(entry, Mapping) or entry.keys() - {"since", "until"}:
            raise _malformed(f"{what} has an entry that is no period", where)
        since, until = (_moment(entry.get(field), f"{field} in {what}", where) for field in ("since", "until"))
        if until is None:
            raise _malformed(f"{what} has a period without an end", where)
        found.append(Period(since, until))
    return tuple(found)


def _revoked(value: Json, what: str, where: str) -> Revoked | None:
    """A key whose revocation cannot be read must not count as one that is not revoked: that is an error."""
    if value is None:
        return None
    at = _moment(value.get("at"), f"at in {what}", where) if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or at is None:
        raise _malformed(f"{what} has no time", where)
    return Revoked(at, str(value.get("reason") or ""))


def _to_json(key: TrustedKey) -> dict[str, Json]:
    value: dict[str, Json] = {"id": key.id, "name": key.name, "roles": sorted(key.roles), "public": key.public}
    value |= _moments(key.periods[-1])
    if key.earlier:
        value["earlier"] = [_moments(one) for one in key.earlier]
    if key.revoked:
        value["revoked"] = {"at": instant(key.revoked.at), "reason": key.revoked.reason}
    return value


def _moments(one: Period) -> dict[str, Json]:
    times = {"since": one.since, "until": one.until}
    return {field: instant(moment) for field, moment in times.items() if moment}


def _malformed(what: str, where: str) -> TrustMalformed:
    return TrustMalformed(f"{FILE} is malformed: {what}", where=where, mend="mend the file, or restore the one before")
