"""`shipway key`: the key that signs here, and the keys that are trusted here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._output import Misused, Output, json_option
from shipway.cli._settings import Settings

if TYPE_CHECKING:
    from pathlib import Path

    from shipway.access import KeyRing, Period, TrustedKey


@click.group(name="key")
def command() -> None:
    """Keys: which one signs here, which are trusted, rotation and revocation."""


@command.command(name="list")
@json_option
@click.pass_obj
def list_keys(settings: Settings, as_json: bool) -> None:
    """List the keys that are trusted here, this machine's own first. Needs no project."""
    out, ring = Output(as_json), _ring(settings)
    for key in ring.keys:
        own = "*" if key.id == ring.own else " "
        out.say(f"{own} {key.id[:12]}  {key.name:<20} {key.algorithm:<11} {', '.join(sorted(key.roles)):<20} {_state(key)}")
    out.end("keys", {"own": ring.own, "keys": [_document(key) for key in ring.keys]}, then="shipway key show > me.pem")


@command.command()
@click.argument("key", required=False)
@json_option
@click.pass_obj
def show(settings: Settings, key: str | None, as_json: bool) -> None:
    """Print the public key that others trust: this machine's own without KEY. A name, or the first digits of an id."""
    from shipway.access import find_key

    out, ring = Output(as_json), _ring(settings)
    found = find_key(ring.keys, key or ring.own)
    out.say(found.public.rstrip())
    out.note(f"{found.id[:12]} {found.name}, {found.algorithm}, {', '.join(sorted(found.roles))}, {_state(found)}")
    if not as_json:  # the next command must not come into the file
        out.note("next: shipway key trust FILE --name NAME --role approver  (where it is to be trusted)")
    out.end("key", _document(found))


@command.command()
@click.argument("file")
@click.option("--name", required=True, metavar="NAME", help="Whose it is.")
@click.option("--role", "roles", required=True, multiple=True, metavar="ROLE", help="approver, checker, admin; again for more.")
@json_option
@click.pass_obj
def trust(settings: Settings, file: str, name: str, roles: tuple[str, ...], as_json: bool) -> None:
    """Trust the public key in FILE (PEM) for what its roles are for. A trusted one gets this name and these roles."""
    from shipway.access import trust_key
    from shipway.kernel.clock import SystemClock

    out = Output(as_json)
    kept = trust_key(_changed(settings), settings.directory / file, name=name, roles=roles, at=SystemClock().now())
    out.say(f"trusted {kept.id[:12]} of {kept.name} ({kept.algorithm}) as {', '.join(sorted(kept.roles))}")
    out.end("key-trusted", _document(kept), then="shipway key list")


@command.command()
@click.option(
    "--algorithm",
    type=click.Choice(["ed25519", "ecdsa-p256"]),
    metavar="NAME",
    default="ed25519",
    help="ed25519 (without it) or ecdsa-p256.",
)
@click.option("--from", "file", default=None, metavar="FILE", help="Take this private key (PEM) instead of making one.")
@json_option
@click.pass_obj
def rotate(settings: Settings, algorithm: str, file: str | None, as_json: bool) -> None:
    """Exchange this machine's key for a new one. What the old one signed until now counts on."""
    from shipway.access import find_key, rotate_key
    from shipway.kernel.clock import SystemClock

    if settings.signer:
        raise Misused("SHIPWAY_SIGNER signs here: exchange the key where that program keeps it", mend="shipway key retire OLD")
    out, ring = Output(as_json), _ring(settings)
    own, source = find_key(ring.keys, ring.own), settings.directory / file if file else None
    old, new = rotate_key(_changed(settings), own, at=SystemClock().now(), algorithm=algorithm, file=source)
    out.say(f"{old.id[:12]} {_state(old)}\n{new.id[:12]} ({new.algorithm}) signs from now on")
    out.say("Whoever trusts the old one has to trust the new one too, and to retire the old.")
    out.end("key-rotated", {"old": _document(old), "new": _document(new)}, then="shipway key show > me.pem")


@command.command()
@click.argument("key")
@click.option("--why", required=True, help="Why it must not count any more.")
@json_option
@click.pass_obj
def revoke(settings: Settings, key: str, why: str, as_json: bool) -> None:
    """Let nothing that a key ever signed allow anything any more: when it signed is only its own claim. No way back."""
    from shipway.access import find_key, revoke_key
    from shipway.kernel.clock import SystemClock

    out, ring = Output(as_json), _ring(settings)
    kept = revoke_key(_changed(settings), find_key(ring.keys, key), at=SystemClock().now(), reason=why)
    out.say(f"revoked {kept.id[:12]} of {kept.name}: nothing that it signed counts here, whenever it says that it was signed")
    out.say("What must live on has to be measured and approved again. On other machines it counts until it is revoked there.")
    out.say("What it had revoked stays so until an admin lifts it: shipway release revoke RELEASE --lift")
    out.end("key-revoked", _document(kept), then="shipway key rotate" if kept.id == ring.own else "shipway key list")


@command.command()
@click.argument("key")
@json_option
@click.pass_obj
def retire(settings: Settings, key: str, as_json: bool) -> None:
    """End the trust in a key now: what it signed before counts on, what is dated after does not."""
    from shipway.access import find_key, retire_key
    from shipway.kernel.clock import SystemClock

    out, ring = Output(as_json), _ring(settings)
    kept = retire_key(_changed(settings), find_key(ring.keys, key), at=SystemClock().now())
    out.say(f"{kept.id[:12]} of {kept.name} {_state(kept)}")
    out.end("key-retired", _document(kept), then="shipway key rotate" if kept.id == ring.own else "shipway key list")


def _changed(settings: Settings) -> Path:
    """The folder, where it is what counts. Raises Misused."""
    given = settings.given_keys
    for name, text in (("SHIPWAY_TRUST", given.trust), ("SHIPWAY_SIGNING_KEY", given.signing)):
        if text:
            mend = f"unset {name}, change the folder, and put what it then says where {name} comes from"
            raise Misused(f"{name} is set, and no command changes a variable", where=name, mend=mend)
    return settings.keys_folder


def _ring(settings: Settings) -> KeyRing:
    from shipway.access import open_keys

    return open_keys(settings.keys_folder, signer=settings.signer, given=settings.given_keys)[1]


def _state(key: TrustedKey) -> str:
    if key.revoked:
        return f"revoked {key.revoked.at:%Y-%m-%d %H:%M}: {key.revoked.reason}"
    if key.until:
        return f"trusted until {key.until:%Y-%m-%d %H:%M:%S}"
    before = "".join(f", before that until {one.until:%Y-%m-%d %H:%M:%S}" for one in reversed(key.earlier))
    return f"trusted since {key.since:%Y-%m-%d %H:%M:%S}{before}" if key.since else "trusted"


def _document(key: TrustedKey) -> dict[str, object]:
    from shipway.kernel.clock import instant

    revoked = {"at": instant(key.revoked.at), "reason": key.revoked.reason} if key.revoked else None
    return {
        "id": key.id,
        "name": key.name,
        "roles": sorted(key.roles),
        "algorithm": key.algorithm,
        **_times(key.periods[-1]),
        **({"earlier": [_times(one) for one in key.earlier]} if key.earlier else {}),
        "revoked": revoked,
        "public": key.public,
    }


def _times(one: Period) -> dict[str, str | None]:
    from shipway.kernel.clock import instant

    return {"since": instant(one.since) if one.since else None, "until": instant(one.until) if one.until else None}
