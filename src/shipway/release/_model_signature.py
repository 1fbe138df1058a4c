"""Models signed so that others verify them with a tool of their own: `model_signing verify key` (OpenSSF Model Signing 1.0).

A Sigstore bundle around a DSSE envelope; the statement lists every file of the model's folder with its SHA-256, and its
subject is the SHA-256 over those digests in the order of the names. Needs an ECDSA P-256 key, which is all that tool takes.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shipway.access import ECDSA_P256, Signer
from shipway.gate import seal
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, canonical_json, parse_object
from shipway.kernel.digest import Descriptor, Digest
from shipway.kernel.errors import ShipwayError
from shipway.release._manifest import Component, load_components
from shipway.store import ObjectDamaged, Store, hash_file

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")  # of a folder that we make: an imported release may call a model anything


class ModelUnsigned(ShipwayError):
    """A model that cannot be signed: none is there, the key is of another kind, the folder is taken."""

    code = "release.model-unsigned"


@dataclass(frozen=True, slots=True)
class SignedModel:
    """A model's folder with the signature beside it; `bundle` is the signature's bytes, `subject` the model object."""

    name: str
    subject: Digest
    folder: Path
    signature: Path
    bundle: bytes


def sign_models(store: Store, signer: Signer, release: Digest, folder: Path) -> tuple[SignedModel, ...]:
    """Write every model of a release to `<folder>/<name>/`, `<folder>/<name>.sig` beside it, and the public key to `key.pem`.

    A model's folder has its object (`model.json`), its file and its golden rows. Each appears whole or not at all, the
    signature last. Raises ModelUnsigned, ReleaseMalformed, ObjectMissing, ObjectDamaged, KeyUnusable.
    """
    models = [part for part in load_components(store, release) if part.kind == "model"]
    if not models:
        raise ModelUnsigned("the release holds no model of its own", where=release, mend="name a release that predicts")
    if signer.algorithm != ECDSA_P256:
        what = f"model signatures are of ECDSA P-256 keys, and this key is {signer.algorithm}"
        mend = "name one with --key, or: shipway key rotate --algorithm ecdsa-p256"
        raise ModelUnsigned(what, where=signer.key_id[:12], mend=mend)
    for part in models:
        _check_free(part, folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "key.pem", signer.public.encode())
        return tuple(_signed(store, signer, part, folder) for part in models)
    except OSError as problem:
        what = f"cannot write {folder}: {problem.strerror}"
        raise ModelUnsigned(what, where=str(folder), mend="name another folder") from problem


def model_bundle(signer: Signer, name: str, files: Mapping[str, Digest]) -> bytes:
    """The signature of a folder called `name` that holds exactly these files, as canonical JSON."""
    ordered = sorted(files.items())
    resources: list[Json] = [
        {"name": path, "algorithm": "sha256", "digest": digest.removeprefix("sha256:")} for path, digest in ordered
    ]
    root = hashlib.sha256(b"".join(bytes.fromhex(digest.removeprefix("sha256:")) for _, digest in ordered))
    statement: JsonObject = {
        "_type": media.STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": root.hexdigest()}}],
        "predicateType": media.MODEL_SIGNATURE_PREDICATE,
        "predicate": {
            "serialization": {"method": "files", "hash_type": "sha256", "allow_symlinks": False, "ignore_paths": []},
            "resources": resources,
        },
    }
    hint = hashlib.sha256(signer.public.encode()).hexdigest()
    return canonical_json(
        {
            "mediaType": media.SIGSTORE,
            "verificationMaterial": {"publicKey": {"hint": hint}, "tlogEntries": []},
            "dsseEnvelope": parse_object(seal(signer, canonical_json(statement))),
        }
    )


def _check_free(part: Component, folder: Path) -> None:
    if not _NAME.fullmatch(part.name):
        raise ModelUnsigned(f"{part.name!r} is no name for a folder", where=part.digest)
    for path in (folder / part.name, folder / f"{part.name}.sig"):
        if path.exists() or path.is_symlink():
            raise ModelUnsigned(f"{path} is there already", where=str(folder), mend="name a new folder")


def _signed(store: Store, signer: Signer, part: Component, folder: Path) -> SignedModel:
    draft, place = folder / f".{part.name}.draft", folder / part.name
    shutil.rmtree(draft, ignore_errors=True)  # of a call that was killed
    draft.mkdir()
    record = store.get(part.digest, "model")
    leaves = {f"model.{record['format']}": record["file"], "golden.json": record["golden"]}
    files = {name: _copy(store, Descriptor.from_json(leaf).digest, draft / name) for name, leaf in leaves.items()}
    files["model.json"] = part.digest
    (draft / "model.json").write_bytes(canonical_json(record))
    bundle = model_bundle(signer, part.name, files)
    draft.rename(place)
    _write(folder / f"{part.name}.sig", bundle)
    return SignedModel(part.name, part.digest, place, folder / f"{part.name}.sig", bundle)


def _copy(store: Store, digest: Digest, target: Path) -> Digest:
    """The bytes that were hashed are those that are signed: of the copy, not of what it was made from."""
    shutil.copyfile(store.objects.verify(digest), target)
    if hash_file(target) != digest:
        raise ObjectDamaged(f"{target.name} changed while it was copied", where=str(target), mend="run it again")
    return digest


def _write(path: Path, data: bytes) -> None:
    """The whole file under its name, or nothing."""
    draft = path.with_name(f".{path.name}.draft")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(path)
