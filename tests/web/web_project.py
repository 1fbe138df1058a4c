"""A project whose store is filled by the real functions: releases, evidence, moves, verdicts on days, alerts, gaps."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path

from shipway.access import Actor, open_keys
from shipway.gate import POLICY_REF, MoveRefused, attest, move_ref, policy_object
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.kernel.units import Seconds
from shipway.monitor import DayVerdict, Finding, Severity, fold_alerts
from shipway.operate import compact
from shipway.release import (
    Component,
    approve_release,
    deploy_ref,
    deployment_object,
    find_component,
    load_components,
    put_release,
    roll_back,
)
from shipway.spec import AtLeast, DeploySpec, OutcomeSpec, PolicyRule
from shipway.store import SegmentWriter, Store, WorkRecord, encode_record, open_store

REF = "deploy/delay@prod"
DEPLOY = DeploySpec(name="delay@prod", application="delay", environment="prod")
FIRST_DAY = date(2013, 2, 1)
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)> {{ 7*7 }}"


class FakeClock:
    """Moves a second each time that it is asked, so that records have an order."""

    def __init__(self, at: datetime = datetime(2013, 1, 31, 9, 12, tzinfo=UTC)) -> None:
        self.at = at

    def now(self) -> datetime:
        self.at += timedelta(seconds=1)
        return self.at


@dataclass
class Project:
    """One project in a folder, and the hands that fill it."""

    folder: Path
    who: str = "ada@example.org"

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.signer, self.keys = open_keys(self.folder / "keys")

    @cached_property
    def store(self) -> Store:
        return self.open()

    @property
    def actor(self) -> Actor:
        return Actor(self.who, frozenset({"admin"}))

    def open(self) -> Store:
        return open_store(self.folder, "flights", create=True, clock=self.clock)

    def put(self, kind: str, text: str) -> Digest:
        return self.store.put({"kind": kind, "version": 1, "text": text})

    def release(self, model: str, *, why: str = "", data: str = "january") -> Digest:
        """A release with this model, named by `release/delay`."""
        parts = {("model", "delay"): model, ("data", "flights"): data, ("data", "weather"): data, ("profile", "delay"): model}
        parts |= {("code", ""): "code", ("environment", ""): "lock", ("pipeline", ""): model}
        kinds = {"data": "snapshot"}
        components = [
            Component(kind, name, self.put(kinds.get(kind, kind), kind + text)) for (kind, name), text in parts.items()
        ]
        for component in components:
            if component.kind in ("data", "model"):
                self.move(f"{component.kind}/{component.name}", component.digest)
        release = put_release(self.store, components)
        self.move("release/delay", release, why=why)
        return release

    def move(self, ref: str, target: Digest, why: str = "") -> None:
        move_ref(self.store, self.keys, self.actor, ref=ref, target=target, why=why)

    def ask_for(self, *, approvals: int = 1, auc: float = 0.55) -> None:
        """A policy for REF."""
        requirement = AtLeast("auc", auc, 0.95, f"at least {auc} at 95%")
        rule = PolicyRule(ref=REF, require=(requirement,), approvals=approvals)
        self.move(POLICY_REF, self.store.put(policy_object(self.store, {REF: rule}, {})), "the policy of shipway.yaml")

    def measure(self, release: Digest, check: Check) -> None:
        predicate: JsonObject = {"check": check.to_json(), "level": 0.95}
        model = find_component(load_components(self.store, release), "model").digest
        attest(
            self.store, self.signer, subject=model, name="delay", predicate_type=media.CHECK_PREDICATE,
            predicate=predicate, label=check.name,
        )  # fmt: skip

    def approve(self, release: Digest, why: str = "") -> None:
        approve_release(self.store, self.signer, self.actor, "delay", release, why=why)

    def apply(self, release: Digest, why: str = "", deploy: DeploySpec = DEPLOY) -> bool:
        """Whether the gate let it pass."""
        target = self.store.put(
            deployment_object(self.store, release, deploy, {"late": OutcomeSpec(name="late", matures=Seconds(86_400))})
        )
        try:
            self.move(deploy_ref(deploy), target, why)
        except MoveRefused:
            return False
        return True

    def apply_arms(self, release: Digest, arms: Mapping[str, tuple[Digest, tuple[int, int]]]) -> Digest:
        """A release with others beside it: each with its range of buckets. The deployment."""
        split: JsonObject = {
            "salt": "s",
            "unit": "request",
            "arms": [
                {"name": name, "release": self.store.descriptor(one, media.OCI_INDEX).to_json(), "buckets": [[*buckets]]}
                for name, (one, buckets) in arms.items()
            ],
        }
        target = self.store.put(deployment_object(self.store, release, DEPLOY, {}, split=split))
        self.move(REF, target)
        return target

    def work(self, release: Digest, *, rows: int, cpu: float, usd: float = -1.0) -> None:
        """What a predictor of a release says that it has done; cpu in seconds."""
        log = SegmentWriter(self.store.log_folder("predictions"), f"w{rows}")
        record = WorkRecord(release=release, deployment="d", arm="live", recorded=1, rows=rows, cpu_us=int(cpu * 1e6), usd=usd)
        assert log.append(encode_record(record), 0)
        log.close()
        compact(self.store)

    def roll_back(self, why: str = "") -> None:
        roll_back(self.store, self.keys, self.actor, REF, why=why)

    def judge(self, days: Iterable[DayVerdict]) -> None:
        """Keeps verdicts and the alerts that they make, in the rows that `watch` writes."""
        verdicts = list(days)
        self.store.put_states("window", {f"{day.ref}/{day.day}": day.to_json() for day in verdicts})
        self.store.put_states("alert", {alert.key: alert.to_json() for alert in fold_alerts(verdicts)})

    def lose(self, rows: int) -> None:
        """A gap of the prediction log, in the row that the compaction writes."""
        value: JsonObject = {
            "stream": "predictions", "source": "w-0192f1c8", "rows": rows, "bytes": None, "accepted": 9000,
            "readable": 9000 - rows, "dropped": 0, "first": "2013-05-11T10:02:11.000000Z",
            "last": "2013-05-11T10:02:12.000000Z", "recorded": "2013-05-11T10:02:40.000000Z",
        }  # fmt: skip
        self.store.put_state("gap", f"predictions/w-0192f1c8-{rows}", value)


def day_verdict(
    day: date, release: Digest, *, calibration: float | None, base_rate: float = 0.0, drift: Mapping[str, float] | None = None
) -> DayVerdict:
    """A day as the monitor says it: half-width 0.015, threshold 0.05; None: too few days."""
    checks = [
        _finding("calibration", calibration, 0.0),
        _finding("base_rate", None if calibration is None else base_rate, None),
    ]
    for feature, psi in (drift or {}).items():
        verdict = Verdict.FAIL if psi > 0.2 else Verdict.PASS
        checks.append(Finding(Severity.INFORM, Check(f"drift.{feature}", verdict, psi, threshold=0.2, n=26_112)))
    auc = 0.64 + 0.02 * math.sin(day.toordinal() / 17)
    checks.append(Finding(Severity.REPORT, Check("auc", Verdict.PASS, auc, auc - 0.02, auc + 0.02, n=25_731)))
    return DayVerdict(REF, day, release, day - timedelta(days=27), 28, 26_112, 25_731, tuple(checks))


def _finding(name: str, value: float | None, floor: float | None) -> Finding:
    if value is None:
        return Finding(Severity.PAGE, Check(name, Verdict.INCONCLUSIVE, threshold=0.05, n=900, still_needed=1200))
    low, high = value - 0.015, value + 0.015
    error = sorted((abs(low), abs(high))) if low * high > 0 else [0.0, max(abs(low), abs(high))]
    verdict = Verdict.FAIL if error[0] > 0.05 else Verdict.PASS if error[1] <= 0.05 else Verdict.INCONCLUSIVE
    text = "predicted 18.9%, realised 27.4% over 28 days"
    shown = max(low, floor) if floor is not None else low
    return Finding(Severity.PAGE, Check(name, verdict, value, shown, high, 0.05, 25_731, text=text))


def season(release: Digest, *, days: int, bad_from: int = 60, challenger: Digest | None = None) -> list[DayVerdict]:
    """Days of the flights' kind: fine, then too few delays predicted, then too many; or a challenger for the last 30 days."""
    noise, found, spring, autumn = random.Random(7), [], 130, 45
    for number in range(days):
        other = challenger is not None and number >= days - 30
        own = number - (days - 30) if other else number
        wave = -0.085 * math.sin(math.pi * min(1.0, max(0, number - bad_from) / spring))
        wave += 0.11 * math.sin(math.pi / 2 * min(1.0, max(0, number - bad_from - spring) / autumn))
        error = None if own < 13 else 0.018 + (0.0 if other else abs(wave)) + noise.gauss(0, 0.0025)
        drift = {"temp": number / 30, "dewp": number / 33, "pressure": 0.31, "carrier": 0.01}
        day = FIRST_DAY + timedelta(days=number)
        found.append(day_verdict(day, challenger if other and challenger else release, calibration=error,
                                 base_rate=(0.0 if other else wave) + noise.gauss(0, 0.003), drift=drift))  # fmt: skip
    return found


