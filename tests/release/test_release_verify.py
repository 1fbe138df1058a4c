"""Verification names the first thing that is wrong, and says what holds: bytes, signatures, keys, and what a policy asks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bundle_help import REF, START, Ticking, Yard
from release_help import Project

from shipway.access import KeyRing, Revoked, open_keys, open_ring
from shipway.gate import move_ref, policy_object, revoke
from shipway.kernel import media
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.release import (
    Bundle,
    BundleDamaged,
    EvidenceMissing,
    ReleaseRevoked,
    StatementWrong,
    open_bundle,
    open_stored,
    verify_bundle,
)
from shipway.spec import PolicyRule, parse_requirement, parse_spec

pytest_plugins = ["cli_fixtures"]


@pytest.fixture
def yard(tmp_path: Path) -> Yard:
    return Yard(tmp_path / "yard")


def exported(yard: Yard, release: Digest) -> Bundle:
    return open_bundle(yard.export(release, yard.folder.parent / "out"))


def publish(yard: Yard, *lines: str, approvals: int = 0) -> None:
    require = tuple(parse_requirement(*line.split(": ", 1)) for line in lines)
    rule = PolicyRule(ref=REF, require=require, approvals=approvals)
    target = yard.store.put(policy_object(yard.store, {REF: rule}, {}))
    move_ref(yard.store, yard.keys, yard.actor, ref="policy/main", target=target)


def model_of(yard: Yard, release: Digest) -> Digest:
    return next(part.component.digest for part in yard.freight(release).parts if part.component.kind == "model")


def measure(yard: Yard, release: Digest, value: float = 0.7, **more: Any) -> None:
    check = Check("auc", Verdict.PASS, value, value - 0.05, value + 0.05, n=1000)
    yard.attest(model_of(yard, release), {"check": check.to_json(), "level": 0.95, **more}, label="auc")


def test_what_holds_is_counted_and_the_signers_are_named(yard: Yard) -> None:
    release = yard.release()
    measure(yard, release)
    found = verify_bundle(exported(yard, release), yard.keys)
    assert found.verdict is Verdict.PASS
    assert [(said.about, said.signer) for said in found.said] == [("model delay", "this machine")]
    assert found.hashed.bytes > 3000


def test_a_statement_whose_signature_does_not_fit_is_named(yard: Yard, tmp_path: Path) -> None:
    """An envelope of one statement with the signature of another: digests all fit, for an attacker makes them anew."""
    release = yard.release()
    measure(yard, release)
    row = yard.store.evidence(model_of(yard, release))[0]
    stolen = yard.store.get(row.envelope)["signatures"]
    measure(yard, release, 0.9)
    better = yard.store.get(yard.store.evidence(model_of(yard, release))[1].envelope)
    forged = Yard(tmp_path / "forger", yard.keys_folder)
    assert forged.release() == release
    envelope = forged.store.put({"schemaVersion": 0, **better, "signatures": stolen})
    forged.store.add_evidence(replace(row, envelope=envelope))
    found = verify_bundle(open_bundle(forged.export(release, tmp_path / "forged")), yard.keys)
    assert isinstance(found.wrong, StatementWrong)
    assert "the statement auc about model delay" in found.wrong.what
    assert found.verdict is Verdict.FAIL


def test_an_unknown_key_is_wrong_and_no_key_at_all_leaves_it_open(yard: Yard, tmp_path: Path) -> None:
    release = yard.release()
    measure(yard, release)
    bundle = exported(yard, release)
    stranger = verify_bundle(bundle, open_keys(tmp_path / "elsewhere")[1])
    assert isinstance(stranger.wrong, StatementWrong)
    assert stranger.wrong.mend == "add its public key to the trusted keys"
    nobody = verify_bundle(bundle, KeyRing())
    assert (nobody.verdict, nobody.unchecked, nobody.wrong) == (Verdict.INCONCLUSIVE, 1, None)


def test_a_folder_with_the_public_key_is_enough_and_nothing_is_made_in_it(yard: Yard, tmp_path: Path) -> None:
    release = yard.release()
    measure(yard, release)
    (tmp_path / "auditor").mkdir()
    (tmp_path / "auditor" / "ann.pem").write_text(yard.keys.keys[0].public)
    found = verify_bundle(exported(yard, release), open_ring(tmp_path / "auditor", loose=True))
    assert found.verdict is Verdict.PASS
    assert [said.signer for said in found.said] == ["ann"]
    assert [path.name for path in (tmp_path / "auditor").iterdir()] == ["ann.pem"]


def test_a_revoked_key_is_named_with_the_reason(yard: Yard) -> None:
    release = yard.release()
    measure(yard, release)
    (own,) = yard.keys.keys
    ring = KeyRing([replace(own, revoked=Revoked(START + timedelta(days=1), "laptop lost"))])
    found = verify_bundle(exported(yard, release), ring)
    assert isinstance(found.wrong, StatementWrong)
    assert "revoked" in found.wrong.what
    assert "laptop lost" in found.wrong.what


def test_a_wrong_byte_comes_before_a_wrong_statement(yard: Yard, tmp_path: Path) -> None:
    release = yard.release()
    measure(yard, release)
    bundle = exported(yard, release)
    blob = next(
        place.path for blob, place in bundle.files.blobs.items() if blob in {leaf.digest for leaf, _ in bundle.leaves()}
    )
    blob.chmod(0o644)
    blob.write_bytes(bytes(blob.stat().st_size))
    with pytest.raises(BundleDamaged):
        verify_bundle(open_bundle(tmp_path / "out"), KeyRing())


@pytest.mark.parametrize("part", ["release", "model"])
def test_a_revoked_release_is_named_with_who_and_why(yard: Yard, part: str) -> None:
    release = yard.release()
    digest = release if part == "release" else model_of(yard, release)
    words: dict[str, Any] = {"digest": digest, "name": "it", "resource": "release/delay"}
    revoke(yard.store, yard.keys, yard.signer, yard.actor, why="trained on stolen rows", **words)
    found = verify_bundle(exported(yard, release), yard.keys)
    assert isinstance(found.wrong, ReleaseRevoked)
    assert "was revoked by ann@example.org" in found.wrong.what
    assert "trained on stolen rows" in found.wrong.what
    revoke(yard.store, yard.keys, yard.signer, yard.actor, why="a mistake", lift=True, **words)
    assert verify_bundle(exported(yard, release), yard.keys).verdict is Verdict.PASS


def test_a_revocation_by_a_key_without_the_role_is_not_passed_over(yard: Yard, tmp_path: Path) -> None:
    release = yard.release()
    words: dict[str, Any] = {"digest": release, "name": "it", "resource": "release/delay"}
    revoke(yard.store, yard.keys, yard.signer, yard.actor, why="trained on stolen rows", **words)
    (tmp_path / "auditor").mkdir()
    (tmp_path / "auditor" / "ann.pem").write_text(yard.keys.keys[0].public)
    for ref in (None, REF):
        found = verify_bundle(exported(yard, release), open_ring(tmp_path / "auditor"), ref=ref, clock=Ticking())
        assert isinstance(found.wrong, StatementWrong)


# for a deployment


def test_the_policy_that_came_along_judges_for_a_deployment(yard: Yard) -> None:
    publish(yard, "auc: at least 0.6 at 95%", approvals=1)
    release = yard.release()
    lacking = verify_bundle(exported(yard, release), yard.keys, ref=REF, clock=Ticking())
    assert isinstance(lacking.wrong, EvidenceMissing)
    assert "auc at least 0.6 at 95%: no evidence" in lacking.wrong.what
    measure(yard, release)
    yard.attest(release, {"approver": "ann"}, kind=media.APPROVAL_PREDICATE, label="approval")
    found = verify_bundle(exported(yard, release), yard.keys, ref=REF, clock=Ticking())
    assert (found.verdict, found.wrong) == (Verdict.PASS, None)
    assert {check.name for check in found.answers[0].judgement.checks} >= {"auc", "approvals"}


def test_a_key_that_is_revoked_leaves_the_policy_unmet(yard: Yard) -> None:
    publish(yard, "auc: at least 0.6 at 95%")
    release = yard.release()
    measure(yard, release)
    (own,) = yard.keys.keys
    ring = KeyRing([replace(own, revoked=Revoked(START, "laptop lost"))])
    found = verify_bundle(exported(yard, release), ring, ref=REF, clock=Ticking())
    assert isinstance(found.wrong, EvidenceMissing)


def test_what_was_live_before_is_known_from_a_signed_verdict_alone(yard: Yard) -> None:
    publish(yard, "auc: not worse by 0.02 at 90%")
    first, second = yard.release("first"), yard.release("second")
    yard.deploy(first)
    undecided = verify_bundle(exported(yard, second), yard.keys, ref=REF, clock=Ticking())
    assert undecided.verdict is Verdict.INCONCLUSIVE
    assert "no signed verdict says what that was" in undecided.answers[0].unknown[0]
    measure(yard, second, 0.1, against=model_of(yard, first))
    yard.deploy(second)
    found = verify_bundle(exported(yard, second), yard.keys, ref=REF, clock=Ticking())
    assert found.verdict is Verdict.PASS
    assert [one.record["ref"] for one in found.passed] == [REF]
    measure(yard, second, -0.1, against=model_of(yard, first))
    assert verify_bundle(exported(yard, second), yard.keys, ref=REF, clock=Ticking()).verdict is Verdict.FAIL


def test_a_release_of_the_store_is_verified_as_a_bundle_is(yard: Yard) -> None:
    release = yard.release()
    measure(yard, release)
    found = verify_bundle(open_stored(yard.store, release), yard.keys)
    assert found.verdict is Verdict.PASS
    blob = yard.store.objects.path(model_of(yard, release))
    blob.chmod(0o644)
    blob.write_bytes(b"{}")
    with pytest.raises(Exception, match="content is"):
        verify_bundle(open_stored(yard.store, release), yard.keys)


# the commands


def test_the_commands_from_export_to_import(project: Project, tmp_path: Path) -> None:
    release = project.store.resolve("release/line")
    done = project.ask("release", "export", "release/line", str(tmp_path / "out"))
    assert (done["release"], done["new_blobs"]) == (release, done["blobs"])
    assert project.ask("release", "export", release, str(tmp_path / "out"))["new_bytes"] == 0
    assert project.ask("release", "export", release[:20], str(tmp_path / "out.tar"))["bytes"] == done["bytes"]
    for place in (tmp_path / "out", tmp_path / "out.tar", release):
        said = project.ask("verify", str(place))
        assert said["verdict"] == "pass"
        assert {one["name"] for one in said["releases"][0]["statements"]} >= {"auc", "contract"}
    assert project.cli("apply").code == 1  # not approved; the policy is in force from now on
    project.ask("release", "export", release, str(tmp_path / "out"))
    lacking = project.cli("verify", str(tmp_path / "out"), "--for", "line@prod", "--json")
    assert lacking.code == 1
    assert lacking.document["wrong"]["code"] == "release.evidence-missing"
    assert "approval: 0 of 1" in lacking.document["wrong"]["what"]
    other = project.copy(tmp_path / "other")
    imported = other.ask("release", "import", str(tmp_path / "out.tar"))
    assert [(one["release"], one["refs"]) for one in imported["releases"]] == [(release, ["release/line"])]
    text = project.cli("verify", str(tmp_path / "out"))
    assert text.code == 0
    assert "MB/s" in text.out


def test_what_is_no_bundle_is_told_where_there_is_no_project(tmp_path: Path) -> None:
    done = Project(tmp_path, tmp_path / "keys").cli("verify", "typo", "--json")
    assert done.code == 1
    assert "typo is neither a folder nor a file" in done.document["wrong"]["what"]


def test_a_broken_bundle_fails_with_one_document(project: Project, tmp_path: Path) -> None:
    project.ask("release", "export", "release/line", str(tmp_path / "out"), "--copy")
    (tmp_path / "out" / "notes").write_text("x")
    said = project.cli("verify", str(tmp_path / "out"), "--json")
    assert said.code == 1
    assert said.document["wrong"]["code"] == "release.bundle-malformed"
    refused = project.cli("release", "import", str(tmp_path / "out"), "--json")
    assert (refused.code, refused.document["error"]["code"]) == (1, "release.bundle-malformed")


def test_a_release_is_verified_at_any_hour(yard: Yard) -> None:
    asked = "{hours: sun 03:00-03:01 UTC, freeze: 2013-01-01..2099-01-01}"
    text = f"project: p\ndeploy: {{delay@prod: {{}}}}\npolicy: {{{REF}: {asked}}}"
    rules = parse_spec(text, path="shipway.yaml").policy
    move_ref(yard.store, yard.keys, yard.actor, ref="policy/main", target=yard.store.put(policy_object(yard.store, rules, {})))
    assert verify_bundle(exported(yard, yard.release()), yard.keys, ref=REF).verdict is Verdict.PASS
