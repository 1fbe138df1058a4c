"""Rate limits: one token bucket per key and one for everybody. A bucket holds one minute's worth of calls."""

from __future__ import annotations

from shipway.gateway._errors import RateReached
from shipway.gateway._http import Pairs


class Bucket:
    """Calls that may still be made: `per_minute` when full, filled evenly; now: monotonic seconds."""

    __slots__ = ("_at", "_left", "per_minute")

    def __init__(self, per_minute: float, *, now: float) -> None:
        self.per_minute, self._left, self._at = per_minute, per_minute, now

    def level(self, now: float) -> float:
        """Calls that may be made at once."""
        return min(self.per_minute, self._left + (now - self._at) * self.per_minute / 60)

    def take(self, now: float) -> None:
        self._left, self._at = self.level(now) - 1, now

    def wait(self, now: float) -> float:
        """Seconds until one call may be made; 0 when one may be made now."""
        return max(0.0, (1 - self.level(now)) * 60 / self.per_minute)

    def headers(self, now: float) -> Pairs:
        """What OpenAI's clients read: the limit, what is left of it, and when it is whole again."""
        left = self.level(now)
        return (
            (b"x-ratelimit-limit-requests", b"%d" % self.per_minute),
            (b"x-ratelimit-remaining-requests", b"%d" % left),
            (b"x-ratelimit-reset-requests", b"%.3fs" % ((self.per_minute - left) * 60 / self.per_minute)),
        )


def take_call(buckets: tuple[tuple[str, Bucket], ...], now: float) -> Pairs:
    """Counts one call in every bucket, or in none; headers of the scarcest. Raises RateReached."""
    for whose, bucket in buckets:
        wait = bucket.wait(now)
        if wait > 0:
            what = f"{bucket.per_minute:g} calls a minute are allowed for {whose}"
            raise RateReached(what, mend=f"try again in {wait:.1f} s", after=wait, headers=bucket.headers(now))
    for _, bucket in buckets:
        bucket.take(now)
    if not buckets:
        return ()
    return min(buckets, key=lambda pair: pair[1].level(now))[1].headers(now)
