"""One question to a program: bytes in, bytes out, within a time and a size. It is a stranger, and may do neither."""

from __future__ import annotations

import contextlib
import os
import select
import selectors
import subprocess
import time
from collections.abc import Sequence
from typing import IO, NamedTuple

_READ = 64 * 1024  # bytes at a time: what a pipe holds


class TooMuchSaid(Exception):
    """The program printed more than may be an answer."""


class Said(NamedTuple):
    """How a program ended, what it printed, and the end of what it said on its error output."""

    code: int
    answer: bytes
    errors: bytes


def ask_program(words: Sequence[str], data: bytes, *, patience: float, most: int) -> Said:
    """Give a program `data` on stdin; at most `most` bytes of each of its outputs are held. Killed when it says more or waits.

    patience: seconds. What it says on its error output may be longer: the end is kept. Raises TooMuchSaid, OSError, ValueError,
    subprocess.TimeoutExpired.
    """
    pipe = subprocess.PIPE
    with subprocess.Popen(list(words), stdin=pipe, stdout=pipe, stderr=pipe, bufsize=0) as child:
        try:
            ends = time.monotonic() + patience
            answer, errors = _converse(child, data, ends=ends, most=most)
            code = child.wait(max(0.0, ends - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            raise subprocess.TimeoutExpired(words[0], patience) from None
        except BaseException:
            child.kill()
            raise
    return Said(code, answer, errors)


def _converse(child: subprocess.Popen[bytes], data: bytes, *, ends: float, most: int) -> tuple[bytes, bytes]:
    """Write and read by turns, whichever is possible, until both outputs are closed."""
    assert child.stdin is not None  # all three are pipes
    outputs = {child.stdout: bytearray(), child.stderr: bytearray()}
    silent, left = set[object](), memoryview(data)
    with selectors.DefaultSelector() as ready:
        ready.register(child.stdin, selectors.EVENT_WRITE)
        for output, held in outputs.items():
            assert output is not None
            ready.register(output, selectors.EVENT_READ, held)
        while len(silent) < len(outputs):
            possible = ready.select(max(0.0, ends - time.monotonic()))
            if time.monotonic() >= ends:
                raise subprocess.TimeoutExpired("", 0)
            for key, _ in possible:
                if key.fileobj is child.stdin:
                    left = _write(ready, child.stdin, left)
                elif part := os.read(key.fd, _READ):
                    key.data.extend(part)
                else:
                    ready.unregister(key.fileobj)
                    silent.add(key.fileobj)
            if len(outputs[child.stdout]) > most:
                raise TooMuchSaid
            del outputs[child.stderr][:-most]
    return bytes(outputs[child.stdout]), bytes(outputs[child.stderr])


def _write(ready: selectors.BaseSelector, stdin: IO[bytes], left: memoryview) -> memoryview:
    """What is left after as much as surely fits. A program that does not read it all may still answer."""
    try:
        left = left[os.write(stdin.fileno(), left[: select.PIPE_BUF]) :]
    except BrokenPipeError:
        left = left[:0]
    if not left:
        ready.unregister(stdin)
        with contextlib.suppress(BrokenPipeError):
            stdin.close()
    return left
