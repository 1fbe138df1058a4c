"""Whether a move is allowed, from a policy and evidence. Pure: no store, no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

from shipway.gate._approvals import approver, is_old, judge_approvals, people
from shipway.gate._facts import Facts, Found, Judgement, Outcome
from shipway.gate._monitors import monitors_in
from shipway.gate._policy import Policy
from shipway.gate._rejection import rejected_by, rejections
from shipway.gate._revocation import said_of, standing
from shipway.gate._subjects import Subject
from shipway.gate._timing import judge_timing, span
from shipway.kernel import media
from shipway.kernel.check import Check, CheckMalformed, Verdict, worst
from shipway.kernel.digest import Digest, short
from shipway.spec import (
    AtLeast,
    AtMost,
    NotWorseBy,
    Pass,
    PolicyRule,
    Requirement,
    evaluation_of,
    is_foreign,
    lower_is_better,
)

Metric = AtLeast | AtMost | NotWorseBy


def judge(policy: Policy, facts: Facts) -> Judgement:
    """All that the policy's rules ask of this ref, against what is known of what would move; what only observes, beside it."""
    found = _checks(facts)
    enforced = _judge_rule(policy.rule(facts.ref), policy, facts, found)
    if not policy.observes(facts.ref):
        return enforced
    whole = _judge_rule(policy.rule(facts.ref, observed=True), policy, facts, found)
    observed = tuple(check for check in whole.checks if check not in enforced.checks)
    evidence = tuple(dict.fromkeys((*enforced.evidence, *whole.evidence)))
    return replace(enforced, observed=observed, evidence=evidence)


def _judge_rule(rule: PolicyRule, policy: Policy, facts: Facts, found: Sequence[Found]) -> Judgement:
    outcome = Outcome(found)
    for requirement in rule.require:
        if isinstance(requirement, Pass):
            _judge_pass(requirement, rule, policy, facts, outcome)
        else:
            _judge_metric(requirement, rule, policy, facts, outcome)
    measured = worst([check.verdict for check in outcome.checks])
    _judge_revoked(facts, outcome)
    _judge_rejected(facts, outcome)
    judge_timing(rule, facts, outcome)
    approved = judge_approvals(rule, facts, outcome)
    given = people(approved)
    verdict = worst([check.verdict for check in outcome.checks])
    tolerated = rule.inconclusive == "warn" or (rule.inconclusive == "ask" and given >= max(1, rule.approvals))
    allowed = verdict is Verdict.PASS or (verdict is measured is Verdict.INCONCLUSIVE and tolerated)
    alone = given > 0 and ({*map(approver, approved)} == {facts.actor} or {one.signer for one in approved} == {facts.own_key})
    return Judgement(tuple(outcome.checks), tuple(outcome.missing), tuple(outcome.evidence), verdict, allowed, alone)


def _judge_revoked(facts: Facts, outcome: Outcome) -> None:
    """Nothing that was revoked moves, whatever the policy says."""
    for subject in facts.subjects:
        found = standing(facts.statements.get(subject.digest, []))
        if found:
            outcome.miss("revoked", f"revoked: {said_of(subject.kind, found)}")
            outcome.evidence.append(found.envelope)


def _judge_rejected(facts: Facts, outcome: Outcome) -> None:
    """Nothing that somebody rejected moves, alone or inside a release, until who did so approves it."""
    for place, subject in enumerate(facts.subjects):
        for found in rejections(facts.statements.get(subject.digest, [])):
            called = f"{subject.kind}/{subject.name}".rstrip("/") if place else facts.ref
            outcome.miss("rejected", f"rejected: {rejected_by(called, found)}")
            outcome.evidence.append(found.envelope)


def _judge_pass(requirement: Pass, rule: PolicyRule, policy: Policy, facts: Facts, outcome: Outcome) -> None:
    if requirement.name == "contract":
        _judge_contracts(rule, policy, facts, outcome)
        return
    found = _newest(outcome, lambda found: found.check.name == requirement.name and found.judged)
    lacking = _lacking(found, rule, facts)
    if found is None or lacking:
        outcome.miss(requirement.name, f"{requirement.name}: {lacking}")
        return
    outcome.add(found.check, found.statement)


def _judge_contracts(rule: PolicyRule, policy: Policy, facts: Facts, outcome: Outcome) -> None:
    """Every data set of the candidate that has a contract; a policy that asks for contracts where there is none is not met."""
    names = {subject: _data_name(subject, facts.ref) for subject in facts.subjects}
    wanted = {subject: name for subject, name in names.items() if name in policy.contracts}
    if not wanted:
        outcome.miss("contract", "contract: no data set here has one")
    for subject, data in wanted.items():
        _judge_contract(subject, data, policy.contracts[data], rule, facts, outcome)
    for data in sorted(set(names.values()) - {""} - set(wanted.values())):
        outcome.add(Check(f"contract of data/{data}", Verdict.PASS, text="none is defined"), None)


def _data_name(subject: Subject, ref: str) -> str:
    """The data set that a subject is: a component of a release, or what `data/<name>` itself would point at."""
    if subject.kind == "snapshot":
        return ref.removeprefix("data/").partition("@")[0]
    return subject.name if subject.kind == "data" else ""


