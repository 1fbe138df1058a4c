"""Models are signed so that the real `model_signing` verifies them, and refuses each thing that is not as it was signed."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from release_help import Project

from shipway.access import KeyExposed, KeyMissing, Signer, open_signer
from shipway.kernel.digest import digest_bytes
from shipway.release import Component, ModelUnsigned, attachments_of, put_release, sign_models

pytest_plugins = ["cli_fixtures"]
TOOL = str(Path(sys.executable).with_name("model_signing"))


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("key") / "p256.pem"
    form = serialization.PrivateFormat.PKCS8
    private = generate_private_key(SECP256R1())
    path.write_bytes(private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    path.chmod(0o600)
    return path


@pytest.fixture(scope="module")
def signed(released: Project, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the project's model, signed. Never to be changed."""
    folder = tmp_path_factory.mktemp("signed") / "out"
    project = released.copy(folder.parent / "project")
    sign_models(project.store, open_signer(key), project.store.resolve("release/line"), folder)
    return folder


def verify(folder: Path, *, public: Path | None = None) -> subprocess.CompletedProcess[str]:
    words = [TOOL, "verify", "key", str(folder / "above"), "--signature", str(folder / "above.sig")]
    public = public or folder / "key.pem"
    return subprocess.run([*words, "--public_key", str(public)], capture_output=True, text=True, check=False)


@pytest.mark.interop
def test_the_real_tool_accepts_what_was_signed(signed: Path) -> None:
    assert sorted(path.name for path in signed.iterdir()) == ["above", "above.sig", "key.pem"]
    assert sorted(path.name for path in (signed / "above").iterdir()) == ["golden.json", "model.json", "model.python"]
    done = verify(signed)
    assert done.returncode == 0, done.stderr
    assert "succeeded" in done.stdout


def change_a_byte(folder: Path) -> None:
    path = folder / "above" / "model.python"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def add_a_file(folder: Path) -> None:
    (folder / "above" / "more.json").write_text("{}")


def remove_a_file(folder: Path) -> None:
    (folder / "above" / "golden.json").unlink()


def exchange_a_digest(folder: Path) -> None:
    """The payload says that the changed file is right; nobody signed that."""
    change_a_byte(folder)
    bundle = json.loads((folder / "above.sig").read_text())
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    for resource in statement["predicate"]["resources"]:
        data = (folder / "above" / resource["name"]).read_bytes()
        resource["digest"] = digest_bytes(data).removeprefix("sha256:")
    bundle["dsseEnvelope"]["payload"] = base64.b64encode(json.dumps(statement).encode()).decode()
    (folder / "above.sig").write_text(json.dumps(bundle))


@pytest.mark.interop
@pytest.mark.parametrize("harm", [change_a_byte, add_a_file, remove_a_file, exchange_a_digest])
def test_the_real_tool_refuses_what_was_not_signed(signed: Path, harm: Callable[[Path], None], tmp_path: Path) -> None:
    subprocess.run(["cp", "-r", str(signed), str(tmp_path / "out")], check=True)
    harm(tmp_path / "out")
    done = verify(tmp_path / "out")
    assert done.returncode != 0
    assert "failed" in done.stdout + done.stderr


@pytest.mark.interop
def test_the_real_tool_refuses_another_key(signed: Path, tmp_path: Path) -> None:
    other = generate_private_key(SECP256R1()).public_key()
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "other.pem").write_bytes(other.public_bytes(serialization.Encoding.PEM, form))
    assert verify(signed, public=tmp_path / "other.pem").returncode != 0


@pytest.mark.interop
def test_the_command_signs_with_this_machines_key_and_the_signature_travels(released: Project, tmp_path: Path) -> None:
    project = released.copy(tmp_path / "project")
    project.keys_folder = tmp_path / "keys"
    refused = project.cli("release", "sign", "release/line", "-o", "out", "--json")
    assert refused.document["error"]["code"] == "release.model-unsigned"
    assert "shipway key rotate --algorithm ecdsa-p256" in refused.document["error"]["mend"]
    project.ask("key", "rotate", "--algorithm", "ecdsa-p256")
    document = project.ask("release", "sign", "release/line", "-o", "out", "--attach")
    assert verify(project.root / "out").returncode == 0
    (model,) = document["models"]
    (attached,) = attachments_of(project.store, model["model"])
    assert project.store.objects.get(attached.data.digest) == (project.root / "out" / "above.sig").read_bytes()
    exported = project.ask("release", "export", "release/line", "bundle")
    assert exported["attachments"] > 0
    blob = project.root / "bundle" / "blobs" / "sha256" / attached.data.digest.removeprefix("sha256:")
    assert blob.read_bytes() == (project.root / "out" / "above.sig").read_bytes()
    again = project.cli("release", "sign", "release/line", "-o", "out", "--json")
    assert "is there already" in again.document["error"]["what"]


def test_a_model_whose_bytes_are_damaged_is_not_signed(released: Project, key: Path, tmp_path: Path) -> None:
    from shipway.store import ObjectDamaged

    project = released.copy(tmp_path / "project")
    file = project.store.get(project.store.resolve("model/above"), "model")["file"]
    assert isinstance(file, dict)
    path = project.store.objects.path(file["digest"])
    path.chmod(0o644)
    path.write_bytes(b"other bytes")
    with pytest.raises(ObjectDamaged):
        sign_models(project.store, open_signer(key), project.store.resolve("release/line"), tmp_path / "out")
    assert not list((tmp_path / "out").glob("above*"))


def test_a_name_that_leads_elsewhere_makes_no_folder(released: Project, key: Path, tmp_path: Path) -> None:
    project = released.copy(tmp_path / "project")
    model = project.store.resolve("model/above")
    release = put_release(project.store, [Component("model", "../../escape", model)])
    with pytest.raises(ModelUnsigned, match="no name for a folder"):
        sign_models(project.store, open_signer(key), release, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_key_is_private_to_its_owner_and_is_a_key(key: Path, tmp_path: Path) -> None:
    signer: Signer = open_signer(key)
    assert signer.algorithm == "ecdsa-p256"
    (tmp_path / "open.pem").write_bytes(key.read_bytes())
    (tmp_path / "open.pem").chmod(0o644)
    with pytest.raises(KeyExposed):
        open_signer(tmp_path / "open.pem")
    with pytest.raises(KeyMissing):
        open_signer(tmp_path / "none.pem")
