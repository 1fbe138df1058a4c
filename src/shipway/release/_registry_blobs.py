"""Blobs and manifests of a repository: asked for, sent and fetched (OCI distribution spec 1.1), never trusted.

Sending goes on where it broke off, where the registry says how far it got; so does fetching, where it knows ranges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import urlencode

from shipway.kernel import media
from shipway.kernel.digest import Descriptor
from shipway.release._bundle import BundleDamaged, missing_blob
from shipway.release._layout_source import CHUNK
from shipway.release._registry_http import FAULTS, TRIES, Registry, RegistryDown, RegistryRefused, Reply, pause

MANIFESTS = frozenset({media.OCI_INDEX, media.OCI_MANIFEST})
_ACCEPT = {"Accept": f"{media.OCI_INDEX}, {media.OCI_MANIFEST}"}
_BYTES = {"Content-Type": "application/octet-stream"}
_SMALL = 1 << 20  # bytes that go in one request
Opened = Callable[[int], Iterator[bytes | memoryview]]
"""Gives the bytes of a blob from an offset on."""


class RegistrySource:
    """A repository as the source of a bundle."""

    def __init__(self, registry: Registry) -> None:
        self._registry, self.where = registry, registry.where

    def read(self, wanted: Descriptor) -> bytes:
        if wanted.media_type in MANIFESTS:
            reply = find_manifest(self._registry, wanted.digest)
            if reply is None:
                raise missing_blob(self.where, wanted.digest)
            return reply.read(wanted.size + 1)
        return b"".join(bytes(chunk) for chunk in fetch_blob(self._registry, wanted))


def find_manifest(registry: Registry, reference: str) -> Reply | None:
    """The answer with a manifest by tag or digest; None where there is none."""
    url = registry.url(f"manifests/{reference}")
    reply = registry.ask_again("GET", url, headers=_ACCEPT, expect=(200, 404))
    if reply.status == 200:
        return reply
    reply.read()
    return None


def has_blob(registry: Registry, blob: Descriptor) -> bool:
    """Whether the repository has it, in this size."""
    reply = registry.ask_again("HEAD", registry.url(f"blobs/{blob.digest}"), expect=(200, 404))
    reply.read()
    return reply.status == 200 and reply.header("content-length") in ("", str(blob.size))


def has_manifest(registry: Registry, reference: str, digest: str) -> bool:
    """Whether a tag or a digest names this very manifest."""
    url = registry.url(f"manifests/{reference}")
    reply = registry.ask_again("HEAD", url, headers=_ACCEPT, expect=(200, 404))
    reply.read()
    return reply.status == 200 and (reference == digest or reply.header("docker-content-digest") == digest)


def put_manifest(registry: Registry, reference: str, data: bytes, media_type: str) -> Reply:
    """Keep a manifest under a tag or its digest."""
    url = registry.url(f"manifests/{reference}")
    reply = registry.ask_again("PUT", url, headers={"Content-Type": media_type}, body=data, expect=(200, 201, 202))
    reply.read()
    return reply


def fetch_blob(registry: Registry, wanted: Descriptor) -> Iterator[bytes]:
    """The bytes of a blob, never more than its size and one; goes on after a cut where the registry knows ranges.

    Raises BundleDamaged when the repository has none, RegistryDown.
    """
    got, attempt = 0, 0
    url = registry.url(f"blobs/{wanted.digest}")
    while True:
        headers = {"Range": f"bytes={got}-"} if got else {}
        try:
            reply = registry.ask("GET", url, headers=headers, expect=(200, 206, 404))
            if reply.status == 404:
                reply.read()
                raise missing_blob(registry.where, wanted.digest)
            skip = got if reply.status == 200 else 0
            for chunk in _chunks(reply, wanted.size + 1 - got + skip):
                fresh, skip = chunk[skip:], max(0, skip - len(chunk))
                got += len(fresh)
                if fresh:
                    attempt = 0
                    yield fresh
            if got >= wanted.size:
                return
            raise OSError(f"the connection was cut after {got:,} of {wanted.size:,} bytes")
        except RegistryDown:
            if attempt >= TRIES - 1:
                raise
        except FAULTS as problem:
            registry.hang_up()
            if attempt >= TRIES - 1:
                raise registry.down(problem) from problem
        attempt += 1
        pause(attempt)


def _chunks(reply: Reply, limit: int) -> Iterator[bytes]:
    left = limit  # what is more than it should be is not read
    try:
        while left > 0 and (chunk := reply.stream.read(min(CHUNK, left))):
            left -= len(chunk)
            yield chunk
    finally:
        reply.end()


def send_blob(registry: Registry, blob: Descriptor, opened: Opened) -> None:
    """Send a blob that the repository has not. Raises RegistryDown, RegistryRefused."""
    place = _begin(registry)
    data = b""
    if blob.size <= _SMALL:
        data = b"".join(bytes(chunk) for chunk in opened(0))
    else:
        place = _send_parts(registry, blob, opened, place)
    try:
        registry.ask_again("PUT", _with_digest(place, blob), headers=_BYTES, body=data, expect=(201, 204)).read()
    except RegistryRefused:
        if not has_blob(registry, blob):  # else it was taken, and only the answer to that was lost
            raise


def _begin(registry: Registry) -> str:
    """The address of a new upload."""
    reply = registry.ask_again("POST", registry.url("blobs/uploads/"), expect=(202,))
    reply.read()
    return registry.join(reply.header("location"), reply.url)


def _send_parts(registry: Registry, blob: Descriptor, opened: Opened, place: str) -> str:
    """All bytes to an upload, from where it stands; the address to end it at."""
    start = attempt = 0
    while start < blob.size:
        headers = {**_BYTES, "Content-Range": f"{start}-{blob.size - 1}"}
        try:
            reply = registry.ask(
                "PATCH",
                place,
                headers=headers,
                body=lambda at=start: opened(at),  # type: ignore[misc]
                length=blob.size - start,
                expect=(202,),
            )
            reply.read()
            return registry.join(reply.header("location") or place, reply.url)
        except (RegistryDown, *FAULTS) as problem:
            registry.hang_up()
            attempt += 1
            if attempt >= TRIES:
                raise problem if isinstance(problem, RegistryDown) else registry.down(problem) from problem
            pause(attempt)
            start, place = _how_far(registry, place)
    return place


def _how_far(registry: Registry, place: str) -> tuple[int, str]:
    """How many bytes of an upload have arrived, and where it goes on; from the start where the registry does not say.

    Debian's docker-registry 2.8.2 does not after a cut: the address holds the state of before, which it then refuses.
    """
    reply = registry.ask_again("GET", place, expect=(204, 202, 400, 404, 416))
    reply.read()
    if reply.status not in (204, 202):
        return 0, _begin(registry)
    low, _, high = reply.header("range").removeprefix("bytes=").partition("-")
    place = registry.join(reply.header("location") or place, reply.url)
    return int(high) + 1 if low == "0" and high.isdigit() and int(high) > 0 else 0, place


def _with_digest(place: str, blob: Descriptor) -> str:
    return f"{place}{'&' if '?' in place else '?'}{urlencode({'digest': blob.digest})}"


def not_the_bytes(registry: Registry, wanted: Descriptor, problem: str) -> BundleDamaged:
    """The error for a registry that serves something else than what was asked for."""
    return BundleDamaged(
        f"the registry serves other bytes: {problem}", where=registry.where, mend=f"push {wanted.digest} again"
    )
