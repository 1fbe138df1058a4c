"""What is trusted: rotation, revocation, the file that holds it, and a program that signs."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from shipway.access import (
    KeyExposed,
    KeyMissing,
    KeyRing,
    KeyUnknown,
    KeyUnusable,
    LocalSigner,
    Period,
    SignerFailed,
    TrustedKey,
    TrustMalformed,
    TrustRefused,
    find_key,
    open_keys,
    open_signer,
    retire_key,
    revoke_key,
    rotate_key,
    trust_key,
)

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
PEM, PKCS8, PLAIN = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()


class Fixed:
    """It is always NOW."""

    def now(self) -> datetime:
        return NOW


def own_of(folder: Path) -> TrustedKey:
    ring = open_keys(folder)[1]
    found = ring.find(ring.own)
    assert found is not None
    return found


@pytest.fixture
def bob(tmp_path: Path) -> tuple[LocalSigner, Path]:
    signer = LocalSigner(generate_private_key(SECP256R1()))
    path = tmp_path / "bob.pem"
    path.write_text(signer.public)
    return signer, path


def test_this_machines_own_key_is_admin_until_the_file_says_otherwise(tmp_path: Path) -> None:
    folder = tmp_path / "keys"
    own = own_of(folder)
    assert (own.name, sorted(own.roles), own.algorithm) == ("this machine", ["admin"], "ed25519")
    public = tmp_path / "own.pem"
    public.write_text(own.public)
    trust_key(folder, public, name="ann", roles=["approver"], at=NOW)
    assert (own_of(folder).name, sorted(own_of(folder).roles)) == ("ann", ["approver"])


def test_a_trusted_key_verifies_and_its_file_is_its_owners_alone(tmp_path: Path, bob: tuple[LocalSigner, Path]) -> None:
    signer, path = bob
    kept = trust_key(tmp_path / "keys", path, name="bob", roles=["approver", "security"], at=NOW)
    ring = open_keys(tmp_path / "keys")[1]
    assert ring.find(signer.key_id) == kept
    assert ring.verify(signer.key_id, b"this", signer.sign(b"this"))
    assert not ring.verify(signer.key_id, b"that", signer.sign(b"this"))
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "keys" / "trust.json").stat().st_mode) == 0o600


def test_the_id_of_an_ecdsa_key_is_what_openssl_and_sha256sum_say(bob: tuple[LocalSigner, Path]) -> None:
    signer, path = bob
    line = f"openssl pkey -pubin -in {path} -outform der | sha256sum"
    said = subprocess.run(line, shell=True, capture_output=True, text=True, check=True).stdout
    assert said.split()[0] == signer.key_id


def test_rotation_keeps_what_the_old_key_signed_and_signs_with_the_new_one(tmp_path: Path) -> None:
    before, _ = open_keys(tmp_path)
    signature = before.sign(b"this")
    old, new = rotate_key(tmp_path, own_of(tmp_path), at=NOW, algorithm="ecdsa-p256")
    after, ring = open_keys(tmp_path)
    assert (old.id, old.until, new.since) == (before.key_id, NOW, NOW)
    assert (after.key_id, after.algorithm, ring.own) == (new.id, "ecdsa-p256", new.id)
    assert (new.name, new.roles) == (old.name, old.roles)
    assert ring.verify(before.key_id, b"this", signature)
    assert ring.verify(after.key_id, b"this", after.sign(b"this"))
    assert b"PRIVATE" not in (tmp_path / "trust.json").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "signing.pem", "trust.json"]


def test_rotation_takes_a_private_key_that_there_is_already(tmp_path: Path) -> None:
    file, key = tmp_path / "mine.pem", generate_private_key(SECP256R1())
    file.write_bytes(key.private_bytes(PEM, PKCS8, PLAIN))
    file.chmod(0o600)
    rotate_key(tmp_path / "keys", own_of(tmp_path / "keys"), at=NOW, algorithm="ed25519", file=file)
    assert open_keys(tmp_path / "keys")[0].key_id == LocalSigner(key).key_id
    with pytest.raises(TrustRefused, match="known here already"):
        rotate_key(tmp_path / "keys", own_of(tmp_path / "keys"), at=NOW, algorithm="ed25519", file=file)


def test_a_rotation_that_was_ended_in_the_middle_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = own_of(tmp_path)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("shipway.access._change.write_private", killed)
    with pytest.raises(KeyboardInterrupt):
        rotate_key(tmp_path, own, at=NOW, algorithm="ed25519")
    monkeypatch.undo()
    barred, _ = open_keys(tmp_path, clock=Fixed())
    with pytest.raises(KeyUnusable, match="was retired"):
        barred.sign(b"this")
    rotate_key(tmp_path, own_of(tmp_path), at=NOW + timedelta(minutes=1), algorithm="ed25519")
    signer, ring = open_keys(tmp_path)
    known = ring.find(own.id)
    assert ring.verify(signer.key_id, b"this", signer.sign(b"this"))
    assert known is not None
    assert known.until == NOW


def test_a_revoked_key_verifies_nothing_signs_nothing_and_is_never_trusted_again(tmp_path: Path) -> None:
    signer, _ = open_keys(tmp_path)
    signature, public = signer.sign(b"this"), tmp_path / "own.pem"
    revoked = revoke_key(tmp_path, own_of(tmp_path), at=NOW, reason="stolen")
    barred, ring = open_keys(tmp_path)
    assert not ring.verify(signer.key_id, b"this", signature)
    with pytest.raises(KeyUnusable, match=r"is revoked \(stolen\)"):
        barred.sign(b"this")
    public.write_text(revoked.public)
    with pytest.raises(TrustRefused, match="was revoked at 2026-11-28T12:00:00"):
        trust_key(tmp_path, public, name="ann", roles=["admin"], at=NOW)
    assert revoke_key(tmp_path, revoked, at=NOW + timedelta(days=1), reason="again").revoked == revoked.revoked
    rotate_key(tmp_path, revoked, at=NOW + timedelta(days=2), algorithm="ed25519")
    again, ring = open_keys(tmp_path)
    assert ring.verify(again.key_id, b"this", again.sign(b"this"))


def test_a_retired_key_is_trusted_until_then_and_ends_once(tmp_path: Path, bob: tuple[LocalSigner, Path]) -> None:
    kept = trust_key(tmp_path / "keys", bob[1], name="bob", roles=["approver"], at=NOW)
    assert retire_key(tmp_path / "keys", kept, at=NOW).until == NOW
    with pytest.raises(TrustRefused, match="ended already"):
        retire_key(tmp_path / "keys", kept, at=NOW + timedelta(days=1))
    assert trust_key(tmp_path / "keys", bob[1], name="bob", roles=["approver"], at=NOW).until is None


def test_a_key_that_is_trusted_again_is_so_from_then_on_and_before_it_was_retired(
    tmp_path: Path, bob: tuple[LocalSigner, Path]
) -> None:
    folder, path, day = tmp_path / "keys", bob[1], timedelta(days=1)
    trust_key(folder, path, name="bob", roles=["approver"], at=NOW, since=NOW)
    for number in (1, 3):  # two days of trust, and a day without it after each
        retire_key(folder, find_key(open_keys(folder)[1].keys, "bob"), at=NOW + number * day)
        assert json.loads((folder / "trust.json").read_text())["version"] == (1 if number == 1 else 2)
        kept = trust_key(folder, path, name="bob", roles=["approver"], at=NOW + (number + 1) * day)
    found = open_keys(folder)[1].find(kept.id)
    assert found == kept
    days = [any(period.holds(NOW + number * day) for period in found.periods) for number in range(-1, 6)]
    assert days == [False, True, False, True, False, True, True]
    assert (found.since, found.until) == (NOW + 4 * day, None)
    assert found.earlier == (Period(NOW, NOW + day), Period(NOW + 2 * day, NOW + 3 * day))


def test_a_key_that_never_ended_keeps_its_beginning_when_it_gets_other_roles(
    tmp_path: Path, bob: tuple[LocalSigner, Path]
) -> None:
    folder = tmp_path / "keys"
    trust_key(folder, bob[1], name="bob", roles=["approver"], at=NOW, since=NOW)
    kept = trust_key(folder, bob[1], name="bob", roles=["checker"], at=NOW + timedelta(days=1))
    assert (kept.since, kept.until, kept.earlier, sorted(kept.roles)) == (NOW, None, (), ["checker"])
    assert json.loads((folder / "trust.json").read_text())["version"] == 1, "as older versions of Shipway read it"


def test_an_end_that_is_still_to_come_is_taken_back_without_a_gap(tmp_path: Path, bob: tuple[LocalSigner, Path]) -> None:
    folder, tomorrow = tmp_path / "keys", NOW + timedelta(days=1)
    retire_key(folder, trust_key(folder, bob[1], name="bob", roles=["approver"], at=NOW), at=tomorrow)
    kept = trust_key(folder, bob[1], name="bob", roles=["approver"], at=NOW)
    assert (kept.since, kept.until, kept.earlier) == (None, None, ())


EARLIER: dict[str, object] = {
    "no list": {"until": "2026-01-01"},
    "a word": ["2026-01-01"],
    "without an end": [{"since": "2026-01-01"}],
    "an end that is no time": [{"until": "soon"}],
    "an unknown field": [{"until": "2026-01-01", "untill": "2026-01-01"}],
    "nothing": None,
}


@pytest.mark.parametrize("what", EARLIER)
def test_earlier_times_of_trust_that_cannot_be_read_trust_nobody(
    tmp_path: Path, bob: tuple[LocalSigner, Path], what: str
) -> None:
    trust_key(tmp_path / "keys", bob[1], name="bob", roles=["approver"], at=NOW)
    path = tmp_path / "keys" / "trust.json"
    value = json.loads(path.read_text())
    value["keys"][0]["earlier"] = [{"since": "2025-01-01", "until": "2026-01-01"}]
    path.write_text(json.dumps({**value, "version": 2}))
    assert len(open_keys(tmp_path / "keys")[1].find(bob[0].key_id).periods) == 2  # type: ignore[union-attr]
    path.write_text(json.dumps(value))
    with pytest.raises(TrustMalformed, match="unknown field earlier"):
        open_keys(tmp_path / "keys")
    value["keys"][0]["earlier"] = EARLIER[what]
    path.write_text(json.dumps({**value, "version": 2}))
    with pytest.raises(TrustMalformed):
        open_keys(tmp_path / "keys")


@pytest.mark.parametrize("roles", [[], ["Approver"], ["approver", ""], ["a b"], ["-x"]])
def test_a_role_is_a_word(tmp_path: Path, bob: tuple[LocalSigner, Path], roles: list[str]) -> None:
    with pytest.raises(TrustRefused):
        trust_key(tmp_path / "keys", bob[1], name="bob", roles=roles, at=NOW)


def test_a_role_that_a_policy_may_ask_for_can_be_given(tmp_path: Path, bob: tuple[LocalSigner, Path]) -> None:
    kept = trust_key(tmp_path / "keys", bob[1], name="bob", roles=["release_manager"], at=NOW)
    assert kept.roles == {"release_manager"}


def test_somebody_elses_private_key_is_not_trusted_as_a_public_one(tmp_path: Path) -> None:
    file = tmp_path / "bob.pem"
    file.write_bytes(Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, PLAIN))
    with pytest.raises(KeyMissing) as problem:
        trust_key(tmp_path / "keys", file, name="bob", roles=["approver"], at=NOW)
    assert "private key" in str(problem.value.mend)


def test_a_private_key_that_others_can_read_does_not_sign(tmp_path: Path) -> None:
    open_keys(tmp_path)
    (tmp_path / "signing.pem").chmod(0o640)
    signer, ring = open_keys(tmp_path)
    with pytest.raises(KeyExposed, match="its mode is 0640"):
        signer.sign(b"this")
    assert ring.own == signer.key_id  # reading and going back go on
    with pytest.raises(KeyExposed):
        open_signer(tmp_path / "signing.pem")


@pytest.mark.skipif(os.getuid() != 0, reason="gives a file away")
@pytest.mark.parametrize(("mode", "signs"), [(0o440, True), (0o644, True), (0o666, False)])
def test_a_mounted_key_of_another_owner_signs_unless_anybody_can_write_it(tmp_path: Path, mode: int, signs: bool) -> None:
    open_keys(tmp_path)
    os.chown(tmp_path / "signing.pem", 12345, -1)
    (tmp_path / "signing.pem").chmod(mode)
    signer, ring = open_keys(tmp_path)
    if signs:
        assert ring.verify(signer.key_id, b"this", signer.sign(b"this"))
    else:
        with pytest.raises(KeyExposed, match="its mode is 0666"):
            signer.sign(b"this")


def test_a_trusted_key_that_is_written_over_in_place_is_another_one_at_once(tmp_path: Path) -> None:
    old, new = (LocalSigner(Ed25519PrivateKey.generate()) for _ in range(2))
    file = tmp_path / "trusted" / "bob.pem"
    file.parent.mkdir()
    file.write_text(old.public)
    _, ring = open_keys(tmp_path)
    assert ring.verify(old.key_id, b"this", old.sign(b"this"))
    file.write_text(new.public)
    os.utime(file, ns=(1, 1))  # however coarse the clock of the file system is
    assert not ring.verify(old.key_id, b"this", old.sign(b"this"))
    assert ring.verify(new.key_id, b"this", new.sign(b"this"))


def test_a_trusted_key_behind_a_link_is_read_and_what_is_no_file_is_refused(tmp_path: Path) -> None:
    signer, trusted = LocalSigner(Ed25519PrivateKey.generate()), tmp_path / "keys" / "trusted"
    trusted.mkdir(parents=True)
    (tmp_path / "mounted").write_text(signer.public)
    (trusted / "bob.pem").symlink_to(tmp_path / "mounted")
    assert open_keys(tmp_path / "keys")[1].find(signer.key_id)
    os.mkfifo(trusted / "pipe.pem")
    with pytest.raises(KeyMissing, match="no file"):
        open_keys(tmp_path / "keys")
    (trusted / "pipe.pem").unlink()
    (trusted / "huge.pem").write_bytes(bytes(100_000))
    with pytest.raises(KeyMissing, match="too large"):
        open_keys(tmp_path / "keys")


def test_a_key_is_found_by_its_name_or_the_first_digits_of_its_id(tmp_path: Path, bob: tuple[LocalSigner, Path]) -> None:
    signer, path = bob
    kept = trust_key(tmp_path / "keys", path, name="bob", roles=["approver"], at=NOW)
    keys = open_keys(tmp_path / "keys")[1].keys
    for words in ("bob", signer.key_id, signer.key_id[:6].upper()):
        assert find_key(keys, words) == kept
    for words in ("eve", signer.key_id[:3], ""):
        with pytest.raises(KeyUnknown):
            find_key(keys, words)


def test_a_ring_in_hand_learns_what_was_revoked_meanwhile(tmp_path: Path, bob: tuple[LocalSigner, Path]) -> None:
    """As in a process that runs for weeks."""
    signer, path = bob
    kept = trust_key(tmp_path / "keys", path, name="bob", roles=["approver"], at=NOW)
    _, ring = open_keys(tmp_path / "keys")
    signature = signer.sign(b"this")
    assert ring.verify(signer.key_id, b"this", signature)
    revoke_key(tmp_path / "keys", kept, at=NOW, reason="stolen")
    assert not ring.verify(signer.key_id, b"this", signature)
    (tmp_path / "keys" / "trust.json").write_text("{")
    for _ in range(2):
        with pytest.raises(TrustMalformed):
            ring.find(signer.key_id)


Entry = dict[str, object]


def other_id(entry: Entry) -> None:
    entry["id"] = "0" * 64


BROKEN: dict[str, Callable[[Entry], object]] = {
    "another id": other_id,
    "no name": lambda entry: entry.pop("name"),
    "a blank name": lambda entry: entry.update(name=" "),
    "no public key": lambda entry: entry.pop("public"),
    "no roles": lambda entry: entry.pop("roles"),
    "roles as a text": lambda entry: entry.update(roles="admin"),
    "an unknown field": lambda entry: entry.update(revokd={"at": "2026-01-01"}),
    "until that is no time": lambda entry: entry.update(until="tomorrow"),
    "since that is a number": lambda entry: entry.update(since=7),
    "revoked without a time": lambda entry: entry.update(revoked={"reason": "stolen"}),
    "revoked as a word": lambda entry: entry.update(revoked=True),
    "revoked as false": lambda entry: entry.update(revoked=False),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_trust_file_that_says_something_wrong_trusts_nobody(tmp_path: Path, bob: tuple[LocalSigner, Path], what: str) -> None:
    trust_key(tmp_path / "keys", bob[1], name="bob", roles=["approver"], at=NOW)
    path = tmp_path / "keys" / "trust.json"
    value = json.loads(path.read_text())
    BROKEN[what](value["keys"][0])
    path.write_text(json.dumps(value))
    with pytest.raises(TrustMalformed) as problem:
        open_keys(tmp_path / "keys")
    assert problem.value.where == str(path)


def test_a_key_of_another_kind_in_the_file_is_named(tmp_path: Path, bob: tuple[LocalSigner, Path]) -> None:
    trust_key(tmp_path / "keys", bob[1], name="bob", roles=["approver"], at=NOW)
    path = tmp_path / "keys" / "trust.json"
    path.write_text(path.read_text().replace("-----BEGIN PUBLIC KEY-----", "-----BEGIN PUBLIC CAT-----"))
    with pytest.raises(KeyMissing, match=r"key 1 \(bob\)"):
        open_keys(tmp_path / "keys")


WHOLE = {
    "empty": b"",
    "cut": b'{"kind": "trust", "ver',
    "no object": b"[]",
    "another kind": b'{"kind": "policy", "version": 1, "keys": []}',
    "a newer version": b'{"kind": "trust", "version": 3, "keys": []}',
    "a version that is no number": b'{"kind": "trust", "version": true, "keys": []}',
    "no keys": b'{"kind": "trust", "version": 1}',
    "keys of a wrong type": b'{"kind": "trust", "version": 1, "keys": {}}',
    "a key of a wrong type": b'{"kind": "trust", "version": 1, "keys": [7]}',
    "a key twice": b'{"kind": "trust", "kind": "trust", "version": 1, "keys": []}',
    "no text": b"\xff\xfe",
}


@pytest.mark.parametrize("what", WHOLE)
def test_a_file_that_is_no_trust_file_trusts_nobody(tmp_path: Path, what: str) -> None:
    open_keys(tmp_path)
    (tmp_path / "trust.json").write_bytes(WHOLE[what])
    with pytest.raises(TrustMalformed):
        open_keys(tmp_path)


def test_the_same_key_twice_is_refused(tmp_path: Path, bob: tuple[LocalSigner, Path]) -> None:
    trust_key(tmp_path / "keys", bob[1], name="bob", roles=["approver"], at=NOW)
    path = tmp_path / "keys" / "trust.json"
    value = json.loads(path.read_text())
    path.write_text(json.dumps({**value, "keys": value["keys"] * 2}))
    with pytest.raises(TrustMalformed, match="comes twice"):
        open_keys(tmp_path / "keys")


def test_a_ring_with_a_key_under_a_wrong_id_is_not_made(bob: tuple[LocalSigner, Path]) -> None:
    signer, _ = bob
    with pytest.raises(TrustMalformed):
        KeyRing([TrustedKey("0" * 64, "bob", frozenset({"admin"}), signer.algorithm, public=signer.public)])


PROGRAM = """\
import base64, sys
from pathlib import Path
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA

