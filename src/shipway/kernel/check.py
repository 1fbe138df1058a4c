"""Check: a measurement against a threshold. On a move it is part of a gate, on a clock a monitor, on a stream a rollout."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shipway.kernel.canonical import JsonObject
from shipway.kernel.errors import ShipwayError


class CheckMalformed(ShipwayError):
    """A record that should be a check is none."""

    code = "kernel.check-malformed"


class Verdict(StrEnum):
    """pass, fail, or an honest not-yet."""

    PASS = "pass"
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"


def worst(verdicts: list[Verdict]) -> Verdict:
    """One verdict for several: fail before inconclusive before pass; none at all passes.

    >>> worst([Verdict.PASS, Verdict.INCONCLUSIVE])
    <Verdict.INCONCLUSIVE: 'inconclusive'>
    """
    for verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE):
        if verdict in verdicts:
            return verdict
    return Verdict.PASS


@dataclass(frozen=True, slots=True)
class Check:
    """value within [low, high] against threshold, on n observations; still_needed says how many more would decide it.

    level: the coverage of the interval (0.95), None where there is none.
    Numbers are in the unit of the check named; None where a check has no such number (an approval has no interval).
    """

    name: str
    verdict: Verdict
    value: float | None = None
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    n: int | None = None
    still_needed: int | None = None
    text: str = ""
    level: float | None = None

    def to_json(self) -> JsonObject:
        return {
            "name": self.name,
            "verdict": self.verdict.value,
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "threshold": self.threshold,
            "n": self.n,
            "still_needed": self.still_needed,
            "text": self.text,
            "level": self.level,
        }

    @classmethod
    def from_json(cls, record: JsonObject) -> Check:
        """Raises CheckMalformed."""
        try:
            name, verdict = str(record["name"]), Verdict(str(record["verdict"]))
        except (KeyError, ValueError) as problem:
            raise CheckMalformed(f"not a check: {problem}") from problem
        value, low, high, threshold = (_number(record, key) for key in ("value", "low", "high", "threshold"))
        n, needed = _count(record, "n"), _count(record, "still_needed")
        text, level = str(record.get("text") or ""), _number(record, "level")
        return cls(name, verdict, value, low, high, threshold, n, needed, text, level)


def _number(record: Mapping[str, object], key: str) -> float | None:
    value = record.get(key)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise CheckMalformed(f"{key} of a check is a number, not {value!r}")
    if not math.isfinite(value):
        raise CheckMalformed(f"{key} of a check is {value}")
    return float(value)


def _count(record: Mapping[str, object], key: str) -> int | None:
    number = _number(record, key)
    return None if number is None else int(number)
