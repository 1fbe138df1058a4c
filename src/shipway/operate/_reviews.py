"""People's ratings: kept, and what they say of the judge as evidence about the release whose answers they rated."""

from __future__ import annotations

from shipway.evals import Agreement, Review, judge_agreement, load_reviews, rate
from shipway.kernel.canonical import Json
from shipway.kernel.check import Check, Verdict
from shipway.operate._measured import Measured, attest_check
from shipway.pipeline import Hands
from shipway.release import Component

LEVEL = 0.95


def rate_review(hands: Hands, key: str, value: int | str) -> Measured | None:
    """Keep a rating by whoever acts, and sign how far the judge agrees with people by now; None where it rated nothing alike.

    Raises ReviewMissing, RatingMalformed, StateConflict.
    """
    review = rate(hands.store, key, by=hands.actor.name, value=value, now=hands.store.clock.now())
    kin = [other for other in load_reviews(hands.store) if _kin(other, review)]
    found = judge_agreement(kin, kind=review.kind, level=LEVEL)
    if found is None:
        return None
    golden = str(hands.store.get(review.golden, "goldenset")["name"])
    check = _check(f"{golden}.judge_agreement", found)
    more: dict[str, Json] = {"level": LEVEL, "definition": review.golden, "agreement": found.to_json(), "with": "people"}
    return attest_check(hands, Component("release", "", review.release), check, more)


def _kin(other: Review, review: Review) -> bool:
    return (other.golden, other.release, other.kind) == (review.golden, review.release, review.kind)


def _check(name: str, found: Agreement) -> Check:
    """The share of verdicts that are alike; it has no threshold, for a judge decides nothing."""
    share = found.agreement
    numbers = (share.value, share.low, share.high)
    return Check(name, Verdict.INCONCLUSIVE, *numbers, n=found.n, text="the judge against people", level=LEVEL)
