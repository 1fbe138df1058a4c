"""Grafana: what a deployment is, what its monitors say and how its traffic is, on dashboards that a file provisions.

Numbers of monitors are those that Shipway judged, with their intervals; only rates and percentiles are computed here.
"""

from __future__ import annotations

from shipway.deploy._panels import Panel, Row, dashboard
from shipway.deploy._rules import kinds_of, recorded
from shipway.deploy._subject import Subject
from shipway.deploy._text import Files, json_text, yaml_text
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import digest_bytes

TARGET = "grafana"


def compile_grafana(subject: Subject) -> Files:
    """A dashboard of deployments, one for each kind of service, and the files that provision them."""
    kinds = {"predictor": _predictors, "gateway": _gateways}
    boards = {"deployments": _deployments(subject)}
    boards |= {f"{kind}s": kinds[kind](subject) for kind in kinds_of(subject)}
    provider: JsonObject = {
        "name": f"shipway-{subject.project}",
        "folder": "Shipway",
        "type": "file",
        "options": {"path": "/var/lib/grafana/dashboards"},
    }
    source: JsonObject = {
        "name": "Prometheus",
        "type": "prometheus",
        "access": "proxy",
        "url": "http://prometheus:9090",
        "isDefault": True,
    }
    return {
        **{f"dashboards/{subject.project}-{name}.json": json_text(board) for name, board in boards.items()},
        "provisioning/dashboards/shipway.yml": yaml_text([{"apiVersion": 1, "providers": [provider]}], target=TARGET),
        "provisioning/datasources/prometheus.yml": yaml_text([{"apiVersion": 1, "datasources": [source]}], target=TARGET),
    }


def _board(subject: Subject, name: str, rows: list[Row], *, refs: str) -> JsonObject:
    title = f"{subject.project}: {name}"
    values = f'label_values({refs}{{project="{subject.project}"}}, ref)'
    return dashboard(title, _uid(subject.project, name), rows, refs=values, tags=["shipway", subject.project])


def _uid(project: str, name: str) -> str:
    """At most 40 characters, as Grafana wants it, and another one for each project."""
    whole = f"shipway-{name}-{project}"
    return whole if len(whole) <= 40 else f"shipway-{name}-{digest_bytes(project.encode()).removeprefix('sha256:')[:16]}"


def _deployments(subject: Subject) -> JsonObject:
    everything = f'project="{subject.project}"'
    mine = f'{everything},ref=~"$ref"'
    named = "{{ref}} {{monitor}}"
    return _board(subject, "deployments", [
        Row("Now", (
            Panel("Pages", {f'sum(shipway_alert_open{{{mine},severity="page"}}) or vector(0)': "open"},
                  "Open alerts that somebody got up for.", kind="stat", width=4),
            Panel("Tickets", {f'sum(shipway_alert_open{{{mine},severity="ticket"}}) or vector(0)': "open"},
                  "Open alerts that wait until tomorrow.", kind="stat", width=4),
            Panel("Last judged", {f"time() - max by (ref) (shipway_judged_timestamp_seconds{{{mine}}}) or"
                                  f" time() - max by (ref) (shipway_reading_timestamp_seconds{{{mine}}})": "{{ref}}"},
                  "How long ago a day was judged or a monitor was read.", unit="s", kind="stat", width=4),
            Panel("Live", {f"shipway_live_info{{{mine}}}": ""}, "The release behind each deployment.", kind="table", width=12),
        )),
        Row("Monitors", (
            Panel("Measured last, with its interval and limit",
                  {f"shipway_monitor_value{{{mine},monitor!~\"drift.+\"}}": f"{named} value",
                   f"shipway_monitor_low{{{mine},monitor!~\"drift.+\"}}": f"{named} low",
                   f"shipway_monitor_high{{{mine},monitor!~\"drift.+\"}}": f"{named} high",
                   f"shipway_monitor_threshold{{{mine},monitor!~\"drift.+\"}}": f"{named} limit"},
                  "As Shipway judged it. A monitor fails when its whole interval lies beyond the limit.", width=12),
            Panel("Failing", {f"shipway_monitor_failing{{{mine}}}": named},
                  "1 while the newest word is fail. Features that drift are shown and never page.", width=12),
        )),
        Row("Records", (
            Panel("Rows lost for good", {f"sum by (stream) (shipway_log_gap_rows{{{everything}}}) or vector(0)": "{{stream}}"},
                  "Gaps of the logs, by stream.", width=8),
            Panel("Control plane, answers a second",
                  {f"sum by (status) (rate(shipway_web_requests_total{{{everything}}}[5m]))": "{{status}}"},
                  "Pages and API.", unit="reqps", width=8),
            Panel("Outcomes a second", {f"rate(shipway_outcomes_recorded_total{{{everything}}}[5m])": "recorded"},
                  "What came true and was sent to the API.", unit="ops", width=8),
        )),
    ], refs="shipway_live_info")  # fmt: skip


