"""Whether a policy would lock a ref for good: rules that no person, key, clock or tool could ever satisfy. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from shipway.access import KeyRing, TrustedKey, may_approve
from shipway.gate._policy import POLICY_REF, Policy
from shipway.spec import Pass, PolicyRule, Requirement, evaluation_of, is_foreign, is_pattern, opening


def locks_out(policy: Policy, keys: KeyRing, refs: Iterable[str], at: datetime) -> tuple[str, ...]:
    """What in a policy nobody could ever meet, by the keys that are trusted at this time; nothing when it can be lived with.

    refs: those that there are; each is judged by all the rules that match it, and each enforced rule by itself.
    """
    held = [key for key in keys.keys if _approves(key, at)]
    rules = [rule for rule in policy.rules.values() if not rule.observe]
    united = [policy.rule(ref) for ref in {*refs, POLICY_REF, *(rule.ref for rule in rules)} if not is_pattern(ref)]
    found = [line for rule in (*rules, *united) for line in _of_rule(rule, held, at)]
    return tuple(dict.fromkeys(sorted(found)))


def _of_rule(rule: PolicyRule, held: list[TrustedKey], at: datetime) -> list[str]:
    found = [*_too_many("", rule.approvals, held, rule)]
    for role, number in rule.roles.items():
        found += _too_many(f" by {role}", number, [key for key in held if role in key.roles], rule)
    found += _too_many(" for allow_pickle", rule.pickle_approvals, held, rule)
    for role, number in rule.pickle_roles.items():
        found += _too_many(f" for allow_pickle by {role}", number, [key for key in held if role in key.roles], rule)
    if rule.hours and opening(rule.hours, at) is None:
        found.append(f"{rule.ref}: its hours are never open")
    if any(not freeze.end for freeze in rule.freeze):
        found.append(f"{rule.ref}: its freeze never ends")
    unshown = [line.name for line in rule.require if not _can_be_shown(rule.ref.partition("/")[0], line)]
    return found + [f"{rule.ref}: nothing can show {name} there" for name in unshown]


def _too_many(by: str, number: int, held: list[TrustedKey], rule: PolicyRule) -> list[str]:
    """The author's key does not count where the author may not approve."""
    most = max(0, len(held) - (0 if rule.author_approves else 1))
    if number <= most:
        return []
    author = "" if rule.author_approves else " besides the author"
    return [f"{rule.ref}: approvals: {number}{by}, and {most} trusted key{'' if most == 1 else 's'}{author} could give them"]


def _approves(key: TrustedKey, at: datetime) -> bool:
    """Whether what the key signs now would count as an approval, or will from some day on."""
    return key.revoked is None and (key.until is None or at < key.until) and may_approve(key.roles)


def _can_be_shown(kind: str, line: Requirement) -> bool:
    """Whether some command could bring evidence about the object itself that stands at a ref of this kind."""
    if kind == "deploy" or is_foreign(line.name):
        return True
    if isinstance(line, Pass):
        return line.name != "contract" or kind == "data"
    return kind == "model" and evaluation_of(line.name) is None
