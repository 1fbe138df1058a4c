"""Two objects of one kind compared, in the words of a plan."""

from __future__ import annotations

import base64
from dataclasses import dataclass

from shipway.kernel.canonical import JsonObject, parse_object
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.release._changes import Change, change_of, deployment_changes, release_changes
from shipway.release._deployment import release_descriptor
from shipway.release._describe import describe_change
from shipway.release._describe_json import describe_json
from shipway.release._described import Described, Look
from shipway.release._find import Found
from shipway.store import Store


class KindsDiffer(ShipwayError):
    """Two objects that are not of one kind."""

    code = "release.kinds-differ"


@dataclass(frozen=True, slots=True)
class Difference:
    """kind: as what the two were compared; source and target: the objects compared; changes: none when they are equal."""

    kind: str
    source: Digest
    target: Digest
    changes: tuple[Change, ...]


def compare_objects(look: Look, source: Found, target: Found) -> Difference:
    """What differs: releases and deployments component by component, others as one change.

    A deployment stands for its release beside a release, and what a plan would do is compared by its deployments. Raises
    KindsDiffer, ObjectMissing, ObjectDamaged, ReleaseMalformed.
    """
    kinds = {source.kind, target.kind}
    if kinds == {"deployment", "release"}:
        return _compared(look, "release", _release(look.store, source), _release(look.store, target), "")
    if len(kinds) > 1:
        what = f"{source.text} is a {source.kind} and {target.text} a {target.kind}"
        raise KindsDiffer(what, mend="compare two of one kind; a deployment's components have digests of their own")
    return _compared(look, source.kind, source.digest, target.digest, source.name or target.name or _data_name(look, source))


def _compared(look: Look, kind: str, source: Digest, target: Digest, name: str) -> Difference:
    if source == target:
        return Difference(kind, source, target, ())
    if kind == "release":
        return Difference(kind, source, target, release_changes(look, source, target))
    if kind == "deployment":
        return Difference(kind, source, target, deployment_changes(look, source, target))
    told = _evidence(look, source, target) if kind == "evidence" else describe_change(look, kind, source, target, name=name)
    change = change_of(kind, name, source, target, told)
    return Difference(kind, source, target, (change, *_planned(look, kind, source, target)))


def _release(store: Store, found: Found) -> Digest:
    if found.kind == "release":
        return found.digest
    return release_descriptor(store.get(found.digest, "deployment")).digest


def _data_name(look: Look, found: Found) -> str:
    """Which data set a snapshot is of, so that its contract says what names a row."""
    if found.kind != "snapshot":
        return ""
    names = (ref.name for ref in look.store.refs("data/") if look.store.lives(ref.name, target=found.digest, limit=1))
    return next(names, "").removeprefix("data/")


def _planned(look: Look, kind: str, source: Digest, target: Digest) -> tuple[Change, ...]:
    """What two plans would put live, compared."""
    if kind != "plan":
        return ()
    try:
        ends = [Digest(str(look.store.get(digest, "plan")["to"])) for digest in (source, target)]
        return deployment_changes(look, *ends) if ends[0] != ends[1] else ()
    except (ShipwayError, KeyError, TypeError, ValueError):  # one that names what is not here is compared by its fields alone
        return ()


def _evidence(look: Look, source: Digest, target: Digest) -> Described:
    """Envelopes are compared by what was signed."""
    try:
        statements = [_statement(look.store.get(digest)) for digest in (source, target)]
    except (ShipwayError, KeyError, TypeError, ValueError):
        return describe_change(look, "evidence", source, target)
    return describe_json(look, *statements)


def _statement(envelope: JsonObject) -> JsonObject:
    signatures = envelope["signatures"]
    return {"statement": parse_object(base64.b64decode(str(envelope["payload"]), validate=True)), "signatures": signatures}
