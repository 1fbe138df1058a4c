"""Silences: a person has seen an alert and does not want to hear of it until an end, for a reason. It stays an alert.

A row of state (kind `silence`, key `<ref>/<monitor>`, the monitor `*` for all). What is silenced keeps its verdict, its
evidence and its place on the page; only nobody is called.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from shipway.kernel.canonical import JsonObject
from shipway.kernel.clock import instant, parse_instant
from shipway.kernel.errors import ShipwayError, nearest
from shipway.kernel.units import Seconds
from shipway.spec import MONITORS
from shipway.store import Store

SILENCE = "silence"
ALL = "*"
LONGEST = timedelta(days=30)


class SilenceMalformed(ShipwayError):
    """A silence without a reason, without an end in sight, or of no monitor."""

    code = "monitor.silence-malformed"


@dataclass(frozen=True, slots=True)
class Silence:
    """Who silenced which monitor of a deployment (ALL: each), from when until when, and why."""

    ref: str
    monitor: str
    who: str
    why: str
    since: datetime
    until: datetime

    def covers(self, monitor: str, now: datetime) -> bool:
        return now < self.until and self.monitor in (ALL, monitor, monitor.partition(".")[0])

    def to_json(self) -> JsonObject:
        return {
            "version": 1,
            "ref": self.ref,
            "monitor": self.monitor,
            "who": self.who,
            "why": self.why,
            "since": instant(self.since),
            "until": instant(self.until),
        }

    @classmethod
    def from_json(cls, record: JsonObject) -> Silence:
        """The inverse of to_json."""
        ref, monitor, who, why = (str(record[name]) for name in ("ref", "monitor", "who", "why"))
        since, until = (parse_instant(str(record[name])) for name in ("since", "until"))
        return cls(ref, monitor, who, why, since, until)


def keep_silence(store: Store, ref: str, monitor: str, *, who: str, why: str, seconds: Seconds) -> Silence:
    """Silences a monitor of a deployment from now on; again: the newer end and reason hold, no seconds end it.

    monitor: its name, that of one of its columns (`drift.temp`), or ALL. Raises SilenceMalformed without a reason, beyond
    LONGEST, and for a name that no monitor has.
    """
    family = monitor.partition(".")[0]
    if monitor != ALL and family not in MONITORS:
        meant = nearest(family, sorted(MONITORS))
        mend = f"--monitor {meant}" if meant else f"--monitor, one of: {', '.join(sorted(MONITORS))}"
        raise SilenceMalformed(f"no monitor is called {monitor}", where=ref, mend=mend)
    if not why.strip():
        raise SilenceMalformed("a silence has a reason", where=ref, mend='--why "the feed is being mended, ticket 12"')
    if not 0 <= seconds <= LONGEST.total_seconds():
        raise SilenceMalformed("a silence ends within 30 days", where=ref, mend="--silence 2d")
    now = store.clock.now()
    silence = Silence(ref, monitor, who, why.strip(), now, now + timedelta(seconds=seconds))
    store.put_state(SILENCE, f"{ref}/{monitor}", silence.to_json())
    return silence


def load_silences(store: Store, ref: str) -> tuple[Silence, ...]:
    """Those of a deployment that have not ended."""
    now = store.clock.now()
    found = [Silence.from_json(row.value) for row in store.states(SILENCE, f"{ref}/")]
    return tuple(silence for silence in found if now < silence.until)
