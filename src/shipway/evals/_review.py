"""The review queue: answers that people rate or pick between, blind to which release gave them, kept as rows of state."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal, cast

from shipway import stats
from shipway.evals._agreement import Agreement, measure_agreement
from shipway.evals._judge import Judged
from shipway.evals._judging import JudgedPairs
from shipway.evals._run import Evaluation
from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.clock import instant, parse_instant
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.store import StateConflict, StateRow, Store

REVIEW = "review"
Kind = Literal["rate", "pick"]
Rated = int | str
"""Of a `rate`: 1 right, 0 wrong. Of a `pick`: the number of the better answer as shown, 0 or 1, or `tie`."""

_VALUES: Mapping[str, tuple[Rated, ...]] = {"rate": (0, 1), "pick": (0, 1, "tie")}
_ATTEMPTS = 50  # of a rating among people who rate the same item in the same instant; each lost one means that another won
_NAME = 200


class ReviewMissing(ShipwayError):
    """No review has this id."""

    code = "evals.review-missing"


class RatingMalformed(ShipwayError):
    """A rating that its review does not ask for, or by nobody."""

    code = "evals.rating-malformed"


@dataclass(frozen=True, slots=True)
class ReviewAnswer:
    """An answer as shown; release: which gave it, not for the eyes of who rates."""

    text: str
    release: Digest


@dataclass(frozen=True, slots=True)
class Rating:
    """What one person said, and when."""

    by: str
    at: datetime
    value: Rated


@dataclass(frozen=True, slots=True)
class Review:
    """One item: its answers stand in an order that its id fixes. judge: what the judge said, in the terms of a rating.

    golden: the golden set's digest; release: the candidate; ratings: all of them, oldest first.
    """

    id: str
    kind: Kind
    question: str
    answers: tuple[ReviewAnswer, ...]
    judge: Rated | None
    golden: Digest
    release: Digest
    ratings: tuple[Rating, ...] = ()

    @property
    def open(self) -> bool:
        """Whether nobody has rated it yet."""
        return not self.ratings

    @property
    def verdict(self) -> Rated | None:
        """What most people say, each person's newest rating counting; None when nobody did, or as many say another thing."""
        said = Counter({rating.by: rating.value for rating in self.ratings}.values()).most_common(2)
        return None if not said or (len(said) > 1 and said[0][1] == said[1][1]) else said[0][0]

    def to_json(self) -> JsonObject:
        """The value of its row of state."""
        return {
            "version": 1,
            "kind": self.kind,
            "question": self.question,
            "answers": [{"text": answer.text, "release": answer.release} for answer in self.answers],
            "judge": self.judge,
            "ratings": [{"by": rating.by, "at": instant(rating.at), "value": rating.value} for rating in self.ratings],
            "golden": self.golden,
            "release": self.release,
        }

    @classmethod
    def from_row(cls, row: StateRow) -> Review:
        """The inverse of to_json, of a row of state."""
        value = row.value
        answers = cast("Sequence[Mapping[str, str]]", value["answers"])
        ratings = cast("Sequence[Mapping[str, str]]", value["ratings"])
        return cls(
            id=row.key,
            kind=cast("Kind", value["kind"]),
            question=str(value["question"]),
            answers=tuple(ReviewAnswer(answer["text"], Digest(answer["release"])) for answer in answers),
            judge=cast("Rated | None", value["judge"]),
            golden=Digest(str(value["golden"])),
            release=Digest(str(value["release"])),
            ratings=tuple(Rating(one["by"], parse_instant(one["at"]), one["value"]) for one in ratings),
        )


def rate_reviews(evaluation: Evaluation, judged: Judged | None, *, golden: Digest, release: Digest) -> tuple[Review, ...]:
    """A review of the first answer to each question: is it right?"""
    found = []
    for row in evaluation.rows:
        for sample, answer in list(evaluation.of(row))[:1]:
            judge = judged.verdicts.get((row.id, sample)) if judged else None
            name = _id("rate", golden, row.question, [[answer.text, release]])
            answers = (ReviewAnswer(answer.text, release),)
            found.append(Review(name, "rate", row.input, answers, judge, golden, release))
    return tuple(found)


def pick_reviews(judged: JudgedPairs, *, golden: Digest, release: Digest, live: Digest) -> tuple[Review, ...]:
    """A review of each pair: which answer is better? Which of them stands first is in the id, and so the same on every day."""
    found = []
    for verdict in judged.verdicts:
        ours, theirs = ReviewAnswer(verdict.pair.candidate, release), ReviewAnswer(verdict.pair.live, live)
        texts = sorted([[ours.text, str(ours.release)], [theirs.text, str(theirs.release)]])
        name = _id("pick", golden, verdict.pair.row.question, texts)
        swapped = int(name[0], 16) % 2
        answers = (theirs, ours) if swapped else (ours, theirs)
        places: dict[str | None, Rated | None] = {"candidate": swapped, "live": 1 - swapped, "tie": "tie", None: None}
        judge = places[verdict.winner]
        found.append(Review(name, "pick", verdict.pair.row.input, answers, judge, golden, release))
    return tuple(found)


