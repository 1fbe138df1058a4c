"""Asking a judge: every answer once, every pair in both orders. Replies are kept like answers, so a killed run goes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

from shipway import stats
from shipway.evals._answer import Answer
from shipway.evals._golden import GoldenRow
from shipway.evals._judge import Choice, Judge, Judged, parse_choice, parse_rating
from shipway.evals._measure import cluster_of
from shipway.evals._run import Evaluation, Report, run_evaluation
from shipway.evals._sample_log import SampleLog
from shipway.kernel.canonical import canonical_json
from shipway.kernel.digest import Digest
from shipway.llm import Message

Complete = Callable[[Sequence[Message]], Awaitable[str]]
Winner = Literal["candidate", "live", "tie"]
_SWAPPED: Mapping[Choice, Choice] = {"first": "second", "second": "first", "tie": "tie"}
_WINNERS: Mapping[Choice, Winner] = {"first": "candidate", "second": "live", "tie": "tie"}


@dataclass(frozen=True, slots=True)
class Pair:
    """Two answers to one question."""

    row: GoldenRow
    candidate: str
    live: str


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """winner: who won in both orders, a tie when the orders disagree, None when a reply cannot be read.

    consistent: whether the judge said the same in both orders; None when a reply cannot be read.
    """

    pair: Pair
    winner: Winner | None
    consistent: bool | None


@dataclass(frozen=True, slots=True)
class JudgedPairs:
    """The judge's verdicts on pairs, in the pairs' order."""

    judge: Digest
    verdicts: tuple[PairVerdict, ...]

    def count(self, winner: Winner | None) -> int:
        """How many pairs ended so; None: unparsable."""
        return Counter(verdict.winner for verdict in self.verdicts)[winner]

    def flip_rate(self, *, level: float = 0.95) -> stats.Interval | None:
        """Share of readable pairs of which the judge said another thing when they changed places; Wilson's interval."""
        read = [verdict.consistent for verdict in self.verdicts if verdict.consistent is not None]
        return stats.wilson(read.count(False), len(read), level=level) if read else None

    def preference(self, *, level: float = 0.95) -> stats.Interval | None:
        """Share of readable pairs that the candidate wins, a tie a half; clustered."""
        read = [(verdict.pair.row, verdict.winner) for verdict in self.verdicts if verdict.winner is not None]
        points = [{"candidate": 1.0, "live": 0.0, "tie": 0.5}[winner] for _, winner in read]
        return stats.share_interval(points, [cluster_of(row) for row, _ in read], level=level) if read else None


async def judge_answers(
    judge: Judge, evaluation: Evaluation, complete: Complete, *, concurrency: int, kept: SampleLog, report: Report | None = None
) -> Judged:
    """The judge's rating of every answer whose row has a target. kept: a log opened for judge.digest.

    complete: messages to the reply's text, with the judge's provider and parameters; errors as in run_evaluation.
    """
    asked = {
        _name(row, str(sample)): judge.rate(question=row.input, target=row.target, answer=answer.text)
        for row in evaluation.rows
        if row.target
        for sample, answer in evaluation.of(row)
    }
    replies = await _replies(judge, asked, complete, concurrency, kept, report)
    verdicts = {
        (row.id, sample): parse_rating(replies[name])
        for row in evaluation.rows
        for sample, _ in evaluation.of(row)
        if (name := _name(row, str(sample))) in replies
    }
    return Judged(judge.digest, verdicts)


async def judge_pairs(
    judge: Judge, pairs: Sequence[Pair], complete: Complete, *, concurrency: int, kept: SampleLog, report: Report | None = None
) -> JudgedPairs:
    """The judge's choice on every pair, asked in both orders: a side wins only where it wins both. Errors and kept: as above.

    Raises ValueError when two pairs are of one row.
    """
    if len({pair.row.id for pair in pairs}) < len(pairs):
        raise ValueError("pairs: two of one row")
    asked = {}
    for pair in pairs:
        ask = partial(judge.compare, question=pair.row.input, target=pair.row.target)
        asked[_name(pair.row, "there")] = ask(first=pair.candidate, second=pair.live)
        asked[_name(pair.row, "back")] = ask(first=pair.live, second=pair.candidate)
    replies = await _replies(judge, asked, complete, concurrency, kept, report)
    return JudgedPairs(judge.digest, tuple(_verdict(pair, replies) for pair in pairs))


def pairs_of(candidate: Evaluation, live: Evaluation) -> tuple[Pair, ...]:
    """The first answers of both to each question that both were asked in the same words."""
    asked, pairs = {row.id: row for row in live.rows}, []
    for row in candidate.rows:
        other = asked.get(row.id)
        ours, theirs = next(candidate.of(row), None), next(live.of(row), None)
        if other is not None and other.question == row.question and ours and theirs:
            pairs.append(Pair(row, ours[1].text, theirs[1].text))
    return tuple(pairs)


def _verdict(pair: Pair, replies: Mapping[str, str]) -> PairVerdict:
    there, back = (parse_choice(replies.get(_name(pair.row, way), "")) for way in ("there", "back"))
    if there is None or back is None:
        return PairVerdict(pair, None, None)
    consistent = there == _SWAPPED[back]
    return PairVerdict(pair, _WINNERS[there] if consistent else "tie", consistent)


async def _replies(
    judge: Judge,
    asked: Mapping[str, Sequence[Message]],
    complete: Complete,
    concurrency: int,
    kept: SampleLog,
    report: Report | None,
) -> dict[str, str]:
    """The reply to each of the messages, by name; one that failed is not in it. Runs as an evaluation of the judge."""
    if kept.asked != judge.digest:
        raise ValueError("kept: opened for another judge")

    async def ask(row: GoldenRow, _sample: int) -> Answer:
        return Answer(await complete(asked[row.id]))

    rows = [GoldenRow(name, _text(messages)) for name, messages in asked.items()]
    done = await run_evaluation(rows, ask, samples=1, concurrency=concurrency, kept=kept, report=report)
    return {name: answer.text for (name, _), answer in done.answers.items() if answer.error is None}


def _name(row: GoldenRow, what: str) -> str:
    return f"{row.id}\n{what}"  # an id holds no line break, so no two names are one


def _text(messages: Sequence[Message]) -> str:
    return canonical_json([[message.role, message.content] for message in messages]).decode()
