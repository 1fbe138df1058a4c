"""A deployment with an incident in the midst of all that a timeline knows, and the hands that `shipway up` gives its page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from web_plans import Planned
from web_project import REF, FakeClock, season

from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.monitor import Severity, keep_reading
from shipway.pipeline import code_object
from shipway.release import Component, load_components, put_release

SPEC = """project: flights
pipeline: steps.py
data: {flights: nowhere/}
models: {delay: {target: late}}
outcomes: {late: {matures: 1d}}
deploy:
  delay@prod: {}
"""
STEPS = '"""Steps."""\n\n\ndef rows() -> int:\n    """Rows."""\n    return {}\n'
MOVED = date(2013, 3, 20)  # when the second release took over, on the day of its events


@dataclass
class Alerted(Planned):
    """January was live, August is; its errors page, labels are late, the provider and data moved, rows were lost."""

    days: int = 105

    def __post_init__(self) -> None:
        super().__post_init__()
        self.clock = FakeClock()
        (self.folder / "shipway.yaml").write_text(SPEC)
        self.first = self.coded("january", 1)
        self.clock.at = datetime(2013, 2, 1, 0, 5, tzinfo=UTC)
        assert self.apply(self.first, "first release")
        self.second = self.coded("august", 2)
        self.clock.at = datetime.combine(MOVED, datetime.min.time(), UTC)
        assert self.apply(self.second, "better by 0.05")
        self.clock.at = datetime(2013, 4, 2, 6, tzinfo=UTC)
        self.move("data/flights", self.put("snapshot", "april"))
        self._ask_the_provider()
        self._read_the_clock()
        self.lose(388)
        self._judge()

    def coded(self, model: str, rows: int) -> Digest:
        """A release with code of its own."""
        (self.folder / "steps.py").write_text(STEPS.format(rows))
        release = self.release(model, data=model)
        parts = [part for part in load_components(self.store, release) if part.kind != "code"]
        code = code_object(self.store, self.folder, "steps.py")
        found = put_release(self.store, [*parts, Component("code", "", code)])
        self.move("release/delay", found)
        return found

    def _ask_the_provider(self) -> None:
        for day, verdict in ((14, Verdict.PASS), (16, Verdict.FAIL)):
            check = Check("sentinel", verdict, 0.3 if verdict is Verdict.FAIL else 0.0, threshold=0.1)
            keep_reading(
                self.store, REF, "sentinel", check, severity=Severity.INFORM, release=self.second, detail={},
                now=datetime(2013, 4, day, tzinfo=UTC),
            )  # fmt: skip

    def _read_the_clock(self) -> None:
        """Requests are looked at today, and days are judged once their labels are mature."""
        at = datetime(2013, 5, 18, 6, tzinfo=UTC)
        check = Check("errors", Verdict.PASS, 0.0, threshold=0.05)
        keep_reading(self.store, REF, "errors", check, severity=Severity.PAGE, release=self.second, detail={}, now=at)

    def _judge(self) -> None:
        """Its labels fail to come from day 98 on."""
        found = season(self.first, days=self.days, bad_from=40)
        taken = [day if day.day < MOVED else replace(day, release=self.second) for day in found]
        self.judge([day if number < 98 else replace(day, labels=5_000) for number, day in enumerate(taken)])
        self.clock.at = datetime.combine(taken[-1].day, datetime.min.time(), UTC) + timedelta(days=1, hours=7)
