"""Since when each document has waited to be served: a small file that remembers, so that no rewriting makes an age young.

A cache: without it, or where it cannot be written, the ages are those that the files tell themselves.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from shipway.kernel.digest import Digest

_INDEXES = 32  # versions that are remembered: those that are live or were measured last


class Waiting(NamedTuple):
    """A document that is not served as it is. since: seconds of the Unix epoch, when it came to be as it is here."""

    digest: Digest
    since: float


def first_seen(path: Path, index: Digest, waiting: Mapping[str, Waiting]) -> dict[str, float]:
    """Since when each key waits: the earliest moment that was told for it while it was waiting without a break.

    What waits no more is forgotten. The file is replaced as a whole; of two writers at once the later one counts.
    """
    known = _load(path)
    before = known.get(index, {})
    now = {key: (one.digest, min(one.since, before[key][1] if key in before else one.since)) for key, one in waiting.items()}
    if now != before:
        others = [(name, rows) for name, rows in known.items() if name != index]
        _save(path, dict([*others, (str(index), now)] if now else others))
    return {key: since for key, (_, since) in now.items()}


def _load(path: Path) -> dict[str, dict[str, tuple[str, float]]]:
    """What is remembered; nothing when the file is not there or was not written here."""
    try:
        found = json.loads(path.read_bytes())
        return {
            str(index): {str(key): (str(digest), float(since)) for key, (digest, since) in rows.items()}
            for index, rows in found.items()
        }
    except (OSError, ValueError, TypeError, AttributeError):
        return {}


def _save(path: Path, known: Mapping[str, Mapping[str, tuple[str, float]]]) -> None:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(dict(list(known.items())[-_INDEXES:])))
        os.replace(temporary, path)
    except OSError:  # a full disk or a folder that is not ours: the ages are told all the same
        with suppress(OSError):
            temporary.unlink()
