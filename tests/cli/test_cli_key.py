"""`shipway key`: what one person shows, another trusts; and what ends that."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cli_project import REF, Project

from shipway.access import open_keys

pytest_plugins = ["cli_fixtures"]


@dataclass
class Person:
    """Somebody with a keys folder, anywhere: no project is needed."""

    folder: Path

    def key(self, *words: str, fails: str = "") -> Any:
        environ = {**os.environ, "SHIPWAY_KEYS": str(self.folder / "keys")}
        command = [sys.executable, "-m", "shipway", "-C", str(self.folder), "key", *words]
        done = subprocess.run([*command, "--json"], capture_output=True, text=True, env=environ, timeout=120, check=False)
        document = json.loads(done.stdout)
        assert (done.returncode, document.get("error", {}).get("code", "")) == (1 if fails else 0, fails), done.stderr
        return document


@pytest.fixture
def ann(tmp_path: Path) -> Person:
    (tmp_path / "ann").mkdir()
    return Person(tmp_path / "ann")


@pytest.fixture
def bob(tmp_path: Path) -> Person:
    (tmp_path / "bob").mkdir()
    return Person(tmp_path / "bob")


def test_a_colleagues_key_is_trusted_retired_and_revoked(ann: Person, bob: Person) -> None:
    own = bob.key("show")
    (ann.folder / "bob.pem").write_text(own["public"])
    trusted = ann.key("trust", "bob.pem", "--name", "bob", "--role", "approver", "--role", "security")
    assert (trusted["id"], trusted["roles"], trusted["until"]) == (own["id"], ["approver", "security"], None)
    listed = ann.key("list")
    assert [key["name"] for key in listed["keys"]] == ["this machine", "bob"]
    assert listed["own"] == listed["keys"][0]["id"]
    assert ann.key("retire", "bob")["until"] is not None
    assert ann.key("revoke", own["id"][:8], "--why", "stolen")["revoked"]["reason"] == "stolen"
    ann.key("trust", "bob.pem", "--name", "bob", "--role", "approver", fails="access.trust-refused")
    ann.key("retire", "eve", fails="access.key-unknown")


def test_a_machine_exchanges_its_own_key(ann: Person) -> None:
    before = ann.key("show")
    rotated = ann.key("rotate", "--algorithm", "ecdsa-p256")
    assert (rotated["old"]["id"], rotated["new"]["algorithm"]) == (before["id"], "ecdsa-p256")
    assert rotated["old"]["until"] == rotated["new"]["since"]
    assert ann.key("show")["id"] == rotated["new"]["id"]
    assert ann.key("show", before["id"][:8])["public"] == before["public"]


def test_what_show_prints_is_a_pem_file_as_it_is(ann: Person) -> None:
    environ = {**os.environ, "SHIPWAY_KEYS": str(ann.folder / "keys")}
    command = [sys.executable, "-m", "shipway", "-C", str(ann.folder), "key", "show"]
    done = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=120, check=True)
    assert done.stdout == ann.key("show")["public"]
    assert "next: shipway key trust" in done.stderr


def test_the_checks_of_a_release_are_written_as_test_results(project: Project) -> None:
    assert project.cli("check").code == 0
    assert project.cli("check", "export", "-o", "results.jsonl").code == 0
    lines = [json.loads(line) for line in (project.root / "results.jsonl").read_text().splitlines()]
    assert {line["predicateType"] for line in lines} == {"https://in-toto.io/attestation/test-result/v0.1"}
    results = {line["subject"][0]["name"]: line["predicate"]["result"] for line in lines}
    assert results["contract"] == "PASSED"
    assert results["auc"] == "WARNED"
    assert project.ask("check", "export")["results"] == lines


def test_after_a_theft_nothing_counts_until_it_is_measured_and_approved_again(project: Project, tmp_path: Path) -> None:
    shutil.copytree(project.keys_folder, tmp_path / "keys")
    project.keys_folder = tmp_path / "keys"  # other tests go on with the key that is revoked here
    (tmp_path / "bob.pem").write_text(open_keys(tmp_path / "bob")[0].public)
    trust = ("key", "trust", str(tmp_path / "bob.pem"), "--name", "bob", "--role", "approver")  # who could still approve
    for words in (("check",), ("approve",), trust):
        assert project.cli(*words).code == 0
    assert project.cli("key", "revoke", "this machine", "--why", "the laptop was stolen").code == 0
    refused = project.cli("apply")
    assert refused.code == 1
    assert "approval: 0 of 1" in refused.err
    assert [row["outcome"] for row in project.ask("log", REF)["history"]] == ["refused"]
    unsigned = project.cli("approve")
    assert unsigned.code == 1
    assert "is revoked (the laptop was stolen)" in unsigned.err
    assert project.cli("key", "rotate").code == 0
    assert project.cli("apply").code == 1
    for words in (("check",), ("approve",), ("apply",)):
        assert project.cli(*words).code == 0


def test_keys_in_variables_count_and_are_changed_by_no_command(
    ann: Person, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ann.key("show")["id"]
    (tmp_path / "bob").mkdir()
    bob = Person(tmp_path / "bob")
    (tmp_path / "bob" / "bob.pem").write_text(open_keys(bob.folder / "keys")[0].public)
    ann.key("trust", str(tmp_path / "bob" / "bob.pem"), "--name", "bob", "--role", "checker")
    known = [key["id"] for key in ann.key("list")["keys"]]
    for name, file in (("SHIPWAY_TRUST", "trust.json"), ("SHIPWAY_SIGNING_KEY", "signing.pem")):
        monkeypatch.setenv(name, (ann.folder / "keys" / file).read_text())
    (tmp_path / "task").mkdir()
    task = Person(tmp_path / "task")
    assert task.key("show")["id"] == own
    assert sorted(key["id"] for key in task.key("list")["keys"]) == sorted(known)
    assert not (task.folder / "keys").exists(), "nothing of it is written"
    command = [sys.executable, "-m", "shipway", "key", "retire", "bob", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, timeout=60, check=False)
    assert json.loads(done.stdout)["error"]["where"] == "SHIPWAY_TRUST"
