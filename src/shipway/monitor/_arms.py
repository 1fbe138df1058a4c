"""Arms of a deployment held against what is live, by what became true of the rows that each answered. Reads the logs.

A stretch is a deployment object: within it every arm kept its share. Units that stay with one arm are clusters where the log
has their key (`column:NAME`); of a header it has none, and requests are. Rows without a value are not known, not 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import polars as pl

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Verdict
from shipway.kernel.digest import Digest, is_digest, parse_digest
from shipway.kernel.split import LIVE, SHADOW
from shipway.kernel.units import Seconds
from shipway.monitor._checks import judged
from shipway.monitor._deployments import deployment_ref
from shipway.monitor._faults import past_unreadable
from shipway.monitor._join import with_labels
from shipway.monitor._limits import undecided
from shipway.monitor._tables import WEIGHT, input_column, list_deployments, scan_predictions
from shipway.monitor._verdict import Finding
from shipway.release import release_descriptor, split_of
from shipway.spec import MonitorSpec
from shipway.stats import ArmsDifference, Interval, arms_difference
from shipway.store import Store

SPAN = timedelta(days=28)
LEAST_UNITS = 30  # of either side; fewer know nothing of the tail of what is spent
_ERROR = 0.05


class Compared(NamedTuple):
    """An outcome by which arms are compared. better: `higher`, `lower`, or None of one that nobody judges."""

    name: str
    unit: str | None
    better: str | None
    matures: Seconds


@dataclass(frozen=True, slots=True)
class ArmOutcome:
    """One outcome of one arm against live. rows, known: of the arm and of live, mature ones and those with a value.

    clusters: what units are, `request` or the column; found: None where too little is known, and missing says what.
    """

    arm: str
    release: Digest
    outcome: Compared
    rows: tuple[int, int]
    known: tuple[int, int]
    clusters: str
    found: ArmsDifference | None
    missing: str = ""

    @property
    def worse(self) -> Interval | None:
        """By which share of live's mean the arm is worse; None without a direction, or where live's mean is 0."""
        if self.found is None or self.found.share is None or self.outcome.better is None:
            return None
        side, share = (-1.0 if self.outcome.better == "higher" else 1.0), self.found.share
        low, high = sorted((side * share.low, side * share.high))
        return share._replace(value=side * share.value, low=low, high=high)

    def to_json(self) -> JsonObject:
        """As in the documents of `shipway outcomes` and of a reading."""
        found, worse = self.found, self.worse
        return {
            "arm": self.arm,
            "release": self.release,
            "outcome": self.outcome.name,
            "unit": self.outcome.unit,
            "better": self.outcome.better,
            "rows": {"arm": self.rows[0], "live": self.rows[1]},
            "known": {"arm": self.known[0], "live": self.known[1]},
            "clusters": {"of": self.clusters, "arm": found.units[0] if found else 0, "live": found.units[1] if found else 0},
            "mean": {"arm": found.arm, "live": found.other} if found else None,
            "difference": _interval(found.difference) if found else None,
            "worse_by_share": _interval(worse) if worse else None,
            "missing": self.missing or None,
        }


def compare_arms(
    store: Store, ref: str, deployment: JsonObject, outcomes: Sequence[Compared], *, clock: datetime
) -> tuple[ArmOutcome, ...]:
    """Every arm of a deployment but the shadow against live, by each outcome, over the last 28 days; none without arms.

    Only stretches in which the same release was live beside the same arm count. Of k comparisons with a direction each interval
    has the level 1 - 0.05/k, so that all hold together 95 times of 100; nothing corrects for looking again tomorrow.
    """
    split = split_of(deployment)
    arms = [arm for arm in split.arms if arm.name != SHADOW] if split else []
    if split is None or not arms or not outcomes:
        return ()
    live, kind, _, column = release_descriptor(deployment).digest, *split.unit.partition(":")
    stretches = {arm.name: _stretches(store, ref, live, arm.name, arm.release) for arm in arms}
    wanted = sorted({name for names in stretches.values() for name in names})
    rows = _rows(store, wanted, clock, column if kind == "column" else None)
    level = 1 - _ERROR / max(1, len(arms) * sum(one.better is not None for one in outcomes))
    found = []
    for outcome in outcomes:
        table = _labelled(store, rows, outcome, clock)
        for arm in arms:
            beside = table.filter(pl.col("deployment").is_in(stretches[arm.name]))
            known = {LIVE: live, arm.name: arm.release}
            of_arms = pl.any_horizontal((pl.col("arm") == name) & (pl.col("release") == of) for name, of in known.items())
            clusters = column if kind == "column" and "unit" in beside.columns else "request"
            found.append(_compared(beside.filter(of_arms), arm.name, arm.release, outcome, clusters, level))
    return tuple(found)


def check_arm(monitor: MonitorSpec, arm: str, outcomes: Sequence[ArmOutcome]) -> tuple[Finding, JsonObject]:
    """Check `business.ARM`: value is by which share of live's mean the arm is worse in what it is surely worst at; its detail.

    outcomes: of this arm, those with a direction.
    """
    named = msgspec.structs.replace(monitor, name=f"{monitor.name}.{arm}")
    findings = [_judge(named, one) for one in outcomes if one.outcome.better is not None]
    order = {Verdict.FAIL: 0, Verdict.INCONCLUSIVE: 1, Verdict.PASS: 2}
    findings.sort(key=lambda one: (order[one.check.verdict], -(one.check.low if one.check.low is not None else -9e9)))
    detail: JsonObject = {"arm": arm, "outcomes": [one.to_json() for one in outcomes]}
    return (findings[0] if findings else undecided(named, "no outcome has a direction")), detail


def _judge(monitor: MonitorSpec, one: ArmOutcome) -> Finding:
    if one.worse is None:
        why = one.missing or "the mean of live is 0, and no share can be told of it"
        return undecided(monitor, f"{one.outcome.name}: {why}")
    text = arm_words(one)
    finding = judged(monitor, one.worse, error=(one.worse.low, one.worse.high), text=text, side=1.0)
    check = finding.check
    if check.still_needed:
        check = replace(check, text=f"{text}; not enough yet, about {check.still_needed:,} more")
    return replace(finding, check=check)


def arm_words(one: ArmOutcome) -> str:
    """What an arm and live have on average, and by how much they differ."""
    if one.found is None:
        return f"{one.outcome.name}: {one.missing}"
    unit = f" {one.outcome.unit}" if one.outcome.unit else ""
    found, gap = one.found, one.found.difference
    means = f"{found.arm:.4g}{unit} of {found.units[0]:,} {_many(one.clusters)}, live {found.other:.4g}"
    return f"{one.outcome.name} {means}: {gap.value:+.4g} [{gap.low:+.4g}, {gap.high:+.4g}]"


def _many(clusters: str) -> str:
    return "requests" if clusters == "request" else f"units of {clusters}"


def _interval(interval: Interval) -> JsonObject:
    return {"value": interval.value, "low": interval.low, "high": interval.high, "level": interval.level}


def _stretches(store: Store, ref: str, live: Digest, arm: str, release: Digest) -> list[str]:
    """The deployments of a ref in which this arm stood beside this live release."""
    found = []
    for name in list_deployments(store):
        with past_unreadable():
            if is_digest(name) and deployment_ref(store, name) == ref:
                value = store.get(parse_digest(name), "deployment")
                split = split_of(value)
                beside = {(one.name, one.release) for one in split.arms} if split else set()
                found += [name] if release_descriptor(value).digest == live and (arm, release) in beside else []
    return found


def _rows(store: Store, deployments: Sequence[str], clock: datetime, column: str | None) -> pl.LazyFrame:
    """id, time, day, request, release, deployment, arm, request_hash, `weight`, and `unit` where the log has its column."""
    scan = scan_predictions(store, first=(clock - SPAN).date()).filter(pl.col("deployment").is_in(deployments))
    there = scan.collect_schema().names()
    weight = pl.col(WEIGHT).fill_null(1.0) if WEIGHT in there else pl.lit(1.0)
    named = input_column(column) if column else None
    unit = {"unit": pl.col(named).cast(pl.String)} if named is not None and named in there else {}
    kept = ("id", "time", "day", "request", "release", "deployment", "arm", "request_hash")
    return scan.select(*kept, weight.alias("weight"), **unit)


def _labelled(store: Store, rows: pl.LazyFrame, outcome: Compared, clock: datetime) -> pl.DataFrame:
    joined = with_labels(store, rows, outcome=outcome.name, matures=outcome.matures, as_of=clock)
    return joined.filter(pl.col("mature"), pl.col("weight") > 0).collect()


def _compared(table: pl.DataFrame, arm: str, release: Digest, outcome: Compared, clusters: str, level: float) -> ArmOutcome:
    known = table.filter(pl.col("label").is_not_null() & pl.col("label").is_finite())
    rows, valued = (_two(one["arm"] == arm) for one in (table, known))
    made = ArmOutcome(arm, release, outcome, rows, valued, clusters, None)
    unit = pl.col("request") if clusters == "request" else pl.coalesce("unit", pl.format("\0{}", "request"))
    codes = known.select(unit=unit.rank("dense"), side=pl.col("arm") == arm)
    units = _two_of(codes)
    if min(units) < LEAST_UNITS:
        few = units[0] if units[0] < LEAST_UNITS else units[1]
        where = "the arm" if units[0] < LEAST_UNITS else "live"
        more = LEAST_UNITS - few
        text = f"{few} of {LEAST_UNITS} {_many(clusters)} of {where} with a value; not enough yet, about {more:,} more"
        return replace(made, missing=text)
    try:
        difference = arms_difference(
            known["label"].to_numpy(), codes["side"].to_numpy(), strata=known["deployment"].rank("dense").to_numpy(),
            units=codes["unit"].to_numpy(), weights=known["weight"].to_numpy(), level=level,
        )  # fmt: skip
    except ValueError as problem:
        return replace(made, missing=str(problem))
    return replace(made, found=difference)


def _two(mine: pl.Series) -> tuple[int, int]:
    count = int(mine.sum())
    return count, len(mine) - count


def _two_of(codes: pl.DataFrame) -> tuple[int, int]:
    """Distinct units of the arm and of live."""
    counted: Mapping[bool, int] = dict(codes.group_by("side").agg(pl.col("unit").n_unique()).iter_rows())
    return counted.get(True, 0), counted.get(False, 0)
