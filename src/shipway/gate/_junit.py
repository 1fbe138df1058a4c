"""JUnit XML, as pytest, Maven, Gradle, Jest and others write it: a check that passes when no test failed.

Read by expat with every document type refused: no entity is ever declared, so none can be expanded or fetched.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from xml.parsers import expat

from shipway.gate._foreign import Found, ImportRefused, count_found

_DEEPEST = 100
_BAD = ("failure", "error")


@dataclass(slots=True)
class _Suite:
    """A test suite as it declares itself, and what was counted inside it."""

    name: str
    declared: dict[str, int]
    ran: int = 0
    skipped: int = 0
    failed: int = 0
    broken: int = 0

    def add(self, other: _Suite) -> None:
        self.ran, self.skipped = self.ran + other.ran, self.skipped + other.skipped
        self.failed, self.broken = self.failed + other.failed, self.broken + other.broken


@dataclass(slots=True)
class _Reader:
    suites: list[_Suite] = field(default_factory=list)
    path: list[str] = field(default_factory=list)
    failing: list[str] = field(default_factory=list)
    case: str = ""
    outcome: str = ""
    whole: _Suite | None = None

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        tag = tag.rpartition(":")[2]
        if not self.path and tag not in ("testsuites", "testsuite"):
            raise ImportRefused(f"this XML is <{tag[:40]}>, not JUnit's <testsuites> or <testsuite>")
        self.path.append(tag)
        if len(self.path) > _DEEPEST:
            raise ImportRefused(f"the XML is deeper than {_DEEPEST} elements")
        if tag in ("testsuites", "testsuite"):
            self.suites.append(_Suite(attributes.get("name", "")[:80], _declared(attributes)))
        elif tag == "testcase":
            if "testcase" in self.path[:-1]:
                raise ImportRefused("a test case lies in a test case")
            self.case = ".".join(filter(None, (attributes.get("classname"), attributes.get("name", "?"))))
            self.outcome = ""
        elif tag in _BAD and "testcase" not in self.path:
            self._break_suite()
        elif tag in _BAD or (tag == "skipped" and self.path[-2] == "testcase" and not self.outcome):
            self.outcome = "failed" if tag in _BAD else "skipped"

    def end(self, _tag: str) -> None:
        tag = self.path.pop()
        if tag == "testcase":
            self._end_case()
        elif tag in ("testsuites", "testsuite"):
            suite = self.suites.pop()
            _check_declared(suite)
            if self.suites:
                self.suites[-1].add(suite)
            else:
                self.whole = suite

    def _break_suite(self) -> None:
        """What failed outside every test, as setting up does, is one more that failed: tests after it may not have run."""
        suite = self.suites[-1]
        suite.broken, suite.failed = suite.broken + 1, suite.failed + 1
        self.failing.append(f"suite {suite.name or '?'}")

    def _end_case(self) -> None:
        suite = self.suites[-1]
        suite.ran += self.outcome != "skipped"
        suite.skipped += self.outcome == "skipped"
        suite.failed += self.outcome == "failed"
        if self.outcome == "failed":
            self.failing.append(self.case)

    def refuse(self, *_: object) -> None:
        raise ImportRefused("the XML declares a document type, which JUnit has not", mend="import what the test tool wrote")


def read_junit(data: bytes) -> Found:
    """How many test cases failed (failures and errors) of those that were not skipped; none may. Raises ImportRefused.

    A failure or an error of a suite itself counts as one more test that failed.
    """
    reader, parser = _Reader(), expat.ParserCreate()
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = reader.refuse
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as problem:  # the last two: an encoding that expat does not know
        raise ImportRefused(f"not XML: {problem}") from problem
    whole = reader.whole
    if whole is None or not whole.ran + whole.skipped + whole.broken:
        raise ImportRefused("the report holds no test case: nothing was tested")
    return count_found(reader.failing, whole.ran + whole.broken, "tests failed", tool="junit")


def _check_declared(suite: _Suite) -> None:
    """Raises ImportRefused when a suite says other than it holds: a report that was cut or mended proves nothing.

    Tools differ in whether a suite counts those inside it, and count a test that failed twice once or twice: only what no
    tool means is refused.
    """
    declared, held = suite.declared, suite.ran + suite.skipped
    if declared.get("tests", 0) > held:
        raise ImportRefused(f"suite {suite.name!r} says that it has {declared['tests']} tests, and holds {held}")
    bad = declared.get("failures", 0) + declared.get("errors", 0)
    if bad and not suite.failed:
        raise ImportRefused(f"suite {suite.name!r} says that {bad} tests failed, and holds none that did")
    if suite.failed and not bad and {"failures", "errors"} <= declared.keys() and declared.get("tests"):
        raise ImportRefused(f"suite {suite.name!r} says that no test failed, and holds {suite.failed} that did")


def _declared(attributes: dict[str, str]) -> dict[str, int]:
    return {name: _count(text, name) for name, text in attributes.items() if name in ("tests", "failures", "errors")}


def _count(text: str, name: str) -> int:
    if not text.strip().isdecimal() or len(text) > 12:
        raise ImportRefused(f"{name}={text[:20]!r} is no number of tests")
    return int(text)
