"""What the page of an incident may do about it: it is given it, and acts as whoever started the server."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shipway.gate import Moved
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.kernel.units import Seconds
from shipway.monitor import Silence


@dataclass(frozen=True, slots=True)
class Ways:
    """What can be done about a deployment now. standing: what its ref names; live: the release of that; back: the release that
    a rollback returns to, None where there is none. no_rollback, no_retrain, no_silence: why not; empty where it can.
    """

    standing: Digest
    live: Digest | None
    back: Digest | None
    no_rollback: str
    no_retrain: str
    no_silence: str


@dataclass(frozen=True, slots=True)
class Retrained:
    """A `shipway retrain` that runs, or how it ended. lines: what it said last; code: its exit code, None while it runs;
    document: what it said with --json, None where it came to no end.
    """

    ref: str
    who: str
    why: str
    since: datetime
    lines: tuple[str, ...]
    ended: datetime | None = None
    code: int | None = None
    document: JsonObject | None = None

    @property
    def running(self) -> bool:
        return self.ended is None


@dataclass(frozen=True, slots=True)
class OnCall:
    """Every function is called by threads and opens what it needs itself.

    actor: who started the server; ways: of a ref; roll_back: the ref, the deployment and the release that were shown, the
    reason (raises RefMoved, NothingToReturnTo, Forbidden, ReleaseDamaged); silence: ref, monitor, reason, for how long
    (raises SilenceMalformed, Forbidden); retrain: starts one for a reason and returns at once (raises RetrainRunning,
    Forbidden); retrained: the newest of a ref, None where this server has started none.
    """

    actor: str
    ways: Callable[[str], Ways]
    roll_back: Callable[[str, Digest, Digest, str], Moved]
    silence: Callable[[str, str, str, Seconds], Silence]
    retrain: Callable[[str, str], None]
    retrained: Callable[[str], Retrained | None]
