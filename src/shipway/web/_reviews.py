"""The review queue over HTTP: one item at a time, blind; a rating goes through the function that the site was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qs

import msgspec

from shipway.evals import RatingMalformed, Review, ReviewMissing, load_reviews
from shipway.store import Store

RATING_BYTES = 4 << 10

RateReview = Callable[[str, int | str], None]
"""Keeps a person's rating of the review with this id: 1 right, 0 wrong; of a pick the better answer's number, or `tie`.

Raises ReviewMissing, RatingMalformed, StateConflict."""

_CHOICES = {
    "rate": (("1", "Right", "r"), ("0", "Wrong", "w")),
    "pick": (("0", "A is better", "a"), ("1", "B is better", "b"), ("tie", "Neither", "n")),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """A button: what it sends, what it says, and its access key."""

    value: str
    text: str
    key: str


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """The page at `/review`: an open item, or none; left: how many are open; writable: whether a rating can be kept."""

    id: str
    kind: str
    question: str
    answers: tuple[tuple[str, str], ...]
    choices: tuple[Choice, ...]
    left: int
    rated: int
    after: str
    writable: bool


class _Rating(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a rating."""

    value: int | str


def make_review_page(store: Store, *, after: str, writable: bool) -> ReviewPage:
    """The first open item whose id comes after `after`, or the first of all; who gave the answers is not in it."""
    reviews = load_reviews(store)
    waiting = [review for review in reviews if review.open]
    chosen = next((review for review in waiting if review.id > after), waiting[0] if waiting else None)
    return ReviewPage(
        id=chosen.id if chosen else "",
        kind=chosen.kind if chosen else "",
        question=chosen.question if chosen else "",
        answers=_answers(chosen) if chosen else (),
        choices=tuple(Choice(*choice) for choice in _CHOICES[chosen.kind]) if chosen else (),
        left=len(waiting),
        rated=len(reviews) - len(waiting),
        after=chosen.id if chosen and len(waiting) > 1 else "",
        writable=writable,
    )


def review_document(review: Review) -> dict[str, object]:
    """A review as JSON; while it is open neither the releases nor the judge's word."""
    whole: dict[str, object] = {"id": review.id, "open": review.open, **review.to_json()}
    if review.open:
        del whole["judge"], whole["release"]
        whole["answers"] = [{"text": answer.text} for answer in review.answers]
    return whole


def find_review(store: Store, key: str) -> Review:
    """The review of this id; raises ReviewMissing."""
    row = store.state("review", key) if len(key) <= 200 else None
    if row is None:
        raise ReviewMissing(f"no review {key[:80]!r}", mend="/api/v1/reviews?status=open lists the open ones")
    return Review.from_row(row)


def parse_rating(body: bytes) -> int | str:
    """The rating of a JSON body `{"value": ...}`; raises RatingMalformed."""
    try:
        return msgspec.json.decode(body, type=_Rating).value
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise RatingMalformed(f"not a rating: {problem}", mend='{"value": 1}') from problem


def parse_form(body: bytes) -> int | str:
    """The rating of a posted form; raises RatingMalformed."""
    try:
        values = parse_qs(body.decode("ascii"), max_num_fields=4, strict_parsing=True).get("value", [])
    except ValueError as problem:  # UnicodeDecodeError is one
        raise RatingMalformed("not a form of ours", mend="open /review and press a button") from problem
    if len(values) != 1:
        raise RatingMalformed("a form without one rating", mend="open /review and press a button")
    return int(values[0]) if values[0] in ("0", "1") else values[0]


def _answers(review: Review) -> tuple[tuple[str, str], ...]:
    names: Sequence[str] = ("A", "B") if review.kind == "pick" else ("Answer",)
    return tuple(zip(names, (answer.text for answer in review.answers), strict=False))
