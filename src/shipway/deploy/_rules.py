"""The rules of a project: recording rules of its traffic, and alerts.

What a monitor found is judged by Shipway, with intervals and labels: Prometheus asks `shipway_alert_open` and adds no opinion.
Its own alerts are about liveness: is it there, does it answer, does it lose rows, is money left. Drift has severity `inform`
and no rule: it cannot page.
"""

from __future__ import annotations

import math

from shipway.deploy._scrapes import CONTROL_JOB, JOBS
from shipway.deploy._subject import Subject
from shipway.kernel.canonical import Json, JsonObject
from shipway.spec import CLOCK_MONITORS

LEAST_RATE = 0.1  # requests a second: 30 in five minutes; of fewer, one failure is no ratio
ERROR_SHARE = 0.05
SLOW_SECONDS = {"predictor": 0.5, "gateway": 60.0}  # 99th percentile; an answer of a language model takes its time
BUDGET_SHARE = 0.9
ROLLED_SECONDS = 3_000  # and a start: by then a rollout with two bakes of ten minutes and its analyses is over
JUDGED_SECONDS = 3 * 86_400  # a day is judged once a day; a weekend without traffic is no fault
READ_SECONDS = 6 * 3_600  # a reading, unless its monitor looks less often: three of its windows then

_WATCH = 'shipway watch {{ reReplaceAll "^deploy/" "" $labels.ref }}'

# what a kind of service calls its counter of requests, its histogram of seconds, its counter of lost records
METRICS = {
    "predictor": ("shipway_predictor_requests_total", "shipway_predictor_request_seconds", "shipway_log_dropped_rows_total"),
    "gateway": ("shipway_gateway_calls_total", "shipway_gateway_call_seconds", "shipway_gateway_log_dropped_calls_total"),
}


def recorded(kind: str, what: str) -> str:
    """The name of a recording rule: `project_ref:shipway_<kind>_<what>:rate5m`."""
    return f"project_ref:shipway_{kind}_{what}:rate5m"


def kinds_of(subject: Subject) -> list[str]:
    """The kinds of services that the project has."""
    return [kind for kind in JOBS if any(service.kind == kind for service in subject.services)]


def recording_rules(subject: Subject) -> list[Json]:
    """Requests a second, share of errors and 99th percentile of each deployment, whatever the number of its workers."""
    found: list[Json] = []
    for kind in kinds_of(subject):
        requests, seconds, _ = METRICS[kind]
        mine = f'project="{subject.project}"'
        total, errors = recorded(kind, "requests"), recorded(kind, "errors")
        found += [
            _record(total, f"sum by (project, ref) (rate({requests}{{{mine}}}[5m]))"),
            _record(errors, f'sum by (project, ref) (rate({requests}{{{mine},status=~"5.."}}[5m])) or {total}{{{mine}}} * 0'),
            _record(recorded(kind, "error_ratio"), f"{errors}{{{mine}}} / ({total}{{{mine}}} > 0)"),
            _record(
                recorded(kind, "seconds_p99"),
                f"histogram_quantile(0.99, sum by (project, ref, le) (rate({seconds}_bucket{{{mine}}}[5m])))"
                f" and on (project, ref) {total}{{{mine}}} > 0",
            ),
        ]
    return found


def alert_rules(subject: Subject) -> list[Json]:
    """Pages and tickets, each with what to type next."""
    mine = f'project="{subject.project}"'
    found = [*_judged(mine), _control_down(mine)]
    if subject.services:
        found.append(_silent_readings(subject, mine))
    for kind in kinds_of(subject):
        found += [*_service_alerts(kind, mine), _missing(subject, kind)]
    if "predictor" in kinds_of(subject):
        found += [_serves_another(subject, mine), _silent_days(mine)]
    if "gateway" in kinds_of(subject):
        found += _money(mine)
    return found


