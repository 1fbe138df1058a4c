"""What a monitor says of a day: findings, each a check and how loud it is when it fails. Types only, and their JSON."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import cast

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict, worst
from shipway.kernel.digest import Digest, parse_digest


class Severity(StrEnum):
    """How loud a failing check is. `report` is never an alert: a number that people want to see."""

    PAGE = "page"
    TICKET = "ticket"
    INFORM = "inform"
    REPORT = "report"


@dataclass(frozen=True, slots=True)
class Finding:
    """A check of one monitor, named `<monitor>` or `<monitor>.<feature>`, and its severity."""

    severity: Severity
    check: Check

    def to_json(self) -> JsonObject:
        return {"severity": self.severity.value, **self.check.to_json()}

    @classmethod
    def from_json(cls, record: JsonObject) -> Finding:
        """Raises CheckMalformed, ValueError."""
        return cls(Severity(str(record["severity"])), Check.from_json(record))


@dataclass(frozen=True, slots=True)
class DayVerdict:
    """The findings of one release on the window of event days first_day to day, as they were when it was judged.

    days: days with labels in the window; rows, labels: in all of it.
    """

    ref: str
    day: date
    release: Digest
    first_day: date
    days: int
    rows: int
    labels: int
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst of what can page or open a ticket; drift informs and does not count. Nothing of the kind passes nothing."""
        loud = self._loud()
        return worst([finding.check.verdict for finding in loud]) if loud else Verdict.INCONCLUSIVE

    @property
    def text(self) -> str:
        """Which days, and why nothing is said of them when nothing is."""
        days = f"{self.first_day} to {self.day}"
        return days if self._loud() else f"{days}: no monitor that can page or open a ticket has judged"

    def _loud(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.severity in (Severity.PAGE, Severity.TICKET)]

    def window(self) -> JsonObject:
        """What was looked at, and the one verdict on it, which drift does not count towards."""
        return {
            "verdict": self.verdict.value,
            "text": self.text,
            "ref": self.ref,
            "first_day": self.first_day.isoformat(),
            "day": self.day.isoformat(),
            "days": self.days,
            "rows": self.rows,
            "labels": self.labels,
        }

    def to_json(self) -> JsonObject:
        """The value of a row of state."""
        return {
            "version": 1,
            **self.window(),
            "release": self.release,
            "verdict": self.verdict.value,
            "checks": [finding.to_json() for finding in self.findings],
        }

    @classmethod
    def from_json(cls, record: JsonObject) -> DayVerdict:
        """The inverse of to_json."""
        return cls(
            ref=str(record["ref"]),
            day=date.fromisoformat(str(record["day"])),
            release=parse_digest(str(record["release"])),
            first_day=date.fromisoformat(str(record["first_day"])),
            days=cast("int", record["days"]),
            rows=cast("int", record["rows"]),
            labels=cast("int", record["labels"]),
            findings=tuple(Finding.from_json(check) for check in cast("list[JsonObject]", record["checks"])),
        )
