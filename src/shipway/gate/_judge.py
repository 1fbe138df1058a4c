"""Whether a move is allowed, from a policy and evidence. Pure: no store, no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from shipway.gate._evidence import Statement
from shipway.gate._policy import Policy
from shipway.gate._subjects import Subject
from shipway.kernel import media
from shipway.kernel.canonical import Json
from shipway.kernel.check import Check, CheckMalformed, Verdict, worst
from shipway.kernel.digest import Digest, short
from shipway.spec import AtLeast, AtMost, NotWorseBy, Pass, Requirement, evaluation_of, lower_is_better


@dataclass(frozen=True, slots=True)
class Before:
    """The deployment of the environment before this one, and whether the release was ever live there."""

    ref: str
    passed: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """All that a judgement may look at. statements: by subject digest; live: what the ref's present target locks.

    own_key: the key of the machine that judges; after: the environment that this one comes after, if any.
    """

    ref: str
    subjects: tuple[Subject, ...]
    live: tuple[Subject, ...]
    statements: Mapping[Digest, list[Statement]]
    actor: str
    own_key: str = ""
    after: Before | None = None

    def about(self) -> list[tuple[Subject, Statement]]:
        """Statements about the candidate's subjects, oldest first for each, with what it is about."""
        return [(subject, statement) for subject in self.subjects for statement in self.statements.get(subject.digest, [])]


@dataclass(frozen=True, slots=True)
class Judgement:
    """The checks of one move, what is missing in words, the evidence cited, and whether the move is allowed."""

    checks: tuple[Check, ...]
    missing: tuple[str, ...]
    evidence: tuple[Digest, ...]
    verdict: Verdict
    allowed: bool
    self_approved: bool = False


class _Found(NamedTuple):
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
            _judge_metric(requirement, policy, facts, outcome)
    if facts.after:
        _judge_after(facts.after, outcome)
    measured = worst([check.verdict for check in outcome.checks])
    given = _approvals(facts, outcome)
    if given < rule.approvals:
        outcome.miss("approvals", f"approval: {given} of {rule.approvals}")
    elif rule.approvals:
        names = ", ".join(sorted(_approvers(facts)))
        outcome.add(Check("approvals", Verdict.PASS, given, threshold=rule.approvals, text=names), None)
    verdict = worst([check.verdict for check in outcome.checks])
    tolerated = rule.inconclusive == "warn" or (rule.inconclusive == "ask" and given >= max(1, rule.approvals))
    allowed = verdict is Verdict.PASS or (verdict is measured is Verdict.INCONCLUSIVE and tolerated)
    alone = given > 0 and (_approvers(facts) == {facts.actor} or _approval_keys(facts) == {facts.own_key})
    return Judgement(tuple(outcome.checks), tuple(outcome.missing), tuple(outcome.evidence), verdict, allowed, alone)


def _judge_after(before: Before, outcome: _Outcome) -> None:
    if before.passed:
        outcome.add(Check("after", Verdict.PASS, text=f"was live at {before.ref}"), None)
    else:
        outcome.miss("after", f"after: this release was never live at {before.ref}")


def _judge_pass(requirement: Pass, policy: Policy, facts: Facts, outcome: _Outcome) -> None:
    if requirement.name == "contract":
        _judge_contracts(policy, facts, outcome)
        return
    found = _newest(facts, lambda found: found.check.name == requirement.name and found.judged)
    if found is None:
        outcome.miss(requirement.name, f"{requirement.name}: no evidence")
        return
    outcome.add(found.check, found.statement)


def _judge_contracts(policy: Policy, facts: Facts, outcome: _Outcome) -> None:
    """Every data set of the candidate that has a contract; a policy that asks for contracts where there is none is not met."""
    names = {subject: _data_name(subject, facts.ref) for subject in facts.subjects}
    wanted = {subject: name for subject, name in names.items() if name in policy.contracts}
    if not wanted:
        outcome.miss("contract", "contract: no data set here has one")
    for subject, data in wanted.items():
        _judge_contract(subject, data, policy.contracts[data], facts, outcome)
    for data in sorted(set(names.values()) - {""} - set(wanted.values())):
        outcome.add(Check(f"contract of data/{data}", Verdict.PASS, text="none is defined"), None)


def _data_name(subject: Subject, ref: str) -> str:
    """The data set that a subject is: a component of a release, or what `data/<name>` itself would point at."""
    if subject.kind == "snapshot":
        return ref.removeprefix("data/").partition("@")[0]
    return subject.name if subject.kind == "data" else ""


def _judge_contract(subject: Subject, data: str, definition: Digest, facts: Facts, outcome: _Outcome) -> None:
    def fits(found: _Found) -> bool:
        measured_by = found.statement.predicate.get("definition")
        return found.subject == subject and found.check.name == "contract" and measured_by == definition

    found, name = _newest(facts, fits), f"contract of data/{data}"
    if found is None:
        outcome.miss(name, f"{name}: no evidence")
        return
    check = found.check
    outcome.add(Check(name, check.verdict, check.value, threshold=0.0, n=check.n, text=check.text), found.statement)


