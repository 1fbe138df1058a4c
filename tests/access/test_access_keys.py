"""Keys: made once whoever comes first, private to their owner, and refused when they are something else."""

from __future__ import annotations

import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.access import GivenKeys, KeyMissing, KeyRing, LocalSigner, Signer, TrustMalformed, open_keys, open_ring, trust_key
from shipway.kernel.errors import ShipwayError

PEM, PKCS8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
PUBLIC = serialization.PublicFormat.SubjectPublicKeyInfo
PLAIN = serialization.NoEncryption()


def test_a_key_is_made_outside_every_store_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "config" / "keys"
    signer, ring = open_keys(folder)
    assert [path.name for path in folder.iterdir()] == ["signing.pem"]
    assert stat.S_IMODE((folder / "signing.pem").stat().st_mode) == 0o600
    assert ring.verify(signer.key_id, b"this", signer.sign(b"this"))


def test_the_same_key_is_found_again(tmp_path: Path) -> None:
    assert open_keys(tmp_path)[0].key_id == open_keys(tmp_path)[0].key_id


def test_two_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    script = "import sys; from pathlib import Path; from shipway.access import open_keys; input(); "
    script += "print(open_keys(Path(sys.argv[1]))[0].key_id)"
    command = [sys.executable, "-c", script, str(tmp_path / "keys")]
    both = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for child in both:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()
    said = {child.communicate(timeout=60)[0] for child in both}
    assert said == {open_keys(tmp_path / "keys")[0].key_id + "\n"}
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["signing.pem"]


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[Signer, KeyRing]:
    return open_keys(tmp_path_factory.mktemp("keys"))


@settings(deadline=None)
@given(data=st.binary(max_size=50), place=st.integers(min_value=0), what=st.sampled_from(["data", "signature"]))
def test_one_changed_byte_fails(pair: tuple[Signer, KeyRing], data: bytes, place: int, what: str) -> None:
    signer, ring = pair
    signature = signer.sign(data)
    if what == "data":
        data = flipped(data, place) if data else b"x"
    else:
        signature = flipped(signature, place)
    assert not ring.verify(signer.key_id, data, signature)


def flipped(data: bytes, place: int) -> bytes:
    changed = bytearray(data)
    changed[place % len(data)] ^= 1
    return bytes(changed)


def test_a_signature_of_another_key_or_another_length_fails(pair: tuple[Signer, KeyRing], tmp_path: Path) -> None:
    signer, ring = pair
    other, _ = open_keys(tmp_path)
    assert not ring.verify(signer.key_id, b"this", other.sign(b"this"))
    assert not ring.verify(other.key_id, b"this", other.sign(b"this"))
    assert not ring.verify(signer.key_id, b"this", signer.sign(b"this")[:-1])
    assert not ring.verify(signer.key_id, b"this", b"")


def test_a_public_key_in_the_trusted_folder_is_trusted(pair: tuple[Signer, KeyRing], tmp_path: Path) -> None:
    colleague = Ed25519PrivateKey.generate()
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted" / "bob.pem").write_bytes(colleague.public_key().public_bytes(PEM, PUBLIC))
    _, ring = open_keys(tmp_path)
    theirs = LocalSigner(colleague)
    assert ring.verify(theirs.key_id, b"this", theirs.sign(b"this"))


FOREIGN = {
    "another kind": generate_private_key(SECP384R1()).private_bytes(PEM, PKCS8, PLAIN),
    "a password": Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, serialization.BestAvailableEncryption(b"secret")),
    "no key": b"hello",
    "empty": b"",
    "cut": Ed25519PrivateKey.generate().private_bytes(PEM, PKCS8, PLAIN)[:60],
}


@pytest.mark.parametrize("what", FOREIGN)
def test_a_file_that_is_no_ed25519_key_is_refused_and_left_alone(tmp_path: Path, what: str) -> None:
    (tmp_path / "signing.pem").write_bytes(FOREIGN[what])
    with pytest.raises(KeyMissing, match=r"signing\.pem is not an Ed25519 or ECDSA P-256 key") as problem:
        open_keys(tmp_path)
    assert problem.value.where == str(tmp_path / "signing.pem")
    assert (tmp_path / "signing.pem").read_bytes() == FOREIGN[what]


@pytest.mark.parametrize("what", FOREIGN)
def test_so_is_one_among_the_trusted(tmp_path: Path, what: str) -> None:
    (tmp_path / "trusted").mkdir()
    (tmp_path / "trusted" / "bob.pem").write_bytes(FOREIGN[what])
    with pytest.raises(KeyMissing, match=r"bob\.pem is not an Ed25519 or ECDSA P-256 public key"):
        open_keys(tmp_path)


def test_a_folder_that_cannot_be_made_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("a file where a folder should be")
    with pytest.raises(KeyMissing, match=r"cannot make the key signing\.pem") as problem:
        open_keys(tmp_path / "config" / "keys")
    assert "SHIPWAY_KEYS" in str(problem.value.mend)


def test_keys_that_are_given_as_text_count_as_those_of_a_folder_and_are_written_nowhere(tmp_path: Path) -> None:
    home, there, empty = (tmp_path / name for name in ("home", "there", "empty"))
    mine, _ = open_keys(home)
    signer, _ = open_keys(there)
    public = tmp_path / "me.pem"
    public.write_text(mine.public)
    trust_key(there, public, name="me", roles={"approver"}, at=datetime(2026, 1, 2, tzinfo=UTC))
    given = GivenKeys((there / "trust.json").read_text(), (there / "signing.pem").read_text())
    again, ring = open_keys(empty, given=given)
    folder = open_keys(there)[1]
    assert again.key_id == signer.key_id == ring.own
    assert {key.id: key for key in ring.keys} == {key.id: key for key in folder.keys}
    assert ring.verify(mine.key_id, b"this", mine.sign(b"this"))
    assert not empty.exists()
    assert "PRIVATE KEY" not in repr(given)
    reader = open_ring(empty, given=GivenKeys(given.trust))
    assert [key.name for key in reader.keys] == ["me"], "who only reads has no key of its own"
    assert not empty.exists()


@pytest.mark.parametrize(
    ("keys", "signer", "problem", "where"),
    [
        (GivenKeys(trust="{"), "", TrustMalformed, "SHIPWAY_TRUST"),
        (GivenKeys(signing="-----BEGIN"), "", KeyMissing, "SHIPWAY_SIGNING_KEY"),
        (GivenKeys(signing="x"), "exec:true", KeyMissing, "SHIPWAY_SIGNING_KEY"),
    ],
)
def test_a_given_key_that_is_none_is_named_by_its_variable(
    tmp_path: Path, keys: GivenKeys, signer: str, problem: type[ShipwayError], where: str
) -> None:
    with pytest.raises(problem) as raised:
        open_keys(tmp_path, signer=signer, given=keys)
    assert raised.value.where == where
    assert "BEGIN" not in str(raised.value)
