"""What a person types for a digest: all of it, or enough of its first digits."""

from __future__ import annotations

from shipway.kernel.digest import Digest, is_digest, parse_digest
from shipway.kernel.errors import ShipwayError
from shipway.store import Store


class ReleaseUnknown(ShipwayError):
    """No release, or more than one, has a digest that begins so."""

    code = "cli.release-unknown"


def find_release(store: Store, text: str) -> Digest:
    """The release of a whole digest, of its first digits, or at a ref such as `deploy/delay@prod`. Raises ReleaseUnknown."""
    from shipway.gate import release_of

    if is_digest(text):
        return parse_digest(text)
    if "/" in text:
        target = store.resolve(text)
        return release_of(store, target) or target
    return _by_prefix(store, text.removeprefix("sha256:"))


def _by_prefix(store: Store, prefix: str) -> Digest:
    fitting = store.targets("release/", f"sha256:{prefix}") if len(prefix) >= 4 else []
    if len(fitting) != 1:
        what = f"{len(fitting)} releases begin with {prefix!r}" if len(prefix) >= 4 else f"{prefix!r} is too short"
        raise ReleaseUnknown(what, mend="list releases with: shipway release list, and give at least four digits")
    return fitting[0]
