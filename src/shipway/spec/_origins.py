"""Where a fine-tuned model comes from: its base model and its adapters."""

from __future__ import annotations

import re

import msgspec

from shipway.spec._fields import fields, text
from shipway.spec._names import legal_form
from shipway.spec._node import Node

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class OriginSpec(msgspec.Struct, frozen=True, kw_only=True):
    """A base model or an adapter: of this project (`ref`: `model/NAME` or `data/NAME`), an object here (`kept`: `digest` names
    it), or elsewhere (`name`, such as a hub's id, with `revision` and the `digest` of its file).
    """

    name: str
    ref: str | None = None
    digest: str | None = None
    revision: str | None = None
    kept: bool = False


def read_origin(node: Node, what: str) -> OriginSpec:
    """`model/NAME`, `data/NAME`, a digest, or a group of name, revision and digest."""
    if isinstance(node.value, dict):
        return _elsewhere(node, what)
    said = text(node, what)
    if _DIGEST.fullmatch(said):
        return OriginSpec(name=said[:19], digest=said, kept=True)
    kind, _, name = said.partition("/")
    if kind not in ("model", "data") or legal_form(name) != name:
        mend = "write model/NAME or data/NAME of this project, a digest, or {name: ID, revision: REVISION, digest: sha256:HEX}"
        raise node.fail(f"{what} is no model that is known here: {said}", mend=mend)
    return OriginSpec(name=said, ref=said)


def _elsewhere(node: Node, what: str) -> OriginSpec:
    entries = fields(node, ("name", "revision", "digest"), what)
    if "name" not in entries:
        raise node.fail(f"{what} has no name", mend="name: the id by which its home knows it")
    if "revision" not in entries and "digest" not in entries:
        raise node.fail(f"{what} could be any revision", mend="give its revision, or the digest of its file")
    said = {key: text(entry, f"the {key} of {what}") for key, entry in entries.items()}
    if "digest" in said and not _DIGEST.fullmatch(said["digest"]):
        raise entries["digest"].fail(f"the digest of {what} is sha256: and 64 lower-case hexadecimal digits")
    return OriginSpec(name=said["name"], revision=said.get("revision"), digest=said.get("digest"))
