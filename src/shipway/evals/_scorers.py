"""Scorers: an answer held against its row, as a share in [0, 1], or None where the row asks nothing of the kind. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from shipway.evals._answer import Answer
from shipway.evals._golden import GoldenRow
from shipway.kernel.errors import ShipwayError, nearest

Scorer = Callable[[GoldenRow, Answer], float | None]
_SURROUNDING = " \t\r\n.,;:!?\"'`*()[]{}<>«»“”‘’„…"


class ScorerUnknown(ShipwayError):
    """A scorer was asked for that does not exist."""

    code = "evals.scorer-unknown"


def exact(row: GoldenRow, answer: Answer) -> float | None:
    """1 when the answer is one of the targets, without regard to case, white space and punctuation around it.

    >>> exact(GoldenRow("q", "Capital?", target=("Paris",)), Answer(" paris. "))
    1.0
    """
    if not row.target:
        return None
    return float(normalised(answer.text) in {normalised(target) for target in row.target})


def contains(row: GoldenRow, answer: Answer) -> float | None:
    """1 when the answer holds one of the targets (case and runs of white space aside) and everything of `expect` holds.

    >>> contains(GoldenRow("q", "Port?", target=("5432", "five")), Answer("It is 5432 by default"))
    1.0
    """
    if not row.target and not row.expect:
        return None
    text = _plain(answer.text)
    named = not row.target or any(_plain(target) in text for target in row.target)
    return float(named and all(assertion.holds(answer.text) for assertion in row.expect))


def recall_at(k: int) -> Scorer:
    """Share of the row's context that is among the first k documents.

    >>> recall_at(2)(GoldenRow("q", "?", context=("a.txt", "b.txt")), Answer("", ("a.txt#intro", "c.txt", "b.txt")))
    0.5
    """

    def score(row: GoldenRow, answer: Answer) -> float | None:
        return sum(_found(row.context, answer.documents[:k])) / len(row.context) if row.context else None

    return score


def mrr(row: GoldenRow, answer: Answer) -> float | None:
    """1 over the rank of the first document of the row's context, 0 when none came back; its mean is the mean reciprocal rank.

    Source: Voorhees, The TREC-8 Question Answering Track Report (1999).
    >>> mrr(GoldenRow("q", "?", context=("b.txt",)), Answer("", ("a.txt", "b.txt#usage")))
    0.5
    """
    if not row.context:
        return None
    return next((1 / rank for rank, new in enumerate(_found(row.context, answer.documents), start=1) if new), 0.0)


def ndcg_at(k: int) -> Scorer:
    """Discounted gain of the first k documents over the best possible one; relevance is 0 or 1, the discount log2(1 + rank).

    A document gains once: when it brings a key of the context that none before it brought.
    Source: Jarvelin and Kekalainen (2002), ACM TOIS 20(4), with the discount that Burges et al. (2005) use.
    >>> round(ndcg_at(3)(GoldenRow("q", "?", context=("b.txt",)), Answer("", ("a.txt", "b.txt"))), 4)
    0.6309
    """

    def score(row: GoldenRow, answer: Answer) -> float | None:
        if not row.context:
            return None
        gains = [bool(new) for new in _found(row.context, answer.documents[:k])]
        best = _discounted([True] * min(k, len(row.context)))
        return min(1.0, _discounted(gains) / best)

    return score


ANSWER_SCORERS: Mapping[str, Scorer] = {"exact": exact, "contains": contains}


def find_scorers(scorers: Sequence[str], at: Sequence[int]) -> dict[str, Scorer]:
    """Metric names to scorers: those of retrieval for each k of `at`, then the named ones. Raises ScorerUnknown."""
    found: dict[str, Scorer] = {f"recall_at_{k}": recall_at(k) for k in at}
    found |= {"mrr": mrr} | {f"ndcg_at_{k}": ndcg_at(k) for k in at}
    for name in scorers:
        if name not in ANSWER_SCORERS:
            near = nearest(name[:80], list(ANSWER_SCORERS))
            mend = f"did you mean `{near}`?" if near else f"one of: {', '.join(ANSWER_SCORERS)}"
            raise ScorerUnknown(f"no scorer {name[:80]!r}", mend=mend)
        found[name] = ANSWER_SCORERS[name]
    return found


def normalised(text: str) -> str:
    """Case folded, runs of white space as one space, punctuation around it gone.

    >>> normalised('  "The  Answer". ')
    'the answer'
    """
    return _plain(text).strip(_SURROUNDING)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _found(context: Sequence[str], documents: Sequence[str]) -> list[int]:
    """For each document how many keys of the context it is the first to bring; a key without heading means any part."""
    left, counts = set(context), []
    for document in documents:
        brought = left & {document, document.partition("#")[0]}
        left -= brought
        counts.append(len(brought))
    return counts


def _discounted(gains: Sequence[bool]) -> float:
    return sum(1 / math.log2(rank + 1) for rank, gain in enumerate(gains, start=1) if gain)
