"""Which deployment a container serves that is told a release: one that the gate let in, or one that a bundle brings."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from shipway.access import KeyRing
from shipway.gate import arms_in, revoked
from shipway.kernel.digest import Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.release._bundle import WHEELS, Freight
from shipway.release._bundle_import import keep_bundle
from shipway.release._deployment import deployment_object, release_descriptor
from shipway.release._layout import Bundle
from shipway.release._manifest import load_components
from shipway.release._verify_all import verify_bundle
from shipway.release._verify_shadow import project_of, records
from shipway.release._verify_statements import ReleaseRevoked, Said
from shipway.release._wheels import restore_wheels
from shipway.spec import DeploySpec
from shipway.store import Store, open_store

_DEPLOY = "deploy/"
_SHORTEST = len("sha256:") + 4
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,199}@[a-z][a-z0-9_-]{0,199}")


class NeverLive(ShipwayError):
    """A release that the gate never let in at a ref; nothing but a move makes a release live there."""

    code = "release.never-live"


class BundleUnclear(ShipwayError):
    """A bundle that holds several releases or deployments, or not the one that was asked for."""

    code = "release.bundle-unclear"


def pinned_deployment(store: Store, keys: KeyRing, ref: str, release: Digest) -> Digest:
    """The newest deployment that put a release live at a ref, now or before, or the present one where it is an arm of that.

    Raises NeverLive, and ReleaseRevoked for one that is not live any more: serving it would be returning to it.
    """
    live = store.ref(ref)
    if live and release in dict(arms_in(store.get(live.digest, "deployment"))).values():
        return live.digest
    moves = store.lives(ref, release, limit=1)
    target = moves[0].target if moves else None
    if target is None:
        raise _never(store, ref, f"release {short(release)}")
    _check_unrevoked(store, keys, ref, release)
    return target


def pinned_with_arms(store: Store, keys: KeyRing, ref: str, deployment: str) -> Digest:
    """The deployment of a ref by its digest or first digits, now or before: it is served with its arms.

    Raises NeverLive, and ReleaseRevoked for one that is not there any more and one of whose releases was revoked.
    """
    begins = f"sha256:{deployment.removeprefix('sha256:')}"
    known = store.targets(ref, begins) if len(begins) >= _SHORTEST else []
    found = [digest for digest in known if store.lives(ref, target=digest, limit=1)]
    if len(found) != 1:
        raise _never(store, ref, f"deployment {deployment[:80]}")
    live = store.ref(ref)
    if live is None or live.digest != found[0]:
        for _, release in arms_in(store.get(found[0], "deployment")):
            _check_unrevoked(store, keys, ref, release)
    return found[0]


def _never(store: Store, ref: str, named: str) -> NeverLive:
    return NeverLive(f"{ref} has never been at {named}", where=store.project, mend=f"shipway apply {ref.removeprefix(_DEPLOY)}")


def _check_unrevoked(store: Store, keys: KeyRing, ref: str, release: Digest) -> None:
    for digest in (release, *(part.digest for part in load_components(store, release))):
        if revoked(store, keys, digest):
            what = f"release {short(release)} is not live at {ref} any more, and was revoked"
            raise ReleaseRevoked(what, where=digest, mend="serve what is live")


class CodeUnsigned(ShipwayError):
    """A bundle whose model brings functions of its own, for which nobody who is trusted here has signed."""

    code = "release.code-unsigned"


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A release of a bundle in a store of its own. verified: whether a key is trusted here that could check its statements."""

    store: Store
    ref: str
    deployment: Digest
    release: Digest
    verified: bool


@contextmanager
def unpack_bundle(bundle: Bundle, keys: KeyRing, *, name: str | None = None, release: str | None = None) -> Iterator[Unpacked]:
    """One release of a bundle in a store that is gone when this ends, every byte and every statement checked before.

    name: `APP@ENV`, otherwise the deployment that came along; release: a digest or its first digits, otherwise the only one.
    Functions around a model are code that runs here, so that a key that is trusted here has to have signed a statement about
    that model or the release. Raises BundleUnclear, BundleDamaged, StatementWrong, ReleaseRevoked, CodeUnsigned, StoreFull.
    """
    freight = _freight(bundle, release)
    ref, deployment = _deployment(bundle, freight, name)
    verification = verify_bundle(bundle, keys)
    if verification.wrong:
        raise verification.wrong
    with tempfile.TemporaryDirectory(prefix="shipway-bundle-") as folder:
        store = open_store(Path(folder), project_of(bundle), create=True)
        try:
            keep_bundle(store, bundle)
            _check_code(store, freight.release.digest, verification.said)
            restore_wheels(store, [one.attachment.data for one in freight.carried if one.attachment.media_type == WHEELS])
            digest = deployment or _plain(store, freight.release.digest, ref)
            yield Unpacked(store, ref, digest, freight.release.digest, verification.unchecked == 0)
        finally:
            store.close()


def _check_code(store: Store, release: Digest, said: Iterable[Said]) -> None:
    signed = {one.reading.statement.subject for one in said if one.reading.statement}
    for part in load_components(store, release):
        if part.kind != "model" or signed & {part.digest, release}:
            continue
        model = store.get(part.digest, "model")
        if model.get("functions") or model.get("allow_pickle"):
            brings = "functions" if model.get("functions") else "a pickle"
            what = f"model {part.name} brings {brings}, code that would run here, and no key that is trusted here signed for it"
            raise CodeUnsigned(what, where=part.digest, mend="shipway key trust, for the key of whoever measured it")


def _freight(bundle: Bundle, release: str | None) -> Freight:
    begins = f"sha256:{(release or '').removeprefix('sha256:')}"
    fitting = [freight for freight in bundle.freights if freight.release.digest.startswith(begins)]
    if len(fitting) == 1:
        return fitting[0]
    held = ", ".join(short(freight.release.digest) for freight in bundle.freights)
    what = f"{len(fitting)} releases of the bundle fit" if fitting else f"the bundle does not hold {release}"
    raise BundleUnclear(f"{what}; it holds {held}", where=bundle.files.where, mend="name one of them with --release")


def _deployment(bundle: Bundle, freight: Freight, name: str | None) -> tuple[str, Digest | None]:
    """The ref, and the newest deployment object for it that came along, if any did."""
    found = {
        made.name: made.data.digest
        for made, value in records(bundle, freight, "deployment")
        if made.name.startswith(_DEPLOY) and release_descriptor(value).digest == freight.release.digest
    }
    if name:
        plain = name.removeprefix(_DEPLOY)
        if not _NAME.fullmatch(plain):
            raise BundleUnclear(f"{name[:60]!r} is no deployment", mend="write APPLICATION@ENVIRONMENT")
        return _DEPLOY + plain, found.get(_DEPLOY + plain)
    if len(found) == 1:
        return next(iter(found.items()))
    what = f"the bundle brings {len(found)} deployments along" + (": " + ", ".join(sorted(found)) if found else "")
    raise BundleUnclear(what, where=bundle.files.where, mend="name one: shipway serve APP@ENV --bundle DIR")


def _plain(store: Store, release: Digest, ref: str) -> Digest:
    """A deployment as nobody has configured it."""
    application, _, environment = ref.removeprefix(_DEPLOY).partition("@")
    spec = DeploySpec(name=f"{application}@{environment}", application=application, environment=environment)
    return store.put(deployment_object(store, release, spec, {}))