def _judge_contract(subject: Subject, data: str, definition: Digest, rule: PolicyRule, facts: Facts, outcome: Outcome) -> None:
    def fits(found: Found) -> bool:
        measured_by = found.statement.predicate.get("definition")
        return found.subject == subject and found.check.name == "contract" and measured_by == definition

    found, name = _newest(outcome, fits), f"contract of data/{data}"
    lacking = _lacking(found, rule, facts)
    if found is None or lacking:
        outcome.miss(name, f"{name}: {lacking}")
        return
    check = found.check
    outcome.add(Check(name, check.verdict, check.value, threshold=0.0, n=check.n, text=check.text), found.statement)


def _judge_metric(requirement: Metric, rule: PolicyRule, policy: Policy, facts: Facts, outcome: Outcome) -> None:
    """An evaluation is of the release as a whole; of the other metrics each model answers for itself, or else the candidate.

    What another tool measured counts whatever it is about: its newest word about the candidate or a part of it.
    """
    if is_foreign(requirement.name) and not isinstance(requirement, NotWorseBy):
        _judge_foreign(requirement, rule, facts, outcome)
        return
    kind = "release" if evaluation_of(requirement.name) else "model"
    subjects = [subject for subject in facts.subjects if subject.kind == kind]
    for subject in subjects or facts.subjects[:1]:
        if isinstance(requirement, NotWorseBy):
            _judge_against_live(requirement, subject, rule, policy, facts, outcome)
        else:
            _judge_absolute(requirement, subject, rule, policy, facts, outcome)


def _measured(requirement: Requirement, subject: Subject, policy: Policy, found: Found) -> bool:
    """Whether it measures what is asked, of this subject; an evaluation counts by the golden set that the policy names."""
    if found.subject != subject or found.check.name != requirement.name:
        return False
    definition = policy.golden.get(evaluation_of(requirement.name) or "")
    return definition is None or found.statement.predicate.get("definition") == definition


def _judge_foreign(requirement: AtLeast | AtMost, rule: PolicyRule, facts: Facts, outcome: Outcome) -> None:
    """The number as it came: without an interval it is taken as exact, for nobody here can say how sure it is."""
    found = _newest(outcome, lambda found: found.check.name == requirement.name and found.check.value is not None)
    lacking = _lacking(found, rule, facts)
    if found is None or lacking:
        outcome.miss(requirement.name, f"{requirement.name} {requirement.text}: {lacking}")
        return
    check = found.check
    if check.low is None or check.high is None:
        check = replace(check, low=check.value, high=check.value)
    outcome.add(_against(requirement.threshold, check, requirement, higher=isinstance(requirement, AtLeast)), found.statement)


def _judge_absolute(
    requirement: AtLeast | AtMost, subject: Subject, rule: PolicyRule, policy: Policy, facts: Facts, outcome: Outcome
) -> None:
    found = _newest(outcome, lambda found: _measured(requirement, subject, policy, found) and not found.against)
    lacking = _lacking(found, rule, facts, level=requirement.level)
    if found is None or lacking:
        outcome.miss(requirement.name, f"evaluation {requirement.name} {requirement.text}: {lacking}")
        return
    higher = isinstance(requirement, AtLeast)
    outcome.add(_against(requirement.threshold, found.check, requirement, higher=higher), found.statement)


def _judge_against_live(
    requirement: NotWorseBy, subject: Subject, rule: PolicyRule, policy: Policy, facts: Facts, outcome: Outcome
) -> None:
    name = f"{requirement.name} against live"
    if facts.live is None:
        outcome.miss(name, f"{requirement.name} {requirement.text} against live: what is live cannot be read to compare with")
        return
    live = [other.digest for other in facts.live if (other.kind, other.name) == (subject.kind, subject.name)]
    if not live or subject.digest in live:
        why = f"the same {subject.kind} is live" if live else "nothing is live to compare with"
        outcome.add(Check(name, Verdict.PASS, text=why), None)
        return
    found = _newest(outcome, lambda found: _measured(requirement, subject, policy, found) and found.against in live)
    lacking = _lacking(found, rule, facts, level=requirement.level)
    if found is None or lacking:
        digests = ", ".join(short(digest) for digest in sorted(live))
        outcome.miss(name, f"{requirement.name} {requirement.text} against live {digests}: {lacking}")
        return
    better_up = not lower_is_better(requirement.name)
    threshold = -requirement.margin if better_up else requirement.margin
    outcome.add(_against(threshold, found.check, requirement, higher=better_up, name=name), found.statement)


def _lacking(found: Found | None, rule: PolicyRule, facts: Facts, *, level: float = 0.0) -> str:
    """Why it does not count; empty when it does."""
    if found is None or found.level < level:
        return "no evidence"
    if is_old(found.statement, rule, facts):
        age = span((facts.at - found.statement.at).total_seconds())
        return f"the newest evidence is {age} old, and it counts for {span(rule.evidence_within or 0)}"
    return ""


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


def _newest(outcome: Outcome, wanted: Callable[[Found], bool]) -> Found | None:
    """The newest check that fits: a later measurement replaces an earlier one, the later kept of two at one instant."""
    fitting = [found for found in outcome.found if wanted(found)]
    return max(reversed(fitting), key=lambda found: found.statement.at, default=None)


def _checks(facts: Facts) -> list[Found]:
    """The check evidence about the candidate; a statement whose check cannot be read says nothing."""
    found: list[Found] = []
    for subject, statement in facts.about():
        record = statement.predicate.get("check")
        if statement.predicate_type != media.CHECK_PREDICATE or not isinstance(record, Mapping):
            continue
        with suppress(CheckMalformed):
            check = Check.from_json(record)
            found.append(Found(subject, statement, check))
            found += [Found(subject, statement, said) for said in monitors_in(check, statement.predicate)]
    return found
