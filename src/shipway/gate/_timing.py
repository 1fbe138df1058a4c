"""Whether it is time to move: hours, freezes, and how long a release has been live in the environment before. Pure."""

from __future__ import annotations

from shipway.gate._facts import Facts, Outcome
from shipway.kernel.check import Check, Verdict
from shipway.kernel.clock import instant
from shipway.spec import PolicyRule, opening

TIMING = frozenset({"hours", "freeze", "soak"})
"""The checks that time alone turns from fail to pass."""


def judge_timing(rule: PolicyRule, facts: Facts, outcome: Outcome) -> None:
    """Hold the time of the judgement against the rule."""
    if facts.after:
        _judge_after(rule, facts, outcome)
    if rule.hours:
        _judge_hours(rule, facts, outcome)
    held = [freeze for freeze in rule.freeze if freeze.holds(facts.at)]
    if held:
        last = max(held, key=lambda freeze: freeze.end or "~")  # what never ends comes last
        outcome.miss("freeze", f"freeze: nothing moves until {last.end or 'the policy says so'}")
    elif rule.freeze:
        outcome.add(Check("freeze", Verdict.PASS, text="none now"), None)


def _judge_after(rule: PolicyRule, facts: Facts, outcome: Outcome) -> None:
    before = facts.after
    if before is None:
        return
    if not before.passed:
        outcome.miss("after", f"after: this release was never live at {before.ref}")
        return
    outcome.add(Check("after", Verdict.PASS, text=f"was live at {before.ref}"), None)
    if rule.soak is None:
        return
    text = f"live at {before.ref} for {span(before.soaked)}, {span(rule.soak)} asked"
    verdict = Verdict.PASS if before.soaked >= rule.soak else Verdict.FAIL
    if verdict is Verdict.FAIL:
        outcome.miss("soak", f"soak: {text}")
    else:
        outcome.add(Check("soak", verdict, before.soaked, threshold=rule.soak, text=text), None)


def _judge_hours(rule: PolicyRule, facts: Facts, outcome: Outcome) -> None:
    asked = " and ".join(" or ".join(hours.text for hours in group) for group in rule.hours)
    if all(any(hours.holds(facts.at) for hours in group) for group in rule.hours):
        outcome.add(Check("hours", Verdict.PASS, text=asked), None)
        return
    following = opening(rule.hours, facts.at)
    when = f", next at {instant(following)[:16]}Z" if following else ", which never comes"
    outcome.miss("hours", f"hours: moves are allowed {asked}{when}")


def span(seconds: float) -> str:
    """A span of time as people say it: `3d 4h`.

    >>> span(3 * 86_400 + 4 * 3600 + 59), span(90), span(0.4)
    ('3d 4h', '1m 30s', '0s')
    """
    left, words = int(seconds), []
    for unit, size in (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1)):
        if left >= size:
            words.append(f"{left // size}{unit}")
            left %= size
    return " ".join(words[:2]) or "0s"