key = serialization.load_pem_private_key(Path(sys.argv[1]).read_bytes(), None)
answer, task = sys.argv[2:]
if task == "public":
    print(key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode())
else:
    data = sys.stdin.buffer.read()
    if answer == "fails":
        sys.exit("the service said no")
    signature = key.sign(data if answer != "wrong" else b"other", ECDSA(hashes.SHA256()))
    sys.stdout.buffer.write(base64.encodebytes(signature) if answer == "base64" else signature)
"""


def program(folder: Path, answer: str) -> str:
    """A key service's client with its key in a file, as SHIPWAY_SIGNER names it."""
    key, script = folder / "service.pem", folder / "sign with me.py"
    key.write_bytes(generate_private_key(SECP256R1()).private_bytes(PEM, PKCS8, PLAIN))
    script.write_text(PROGRAM)
    return f"exec:{sys.executable} '{script}' {key} {answer}"


@pytest.mark.parametrize("answer", ["raw", "base64"])
def test_a_program_signs_for_a_key_that_no_file_here_holds(tmp_path: Path, answer: str) -> None:
    signer, ring = open_keys(tmp_path / "keys", signer=program(tmp_path, answer))
    assert (signer.algorithm, ring.own) == ("ecdsa-p256", signer.key_id)
    assert ring.verify(signer.key_id, b"this", signer.sign(b"this"))
    (kept,) = (tmp_path / "keys").iterdir()
    assert kept.read_text() == signer.public