def _quantiles(name: str, mine: str) -> dict[str, str]:
    summed = f"sum by (ref, le) (rate({name}_bucket{{{mine}}}[5m]))"
    return {f"histogram_quantile({share}, {summed})": f"{{{{ref}}}} p{share * 100:.0f}" for share in (0.5, 0.9, 0.99)}


def _traffic(kind: str, seconds: str, mine: str) -> Row:
    return Row("Traffic", (
        Panel("Requests a second", {f"{recorded(kind, 'requests')}{{{mine}}}": "{{ref}}"}, "All answers.", unit="reqps"),
        Panel("Share of errors", {f"{recorded(kind, 'error_ratio')}{{{mine}}}": "{{ref}}"},
              "Statuses of 500 and above; it pages above 5%.", unit="percentunit"),
        Panel("Seconds", _quantiles(seconds, mine), "From a request to its answer.", unit="s"),
    ))  # fmt: skip


def _predictors(subject: Subject) -> JsonObject:
    mine = f'project="{subject.project}",ref=~"$ref"'
    logged = {f"sum by (ref) (rate(shipway_log_{word}_rows_total{{{mine}}}[5m]))": f"{{{{ref}}}} {word}"
              for word in ("accepted", "written", "dropped")}  # fmt: skip
    return _board(subject, "predictors", [
        _traffic("predictor", "shipway_predictor_request_seconds", mine),
        Row("Rows", (
            Panel("Rows predicted a second", {f"sum by (ref) (rate(shipway_predictor_rows_total{{{mine}}}[5m]))": "{{ref}}"},
                  "A request may have many.", unit="ops"),
            Panel("Rows that wait", {f"sum by (ref) (shipway_predictor_queued_rows{{{mine}}})": "{{ref}}"},
                  "A queue that stays is a predictor that is too slow."),
            Panel("Prediction log, rows a second", logged, "Dropped rows are a gap: they are never judged.", unit="ops"),
        )),
        Row("Processes", (
            Panel("Served", {f"shipway_predictor_info{{{mine}}}": ""}, "The release that each predictor serves.", kind="table",
                  width=16),
            Panel("Up", {f'up{{job="shipway-predictor",{mine}}}': "{{ref}} {{instance}}"}, "1 while it answers."),
        )),
    ], refs="shipway_predictor_info")  # fmt: skip


def _gateways(subject: Subject) -> JsonObject:
    mine = f'project="{subject.project}",ref=~"$ref"'
    calls, usd = f"rate(shipway_gateway_calls_total{{{mine}}}[5m])", f"shipway_gateway_usd_total{{{mine}}}"
    return _board(subject, "gateways", [
        _traffic("gateway", "shipway_gateway_call_seconds", mine),
        Row("Calls", (
            Panel("Calls a second, by status", {f"sum by (ref, status) ({calls})": "{{ref}} {{status}}"},
                  "429: a limit, a budget.", unit="reqps"),
            Panel("Calls a second, by cache", {f"sum by (ref, cache) ({calls})": "{{ref}} {{cache}}"},
                  "`none` went to a provider.", unit="reqps"),
            Panel("Answered now", {f"sum by (ref) (shipway_gateway_in_flight{{{mine}}})": "{{ref}}"}, "Calls in flight."),
            Panel("Tokens a second", {f"sum by (ref, provider, kind) (rate(shipway_gateway_tokens_total{{{mine}}}[5m]))":
                  "{{provider}} {{kind}}"}, "As providers counted them; cached is part of input.", unit="ops"),
            Panel("Providers left alone",
                  {f"max by (ref, provider) (shipway_gateway_cooling{{{mine}}})": "{{ref}} {{provider}}"},
                  "1 while a provider is left alone after repeated failures."),
            Panel("Up", {f'up{{job="shipway-gateway",{mine}}}': "{{ref}} {{instance}}"}, "1 while it answers."),
        )),
        Row("Money", (
            Panel("USD an hour", {f"sum by (ref, provider) (rate({usd}[5m])) * 3600": "{{ref}} {{provider}}"},
                  "What calls cost.", unit="currencyUSD"),
            Panel("Budgets", {f"max by (ref, scope) (shipway_gateway_budget_used_ratio{{{mine}}})": "{{ref}} {{scope}}"},
                  "Spent or reserved in the window; at 100% calls are refused.", unit="percentunit"),
            Panel("Call log, records a second",
                  {f"sum by (ref) (rate(shipway_gateway_log_{word}_calls_total{{{mine}}}[5m]))": f"{{{{ref}}}} {word}"
                   for word in ("accepted", "dropped")}, "Dropped records are a gap.", unit="ops"),
        )),
    ], refs="shipway_gateway_in_flight")  # fmt: skip
