"""What the tests of this room share: rows, a deterministic thing to ask, evaluations without asking, a store."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from shipway.evals import Answer, Evaluation, GoldenRow, SampleLog, run_evaluation
from shipway.kernel.digest import Digest, digest_bytes
from shipway.store import Store, open_store

ASKED = digest_bytes(b"the release that is asked")
OTHER = digest_bytes(b"another release")
GOLDEN = digest_bytes(b"the golden set")
NOW = datetime(2026, 11, 23, tzinfo=UTC)


def make_rows(count: int, *, clusters: int | None = None, slices: Sequence[str] = ()) -> tuple[GoldenRow, ...]:
    """Rows q0, q1, ... whose right answer is their number, found in page<number>.txt."""
    return tuple(
        GoldenRow(
            id=f"q{n}",
            input=f"what is {n}?",
            target=(f"number {n}",),
            context=(f"page{n}.txt",),
            cluster=None if clusters is None else f"c{n % clusters}",
            slice=slices[n % len(slices)] if slices else None,
        )
        for n in range(count)
    )


def right(row: GoldenRow) -> Answer:
    """The answer that every scorer gives 1."""
    return Answer(f"It is {row.target[0]}.", (row.context[0], "other.txt"), usd=0.001, seconds=0.5)


def wrong(row: GoldenRow) -> Answer:
    """The answer that every scorer gives 0."""
    return Answer("I do not know", ("other.txt",), usd=0.002, seconds=0.25)


def evaluated(
    rows: Sequence[GoldenRow], answer: Callable[[GoldenRow, int], Answer], *, samples: int = 1, asked: Digest = ASKED
) -> Evaluation:
    """An evaluation as run_evaluation gives it, without a log."""
    answers = {(row.id, sample): answer(row, sample) for row in rows for sample in range(samples)}
    return Evaluation(asked, tuple(rows), samples, answers)


def run(
    path: Path,
    rows: Sequence[GoldenRow],
    answer: Callable[[GoldenRow, int], Answer],
    *,
    samples: int = 1,
    concurrency: int = 3,
    asked: Digest = ASKED,
    most_errors: float = 0.05,
    report: Callable[[int, int], None] | None = None,
    now: float = 1000.0,
    since: float = 0.0,
) -> Evaluation:
    """A real run with a log at path."""

    async def ask(row: GoldenRow, sample: int) -> Answer:
        await asyncio.sleep(0)
        return answer(row, sample)

    with SampleLog(path, asked, since=since, clock=lambda: now) as kept:
        return asyncio.run(
            run_evaluation(
                rows, ask, samples=samples, concurrency=concurrency, kept=kept, report=report, most_errors=most_errors
            )
        )


def new_store(folder: Path) -> Store:
    return open_store(folder, "test", create=True)


def replies(said: Mapping[str, str], default: str = "yes") -> Callable[[Sequence[object]], str]:
    """A judge that answers by the first of these texts that its last message holds."""

    def reply(messages: Sequence[object]) -> str:
        text = str(messages[-1])
        return next((answer for part, answer in said.items() if part in text), default)

    return reply


def main() -> None:
    """A child that asks 200 questions, a few milliseconds each, and tells each call on stdout: to be killed."""

    async def ask(row: GoldenRow, sample: int) -> Answer:
        sys.stdout.write(f"{row.id} {sample}\n")
        sys.stdout.flush()
        await asyncio.sleep(0.005)
        return right(row)

    with SampleLog(Path(sys.argv[1]), ASKED) as kept:
        asyncio.run(run_evaluation(make_rows(100), ask, samples=2, concurrency=4, kept=kept))


if __name__ == "__main__":
    main()