def queue_reviews(store: Store, reviews: Iterable[Review], *, limit: int) -> int:
    """Puts the first `limit` of the reviews into the queue, in the order of their ids; how many are new there.

    An id is a hash, so this is a random choice, and always the same one: twice is once, and ratings stay.
    """
    new = 0
    for review in sorted(reviews, key=lambda review: review.id)[:limit]:
        if store.state(REVIEW, review.id) is not None:
            continue
        try:
            store.put_state(REVIEW, review.id, review.to_json(), expected=0)
        except StateConflict:  # another process queued it just now
            continue
        new += 1
    return new


def load_reviews(store: Store, *, open_only: bool = False) -> tuple[Review, ...]:
    """The queue by id; open_only: those that nobody has rated."""
    found = (Review.from_row(row) for row in store.states(REVIEW))
    return tuple(sorted((review for review in found if review.open or not open_only), key=lambda review: review.id))


def rate(store: Store, key: str, *, by: str, value: Rated, now: datetime) -> Review:
    """Adds a person's rating; nothing is lost when several rate at once, and a second one of a person is a correction.

    Raises ReviewMissing, RatingMalformed, and StateConflict when others win every time.
    """
    for _ in range(_ATTEMPTS):
        row = store.state(REVIEW, key)
        if row is None:
            raise ReviewMissing(f"no review {key[:80]!r}", mend="list the open ones")
        review = Review.from_row(row)
        _check(review, by, value)
        rated = replace(review, ratings=(*review.ratings, Rating(by, now, value)))
        try:
            store.put_state(REVIEW, key, rated.to_json(), expected=row.version)
        except StateConflict:
            continue
        return rated
    raise StateConflict(f"review {key} is being rated by too many at once", where=key, mend="rate it again")


def judge_agreement(reviews: Iterable[Review], *, kind: Kind = "rate", level: float = 0.95, seed: int = 0) -> Agreement | None:
    """The judge against people, over the reviews of this kind that both have decided; None when there is none.

    Reviews of one question are kin. Picks are compared by who won, for the places were drawn.
    """
    both = [review for review in reviews if review.kind == kind and review.verdict is not None and review.judge is not None]
    if not both:
        return None
    ours, theirs = ([_winner(review, said(review)) for review in both] for said in (_judges, _peoples))
    return measure_agreement(ours, theirs, [review.question for review in both], level=level, seed=seed)


def corrected_share(reviews: Iterable[Review], everything: Iterable[Review], *, level: float = 0.95) -> stats.Interval | None:
    """Share of right answers as people would say, from their ratings of some and the judge's word on all of `everything`.

    reviews: the queue; everything: what rate_reviews gave for the evaluation. None with fewer than two answers that people
    decided, or two that they did not. Source: stats.prediction_powered_mean.
    """
    decided = {review.id: review.verdict for review in reviews if review.kind == "rate" and review.verdict is not None}
    labels, near, far = [], [], []
    for review in everything:
        if review.judge is None:
            continue
        if review.id in decided:
            labels.append(float(cast("int", decided[review.id])))
            near.append(float(review.judge))
        else:
            far.append(float(review.judge))
    if len(labels) < 2 or len(far) < 2:
        return None
    return stats.prediction_powered_mean(labels, near, far, level=level)


def _judges(review: Review) -> Rated | None:
    return review.judge


def _peoples(review: Review) -> Rated | None:
    return review.verdict


def _winner(review: Review, said: Rated | None) -> str:
    """What was said, free of the places: the rating, or whether the candidate won."""
    if review.kind == "rate" or said == "tie":
        return str(said)
    return "candidate" if review.answers[int(cast("int", said))].release == review.release else "live"


def _check(review: Review, by: str, value: Rated) -> None:
    if isinstance(value, bool) or value not in _VALUES[review.kind]:
        words = ", ".join(str(known) for known in _VALUES[review.kind])
        raise RatingMalformed(f"{str(value)[:80]!r} is no rating of a {review.kind}", where=review.id, mend=f"one of: {words}")
    if not by.strip() or len(by) > _NAME:
        raise RatingMalformed("a rating is by somebody", where=review.id, mend=f"a name of at most {_NAME} characters")


def _id(kind: Kind, golden: Digest, question: Digest, answers: Sequence[Sequence[str]]) -> str:
    return hashlib.sha256(canonical_json([kind, golden, question, answers])).hexdigest()[:32]
