"""SARIF 2.1.0, as linters and scanners write it: a check that passes when there is no result of level error."""

from __future__ import annotations

from collections.abc import Mapping

from shipway.gate._foreign import Found, ImportRefused, count_found
from shipway.kernel.canonical import Json, NotCanonical, parse_object
from shipway.kernel.check import Verdict

_LEVELS = ("none", "note", "warning", "error")


def read_sarif(data: bytes) -> Found:
    """How many results are errors, of all that are open: not suppressed, not gone since the baseline. Raises ImportRefused."""
    try:
        log = parse_object(data)
    except NotCanonical as problem:
        raise ImportRefused(f"no SARIF: {problem}") from problem
    if log.get("version") != "2.1.0":
        raise ImportRefused(f"this is SARIF {str(log.get('version'))[:20]!r}, and 2.1.0 is read")
    runs = _objects(log.get("runs"), "runs")
    if not runs:
        raise ImportRefused("the log holds no run: nothing was looked at")
    errors, seen = [], 0
    for run in runs:
        _check_finished(run)
        for result in _objects(run.get("results"), "results"):
            if _open(result):
                seen += 1
                errors += [str(result.get("ruleId") or "?")] if _level(run, result) == "error" else []
    found = count_found(errors, seen, "results are errors", tool=_tool(runs[0]), tool_version=_version(runs[0]))
    return found if seen else _nothing(found)


def _nothing(found: Found) -> Found:
    """A scan that ran and found nothing is what one hopes for, not a scan that did not run."""
    return Found(Verdict.PASS, 0.0, 0.0, 0, "no results", found.tool, found.tool_version)


def _check_finished(run: Mapping[str, Json]) -> None:
    """Raises ImportRefused for a run that does not say what it found, or says that it failed."""
    if run.get("results") is None:
        raise ImportRefused("a run holds no results, which means that nothing was looked at")
    for invocation in _objects(run.get("invocations") or [], "invocations"):
        if invocation.get("executionSuccessful") is not True:
            raise ImportRefused(f"{_tool(run)} says that its run was not successful")


def _open(result: Mapping[str, Json]) -> bool:
    suppressions = _objects(result.get("suppressions") or [], "suppressions")
    accepted = any(entry.get("status", "accepted") == "accepted" for entry in suppressions)
    return not accepted and result.get("baselineState") != "absent" and result.get("kind", "fail") == "fail"


def _level(run: Mapping[str, Json], result: Mapping[str, Json]) -> str:
    """The level of a result: its own, else its rule's, else warning (SARIF 3.27.10)."""
    level = result.get("level", _rule_level(run, result))
    if level not in _LEVELS:
        raise ImportRefused(f"a result has the level {str(level)[:20]!r}, which SARIF has not")
    return str(level)


def _rule_level(run: Mapping[str, Json], result: Mapping[str, Json]) -> Json:
    """What the rule says by default. A rule is found by its index or its id, in the driver and in its extensions."""
    named = _mapping(result.get("rule"))
    rules = _objects(_component(run, named).get("rules") or [], "rules")
    index, name = result.get("ruleIndex", named.get("index")), result.get("ruleId", named.get("id"))
    by_index = [rule for number, rule in enumerate(rules) if number == index]
    fitting = by_index or [rule for known in _leading(name) for rule in rules if rule.get("id") == known]
    return _mapping(fitting[0].get("defaultConfiguration")).get("level", "warning") if fitting else "warning"


def _leading(name: Json) -> list[str]:
    """The ids that a result's rule may have, nearest first: `a/b/c` may be of the rule `a/b` or `a` (SARIF 3.27.5)."""
    parts = name.split("/")[:20] if isinstance(name, str) else []
    return ["/".join(parts[:length]) for length in range(len(parts), 0, -1)]


def _component(run: Mapping[str, Json], named: Mapping[str, Json]) -> Mapping[str, Json]:
    """The part of the tool that has the rule: an extension that the result names, else the driver."""
    tool, index = _mapping(run.get("tool")), _mapping(named.get("toolComponent")).get("index")
    extensions = _objects(tool.get("extensions") or [], "extensions")
    if isinstance(index, int) and 0 <= index < len(extensions):
        return extensions[index]
    return _mapping(tool.get("driver"))


def _tool(run: Mapping[str, Json]) -> str:
    return str(_mapping(_mapping(run.get("tool")).get("driver")).get("name") or "a tool without name")[:80]


def _version(run: Mapping[str, Json]) -> str | None:
    driver = _mapping(_mapping(run.get("tool")).get("driver"))
    version = driver.get("semanticVersion") or driver.get("version")
    return str(version)[:40] if version else None


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _objects(value: Json, what: str) -> list[Mapping[str, Json]]:
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise ImportRefused(f"no SARIF: {what} is no list of objects")
    return [entry for entry in value if isinstance(entry, Mapping)]
