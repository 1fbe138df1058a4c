"""What a person types for a place in a registry: `REGISTRY/NAME[:TAG]` or `REGISTRY/NAME@sha256:...`."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from shipway.kernel.digest import is_digest
from shipway.kernel.errors import ShipwayError

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_NAME = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*")  # distribution spec 1.1
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")


class RegistryMalformed(ShipwayError):
    """What should name a place in a registry does not."""

    code = "release.registry-malformed"


@dataclass(frozen=True, slots=True)
class Target:
    """A repository in a registry, and a tag or a digest in it, if one is named. plain: HTTP without TLS."""

    host: str
    name: str
    reference: str
    plain: bool

    @property
    def where(self) -> str:
        return f"{self.host}/{self.name}"


def parse_target(text: str, *, plain: bool = False) -> Target:
    """The place that the text names. plain: HTTP even where the registry is not on this machine. Raises RegistryMalformed.

    >>> parse_target("127.0.0.1:5000/team/delay:v1")
    Target(host='127.0.0.1:5000', name='team/delay', reference='v1', plain=True)
    """
    host, _, rest = text.partition("/")
    name, at, digest = rest.partition("@")
    tag = ""
    if not at:
        name, _, tag = rest.partition(":")
    fits = _HOST.fullmatch(host) and _NAME.fullmatch(name) and len(name) <= 255
    if not fits or (at and not is_digest(digest)) or (tag and not _TAG.fullmatch(tag)) or (rest.endswith(":")):
        mend = "write REGISTRY/NAME[:TAG], in small letters: registry.example.org/team/delay"
        raise RegistryMalformed(f"{text[:80]!r} names no place in a registry", mend=mend)
    return Target(host, name, digest or tag, plain or is_loopback(host))


def is_loopback(host: str) -> bool:
    """Whether a host, with or without a port, is this machine by its very name."""
    bare = host.rpartition(":")[0] if re.search(r":[0-9]+$", host) and not host.endswith("]") else host
    try:
        return bare == "localhost" or ipaddress.ip_address(bare.strip("[]")).is_loopback
    except ValueError:
        return False
