"""SARIF 2.1.0, as linters and scanners write it: a check that passes when there is no result of level error."""

from __future__ import annotations

from collections.abc import Mapping

from shipway.gate._foreign import Found, ImportRefused, count_found
from shipway.gate._sarif_rules import Rules, mapping, objects
from shipway.kernel.canonical import Json, NotCanonical, parse_object
from shipway.kernel.check import Verdict

_ELSEWHERE = ("results", "driver", "extensions", "invocations")  # what decides a verdict, and may lie in another file


def read_sarif(data: bytes) -> Found:
    """How many results are errors, of all that are open: not suppressed, not gone since the baseline. Raises ImportRefused."""
    try:
        log = parse_object(data)
    except NotCanonical as problem:
        raise ImportRefused(f"no SARIF: {problem}") from problem
    if log.get("version") != "2.1.0":
        raise ImportRefused(f"this is SARIF {str(log.get('version'))[:20]!r}, and 2.1.0 is read")
    runs = objects(log.get("runs"), "runs")
    if not runs:
        raise ImportRefused("the log holds no run: nothing was looked at")
    errors, seen = [], 0
    for run in runs:
        _check_finished(run)
        rules = Rules(run)
        for result in objects(run.get("results"), "results"):
            if _open(result):
                seen += 1
                errors += [str(result.get("ruleId") or "?")] if rules.level(result) == "error" else []
    found = count_found(errors, seen, "results are errors", tool=_tool(runs[0]), tool_version=_version(runs[0]))
    return found if seen else _nothing(found)


def _nothing(found: Found) -> Found:
    """A scan that ran and found nothing is what one hopes for, not a scan that did not run."""
    return Found(Verdict.PASS, 0.0, 0.0, 0, "no results", found.tool, found.tool_version)


def _check_finished(run: Mapping[str, Json]) -> None:
    """Raises ImportRefused for a run that does not say what it found, or says that it failed."""
    if run.get("results") is None:
        raise ImportRefused("a run holds no results, which means that nothing was looked at")
    moved = mapping(run.get("externalPropertyFileReferences"))
    for name in _ELSEWHERE:
        if moved.get(name):
            mend = "have the tool write one file"
            raise ImportRefused(f"a run has its {name} in another file, and what they say is not here", mend=mend)
    for invocation in objects(run.get("invocations") or [], "invocations"):
        if invocation.get("executionSuccessful") is not True:
            raise ImportRefused(f"{_tool(run)} says that its run was not successful")


def _open(result: Mapping[str, Json]) -> bool:
    """A result of a kind other than fail has no level; one that has it all the same says two things, and counts."""
    suppressions = objects(result.get("suppressions") or [], "suppressions")
    accepted = any(entry.get("status", "accepted") == "accepted" for entry in suppressions)
    bad = result.get("kind", "fail") == "fail" or result.get("level", "none") != "none"
    return bad and not accepted and result.get("baselineState") != "absent"


def _tool(run: Mapping[str, Json]) -> str:
    return str(mapping(mapping(run.get("tool")).get("driver")).get("name") or "a tool without name")[:80]


def _version(run: Mapping[str, Json]) -> str | None:
    driver = mapping(mapping(run.get("tool")).get("driver"))
    version = driver.get("semanticVersion") or driver.get("version")
    return str(version)[:40] if version else None
