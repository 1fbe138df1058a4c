"""SampleLog: every answer of an evaluation on disk as it comes, so that a killed one asks only what is missing.

Lines of JSON, only ever appended. A line that a kill or a full disk cut is taken off when the file is opened next; two
processes cannot hold one file. One file may serve many definitions: each reads its own lines.
"""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import cast

from shipway.evals._answer import Answer
from shipway.evals._golden import GoldenRow
from shipway.kernel.canonical import JsonObject, NotCanonical, canonical_json, parse_object
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError

_BATCH = 16  # answers between two fsyncs: what a power cut may take, seconds of a model's time; a kill takes none


class SamplesTaken(ShipwayError):
    """Another process runs this evaluation."""

    code = "evals.samples-taken"
    retry = True


class SamplesDamaged(ShipwayError):
    """Kept answers cannot be read."""

    code = "evals.samples-damaged"


class SamplesUnwritten(ShipwayError):
    """An answer could not be kept: the disk is full, or fails."""

    code = "evals.samples-unwritten"
    retry = True


class SampleLog:
    """The answers kept in `path` for one asked thing. asked: the digest of all that determines its answers.

    since: answers kept before this moment (seconds of the Unix epoch) are not read, nor those that do not say when: what is
    asked has changed unseen by then, or may have. clock: gives such seconds. again: everything is asked anew: what is kept
    is not read, stays until there is a newer answer, and then counts no more.
    Raises SamplesTaken, SamplesDamaged, SamplesUnwritten. A context manager; not for two threads.
    """

    def __init__(
        self,
        path: Path,
        asked: Digest,
        *,
        since: float = 0.0,
        again: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.path, self.asked, self._since, self._again, self._clock = path, asked, since, again, clock
        self._answers: dict[tuple[str, int], tuple[Answer, float]] = {}
        self._unsynced = 0
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as problem:
            raise _unwritten(path, problem) from problem
        try:
            mode = os.fstat(self._fd).st_mode
            if not stat.S_ISREG(mode):  # a device could be read for ever
                raise SamplesUnwritten("answers are kept in a file, and this is none", where=str(path), mend="another path")
            if mode & 0o077:  # made when answers were still for everybody on the machine
                os.fchmod(self._fd, 0o600)
            self._lock()
            self._read()
        except BaseException:
            os.close(self._fd)
            raise

    def find(self, row: GoldenRow, sample: int) -> Answer | None:
        """The newest answer kept for this row's question, errors too."""
        found = self._answers.get((row.question, sample))
        return found and found[0]

    def kept_at(self, row: GoldenRow, sample: int) -> float | None:
        """When that answer was kept, seconds of the Unix epoch; 0 where its line does not say, None without an answer."""
        found = self._answers.get((row.question, sample))
        return found and found[1]

    def add(self, row: GoldenRow, sample: int, answer: Answer) -> None:
        """Keep an answer, in place of an earlier one, with the present time."""
        now = self._clock()
        record: JsonObject = {
            "version": 1,
            "at": now,
            "asked": self.asked,
            "question": row.question,
            "id": row.id,
            "sample": sample,
            "answer": answer.to_json(),
        }
        self._append(canonical_json(record) + b"\n")
        self._answers[row.question, sample] = answer, now
        self._unsynced += 1
        if self._unsynced >= _BATCH:
            self.sync()

    def sync(self) -> None:
        """Everything kept so far survives a power cut."""
        try:
            os.fsync(self._fd)
        except OSError as problem:
            raise _unwritten(self.path, problem) from problem
        self._unsynced = 0

    def close(self) -> None:
        """Sync and let the file go; closing twice is no error."""
        if self._fd < 0:
            return
        try:
            self.sync()
        finally:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> SampleLog:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as problem:
            what = "another process runs this evaluation"
            raise SamplesTaken(what, where=str(self.path), mend="wait for it; its answers are kept") from problem

    def _read(self) -> None:
        data = self.path.read_bytes()
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.ftruncate(self._fd, whole)
        if self._again:
            return
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            self._take(line, number)

    def _take(self, line: bytes, number: int) -> None:
        try:
            record = parse_object(line)
            if record["asked"] == self.asked and (at := float(cast("float", record.get("at", 0.0)))) >= self._since:
                key = (str(record["question"]), int(cast("int", record["sample"])))
                self._answers[key] = Answer.from_json(cast("Mapping[str, str]", record["answer"])), at
        except (NotCanonical, KeyError, TypeError, ValueError) as problem:
            where, mend = f"{self.path}:{number}", "delete the line: its question is asked again"
            raise SamplesDamaged("a kept answer cannot be read", where=where, mend=mend) from problem

    def _append(self, line: bytes) -> None:
        try:
            start = os.fstat(self._fd).st_size
            written = os.write(self._fd, line)
            if written < len(line):  # a full disk takes a part: off with it, or the next line would be glued to it
                os.ftruncate(self._fd, start)
                raise OSError(28, "No space left on device")
        except OSError as problem:
            raise _unwritten(self.path, problem) from problem


def _unwritten(path: Path, problem: OSError) -> SamplesUnwritten:
    what = f"an answer cannot be kept: {problem.strerror or problem}"
    return SamplesUnwritten(what, where=str(path), mend="mend it and run the evaluation again: what was kept stays")
