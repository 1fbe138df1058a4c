"""Completions that were paid for once: the same provider, the same messages, the same sample give the same answer again.

An evaluation of a release that differs in one component asks only what that component changed. The answers lie in one file
of JSON lines below the store's cache; a line that a kill has cut is left out, and nothing but time is lost with the file.
Whoever opens it while nobody else has it open takes out what is too old.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from shipway.kernel.canonical import JsonObject, canonical_json
from shipway.kernel.digest import Digest, digest_bytes
from shipway.llm import Completion, Message, Usage

FRESH_SECONDS = 86_400.0  # what stands behind a provider's name may change; a day-old answer of it is not asked anew


class Asked(NamedTuple):
    """All that a completion depends on: the provider's object, the messages, which sample of them."""

    provider: Digest
    messages: tuple[Message, ...]
    sample: int

    @property
    def key(self) -> str:
        turns = [[message.role, message.content] for message in self.messages]
        return digest_bytes(canonical_json({"provider": self.provider, "messages": turns, "sample": self.sample}))


class Remembered:
    """The file of completions. A context manager; used by one event loop."""

    def __init__(self, path: Path, *, fresh: float = FRESH_SECONDS, again: bool = False) -> None:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        since = time.time() - fresh
        self._fd = _opened(path, since)
        self._known = {} if again else _read(path, since)
        size = os.fstat(self._fd).st_size
        if size and os.pread(self._fd, 1, size - 1) != b"\n":  # a line that a kill has cut: the next is not glued to it
            os.write(self._fd, b"\n")

    def __enter__(self) -> Remembered:
        return self

    def __exit__(self, *_problem: object) -> None:
        os.close(self._fd)

    def find(self, asked: Asked) -> Completion | None:
        """The answer that was given to exactly this."""
        return self._known.get(asked.key)

    def add(self, asked: Asked, completion: Completion) -> None:
        """Keep an answer. A line is written in one call, so that two processes' lines do not mix."""
        self._known[asked.key] = completion
        line = canonical_json({"at": time.time(), "key": asked.key, "completion": _to_json(completion)})
        os.write(self._fd, line + b"\n")


def _opened(path: Path, since: float) -> int:
    """The file that bears the name, shared with others until it is closed: nobody takes its name away meanwhile. Who has it
    alone takes out first what is too old.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        alone = _locked(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if alone and _bears(path, fd):
            fd = _compacted(path, fd, since)
        _locked(fd, fcntl.LOCK_SH)
        if _bears(path, fd):
            return fd
        os.close(fd)  # it was replaced while we waited


def _locked(fd: int, how: int) -> bool:
    try:
        fcntl.flock(fd, how)
    except BlockingIOError:
        return False
    return True


def _bears(path: Path, fd: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


def _compacted(path: Path, fd: int, since: float) -> int:
    """The same file without what is too old or cut; fd is closed when another takes its place."""
    lines = path.read_bytes().splitlines(keepends=True)
    fresh = [line for line in lines if line.endswith(b"\n") and _taken(line, since)]
    if len(fresh) == len(lines):
        return fd
    beside = path.with_name(f"{path.name}.new")  # one name: only who has the file alone comes here
    made = os.open(beside, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    _locked(made, fcntl.LOCK_SH)  # before it has the name
    with open(os.dup(made), "wb") as out:
        out.writelines(fresh)
    beside.replace(path)
    os.close(fd)
    return made


def _read(path: Path, since: float) -> dict[str, Completion]:
    found: dict[str, Completion] = {}
    try:
        lines: Sequence[bytes] = path.read_bytes().splitlines()
    except FileNotFoundError:
        return found
    for line in lines:
        if taken := _taken(line, since):
            found[taken[0]] = taken[1]
    return found


def _taken(line: bytes, since: float) -> tuple[str, Completion] | None:
    """Key and answer of a line; None for one that is too old, or cut by a kill: it is asked again."""
    try:
        record = json.loads(line)
        return (str(record["key"]), _from_json(record["completion"])) if record["at"] >= since else None
    except (ValueError, KeyError, TypeError):
        return None


def _to_json(found: Completion) -> JsonObject:
    return {
        "text": found.text,
        "input": found.usage.input,
        "output": found.usage.output,
        "cached": found.usage.cached,
        "written": found.usage.written,
        "estimated": found.usage.estimated,
        "model": found.model,
        "finish": found.finish,
        "seconds": found.seconds,
        "first_token": found.first_token,
        "fingerprint": found.fingerprint,
    }


def _from_json(record: dict[str, object]) -> Completion:
    counts = {name: int(str(record[name])) for name in ("input", "output", "cached", "written")}
    usage = Usage(**counts, estimated=bool(record["estimated"]))
    first, fingerprint = record["first_token"], record["fingerprint"]
    return Completion(
        text=str(record["text"]),
        usage=usage,
        model=str(record["model"]),
        finish=str(record["finish"]),
        seconds=float(str(record["seconds"])),
        first_token=None if first is None else float(str(first)),
        fingerprint=None if fingerprint is None else str(fingerprint),
    )
