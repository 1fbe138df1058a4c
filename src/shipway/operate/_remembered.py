"""Completions that were paid for once: the same provider, the same messages, the same sample give the same answer again.

An evaluation of a release that differs in one component asks only what that component changed. The answers lie in one file
of JSON lines below the store's cache; a line that a kill has cut is left out, and nothing but time is lost with the file.
"""

from __future__ import annotations

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
        path.parent.mkdir(parents=True, exist_ok=True)
        self._known = {} if again else _read(path, time.time() - fresh)
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
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


def _read(path: Path, since: float) -> dict[str, Completion]:
    found: dict[str, Completion] = {}
    try:
        lines: Sequence[bytes] = path.read_bytes().splitlines()
    except FileNotFoundError:
        return found
    for line in lines:
        try:
            record = json.loads(line)
            if record["at"] >= since:
                found[record["key"]] = _from_json(record["completion"])
        except (ValueError, KeyError, TypeError):
            continue  # cut by a kill: it is asked again
    return found


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