def _judged(mine: str) -> list[Json]:
    """Without the address of the control plane: a pod that took another's place is no new alert."""
    numbers = "".join(
        f'{{{{ with query (printf "shipway_monitor_{name}{{{mine.replace(chr(34), chr(39))},ref=%q,monitor=%q}}"'
        f" $labels.ref $labels.monitor) }}}}{before}{{{{ . | first | value | printf \"%.3g\" }}}}{after}{{{{ end }}}}"
        for name, before, after in (
            ("value", "", ""), ("low", " [", ""), ("high", ", ", "]"), ("threshold", ", limit ", "")
        )
    )  # fmt: skip
    return [
        _alert(
            name,
            f'max by (project, ref, monitor, severity) (shipway_alert_open{{{mine},severity="{severity}"}}) == 1',
            severity=severity,
            summary="{{ $labels.ref }}: {{ $labels.monitor }} fails",
            description=f"Measured last: {numbers}.",
            then=_WATCH,
        )
        for name, severity in (("ShipwayMonitorPages", "page"), ("ShipwayMonitorTicket", "ticket"))
    ]


def _control_down(mine: str) -> Json:
    up = f'up{{job="{CONTROL_JOB}",{mine}}}'
    return _alert(
        "ShipwayControlDown",
        f"{up} == 0 or absent({up})",
        severity="page",
        lasting="5m",
        summary="the control plane does not answer: nothing is judged, and no monitor can page",
        then="shipway up",
    )


def _service_alerts(kind: str, mine: str) -> list[Json]:
    title, asked = kind.capitalize(), "requests" if kind == "predictor" else "calls"
    busy = f"{recorded(kind, 'requests')}{{{mine}}} > {LEAST_RATE}"
    found: list[Json] = [
        _alert(
            f"Shipway{title}Down",
            f'up{{job="{JOBS[kind]}",{mine}}} == 0',
            severity="page",
            lasting="2m",
            summary=f"a {kind} of {{{{ $labels.ref }}}} does not answer at {{{{ $labels.instance }}}}",
            then="shipway log {{ $labels.ref }}",
        ),
        _alert(
            f"Shipway{title}Errors",
            f"{recorded(kind, 'error_ratio')}{{{mine}}} > {ERROR_SHARE} and on (project, ref) {busy}",
            severity="page",
            lasting="5m",
            summary=f"{{{{ $value | humanizePercentage }}}} of the {asked} to {{{{ $labels.ref }}}} fail",
            then="shipway rollback {{ $labels.ref }} --why ...",
        ),
        _alert(
            f"Shipway{title}Slow",
            f"{recorded(kind, 'seconds_p99')}{{{mine}}} > {SLOW_SECONDS[kind]} and on (project, ref) {busy}",
            severity="ticket",
            lasting="10m",
            summary=f"one of a hundred {asked} to {{{{ $labels.ref }}}} takes {{{{ $value | humanizeDuration }}}} or more",
            then="shipway log {{ $labels.ref }}",
        ),
        _alert(
            f"Shipway{title}DropsRecords",
            f"increase({METRICS[kind][2]}{{{mine}}}[15m]) > 0",
            severity="ticket",
            summary="the log of {{ $labels.ref }} drops what was answered: its buffer is full, and the gap stays",
            then=_WATCH,
        ),
    ]
    if kind == "predictor":
        found.append(
            _alert(
                "ShipwayPredictorReplaced",
                f"delta(shipway_predictor_replaced{{{mine}}}[15m]) > 2",
                severity="ticket",
                summary="processes of {{ $labels.ref }} hang, grow or die: {{ $value }} were replaced in 15 minutes",
                then="shipway log {{ $labels.ref }}",
            )
        )
    return found


def _serves_another(subject: Subject, mine: str) -> Json:
    """Counted by release: pods come and go. While nobody says what is live, nothing is another release."""
    live = f"shipway_live_info{{{mine}}}"
    others = f"shipway_predictor_info{{{mine}}} unless on (project, ref, release) {live}"
    return _alert(
        "ShipwayPredictorServesAnother",
        f"count by (project, ref, release) ({others}) and on (project, ref) {live}",
        severity="ticket",
        lasting=f"{math.ceil((ROLLED_SECONDS + subject.targets.start) / 60)}m",
        summary="{{ $value }} predictors of {{ $labels.ref }} serve {{ $labels.release }}, which is not live there",
        then="shipway log {{ $labels.ref }}",
    )