def _judge_metric(requirement: AtLeast | AtMost | NotWorseBy, policy: Policy, facts: Facts, outcome: _Outcome) -> None:
    """An evaluation is of the release as a whole; of the other metrics each model answers for itself, or else the candidate."""
    kind = "release" if evaluation_of(requirement.name) else "model"
    subjects = [subject for subject in facts.subjects if subject.kind == kind]
    for subject in subjects or facts.subjects[:1]:
        if isinstance(requirement, NotWorseBy):
            _judge_against_live(requirement, subject, policy, facts, outcome)
        else:
            _judge_absolute(requirement, subject, policy, facts, outcome)


def _measured(requirement: Requirement, subject: Subject, policy: Policy, found: _Found) -> bool:
    """Whether it measures what is asked, of this subject; an evaluation counts by the golden set that the policy names."""
    if found.subject != subject or found.check.name != requirement.name:
        return False
    definition = policy.golden.get(evaluation_of(requirement.name) or "")
    return definition is None or found.statement.predicate.get("definition") == definition


def _judge_absolute(requirement: AtLeast | AtMost, subject: Subject, policy: Policy, facts: Facts, outcome: _Outcome) -> None:
    found = _newest(facts, lambda found: _measured(requirement, subject, policy, found) and not found.against)
    if found is None or found.level < requirement.level:
        outcome.miss(requirement.name, f"evaluation {requirement.name} {requirement.text}: no evidence")
        return
    higher = isinstance(requirement, AtLeast)
    outcome.add(_against(requirement.threshold, found.check, requirement, higher=higher), found.statement)


def _judge_against_live(requirement: NotWorseBy, subject: Subject, policy: Policy, facts: Facts, outcome: _Outcome) -> None:
    name = f"{requirement.name} against live"
    live = [other.digest for other in facts.live if (other.kind, other.name) == (subject.kind, subject.name)]
    if not live or subject.digest in live:
        why = f"the same {subject.kind} is live" if live else "nothing is live to compare with"
        outcome.add(Check(name, Verdict.PASS, text=why), None)
        return
    found = _newest(facts, lambda found: _measured(requirement, subject, policy, found) and found.against in live)
    if found is None or found.level < requirement.level:
        digests = ", ".join(short(digest) for digest in sorted(live))
        outcome.miss(name, f"{requirement.name} {requirement.text} against live {digests}: no evidence")
        return
    better_up = not lower_is_better(requirement.name)
    threshold = -requirement.margin if better_up else requirement.margin
    outcome.add(_against(threshold, found.check, requirement, higher=better_up, name=name), found.statement)


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
    numbers = (measured.value, low, high, threshold, measured.n, needed)
    return Check(name or requirement.name, verdict, *numbers, requirement.text, measured.level)


def _approvals(facts: Facts, outcome: _Outcome) -> int:
    """How many people approved the candidate: neither one person twice nor two names under one key count as two."""
    outcome.evidence += [statement.envelope for statement in _approval_statements(facts)]
    return min(len(_approvers(facts)), len(_approval_keys(facts)))


def _approvers(facts: Facts) -> set[str]:
    return {str(statement.predicate["approver"]) for statement in _approval_statements(facts)}


def _approval_keys(facts: Facts) -> set[str]:
    return {statement.signer for statement in _approval_statements(facts)}


def _approval_statements(facts: Facts) -> list[Statement]:
    """Approvals of what would go live as a whole: whoever approves a part of it has not seen the rest."""
    return [
        statement
        for place, subject in enumerate(facts.subjects)
        if place == 0 or subject.kind == "release"
        for statement in facts.statements.get(subject.digest, [])
        if statement.predicate_type == media.APPROVAL_PREDICATE and _is_name(statement.predicate.get("approver"))
    ]


def _is_name(value: Json) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _newest(facts: Facts, wanted: Callable[[_Found], bool]) -> _Found | None:
    """The newest check that fits: a later measurement replaces an earlier one, the later kept of two at one instant."""
    fitting = [found for found in _checks(facts) if wanted(found)]
    return max(reversed(fitting), key=lambda found: found.statement.at, default=None)


def _checks(facts: Facts) -> list[_Found]:
    """The check evidence about the candidate; a statement whose check cannot be read says nothing."""
    found = []
    for subject, statement in facts.about():
        record = statement.predicate.get("check")
        if statement.predicate_type != media.CHECK_PREDICATE or not isinstance(record, Mapping):
            continue
        with suppress(CheckMalformed):
            found.append(_Found(subject, statement, Check.from_json(record)))
    return found
