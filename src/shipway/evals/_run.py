"""The runner: asks every row its number of times, a few at once, keeps each answer as it comes, and counts what failed.

Knows nothing of models or prompts: what is asked is a function of the caller's, with the caller's retries inside.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from shipway.evals._answer import Answer
from shipway.evals._golden import GoldenRow
from shipway.evals._sample_log import SampleLog
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError

Ask = Callable[[GoldenRow, int], Awaitable[Answer]]
"""Row and number of the sample (from 0) to an answer. A ShipwayError becomes a failed answer; any other error ends the run."""

Report = Callable[[int, int], None]
"""Told after each answer: how many of how many are there."""

MOST_ERRORS = 0.05


class EvaluationFailed(ShipwayError):
    """More answers failed than an evaluation may leave out."""

    code = "evals.failed"
    retry = True


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every answer of the rows. asked: the digest of what was asked; answers: by row id and sample; called: asked anew.

    oldest: when the oldest of the answers was given, seconds of the Unix epoch; 0 where it does not say, None without a log.
    """

    asked: Digest
    rows: tuple[GoldenRow, ...]
    samples: int
    answers: Mapping[tuple[str, int], Answer]
    called: int = 0
    oldest: float | None = None

    def of(self, row: GoldenRow) -> Iterator[tuple[int, Answer]]:
        """The answers of a row that did not fail, with their sample numbers."""
        for sample in range(self.samples):
            answer = self.answers.get((row.id, sample))
            if answer is not None and answer.error is None:
                yield sample, answer

    @property
    def errors(self) -> int:
        """Answers that failed and are in no metric."""
        return sum(answer.error is not None for answer in self.answers.values())

    @property
    def degraded(self) -> int:
        """Answers given while a layer was down."""
        return sum(bool(answer.degraded) for answer in self.answers.values())


async def run_evaluation(
    rows: Sequence[GoldenRow],
    ask: Ask,
    *,
    samples: int,
    concurrency: int,
    kept: SampleLog,
    report: Report | None = None,
    most_errors: float = MOST_ERRORS,
) -> Evaluation:
    """Asks what `kept` has no good answer to, `concurrency` at once, and gives all of it.

    Raises EvaluationFailed as soon as more than the share most_errors has failed, not a smaller n in silence: what was
    answered is kept, and the next run asks the rest. Cancelling is safe. Raises ValueError on counts below 1.
    """
    if samples < 1 or concurrency < 1:
        raise ValueError(f"samples and concurrency are at least 1, got {samples} and {concurrency}")
    wanted = [(row, sample) for row in rows for sample in range(samples)]  # a provider that caches prompts has just seen it
    missing = [pair for pair in wanted if not _good(kept.find(*pair))]
    work = _Work(ask, kept, iter(missing), len(wanted), len(missing), most_errors * len(wanted), report)
    try:
        await _together([work.run() for _ in range(min(concurrency, len(missing)))])
    finally:
        kept.sync()
    answers = {(row.id, sample): answer for row, sample in wanted if (answer := kept.find(row, sample)) is not None}
    oldest = min((at for pair in wanted if (at := kept.kept_at(*pair)) is not None), default=None)
    return Evaluation(kept.asked, tuple(rows), samples, answers, len(missing), oldest)


class _Work:
    """What the workers of one run share."""

    def __init__(
        self,
        ask: Ask,
        kept: SampleLog,
        pairs: Iterator[tuple[GoldenRow, int]],
        total: int,
        missing: int,
        tolerated: float,
        report: Report | None,
    ) -> None:
        self._ask, self._kept, self._pairs, self._report = ask, kept, pairs, report
        self._total, self._done, self._tolerated = total, total - missing, tolerated
        self._errors: Counter[str] = Counter()

    async def run(self) -> None:
        for row, sample in self._pairs:
            try:
                answer = await self._ask(row, sample)
            except ShipwayError as problem:
                answer = Answer("", error=f"{problem.code}: {problem.what}")
            self._kept.add(row, sample, answer)
            self._done += 1
            if answer.error is not None:
                self._failed(answer.error)
            if self._report:
                self._report(self._done, self._total)

    def _failed(self, error: str) -> None:
        self._errors[error] += 1
        failed = self._errors.total()
        if failed > self._tolerated:
            often = self._errors.most_common(1)[0][0]
            what = f"{failed} of {self._total} answers failed, more than may be left out; most often: {often[:300]}"
            mend = "mend the cause and run it again: only what is missing is asked"
            raise EvaluationFailed(what, where=str(self._kept.path), mend=mend)


async def _together(workers: list[Awaitable[None]]) -> None:
    """All of them, or the first error with the others cancelled and gone."""
    tasks = [asyncio.ensure_future(worker) for worker in workers]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _good(answer: Answer | None) -> bool:
    return answer is not None and answer.error is None
