"""What `shipway watch` says of a deployment: its days, alerts, readings, and what was asked for beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import click

from shipway.cli._output import Output
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from shipway.kernel.canonical import JsonObject
    from shipway.monitor import Alert, Reading

_WORST = 10  # slices that are told


class Wanted(NamedTuple):
    """What is told beside the days. hours: FROM before TO; sentinel, new_baseline: of the provider, asked now."""

    months: bool
    slices: bool
    hours: tuple[datetime, datetime] | None
    sentinel: bool
    new_baseline: bool


def watch_deployment(settings: Settings, deployment: str | None, wanted: Wanted, *, as_json: bool) -> None:
    """Judge, and say it; exits 1 while a page is open that nobody has silenced."""
    from shipway.monitor import load_alerts, load_verdicts
    from shipway.operate import gather, watch_ref
    from shipway.release import deploy_ref

    project, out = Project(settings), Output(as_json)
    ref = deploy_ref(find_deploy(project.spec, deployment))
    project.store.resolve(ref)  # where nothing is live there is nothing to gather for
    gather(project.store)
    judged = watch_ref(project.store, project.signer, ref)
    answers = _answers(project, ref)
    readings = _surroundings(project, out, ref, wanted) if answers else _service(project, out, ref)
    verdicts, alerts = load_verdicts(project.store, ref), load_alerts(project.store, ref)
    out.say(f"{ref}: {len(verdicts)} days judged" + (f", the last {verdicts[-1].day}" if verdicts else ""))
    for alert in alerts:
        out.say(_line(alert))
    document: dict[str, object] = {
        "ref": ref,
        "judged_now": len(judged["days"]) if judged else 0,  # type: ignore[arg-type]
        "days": [verdict.to_json() for verdict in verdicts],
        "alerts": [alert.to_json() for alert in alerts],
        "readings": [reading.to_json() for reading in readings],
        "serving": _serving(project, out, ref),
    }
    if wanted.slices:
        document["slices"] = _slices(project, out, ref)
    if wanted.months:
        document["months"] = _months(project, out, ref)
    if wanted.hours:
        document["hours"], document["served"] = _hours(project, out, ref, *wanted.hours)
    paging = _is_paging(project, ref, alerts)
    out.end("watch", document, then=f"shipway rollback {ref}" if paging else f"shipway log {ref}")
    if paging:
        raise click.exceptions.Exit(1)


def _line(alert: Alert) -> str:
    number = f"{alert.value or 0.0:.3f}"
    if alert.low is not None:
        number = f"{alert.value:+.3f} [{alert.low:+.3f}, {alert.high:+.3f}]"
    lasted = f"{alert.first_day} to {alert.last_day}, {'open' if alert.open else 'resolved'}"
    said = f": {alert.text}" if alert.text else ""
    return f"  {alert.severity.value:<7} {alert.monitor:<24} {number} against {alert.threshold or 0.0:g}, {lasted}{said}"


def _is_paging(project: Project, ref: str, alerts: Sequence[Alert]) -> bool:
    """Whether a page is open that no silence covers."""
    from shipway.monitor import Severity, load_silences

    silences, now = load_silences(project.store, ref), project.store.clock.now()
    pages = [alert for alert in alerts if alert.severity is Severity.PAGE and alert.open]
    return any(not any(one.covers(alert.monitor, now) for one in silences) for alert in pages)


def _months(project: Project, out: Output, ref: str) -> list[JsonObject]:
    """Calendar months; a line each on what they are expected to show without their labels."""
    from shipway.cli._watch_months import expected_lines
    from shipway.monitor import report_months
    from shipway.operate import months_by_rows

    found = report_months(project.store, ref, by_rows=months_by_rows(project.store, ref))
    for line in expected_lines(found):
        out.say(line)
    return found


def _hours(
    project: Project, out: Output, ref: str, start: datetime, end: datetime
) -> tuple[list[JsonObject], list[JsonObject]]:
    """Drift of a window of hours, a release at a time, what moved most first; and how requests were served in it."""
    from shipway.monitor import report_hours

    found = report_hours(project.store, ref, start, end)
    for record in found:
        out.say(f"  {record['rows']} predictions from {record['from']} to {record['to']}")
        features: Any = record["features"]
        for name, drift in sorted(features.items(), key=lambda item: -(item[1]["psi"] or 0.0))[:5]:
            new = f"; {drift['unseen']:,} rows with values that are new" if drift.get("unseen") else ""
            out.say(f"    {name:<24} population stability index {drift['psi'] or 0.0:.3f}{new}")
    if not found:
        out.say("  no prediction of these hours is in the log: nothing was asked, or its segment is not closed yet")
    return found, _served(project, out, ref, start, end)


def _served(project: Project, out: Output, ref: str, start: datetime, end: datetime) -> list[JsonObject]:
    """Requests, latency and cost of these hours on the wall clock, an arm and release at a time."""
    from shipway.monitor import refresh_served, report_served

    refresh_served(project.store, ref)
    found = report_served(project.store, ref, start, end)
    for record in found:
        slow: Any = record["latency_ms"]
        took = "no answer" if slow["p50"] is None else ", ".join(f"{name} {value:.3g} ms" for name, value in slow.items())
        money = "" if record["usd"] is None else f", {record['usd']:.6f} usd"
        asked = f"{record['requests']:,} requests, {record['failed']:,} failed, {record['refused']:,} refused"
        out.say(f"  {record['arm']:<10} {asked}; {took}; {record['cpu_seconds']:.3f} CPU seconds{money}")
    return found


def _answers(project: Project, ref: str) -> bool:
    """Whether what is live answers a prompt."""
    from shipway.gate import release_of
    from shipway.operate import release_answers

    release = release_of(project.store, project.store.resolve(ref))
    return release is not None and release_answers(project.store, release)


def _serving(project: Project, out: Output, ref: str) -> dict[str, object] | None:
    """What predictions of the live release, and of its arms, have taken since each was first served; None where nothing is
    recorded of the live one.
    """
    from shipway.gate import arms_in
    from shipway.kernel.split import LIVE
    from shipway.monitor import measure_serving

    costs = measure_serving(project.store)
    found: list[dict[str, object]] = []
    for arm, release in arms_in(project.store.get(project.store.resolve(ref), "deployment")):
        if cost := costs.get(release):
            money = "" if cost.usd is None else f", {1000 * cost.usd / cost.rows:.6f} usd"
            name = "" if arm == LIVE else f" of arm {arm}"
            out.say(
                f"  {cost.rows} predictions{name}, a thousand took {1000 * cost.cpu_seconds / cost.rows:.3f} CPU seconds{money}"
            )
            found.append({"arm": arm, "release": release, **cost.to_json()})
    if not found or found[0].pop("arm") != LIVE:
        return None
    return {**found[0], "arms": found[1:]} if found[1:] else found[0]


def _slices(project: Project, out: Output, ref: str) -> dict[str, object] | None:
    """The worst slices, searched now."""
    from shipway.operate import search_slices

    found = search_slices(project.store, ref)
    if found is None:
        out.say("  nothing was judged yet, so there is nothing to search")
        return None
    out.say(
        f"  {found.searched} slices searched; intervals hold for all of them together, {found.price:.1f} times as wide for that"
    )
    for one in found.found[:_WORST]:
        sure = "sure" if found.sure(one) > 0 else "no more than chance"
        out.say(f"    {one.gap.value:+.3f} [{one.gap.low:+.3f}, {one.gap.high:+.3f}] {one.name}, {one.rows:,} labels: {sure}")
    return {
        "searched": found.searched,
        "price": found.price,
        "measured": found.measured.value,
        "held_out": found.held_out,
        "found": [one.to_json() for one in found.found[:_WORST]],
    }


def _service(project: Project, out: Output, ref: str) -> tuple[Reading, ...]:
    """What the monitors of requests say now, a line each."""
    from shipway.operate import watch_service

    return _told(out, watch_service(project.hands, ref))


def _told(out: Output, readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
    for reading in readings:
        out.say(f"  {reading.check.verdict.value:<12} {reading.monitor:<12} {reading.check.text}")
    return readings


def _surroundings(project: Project, out: Output, ref: str, wanted: Wanted) -> tuple[Reading, ...]:
    """What the monitors on the wall clock say now, a line each."""
    from shipway.operate import watch_calls, watch_surroundings

    environ = project.settings.environ
    anew = wanted.new_baseline
    asked = True if wanted.sentinel or anew else None
    watch_calls(project.hands, ref)
    readings = watch_surroundings(project.hands, ref, environ=environ, spec=project.spec, sentinel=asked, anew=anew)
    return _told(out, readings)