def test_a_program_that_fails_or_signs_something_else_is_told(tmp_path: Path) -> None:
    failing, _ = open_keys(tmp_path / "keys", signer=program(tmp_path, "fails"))
    with pytest.raises(SignerFailed, match="the service said no"):
        failing.sign(b"this")
    wrong, _ = open_keys(tmp_path / "keys", signer=program(tmp_path, "wrong"))
    with pytest.raises(SignerFailed, match="does not verify"):
        wrong.sign(b"this")


def test_reading_needs_no_key_service(tmp_path: Path) -> None:
    command = program(tmp_path, "raw")
    signer, _ = open_keys(tmp_path / "keys", signer=command)
    signature = signer.sign(b"this")
    (tmp_path / "service.pem").unlink()
    later, ring = open_keys(tmp_path / "keys", signer=command)
    assert ring.verify(later.key_id, b"this", signature)
    with pytest.raises(SignerFailed):
        later.sign(b"this")


def test_a_service_with_another_key_than_before_is_told(tmp_path: Path) -> None:
    command = program(tmp_path, "raw")
    open_keys(tmp_path / "keys", signer=command)
    program(tmp_path, "raw")
    with pytest.raises(SignerFailed, match="does not verify") as problem:
        open_keys(tmp_path / "keys", signer=command)[0].sign(b"this")
    assert ".pub" in str(problem.value.mend)


