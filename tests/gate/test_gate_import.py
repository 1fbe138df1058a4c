"""Foreign evidence: what real tools wrote is read as they meant it, and what cannot count is refused with one error."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from gate_help import REF, Bench, rule
from hypothesis import given, settings
from hypothesis import strategies as st

from shipway.access import Actor, Forbidden
from shipway.gate import FORMATS, LARGEST, Bound, Found, Imported, ImportRefused, MoveRefused, import_check, read_foreign
from shipway.kernel.check import Verdict
from shipway.kernel.digest import Digest, digest_bytes
from shipway.store import ObjectMissing

ANN = Actor("ann", frozenset({"admin"}))
TESTS = """
import pytest

def test_good(): pass
def test_bad(): assert 1 == 2
@pytest.mark.skip
def test_not_today(): pass
@pytest.fixture
def broken(): raise OSError("no such thing")
def test_without_its_fixture(broken): pass
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A JUnit report of a real run of pytest: one passed, one failed, one skipped, one could not be set up."""
    folder = tmp_path_factory.mktemp("junit")
    (folder / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--junit-xml=report.xml", "test_it.py"]
    subprocess.run(command, cwd=folder, capture_output=True, timeout=120, check=False)
    return (folder / "report.xml").read_bytes()


def test_the_report_of_pytest_says_what_failed(report: bytes) -> None:
    found = read_foreign(report, "junit")
    assert (found.verdict, found.value, found.threshold, found.n) == (Verdict.FAIL, 2.0, 0.0, 3)
    assert found.text == "2 of 3 tests failed: test_it.test_bad, test_it.test_without_its_fixture"


def test_one_without_a_failure_passes() -> None:
    suite = '<testsuite tests="2" failures="0" errors="0"><testcase name="a"/><testcase name="b"/></testsuite>'
    found = read_foreign(f"<testsuites>{suite}</testsuites>".encode(), "junit")
    assert (found.verdict, found.value, found.n, found.text) == (Verdict.PASS, 0.0, 2, "0 of 2 tests failed")


def test_when_every_test_was_skipped_nothing_is_decided() -> None:
    found = read_foreign(b'<testsuite tests="1"><testcase name="a"><skipped/></testcase></testsuite>', "junit")
    assert (found.verdict, found.n, found.text) == (Verdict.INCONCLUSIVE, 0, "no tests ran")


def test_suites_in_suites_are_counted_once() -> None:
    inner = '<testsuite name="in" tests="1" failures="1" errors="0"><testcase name="a"><failure/></testcase></testsuite>'
    found = read_foreign(f'<testsuite name="out" tests="1" failures="1">{inner}</testsuite>'.encode(), "junit")
    assert (found.value, found.n) == (1.0, 1)


@pytest.mark.parametrize(
    ("inside", "failed", "n"),
    [
        ('<error message="no database"/><testcase name="a"/>', 1, 2),
        ('<testcase name="a"/><failure/>', 1, 2),
        ("<error/>", 1, 1),
        ('<testcase name="a"><skipped/></testcase><error/>', 1, 1),
        ('<properties><error/></properties><testcase name="a"><failure/></testcase>', 2, 2),
        ('<testcase name="a"><details><failure/></details></testcase>', 1, 1),
    ],
)
def test_a_suite_that_broke_outside_its_tests_fails(inside: str, failed: float, n: int) -> None:
    for suite in (
        f'<testsuite name="s">{inside}</testsuite>',
        f'<testsuites><testsuite name="s">{inside}</testsuite></testsuites>',
    ):
        found = read_foreign(suite.encode(), "junit")
        assert (found.verdict, found.value, found.n) == (Verdict.FAIL, failed, n)
        assert f"{failed} of {n} tests failed: " in found.text


BOMB = b"""<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY a "lol"><!ENTITY b "&a;&a;&a;">]>
<testsuite><testcase name="&b;"/></testsuite>"""
REFUSED_XML = {
    "a billion laughs": (BOMB, "declares a document type"),
    "an entity from a file": (
        b'<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite><testcase name="&x;"/></testsuite>',
        "declares a document type",
    ),
    "a document type from elsewhere": (b'<!DOCTYPE t SYSTEM "http://127.0.0.1/t.dtd"><testsuite/>', "declares a document type"),
    "an entity that nobody declared": (b'<testsuite><testcase name="&x;"/></testsuite>', "not XML"),
    "no XML": (b"hello", "not XML"),
    "cut": (b'<testsuite><testcase name="a"/>', "not XML"),
    "another XML": (b"<html><testcase/></html>", "not JUnit's"),
    "no test": (b'<testsuite name="a" tests="0"/>', "nothing was tested"),
    "an encoding from elsewhere": (b'<?xml version="1.0" encoding="shift-jis"?><testsuite/>', "not XML"),
    "more tests than it holds": (b'<testsuite tests="9"><testcase name="a"/></testsuite>', "9 tests, and holds 1"),
    "failures that it does not hold": (b'<testsuite failures="2"><testcase name="a"/></testsuite>', "holds none that did"),
    "errors that it does not hold": (b'<testsuite errors="1"><testcase name="a"/></testsuite>', "holds none that did"),
    "a failure that it denies": (
        b'<testsuite tests="1" failures="0" errors="0"><testcase name="a"><failure/></testcase></testsuite>',
        "says that no test failed",
    ),
    "a number that is none": (b'<testsuite tests="many"><testcase name="a"/></testsuite>', "is no number"),
    "a test in a test": (b'<testsuite><testcase name="a"><testcase name="b"/></testcase></testsuite>', "lies in a test case"),
    "too deep": (b"<testsuite>" * 101, "deeper than 100"),
    "empty": (b" \n", "empty"),
}


@pytest.mark.parametrize("what", REFUSED_XML)
def test_a_report_that_cannot_count_is_refused(what: str) -> None:
    data, why = REFUSED_XML[what]
    with pytest.raises(ImportRefused, match=why):
        read_foreign(data, "junit")


def test_a_huge_file_is_not_read() -> None:
    with pytest.raises(ImportRefused, match="at most"):
        read_foreign(bytes(LARGEST + 1), "junit")


def ruff(folder: Path, source: str) -> bytes:
    """What a real linter says of a file, in SARIF."""
    (folder / "it.py").write_text(source)
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--output-format", "sarif", "it.py"]
    return subprocess.run(command, cwd=folder, capture_output=True, timeout=60, check=False).stdout


def test_the_log_of_a_real_linter_says_what_is_wrong(tmp_path: Path) -> None:
    found = read_foreign(ruff(tmp_path, "import os\n"), "sarif")
    assert (found.verdict, found.value, found.n, found.tool) == (Verdict.FAIL, 1.0, 1, "ruff")
    assert found.text == "1 of 1 results are errors: F401"
    clean = read_foreign(ruff(tmp_path, "print()\n"), "sarif")
    assert (clean.verdict, clean.value, clean.threshold, clean.text) == (Verdict.PASS, 0.0, 0.0, "no results")


def sarif(*results: dict[str, Any], rules: list[Any] | None = None, **run: Any) -> bytes:
    driver = {"name": "scan", "version": "1.2", "rules": rules or []}
    return json.dumps({"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": list(results), **run}]}).encode()


RULES = [
    {"id": "A", "guid": "11111111-AAAA-4aaa-8aaa-111111111111", "defaultConfiguration": {"level": "error"}},
    {"id": "B"},
]
RESULTS: list[tuple[dict[str, Any], float]] = [
    ({"level": "error"}, 1),
    ({"level": "warning"}, 0),
    ({"ruleId": "A"}, 1),
    ({"ruleIndex": 0}, 1),
    ({"rule": {"id": "A"}}, 1),
    ({"ruleId": "B"}, 0),
    ({"ruleId": "unknown"}, 0),
    ({"ruleId": "A", "level": "note"}, 0),
    ({"level": "error", "suppressions": [{"kind": "inSource"}]}, 0),
    ({"level": "error", "suppressions": [{"kind": "external", "status": "rejected"}]}, 1),
    ({"level": "error", "baselineState": "absent"}, 0),
    ({"level": "error", "baselineState": "unchanged"}, 1),
    ({"kind": "pass"}, 0),
    ({"kind": "pass", "level": "none"}, 0),
    ({"kind": "review", "level": "error"}, 1),
    ({"rule": {"guid": "11111111-aaaa-4aaa-8aaa-111111111111"}}, 1),
]


@pytest.mark.parametrize(("result", "errors"), RESULTS)
def test_a_result_counts_as_the_specification_says(result: dict[str, Any], errors: float) -> None:
    assert read_foreign(sarif(result, rules=RULES), "sarif").value == errors


def test_a_result_of_a_part_of_a_rule_has_the_level_of_the_rule() -> None:
    rules = [
        {"id": "CA1/x", "defaultConfiguration": {"level": "note"}},
        {"id": "CA1", "defaultConfiguration": {"level": "error"}},
    ]
    assert read_foreign(sarif({"ruleId": "CA1/y/z"}, {"ruleId": "CA1/x/z"}, rules=rules), "sarif").value == 1


def test_a_rule_of_an_extension_has_its_own_level() -> None:
    result = {"rule": {"index": 0, "toolComponent": {"index": 0}}}
    tool = {"driver": {"name": "scan", "rules": [{"id": "A"}]}, "extensions": [{"rules": RULES}]}
    assert read_foreign(sarif(result, tool=tool), "sarif").value == 1


@pytest.mark.parametrize("named", [{"index": 0}, {"name": "more"}, {"guid": "AB"}])
def test_an_extension_is_found_by_every_name_of_it(named: dict[str, Any]) -> None:
    tool = {"driver": {"name": "scan", "rules": [{"id": "A"}]}, "extensions": [{"name": "more", "guid": "ab", "rules": RULES}]}
    assert read_foreign(sarif({"rule": {"id": "A", "toolComponent": named}}, tool=tool), "sarif").value == 1


def override(level: str | None, **descriptor: Any) -> dict[str, Any]:
    """An invocation that ran with another level for one rule."""
    configuration = {"level": level} if level else {"enabled": True}
    one = {"descriptor": descriptor, "configuration": configuration}
    return {"executionSuccessful": True, "ruleConfigurationOverrides": [one]}


OVERRIDES: list[tuple[dict[str, Any], list[dict[str, Any]], float]] = [
    ({"ruleId": "B"}, [override("error", id="B")], 1),
    ({"ruleId": "B"}, [override("error", index=1)], 1),
    ({"ruleIndex": 1}, [override("error", id="B")], 1),
    ({"ruleId": "B/part"}, [override("error", id="B")], 1),
    ({"ruleId": "unlisted"}, [override("error", id="unlisted")], 1),
    ({"ruleId": "B"}, [override("error", id="A")], 0),
    ({"ruleId": "B", "level": "note"}, [override("error", id="B")], 0),
    ({"ruleId": "A"}, [override(None, id="A")], 1),
    ({"ruleId": "A"}, [override("note", id="A")], 1),  # whose invocation is not said: such a word can raise a level only
    ({"ruleId": "A", "provenance": {"invocationIndex": 0}}, [override("note", id="A")], 0),
    ({"ruleId": "B", "provenance": {"invocationIndex": 1}}, [override("error", id="B"), override("note", id="B")], 0),
    ({"ruleId": "B", "provenance": {"invocationIndex": 1}}, [override("note", id="B"), override("error", id="B")], 1),
    ({"ruleId": "B", "provenance": {"invocationIndex": 7}}, [override("error", id="B")], 1),
]


@pytest.mark.parametrize(("result", "invocations", "errors"), OVERRIDES)
def test_a_rule_has_the_level_that_its_invocation_gave_it(
    result: dict[str, Any], invocations: list[dict[str, Any]], errors: float
) -> None:
    assert read_foreign(sarif(result, rules=RULES, invocations=invocations), "sarif").value == errors


def test_the_level_of_a_rule_of_an_extension_is_not_that_of_its_namesake() -> None:
    tool = {"driver": {"name": "scan", "rules": [{"id": "A"}]}, "extensions": [{"rules": [{"id": "A"}]}]}
    result = {"ruleId": "A"}
    raised = override("error", id="A", toolComponent={"index": 0})
    assert read_foreign(sarif(result, tool=tool, invocations=[raised]), "sarif").value == 0


REFUSED_SARIF = {
    "no JSON": b"{",
    "a list": b"[]",
    "an older version": b'{"version": "2.0.0", "runs": []}',
    "no run": b'{"version": "2.1.0", "runs": []}',
    "runs of a wrong type": b'{"version": "2.1.0", "runs": 7}',
    "no results": b'{"version": "2.1.0", "runs": [{"tool": {}}]}',
    "results of a wrong type": b'{"version": "2.1.0", "runs": [{"results": [7]}]}',
    "a run that failed": sarif(invocations=[{"executionSuccessful": False}]),
    "a level that is none": sarif({"level": "fatal"}),
    "an override of a level that is none": sarif({"ruleId": "A"}, invocations=[override("fatal", id="A")]),
    "overrides of a wrong type": sarif(
        {"ruleId": "A"}, invocations=[{"executionSuccessful": True, "ruleConfigurationOverrides": 7}]
    ),
    "results in another file": sarif(externalPropertyFileReferences={"results": [{"itemCount": 3}]}),
    "rules in another file": sarif({"ruleId": "A"}, externalPropertyFileReferences={"driver": {"location": {"uri": "d.json"}}}),
    "invocations in another file": sarif(externalPropertyFileReferences={"invocations": [{}]}),
    "a key twice": b'{"version": "2.1.0", "version": "2.1.0", "runs": []}',
    "too deep": b'{"version": "2.1.0", "runs": ' + b"[" * 100_000,
}


@pytest.mark.parametrize("what", REFUSED_SARIF)
def test_a_log_that_cannot_count_is_refused(what: str) -> None:
    with pytest.raises(ImportRefused):
        read_foreign(REFUSED_SARIF[what], "sarif")


@pytest.mark.parametrize("form", ["sarif", "mlflow", "json"])
def test_what_is_nested_too_deep_is_told_in_our_own_words(form: str) -> None:
    with pytest.raises(ImportRefused, match="nested too deep") as problem:
        read_foreign(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", form, path="a")
    assert "recursion" not in str(problem.value)


COVERAGE = b'{"totals": {"percent_covered": 87.5, "ok": true}, "files": [{"a b": {"x.y": 3}}], "runs": []}'
PATHS: list[tuple[str, Bound | None, Verdict, float]] = [
    ("totals.percent_covered", Bound(80, higher=True), Verdict.PASS, 87.5),
    ("totals.percent_covered", Bound(87.5, higher=True), Verdict.PASS, 87.5),
    ("totals.percent_covered", Bound(90, higher=True), Verdict.FAIL, 87.5),
    ("totals.percent_covered", Bound(87.5, higher=False), Verdict.PASS, 87.5),
    ("totals.percent_covered", Bound(80, higher=False), Verdict.FAIL, 87.5),
    ("totals.percent_covered", None, Verdict.INCONCLUSIVE, 87.5),
    ('files[0]["a b"]["x.y"]', Bound(3, higher=True), Verdict.PASS, 3),
    ("totals.ok", None, Verdict.PASS, 1),
]


@pytest.mark.parametrize(("path", "bound", "verdict", "value"), PATHS)
def test_a_number_is_found_by_its_path(path: str, bound: Bound | None, verdict: Verdict, value: float) -> None:
    found = read_foreign(COVERAGE, "json", path=path, bound=bound)
    assert (found.verdict, found.value) == (verdict, value)


REFUSED_PATHS = {
    "totals.percent": "there are ok, percent_covered",
    "totals": "a dict",
    "files": "a list",
    "files[1]": "a list of 1",
    "files[x]": "is no path",
    "runs[0].a": "a list of 0",
    "totals.ok.deeper": "there is True",
    "totals..ok": "is no path",
    "totals ok": "is no path",
}


@pytest.mark.parametrize("path", REFUSED_PATHS)
def test_a_path_that_leads_to_no_number_is_refused_with_what_is_there(path: str) -> None:
    with pytest.raises(ImportRefused, match=REFUSED_PATHS[path]):
        read_foreign(COVERAGE, "json", path=path, bound=Bound(0, higher=True))


@pytest.mark.parametrize("data", [b'{"a": NaN}', b'{"a": 1e999}', b'{"a": "0.9"}', b'{"a": null}', b"{'a': 1}", b'{"a": 1} x'])
def test_what_is_no_number_in_json_is_refused(data: bytes) -> None:
    with pytest.raises(ImportRefused):
        read_foreign(data, "json", path="a", bound=Bound(0, higher=True))


def mlflow(status: str = "FINISHED", **more: Any) -> bytes:
    metrics = [{"key": "auc", "value": 0.71, "timestamp": 1, "step": 0}, {"key": "f1", "value": 0.5}]
    return json.dumps({"run": {"info": {"run_id": "r1", "status": status}, "data": {"metrics": metrics, **more}}}).encode()


def test_a_metric_of_a_finished_run_is_held_against_a_bound() -> None:
    found = read_foreign(mlflow(), "mlflow", path="auc", bound=Bound(0.7, higher=True))
    assert (found.verdict, found.value, found.tool) == (Verdict.PASS, 0.71, "mlflow")
    assert found.text == "auc of run r1 at least 0.7"


TWICE = [{"key": "auc", "value": 0.1}, {"key": "auc", "value": 0.9}]
REFUSED_RUNS = {
    "still running": (mlflow("RUNNING"), "not FINISHED"),
    "failed": (mlflow("FAILED"), "not FINISHED"),
    "a metric twice": (mlflow(metrics=TWICE), "comes twice"),
    "without the metric": (mlflow(metrics=[]), "no metric auc"),
    "a metric that is no number": (mlflow(metrics=[{"key": "auc", "value": "NaN"}]), "no number"),
    "metrics of a wrong type": (mlflow(metrics=7), "no run of MLflow"),
    "an error": (b'{"error_code": "RESOURCE_DOES_NOT_EXIST"}', "no run of MLflow"),
}


@pytest.mark.parametrize("what", REFUSED_RUNS)
def test_a_run_that_cannot_count_is_refused(what: str) -> None:
    data, why = REFUSED_RUNS[what]
    with pytest.raises(ImportRefused, match=why):
        read_foreign(data, "mlflow", path="auc", bound=Bound(0.7, higher=True))


@settings(deadline=None)
@given(data=st.binary(max_size=200), form=st.sampled_from(FORMATS))
def test_any_bytes_are_read_or_refused(data: bytes, form: str) -> None:
    try:
        found = read_foreign(data, form, path="a", bound=Bound(0, higher=True))
    except ImportRefused:
        return
    assert isinstance(found, Found)


names = st.sampled_from(["runs", "results", "run", "info", "data", "level", "metrics", "tool", "rule", "a"])
values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@settings(deadline=None)
@given(value=values, form=st.sampled_from(["sarif", "mlflow", "json"]))
def test_so_is_any_json(value: Any, form: str) -> None:
    value = {**value, "version": "2.1.0"} if isinstance(value, dict) and form == "sarif" else value
    try:
        read_foreign(json.dumps(value).encode(), form, path="a", bound=Bound(0, higher=True))
    except ImportRefused:
        return


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


Keep = Callable[..., Imported]


@pytest.fixture
def keep(bench: Bench) -> Keep:
    def keep(
        subject: Digest, data: bytes = COVERAGE, *, least: float = 80, actor: Actor = ANN, name: str = "coverage"
    ) -> Imported:
        found = read_foreign(data, "json", path="totals.percent_covered", bound=Bound(least, higher=True))
        return import_check(bench.store, bench.signer, actor, found, data=data, form="json", name=name, subject=subject)

    return keep


def test_what_was_imported_is_evidence_that_a_policy_asks_for_and_its_file_is_kept(bench: Bench, keep: Keep) -> None:
    bench.publish(rule("import.coverage: pass"))
    release = bench.release("one")
    with pytest.raises(MoveRefused, match=r"import\.coverage: no evidence"):
        bench.move(REF, bench.deployment(release))
    keep(release, least=99)
    with pytest.raises(MoveRefused, match=r"import\.coverage: fail"):
        bench.move(REF, bench.deployment(release))
    kept = keep(release)
    assert bench.move(REF, bench.deployment(release)).changed
    statement = bench.evidence(release)[-1]
    assert statement.envelope == kept.envelope
    assert statement.predicate["tool"] == {"name": "json", "version": None}
    assert statement.predicate["source"] == {
        "mediaType": "application/json",
        "digest": digest_bytes(COVERAGE),
        "size": len(COVERAGE),
    }
    assert bench.store.objects.get(kept.source) == COVERAGE


def test_it_counts_for_every_release_with_the_component_that_it_is_about(bench: Bench, keep: Keep) -> None:
    bench.publish(rule("import.coverage: pass"))
    one, two, other = bench.release("one"), bench.release("one", data="february"), bench.release("two")
    keep(bench.part(one, "model"))
    assert bench.move(REF, bench.deployment(two)).changed
    with pytest.raises(MoveRefused):
        bench.move(REF, bench.deployment(other))


def test_a_measurement_without_a_bound_meets_no_policy(bench: Bench) -> None:
    bench.publish(rule("import.coverage: pass"))
    release = bench.release("one")
    found = read_foreign(COVERAGE, "json", path="totals.percent_covered")
    import_check(bench.store, bench.signer, ANN, found, data=COVERAGE, form="json", name="coverage", subject=release)
    with pytest.raises(MoveRefused):
        bench.move(REF, bench.deployment(release))


def test_nothing_is_kept_without_permission_about_nothing_or_under_no_name(bench: Bench, keep: Keep) -> None:
    release = bench.release("one")
    with pytest.raises(Forbidden):
        keep(release, actor=Actor("eve", frozenset({"reader"})))
    with pytest.raises(ObjectMissing):
        keep(digest_bytes(b"nothing"))
    for name in ("", "Coverage", "a.b", "a b", "x" * 61):
        with pytest.raises(ImportRefused, match="is no name"):
            keep(release, name=name)
    assert bench.store.evidence(release) == []
    assert not bench.store.objects.has(digest_bytes(COVERAGE))
