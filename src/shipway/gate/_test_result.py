"""Check evidence as in-toto's Test Result (predicate v0.1), for tools that know no check of ours. Rendered, never stored."""

from __future__ import annotations

from collections.abc import Mapping

from shipway.gate._envelope import EvidenceInvalid
from shipway.gate._evidence import Statement
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check, CheckMalformed, Verdict

_RESULTS = {Verdict.PASS: "PASSED", Verdict.INCONCLUSIVE: "WARNED", Verdict.FAIL: "FAILED"}
_LISTS = {Verdict.PASS: "passedTests", Verdict.INCONCLUSIVE: "warnedTests", Verdict.FAIL: "failedTests"}


def render_test_result(statement: Statement) -> JsonObject:
    """The in-toto statement with a Test Result that says what a check said; raises EvidenceInvalid for another statement.

    `configuration` names the definition that was asked, and the envelope that holds the numbers and the signature.
    """
    record = statement.predicate.get("check")
    if statement.predicate_type != media.CHECK_PREDICATE or not isinstance(record, Mapping):
        raise EvidenceInvalid(f"a {statement.predicate_type} is no check", where=statement.envelope)
    try:
        check = Check.from_json(record)
    except CheckMalformed as problem:
        raise EvidenceInvalid(f"its check cannot be read: {problem}", where=statement.envelope) from problem
    tests: dict[str, Json] = {name: [] for name in _LISTS.values()}
    tests[_LISTS[check.verdict]] = [check.name]
    return {
        "_type": media.STATEMENT,
        "subject": [{"name": check.name, "digest": {"sha256": statement.subject.removeprefix("sha256:")}}],
        "predicateType": media.TEST_RESULT_PREDICATE,
        "predicate": {"result": _RESULTS[check.verdict], "configuration": _configuration(statement), **tests},
    }


def _configuration(statement: Statement) -> list[Json]:
    named = {"evidence": statement.envelope, "definition": statement.predicate.get("definition")}
    return [
        {"name": name, "digest": {"sha256": digest.removeprefix("sha256:")}}
        for name, digest in named.items()
        if isinstance(digest, str)
    ]
