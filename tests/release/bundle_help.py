"""What the tests of bundles share: a store with small releases of real components, moved, checked and approved."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path

from shipway.access import Actor, KeyRing, Signer, open_keys
from shipway.gate import Moved, attest, move_ref, policy_object
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Descriptor, Digest
from shipway.release import Component, Freight, deployment_object, load_freight, put_release, write_folder
from shipway.spec import ContractSpec, DeploySpec
from shipway.store import Store, open_store

START = datetime(2013, 2, 1, tzinfo=UTC)
REF = "deploy/delay@prod"


class Ticking:
    """A second later each time that it is asked."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


class Yard:
    """A project of ann's with releases of data, code, a model and a profile."""

    def __init__(self, folder: Path, keys: Path | None = None) -> None:
        self.folder, self.keys_folder = folder, keys or folder / "keys"
        folder.mkdir(parents=True, exist_ok=True)
        self.actor = Actor("ann@example.org", frozenset({"admin"}))

    @cached_property
    def store(self) -> Store:
        return open_store(self.folder, "flights", create=True, clock=Ticking())

    @property
    def signer(self) -> Signer:
        return open_keys(self.keys_folder)[0]

    @property
    def keys(self) -> KeyRing:
        return open_keys(self.keys_folder)[1]

    def release(self, model: str = "first", *, data: str = "january") -> Digest:
        """A release, at `release/delay`."""
        release = put_release(self.store, [self._data(data), self._code(), self._model(model), self._profile()])
        move_ref(self.store, self.keys, self.actor, ref="release/delay", target=release)
        return release

    def live(self, release: Digest) -> Moved:
        """Measured, approved and put live under a policy that names a contract."""
        contract = {"flights": ContractSpec()}
        policy = self.store.put(policy_object(self.store, {}, contract))
        move_ref(self.store, self.keys, self.actor, ref="policy/main", target=policy)
        part = next(part for part in load_freight(self.store, release).parts if part.component.kind == "model")
        check = Check("auc", Verdict.PASS, 0.7, 0.65, 0.75, n=1000)
        self.attest(part.component.digest, {"check": check.to_json(), "level": 0.95}, label="auc")
        self.attest(release, {"approver": "ann"}, kind=media.APPROVAL_PREDICATE, label="approval")
        return self.deploy(release)

    def deploy(self, release: Digest) -> Moved:
        """Point the deployment at it, and sign what the gate said."""
        deploy = DeploySpec(name="delay@prod", application="delay", environment="prod")
        target = self.store.put(deployment_object(self.store, release, deploy, {}))
        return move_ref(self.store, self.keys, self.actor, ref=REF, target=target, signer=self.signer)

    def attest(
        self,
        subject: Digest,
        predicate: JsonObject,
        *,
        kind: str = media.CHECK_PREDICATE,
        label: str = "",
        signer: Signer | None = None,
    ) -> Digest:
        chosen = signer or self.signer
        return attest(self.store, chosen, subject=subject, name="it", predicate_type=kind, predicate=predicate, label=label)

    def freight(self, release: Digest) -> Freight:
        return load_freight(self.store, release)

    def export(self, release: Digest, folder: Path, *, copy: bool = True) -> Path:
        """Copied, so that what a test does to the bundle does not reach the store."""
        write_folder(self.store, self.freight(release), folder, copy=copy)
        return folder

    def _put(self, kind: str, **fields: object) -> Digest:
        return self.store.put({"kind": kind, "version": 1, **fields})  # type: ignore[dict-item]

    def _tree(self, files: dict[str, bytes]) -> Descriptor:
        folder = self.folder / "work"
        shutil.rmtree(folder, ignore_errors=True)
        for name, data in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return self.store.put_tree(folder)[0]

    def _data(self, text: str) -> Component:
        files = {"2013/01.csv": f"{text}\n".encode() * 300, "2013/02.csv": b"february\n" * 40, "readme": b"flights"}
        root = self._tree(files)
        digest = self._put("snapshot", root=root.to_json(), files=len(files), bytes=sum(map(len, files.values())))
        return Component("data", "flights", digest)

    def _code(self) -> Component:
        root = self._tree({"steps.py": b"def train(): ...\n", "lib/clean.py": b"# nothing\n"})
        return Component("code", "", self._put("code", root=root.to_json(), entry="steps.py"))

    def _model(self, text: str) -> Component:
        file = self.store.put_bytes(f"weights of {text}".encode(), media.SKOPS)
        return Component("model", "delay", self._put("model", file=file.to_json(), format="skops"))

    def _profile(self) -> Component:
        return Component("profile", "delay", self._put("profile", rows=10))