@pytest.mark.parametrize("command", ["exec:/no/such/program", "exec:", "exec:'"])
def test_a_program_that_cannot_be_run_is_told(tmp_path: Path, command: str) -> None:
    with pytest.raises(SignerFailed):
        open_keys(tmp_path / "keys", signer=command)


@pytest.mark.parametrize("command", ["exec:", "exec:  ", "exec:''"])
def test_a_signer_without_a_program_runs_nothing(tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = tmp_path / "bin" / "public"
    trap.parent.mkdir()
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path / 'ran'}\n")
    trap.chmod(0o700)
    monkeypatch.setenv("PATH", str(trap.parent), prepend=os.pathsep)
    with pytest.raises(SignerFailed, match="names no program"):
        open_keys(tmp_path / "keys", signer=command)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("task", ["public", "sign"])
def test_a_program_that_never_stops_printing_is_ended(tmp_path: Path, task: str) -> None:
    command = program(tmp_path, "raw")
    flood = tmp_path / "flood"
    flood.write_text(f'#!/bin/sh\n[ "$1" = {task} ] && exec cat /dev/zero\nexec {command.removeprefix("exec:")} "$@"\n')
    flood.chmod(0o700)
    with pytest.raises(SignerFailed, match="printed more than"):
        open_keys(tmp_path / "keys", signer=f"exec:{flood}")[0].sign(b"this")


