"""Whether a move is allowed, from a policy and evidence. Pure: no store, no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from shipway.gate._evidence import Statement
from shipway.gate._policy import Policy
from shipway.gate._subjects import Subject
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict, worst
from shipway.kernel.digest import Digest, short
from shipway.spec import LOWER_IS_BETTER, AtLeast, AtMost, NotWorseBy, Pass, Requirement


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a judgement may look at. statements: by subject digest; live: what the ref's present target locks."""

    ref: str
    subjects: tuple[Subject, ...]
    live: tuple[Subject, ...]
    statements: Mapping[Digest, list[Statement]]
    actor: str

    def about(self, kind: str | None = None) -> list[tuple[Subject, Statement]]:
        """Statements about the candidate's subjects, oldest first, each with what it is about."""
        chosen = [subject for subject in self.subjects if kind in (None, subject.kind)]
        return [(subject, statement) for subject in chosen for statement in self.statements.get(subject.digest, [])]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The checks of one move, what is missing in words, the evidence cited, and whether the move is allowed."""

    checks: tuple[Check, ...]
    missing: tuple[str, ...]
    evidence: tuple[Digest, ...]
    verdict: Verdict
    allowed: bool
    self_approved: bool = False


class _Outcome:
    """Collects checks and the evidence behind them."""

    def __init__(self) -> None:
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


def judge(policy: Policy, facts: Facts) -> Judgement:
    """Every requirement of the policy's rule for this ref against the evidence about what would go live."""
    rule, outcome = policy.rule(facts.ref), _Outcome()
    for requirement in rule.require:
        if isinstance(requirement, Pass):
            _judge_pass(requirement, policy, facts, outcome)
        else:
            _judge_metric(requirement, facts, outcome)
    measured = worst([check.verdict for check in outcome.checks])
    given = _approvals(facts, outcome)
    if given < rule.approvals:
        outcome.miss("approvals", f"approval: {given} of {rule.approvals}")
    elif rule.approvals:
        outcome.add(
            Check("approvals", Verdict.PASS, given, threshold=rule.approvals, text=", ".join(sorted(_approvers(facts)))), None
        )
    verdict = worst([check.verdict for check in outcome.checks])
    tolerated = rule.inconclusive == "warn" or (rule.inconclusive == "ask" and given >= max(1, rule.approvals))
    allowed = verdict is Verdict.PASS or (verdict is measured is Verdict.INCONCLUSIVE and tolerated)
    alone = given > 0 and _approvers(facts) == {facts.actor}
    return Judgement(tuple(outcome.checks), tuple(outcome.missing), tuple(outcome.evidence), verdict, allowed, alone)


def _judge_pass(requirement: Pass, policy: Policy, facts: Facts, outcome: _Outcome) -> None:
    if requirement.name == "contract":
        for name, definition in policy.contracts.items():
            wanted = [subject for subject in facts.subjects if (subject.kind, subject.name) == ("data", name)]
            for subject in wanted:
                _judge_contract(subject, definition, facts, outcome)
        return
    found = _newest(facts, lambda _, predicate: _name(predicate) == requirement.name)
    if found is None:
        outcome.miss(requirement.name, f"{requirement.name}: no evidence")
        return
    outcome.add(_check_of(found), found)


def _judge_contract(subject: Subject, definition: Digest, facts: Facts, outcome: _Outcome) -> None:
    found = _newest(
        facts,
        lambda about, predicate: (
            about == subject and _name(predicate) == "contract" and predicate.get("definition") == definition
        ),
    )
    name = f"contract of data/{subject.name}"
    if found is None:
        outcome.miss(name, f"{name}: no evidence")
        return
    check = _check_of(found)
    outcome.add(Check(name, check.verdict, check.value, threshold=0.0, n=check.n, text=check.text), found)


def _judge_metric(requirement: AtLeast | AtMost | NotWorseBy, facts: Facts, outcome: _Outcome) -> None:
    if isinstance(requirement, NotWorseBy):
        _judge_against_live(requirement, facts, outcome)
        return
    found = _newest(facts, lambda _, predicate: _name(predicate) == requirement.name and not predicate.get("against"))
    if found is None or _level(found) < requirement.level:
        outcome.miss(requirement.name, f"evaluation {requirement.name} {requirement.text}: no evidence")
        return
    outcome.add(_against(requirement.threshold, _check_of(found), requirement, higher=isinstance(requirement, AtLeast)), found)


def _judge_against_live(requirement: NotWorseBy, facts: Facts, outcome: _Outcome) -> None:
    name, models = f"{requirement.name} against live", {s.digest for s in facts.subjects if s.kind == "model"}
    live = {subject.digest for subject in facts.live if subject.kind == "model"}
    if live <= models:
        why = "the same model is live" if live else "nothing is live to compare with"
        outcome.add(Check(name, Verdict.PASS, text=why), None)
        return
    found = _newest(facts, lambda _, predicate: _name(predicate) == requirement.name and predicate.get("against") in live)
    if found is None or _level(found) < requirement.level:
        digests = ", ".join(short(digest) for digest in sorted(live))
        outcome.miss(name, f"{requirement.name} {requirement.text} against live {digests}: no evidence")
        return
    better_up = requirement.name not in LOWER_IS_BETTER
    threshold = -requirement.margin if better_up else requirement.margin
    outcome.add(_against(threshold, _check_of(found), requirement, higher=better_up, name=name), found)


def _against(threshold: float, measured: Check, requirement: Requirement, *, higher: bool, name: str | None = None) -> Check:
    """The measured interval against a threshold: decided only when the whole interval lies on one side of it."""
    low, high = measured.low, measured.high
    if low is None or high is None:
        verdict = Verdict.INCONCLUSIVE
    elif (low >= threshold) if higher else (high <= threshold):
        verdict = Verdict.PASS
    elif (high < threshold) if higher else (low > threshold):
        verdict = Verdict.FAIL
    else:
        verdict = Verdict.INCONCLUSIVE
    needed = measured.still_needed if verdict is Verdict.INCONCLUSIVE else None
    return Check(name or requirement.name, verdict, measured.value, low, high, threshold, measured.n, needed, requirement.text)


def _approvals(facts: Facts, outcome: _Outcome) -> int:
    """How many people approved the candidate; each counts once."""
    outcome.evidence += [statement.envelope for statement in _approval_statements(facts)]
    return len(_approvers(facts))


def _approvers(facts: Facts) -> set[str]:
    return {str(statement.predicate.get("approver")) for statement in _approval_statements(facts)}


def _approval_statements(facts: Facts) -> list[Statement]:
    return [statement for _, statement in facts.about() if statement.predicate_type == media.APPROVAL_PREDICATE]


def _newest(facts: Facts, wanted: Callable[[Subject, JsonObject], bool]) -> Statement | None:
    """The newest check evidence that fits: a later measurement replaces an earlier one."""
    fitting = [
        statement
        for subject, statement in facts.about()
        if statement.predicate_type == media.CHECK_PREDICATE and wanted(subject, statement.predicate)
    ]
    return max(fitting, key=lambda statement: statement.at, default=None)


def _check_of(statement: Statement) -> Check:
    return Check.from_json(cast("JsonObject", statement.predicate.get("check") or {}))


def _name(predicate: JsonObject) -> str:
    return str(cast("JsonObject", predicate.get("check") or {}).get("name"))


def _level(statement: Statement) -> float:
    level = statement.predicate.get("level")
    return float(level) if isinstance(level, int | float) else 0.0