AUC = Check("auc", Verdict.PASS, 0.637, 0.611, 0.662, n=8_911, text="evaluation on Jan 22-31, errors clustered by day")


def split_three(folder: Path) -> tuple[Project, tuple[Digest, Digest]]:
    """A live release, a candidate that has a problem, and a shadow; of the first two work was recorded, and they are given."""
    project = Project(folder)
    one, two, three = (project.release(month, data=month) for month in ("january", "august", "june"))
    deployment = project.apply_arms(one, {"candidate": (two, (0, 1250)), "shadow": (three, (0, 10_000))})
    project.work(one, rows=40_000, cpu=52.0, usd=0.00058)
    project.work(two, rows=5_000, cpu=7.0)
    value: JsonObject = {"url": None, "deployment": deployment, "arms": {"candidate": HOSTILE}}
    project.store.put_state("endpoint", REF, value)
    return project, (one, two)


def lived(folder: Path, *, days: int = 242, end: str = "paging") -> Project:
    """A project with a past: refused once, live, judged for days; paging, or `returned`: a challenger took over."""
    project = Project(folder)
    project.ask_for()
    january = project.release("january", why="January, first model")
    assert not project.apply(january, "try")
    project.measure(january, AUC)
    project.approve(january, "looked at the calibration plot")
    project.clock.at = datetime(2013, 2, 1, 0, 5, tzinfo=UTC)
    assert project.apply(january, "first release")
    challenger = None
    if end == "returned":
        challenger = project.release("august", why="challenger, trained on August", data="august")
        project.who = "grace@example.org"
        project.measure(challenger, Check("auc", Verdict.PASS, 0.69, 0.67, 0.71, n=26_000, text="evaluation on August 22-31"))
        project.approve(challenger)
        project.clock.at = datetime.combine(FIRST_DAY + timedelta(days=days - 30), datetime.min.time(), UTC)
        assert project.apply(challenger, "better by 0.05 on the flights of September")
    project.clock.at = datetime.combine(FIRST_DAY + timedelta(days=days + 1), datetime.min.time(), UTC) + timedelta(hours=7)
    project.judge(season(january, days=days, challenger=challenger))
    project.lose(388)
    project.clock.at += timedelta(minutes=4)
    return project
