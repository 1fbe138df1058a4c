"""Who approved a candidate, and how many people that is. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from shipway.gate._evidence import Statement
from shipway.gate._facts import Facts, Outcome
from shipway.kernel import media
from shipway.kernel.canonical import Json
from shipway.kernel.check import Check, Verdict
from shipway.spec import PolicyRule


def judge_approvals(rule: PolicyRule, facts: Facts, outcome: Outcome) -> list[Statement]:
    """Hold the approvals against the rule; those that count."""
    every = approvals_of(facts)
    fresh = [one for one in every if not is_old(one, rule, facts)]
    counted = fresh if rule.author_approves else _by_others(fresh, facts.authors)
    outcome.evidence += [statement.envelope for statement in counted]
    left_out = _left_out(len(every) - len(fresh), len(fresh) - len(counted))
    _judge_number("approvals", rule.approvals, counted, left_out, outcome)
    for role, number in sorted(rule.roles.items()):
        of_role = [statement for statement in counted if role in statement.key.roles]
        _judge_number(f"approvals by {role}", number, of_role, left_out, outcome)
    _judge_pickles(rule, facts, counted, left_out, outcome)
    return counted


def _judge_pickles(rule: PolicyRule, facts: Facts, counted: list[Statement], left_out: str, outcome: Outcome) -> None:
    """Whoever approves what holds one approves that it may run whatever the author of the model put in it."""
    if not facts.pickles:
        return
    names = ", ".join(facts.pickles)
    if not rule.allow_pickle:
        outcome.miss("allow_pickle", f"allow_pickle: {names} may run code when it is loaded, and no such model may stand here")
    name = f"approvals for allow_pickle of {names}"
    _judge_number(name, rule.pickle_approvals, counted, left_out, outcome)
    for role, number in sorted(rule.pickle_roles.items()):
        _judge_number(f"{name} by {role}", number, [one for one in counted if role in one.key.roles], left_out, outcome)


def _judge_number(name: str, number: int, statements: list[Statement], left_out: str, outcome: Outcome) -> None:
    given, by = people(statements), name.removeprefix("approvals")
    if given < number:
        outcome.miss(name, f"approval: {given} of {number}{by}{left_out}")
    elif number:
        names = ", ".join(sorted(map(approver, statements)))
        outcome.add(Check(name, Verdict.PASS, given, threshold=number, text=names), None)


def _left_out(old: int, own: int) -> str:
    said = [*([f"{old} too old"] if old else []), *([f"{own} by the author"] if own else [])]
    return f" ({', '.join(said)})" if said else ""


def approvals_of(facts: Facts) -> list[Statement]:
    """Approvals of what would move as a whole: whoever approves a part of it has not seen the rest."""
    return [
        statement
        for place, subject in enumerate(facts.subjects)
        if place == 0 or subject.kind == "release"
        for statement in facts.statements.get(subject.digest, [])
        if statement.predicate_type == media.APPROVAL_PREDICATE and _is_name(statement.predicate.get("approver"))
    ]


def approver(statement: Statement) -> str:
    return str(statement.predicate["approver"])


def people(statements: Iterable[Statement]) -> int:
    """How many people: the most pairs of a name and a key in which no name and no key comes twice.

    Neither one person with two keys nor two names under one key count as two.
    """
    keys_of: dict[str, list[str]] = {}
    for statement in statements:
        keys_of.setdefault(approver(statement), []).append(statement.signer)
    holder: dict[str, str] = {}

    def seat(name: str, tried: set[str]) -> bool:
        """Give the name a key of its own, moving others to another of theirs where needed."""
        for key in keys_of[name]:
            if key not in tried:
                tried.add(key)
                if key not in holder or seat(holder[key], tried):
                    holder[key] = name
                    return True
        return False

    return sum(seat(name, set()) for name in keys_of)


def is_old(statement: Statement, rule: PolicyRule, facts: Facts) -> bool:
    """Whether the rule wants newer evidence than this."""
    return rule.evidence_within is not None and (facts.at - statement.at).total_seconds() > rule.evidence_within


def _by_others(statements: list[Statement], authors: frozenset[str]) -> list[Statement]:
    """Those that no author signed; a key that an author approved with, or that bears an author's name, is the author's."""
    theirs = {one.signer for one in statements if approver(one) in authors or one.key.name in authors}
    return [one for one in statements if approver(one) not in authors and one.signer not in theirs]


def _is_name(value: Json) -> bool:
    return isinstance(value, str) and bool(value.strip())