def test_a_program_may_say_much_on_its_error_output_and_need_not_read_what_it_signs(tmp_path: Path) -> None:
    chatty = tmp_path / "chatty"
    chatty.write_text("#!/bin/sh\nhead -c 3000000 /dev/zero >&2\necho >&2\necho 'the last word' >&2\nexit 3\n")
    chatty.chmod(0o700)
    with pytest.raises(SignerFailed, match="ended with 3: the last word"):
        open_keys(tmp_path / "keys", signer=f"exec:{chatty}")
    command = program(tmp_path, "fails")
    signer, _ = open_keys(tmp_path / "keys", signer=command)
    with pytest.raises(SignerFailed):
        signer.sign(bytes(3_000_000))


def test_much_can_be_signed_by_a_program(tmp_path: Path) -> None:
    signer, ring = open_keys(tmp_path / "keys", signer=program(tmp_path, "raw"))
    assert ring.verify(signer.key_id, bytes(3_000_000), signer.sign(bytes(3_000_000)))


def test_a_signer_of_an_unknown_sort_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match="is no signer"):
        open_keys(tmp_path / "keys", signer="kms:arn:aws:1")


def test_a_program_whose_public_key_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyMissing, match="the answer of"):
        open_keys(tmp_path / "keys", signer="exec:echo")


def test_two_who_change_trust_at_once_both_have_their_way(tmp_path: Path) -> None:
    signers = [LocalSigner(Ed25519PrivateKey.generate()) for _ in range(12)]
    for number, signer in enumerate(signers):
        (tmp_path / f"{number}.pem").write_text(signer.public)

    def trust(number: int) -> None:
        trust_key(tmp_path / "keys", tmp_path / f"{number}.pem", name=f"n{number}", roles=["checker"], at=NOW)

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(trust, range(12)))
    assert {key.id for key in open_keys(tmp_path / "keys")[1].keys} >= {signer.key_id for signer in signers}
