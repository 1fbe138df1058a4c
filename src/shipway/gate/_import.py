"""Foreign evidence: what another tool found becomes a signed check here, with the file that it was read from."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shipway.access import Action, Actor, Signer, authorize
from shipway.gate._evidence import attest
from shipway.gate._foreign import LARGEST, Bound, Found, ImportRefused
from shipway.gate._junit import read_junit
from shipway.gate._numbers import read_number, read_run
from shipway.gate._sarif import read_sarif
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check
from shipway.kernel.digest import Digest
from shipway.store import ObjectMissing, Store

FORMATS = ("junit", "sarif", "mlflow", "json")
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,59}")
_TYPES = {"junit": media.XML, "sarif": media.JSON, "mlflow": media.JSON, "json": media.JSON}


@dataclass(frozen=True, slots=True)
class Imported:
    """A check from outside: what it says, its envelope, and the kept file."""

    check: Check
    envelope: Digest
    source: Digest


def read_foreign(data: bytes, form: str, *, path: str = "", bound: Bound | None = None) -> Found:
    """What a file of one of FORMATS says. path: of `json` to the number, of `mlflow` the metric. Raises ImportRefused."""
    if len(data) > LARGEST:
        raise ImportRefused(f"{len(data):,} bytes; reports of at most {LARGEST:,} are read")
    if not data.strip():
        raise ImportRefused("the file is empty")
    if form == "junit":
        return read_junit(data)
    if form == "sarif":
        return read_sarif(data)
    return read_run(data, path, bound) if form == "mlflow" else read_number(data, path, bound)


def import_check(
    store: Store, signer: Signer, actor: Actor, found: Found, *, data: bytes, form: str, name: str, subject: Digest
) -> Imported:
    """Keep the file as a leaf and sign the check `import.NAME` about `subject`, which cites it.

    Raises Forbidden, ImportRefused (the name), ObjectMissing (nothing here has that digest).
    """
    if not _NAME.fullmatch(name):
        raise ImportRefused(f"{name[:60]!r} is no name of a check", mend="lower-case letters, digits, _ and -")
    authorize(actor, Action.RECORD, subject)
    if not store.objects.has(subject):
        raise ObjectMissing(f"no object {subject} is here", where=store.project)
    leaf, check = store.put_bytes(data, _TYPES[form]), found.check(name)
    predicate: JsonObject = {
        "check": check.to_json(),
        "by": actor.name,
        "tool": {"name": found.tool, "version": found.tool_version},
        "format": form,
        "source": leaf.to_json(),
    }
    kind = media.CHECK_PREDICATE
    envelope = attest(store, signer, subject=subject, name=name, predicate_type=kind, predicate=predicate, label=check.name)
    return Imported(check, envelope, leaf.digest)
