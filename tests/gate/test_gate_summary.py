"""What other tools read of us: the verification summary of a verdict, and a check as a test result, by in-toto's own types."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gate_help import REF, Bench, auc, rule
from google.protobuf.json_format import MessageToDict, ParseDict
from in_toto_attestation.predicates.test_result.v0.test_result_pb2 import TestResult as ResultMessage
from in_toto_attestation.predicates.vsa.v1.vsa_pb2 import VerificationSummary
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage

from shipway.access import Actor, KeyRing
from shipway.gate import EvidenceFault, EvidenceInvalid, MoveRefused, explain_evidence, move_ref, render_test_result
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.store import EvidenceRow, open_store

ANN = Actor("ann", frozenset({"admin"}))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def signed_move(bench: Bench, target: Digest) -> Digest:
    return move_ref(bench.store, bench.keys, ANN, ref=REF, target=target, signer=bench.signer).verdict


def summary_of(bench: Bench, release: Digest) -> JsonObject:
    (found,) = [said for said in bench.evidence(release) if said.predicate_type == media.SUMMARY_PREDICATE]
    return found.predicate


def test_a_judged_move_leaves_a_summary_about_the_release_that_slsas_own_type_reads(bench: Bench) -> None:
    policy = bench.publish(rule("auc: at least 0.6 at 95%")).target
    release = bench.release("one")
    measured = bench.attest_check(bench.part(release, "model"), auc(), level=0.95)
    verdict = signed_move(bench, bench.deployment(release))
    summary = summary_of(bench, release)
    extension = {"https://shipway.dev/verdict": {"digest": {"sha256": verdict.removeprefix("sha256:")}}}
    assert {name: value for name, value in summary.items() if "://" in name} == extension
    assert summary["verifiedLevels"] == ["SLSA_BUILD_LEVEL_UNEVALUATED"]  # a list in the specification, a text in its own type
    plain = {name: value for name, value in summary.items() if name not in extension and name != "verifiedLevels"}
    message = ParseDict(plain, VerificationSummary())  # raises for a field that the type has not
    read = MessageToDict(message)
    assert read["verificationResult"] == "PASSED"
    assert read["resourceUri"] == f"shipway://flights/{REF}"
    assert read["policy"] == {
        "uri": "shipway://flights/policy/main",
        "digest": {"sha256": policy.removeprefix("sha256:")},
    }
    assert read["inputAttestations"] == [{"digest": {"sha256": measured.removeprefix("sha256:")}}]
    assert read["timeVerified"].startswith("2013-02-01T")


def test_a_refused_move_leaves_one_that_failed(bench: Bench) -> None:
    bench.publish(rule("auc: at least 0.6 at 95%"))
    release = bench.release("one")
    with pytest.raises(MoveRefused):
        signed_move(bench, bench.deployment(release))
    summary = summary_of(bench, release)
    assert (summary["verificationResult"], summary["verifiedLevels"]) == ("FAILED", ["FAILED"])


def test_a_return_and_a_move_to_where_it_is_leave_none(bench: Bench) -> None:
    one, two = (bench.deployment(bench.release(name)) for name in ("one", "two"))
    for target in (one, two, two, one):
        signed_move(bench, target)
    summaries = [bench.store.evidence(bench.part(target, "release")) for target in (one, two)]
    assert [len(found) for found in summaries] == [1, 1]


def test_a_summary_of_another_project_does_not_count(bench: Bench, tmp_path: Path) -> None:
    release = bench.release("one")
    signed_move(bench, bench.deployment(release))
    (row,) = bench.store.evidence(release)
    other = open_store(tmp_path, "churn", create=True, clock=bench.store.clock)
    other.add_evidence(EvidenceRow(row.envelope, release, row.predicate, row.name, row.at))
    (reading,) = explain_evidence(other, bench.keys, release)
    assert reading.fault is EvidenceFault.OTHER_PROJECT


VERDICTS = [(Verdict.PASS, "PASSED", "passedTests"), (Verdict.INCONCLUSIVE, "WARNED", "warnedTests"),
            (Verdict.FAIL, "FAILED", "failedTests")]  # fmt: skip


@pytest.mark.parametrize(("verdict", "result", "listed"), VERDICTS)
def test_a_check_is_rendered_as_a_test_result(bench: Bench, verdict: Verdict, result: str, listed: str) -> None:
    release, definition = bench.release("one"), bench.put("contract", "rows")
    envelope = bench.attest_check(release, Check("contract", verdict, 0.0, n=7), definition=definition)
    (statement,) = bench.evidence(release)
    rendered = render_test_result(statement)
    whole = ParseDict(dict(rendered), StatementMessage())
    assert whole.predicate_type == "https://in-toto.io/attestation/test-result/v0.1"
    assert f"sha256:{whole.subject[0].digest['sha256']}" == release
    predicate = json.loads(json.dumps(rendered["predicate"]))
    message = ParseDict(predicate, ResultMessage())
    assert message.result == result
    assert MessageToDict(message)[listed] == ["contract"]
    assert [f"sha256:{entry.digest['sha256']}" for entry in message.configuration] == [envelope, definition]


@pytest.mark.parametrize("what", ["approval", "unreadable"])
def test_what_is_no_check_is_not_rendered_as_one(bench: Bench, what: str) -> None:
    release = bench.release("one")
    if what == "approval":
        bench.approve(release)
    else:
        bench.attest(release, {"check": {"name": 7}})
    (statement,) = bench.evidence(release)
    with pytest.raises(EvidenceInvalid):
        render_test_result(statement)


def test_without_a_signer_nothing_is_signed(bench: Bench) -> None:
    release = bench.release("one")
    move_ref(bench.store, KeyRing(), ANN, ref=REF, target=bench.deployment(release))
    assert bench.store.evidence(release) == []
