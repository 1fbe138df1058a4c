"""What a judgement looks at, and what it comes to. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from shipway.gate._evidence import Statement
from shipway.gate._subjects import Subject
from shipway.kernel.canonical import Json
from shipway.kernel.check import Check, Verdict, worst
from shipway.kernel.digest import Digest
from shipway.spec import evaluation_of


@dataclass(frozen=True, slots=True)
class Before:
    """The deployment of the environment before this one, and whether the release was ever live there.

    soaked: the longest time without a break for which it was, in seconds; measured only where a rule asks for it.
    """

    ref: str
    passed: bool
    soaked: float = 0.0


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a judgement may look at. statements: by subject digest; live: what the ref's present target locks, None
    when that cannot be read.

    at: the time of the judgement; own_key: the key of the machine that judges; after: the environment that this one comes
    after, if any; authors: who made what would move, and pickles: the models in it that may run code when they are
    loaded, where a rule asks.
    """

    ref: str
    subjects: tuple[Subject, ...]
    live: tuple[Subject, ...] | None
    statements: Mapping[Digest, list[Statement]]
    actor: str
    at: datetime
    own_key: str = ""
    after: Before | None = None
    authors: frozenset[str] = frozenset()
    pickles: tuple[str, ...] = ()

    def about(self) -> list[tuple[Subject, Statement]]:
        """Statements about the candidate's subjects, oldest first for each, with what it is about."""
        return [(subject, statement) for subject in self.subjects for statement in self.statements.get(subject.digest, [])]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The checks of one move, what is missing in words, the evidence cited, and whether the move is allowed.

    observed: checks that rules ask which only observe; whatever they say, the move is allowed or not without them.
    """

    checks: tuple[Check, ...]
    missing: tuple[str, ...]
    evidence: tuple[Digest, ...]
    verdict: Verdict
    allowed: bool
    self_approved: bool = False
    observed: tuple[Check, ...] = ()

    @property
    def would_be(self) -> Verdict:
        """What the verdict would be if the observing rules were enforced."""
        return worst([self.verdict, *(check.verdict for check in self.observed)])


class Found(NamedTuple):
    """A statement that holds a check, and what it is about."""

    subject: Subject
    statement: Statement
    check: Check

    @property
    def against(self) -> Json:
        """What the subject was compared with; None when it was measured alone."""
        return self.statement.predicate.get("against")

    @property
    def judged(self) -> bool:
        """Whether the check was held against something; a bare measurement has no verdict that could count.

        A contract is its own threshold, a golden set is none: its definition says what was asked, not what is enough.
        """
        if self.check.threshold is not None:
            return True
        return self.statement.predicate.get("definition") is not None and evaluation_of(self.check.name) is None

    @property
    def level(self) -> float:
        """The level of confidence of the interval; 0 when the statement names none."""
        level = self.statement.predicate.get("level")
        return float(level) if isinstance(level, int | float) and not isinstance(level, bool) and 0 < level < 1 else 0.0


class Outcome:
    """Collects checks and the evidence behind them. found: what was measured of the candidate, to choose from."""

    def __init__(self, found: Sequence[Found]) -> None:
        self.found = found
        self.checks: list[Check] = []
        self.missing: list[str] = []
        self.evidence: list[Digest] = []

    def add(self, check: Check, statement: Statement | None) -> None:
        self.checks.append(check)
        if statement:
            self.evidence.append(statement.envelope)

    def miss(self, name: str, text: str) -> None:
        self.checks.append(Check(name, Verdict.FAIL, text=text))
        self.missing.append(text)
