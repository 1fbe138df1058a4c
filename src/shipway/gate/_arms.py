"""One judgement over several releases that would answer at one ref: each is judged alone, and each has to be allowed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from shipway.gate._facts import Judgement
from shipway.kernel.check import Check, worst
from shipway.kernel.split import LIVE

_SAID_ONCE = frozenset({"hours", "freeze"})  # of the move, whatever it would put live


def united(judgements: Mapping[str, Judgement]) -> Judgement:
    """The judgement of a move, out of one for each arm; `live` alone stays as it is.

    What a rule says of the time is said once; any other check of an arm is called `CHECK of ARM`.
    """
    whole = judgements[LIVE]
    for arm, judgement in judgements.items():
        if arm != LIVE:
            whole = _beside(whole, arm, judgement)
    return whole


def _beside(whole: Judgement, arm: str, judgement: Judgement) -> Judgement:
    missing = [f"arm {arm}: {text}" for text in judgement.missing if text.partition(":")[0] not in _SAID_ONCE]
    return Judgement(
        checks=(*whole.checks, *_named(arm, judgement.checks)),
        missing=(*whole.missing, *missing),
        evidence=tuple(dict.fromkeys((*whole.evidence, *judgement.evidence))),
        verdict=worst([whole.verdict, judgement.verdict]),
        allowed=whole.allowed and judgement.allowed,
        self_approved=whole.self_approved or judgement.self_approved,
        observed=(*whole.observed, *_named(arm, judgement.observed)),
    )


def _named(arm: str, checks: tuple[Check, ...]) -> tuple[Check, ...]:
    def beside(check: Check) -> Check:
        text = f"arm {arm}: {check.text}" if check.text else check.text
        return replace(check, name=f"{check.name} of {arm}", text=text)

    return tuple(beside(check) for check in checks if check.name not in _SAID_ONCE)