def _missing(subject: Subject, kind: str) -> Json:
    """Where targets are discovered, what is down is no target any more."""
    refs = [service.ref for service in subject.services if service.kind == kind]
    gone = " or ".join(f'absent(up{{job="{JOBS[kind]}",project="{subject.project}",ref="{ref}"}})' for ref in refs)
    return _alert(
        f"Shipway{kind.capitalize()}Missing",
        gone,
        severity="page",
        lasting="5m",
        summary=f"nothing is scraped that serves {{{{ $labels.ref }}}}: no {kind} of it is ready, or none is looked for",
        then="shipway log {{ $labels.ref }}",
    )


def _silent_days(mine: str) -> Json:
    return _alert(
        "ShipwayDaysSilent",
        f"time() - max by (project, ref) (shipway_judged_timestamp_seconds{{{mine}}}) > {JUDGED_SECONDS}",
        severity="ticket",
        lasting="15m",
        summary="no day of {{ $labels.ref }} was judged for {{ $value | humanizeDuration }}: outcomes or traffic are missing",
        then=_WATCH,
    )


def _silent_readings(subject: Subject, mine: str) -> Json:
    """Of monitors that are looked at by the wall clock: what is read once a day, or after a retraining, may be old.

    One that says how often it asks is silent after three times that.
    """
    age = "time() - max by (project, ref, monitor) (shipway_reading_timestamp_seconds"
    steady = "|".join(sorted(CLOCK_MONITORS - {"sentinel"}))
    parts = [f'{age}{{{mine},monitor=~"{steady}"}}) > {READ_SECONDS}']
    for service in subject.services:
        for monitor in service.monitors:
            if service.kind == "gateway" and monitor.name == "sentinel":
                longest = max(READ_SECONDS, int(3 * monitor.window))
                parts.append(f'{age}{{{mine},ref="{service.ref}",monitor="sentinel"}}) > {longest}')
    return _alert(
        "ShipwayReadingsSilent",
        " or ".join(parts),
        severity="ticket",
        lasting="15m",
        summary="{{ $labels.monitor }} of {{ $labels.ref }} was not read for {{ $value | humanizeDuration }}",
        then=_WATCH,
    )


def _money(mine: str) -> list[Json]:
    return [
        _alert(
            "ShipwayProviderCooling",
            f"shipway_gateway_cooling{{{mine}}} == 1",
            severity="ticket",
            lasting="5m",
            summary="the provider {{ $labels.provider }} keeps failing {{ $labels.ref }} and is left alone",
            then="shipway log {{ $labels.ref }}",
        ),
        _alert(
            "ShipwayBudgetNearlyUsed",
            f"max by (project, ref, scope) (shipway_gateway_budget_used_ratio{{{mine}}}) > {BUDGET_SHARE}",
            severity="ticket",
            summary="{{ $value | humanizePercentage }} of the budget of {{ $labels.scope }} is used; at 100% calls are refused",
            then="shipway gateway cost",
        ),
        _alert(
            "ShipwayLedgerDown",
            f"increase(shipway_gateway_ledger_down_total{{{mine}}}[15m]) > 0",
            severity="ticket",
            summary="{{ $labels.ref }} lets calls through without counting them: its ledger cannot be used",
            then="shipway log {{ $labels.ref }}",
        ),
    ]


def _record(name: str, expression: str) -> JsonObject:
    return {"record": name, "expr": expression}


def _alert(
    name: str,
    expression: str,
    *,
    severity: str,
    summary: str,
    then: str,
    lasting: str | None = None,
    description: str | None = None,
) -> JsonObject:
    """then: the command worth typing next."""
    annotations: JsonObject = {"summary": summary, **({"description": description} if description else {}), "next": then}
    wait: JsonObject = {"for": lasting} if lasting else {}
    return {"alert": name, "expr": expression, **wait, "labels": {"severity": severity}, "annotations": annotations}
