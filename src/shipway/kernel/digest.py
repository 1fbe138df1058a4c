"""Names made of content: `sha256:<64 hex>`, and the OCI descriptor that points at bytes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NewType

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.errors import ShipwayError

Digest = NewType("Digest", str)
"""`sha256:` and 64 lower-case hexadecimal digits."""

_FORM = re.compile(r"sha256:[0-9a-f]{64}")


class DigestMalformed(ShipwayError):
    """A text that should be a digest is none."""

    code = "kernel.digest-malformed"


def digest_bytes(data: bytes) -> Digest:
    """The digest of these bytes.

    >>> digest_bytes(b"")
    'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'
    """
    return Digest("sha256:" + hashlib.sha256(data).hexdigest())


def parse_digest(text: str) -> Digest:
    """The digest written in `text`; raises DigestMalformed."""
    if not _FORM.fullmatch(text):
        raise DigestMalformed(f"{text[:80]!r} is not a digest", mend="a digest is sha256: and 64 hexadecimal digits")
    return Digest(text)


def is_digest(text: str) -> bool:
    """Whether `text` has the form of a whole digest."""
    return _FORM.fullmatch(text) is not None


def short(digest: str) -> str:
    """The twelve digits that people read.

    >>> short("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    'e3b0c44298fc'
    """
    return digest.removeprefix("sha256:")[:12]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """Points at bytes: what they are, their digest, their size in bytes (OCI image spec 1.1, descriptor)."""

    media_type: str
    digest: Digest
    size: int

    def to_json(self) -> JsonObject:
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}

    @classmethod
    def from_json(cls, value: Json) -> Descriptor:
        """Raises DigestMalformed when the value is not a descriptor."""
        if not isinstance(value, Mapping):
            raise DigestMalformed(f"a descriptor is an object, not {type(value).__name__}")
        media_type, digest, size = value.get("mediaType"), value.get("digest"), value.get("size")
        if not isinstance(media_type, str) or not isinstance(digest, str) or type(size) is not int or size < 0:
            raise DigestMalformed("a descriptor has mediaType, digest and size")
        return cls(media_type, parse_digest(digest), size)
