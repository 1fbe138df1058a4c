"""The parent's side of `shipway.serve.piped`: one child in the project's Python that answers batch after batch."""

from __future__ import annotations

import atexit
import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import IO, NamedTuple

from shipway.kernel.canonical import NotCanonical, parse_object
from shipway.kernel.errors import ShipwayError
from shipway.models import Array, decode_columns, encode_columns
from shipway.serve.piped import SIZE

_GOODBYE = 5.0  # seconds between the end of its input and SIGKILL


class ScoringFailed(ShipwayError):
    """The process that scores does not load the model, died, or refuses rows."""

    code = "operate.scoring-failed"


class PipedCommand(NamedTuple):
    """How a predictor is started. environ: all that it gets, as pairs, so that this can be compared and sent to a worker."""

    words: tuple[str, ...]
    environ: tuple[tuple[str, str], ...]


class PipedPredictor:
    """One child; calls may not overlap. Raises ScoringFailed when it does not load the model."""

    def __init__(self, command: PipedCommand) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the child
        self._child = subprocess.Popen(
            command.words,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=dict(command.environ),
            process_group=0,
        )
        try:
            self._hear()
        except BaseException:
            self.close()
            raise

    def score(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs for these rows, with `error` when the model fails on some. Raises ScoringFailed."""
        body, stdin = encode_columns(columns), self._child.stdin
        assert stdin is not None
        try:
            stdin.write(len(body).to_bytes(SIZE, "little"))
            stdin.write(body)
            stdin.flush()
        except OSError as problem:
            raise self._died() from problem
        return decode_columns(self._hear())

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        return self._child.poll() is None

    def close(self) -> None:
        """Ends the child."""
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        try:
            self._child.wait(_GOODBYE)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)  # not reaped yet, so the group is still its own
            self._child.wait()
        self._errors.close()

    def _hear(self) -> bytes:
        out = self._child.stdout
        assert out is not None
        size = int.from_bytes(_exactly(out, SIZE) or bytes(SIZE), "little")
        frame = _exactly(out, size) if size else None
        if frame is None:
            raise self._died()
        if frame[0] == 0:
            return frame[1:]
        try:
            record = {name: str(value) for name, value in parse_object(frame[1:]).items() if value}
        except NotCanonical as problem:
            raise self._died() from problem
        raise ScoringFailed(record.get("what", "no reason given"), where=record.get("where"), mend=record.get("mend"))

    def _died(self) -> ScoringFailed:
        with suppress(subprocess.TimeoutExpired):
            self._child.wait(1)
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").splitlines()[-1:]
        code = self._child.returncode
        ending = "stopped answering" if code is None else f"was killed ({-code})" if code < 0 else f"ended with {code}"
        said = f": {lines[0][:200]}" if lines else ""
        return ScoringFailed(f"the process that scores {ending}{said}", mend="smaller batches if memory ran out: --batch N")


def _exactly(out: IO[bytes], size: int) -> bytes | None:
    body = out.read(size)
    return body if len(body) == size else None


_mine = threading.local()  # a predictor for each thread that scores: a model is promised one at a time
_all: list[PipedPredictor] = []


def predictor_of_thread(command: PipedCommand) -> PipedPredictor:
    """The predictor of this thread, started when there is none or the last has died. Raises ScoringFailed."""
    held: tuple[PipedCommand, PipedPredictor] | None = getattr(_mine, "held", None)
    if held is not None and held[0] == command and held[1].alive:
        return held[1]
    predictor = PipedPredictor(command)
    _mine.held = command, predictor
    _all.append(predictor)
    return predictor


def close_predictors() -> None:
    """Ends those of all threads of this process."""
    while _all:
        _all.pop().close()


atexit.register(close_predictors)
