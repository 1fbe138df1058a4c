"""Prometheus, Alertmanager, Datadog: files that their own tools accept, rules that fire and do not, routes that lead on."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from deploy_subjects import Golden
from prometheus_tools import said, write

from shipway.deploy import NothingToRender, Service, Subject, render_target
from shipway.gateway import METRICS as GATEWAY
from shipway.protocols._metrics import METRICS as PREDICTOR
from shipway.spec import AlertsSpec
from shipway.web import METRICS as CONTROL

pytest_plugins = ["deploy_fixtures"]

PAGED = AlertsSpec(page="https://pager.example.com/hook", ticket="https://tickets.example.com/hook")


def both(flights: Subject, assistant: Subject) -> Subject:
    """A project with a predictor and a gateway."""
    return replace(flights, project="both", services=(*flights.services, *assistant.services))


def told(subject: Subject, alerts: AlertsSpec = PAGED) -> Subject:
    return replace(subject, targets=replace_alerts(subject, alerts))


def replace_alerts(subject: Subject, alerts: AlertsSpec) -> Any:
    import msgspec

    return msgspec.structs.replace(subject.targets, alerts=alerts)


def rules_of(subject: Subject) -> list[dict[str, Any]]:
    text = render_target("prometheus", subject)[f"rules/{subject.project}.yml"]
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("name", ["flights", "assistant"])
def test_the_files_are_as_a_person_reviewed_them(name: str, request: pytest.FixtureRequest, golden: Golden) -> None:
    subject = request.getfixturevalue(name)
    golden(f"prometheus-{name}", render_target("prometheus", subject))
    golden(f"alertmanager-{name}", render_target("alertmanager", told(subject)))
    golden(f"datadog-{name}", render_target("datadog", subject))


def test_promtool_accepts_configuration_and_rules(flights: Subject, assistant: Subject, tmp_path: Path) -> None:
    for subject in (flights, assistant, both(flights, assistant), replace(flights, services=())):
        home = write(render_target("prometheus", subject), tmp_path / str(len(subject.services)) / subject.project)
        assert "SUCCESS" in said("promtool", "check", "config", str(home / "prometheus.yml"))
        assert "SUCCESS" in said("promtool", "check", "rules", *map(str, (home / "rules").glob("*")))
    broken = home / "rules" / "broken.yml"
    broken.write_text("groups: [{name: a, rules: [{alert: A, expr: 'rate(up)'}]}]")
    assert "expected type range vector" in said("promtool", "check", "rules", str(broken), code=1)


def test_rules_and_dashboards_ask_for_metrics_that_exist_and_for_labels_of_one_project(
    flights: Subject, assistant: Subject
) -> None:
    rules = rules_of(both(flights, assistant))
    own = {rule["record"] for rule in rules if "record" in rule}
    known = {*PREDICTOR, *GATEWAY, *CONTROL, *own, "up"}
    for rule in rules:
        names = set(re.findall(r"(?:project_ref:)?shipway_[a-z0-9_]+(?::rate5m)?", rule["expr"]))
        for name in names:
            assert name in known or name.removesuffix("_bucket") in known, f"{name} in {rule}"
        selectors = re.findall(r"[a-z0-9_:]+\{([^}]*)\}", rule["expr"])
        assert selectors
        assert all('project="both"' in selector for selector in selectors), rule


def test_drift_has_no_rule_and_statistics_are_not_done_again(flights: Subject, assistant: Subject) -> None:
    alerts = [rule for rule in rules_of(both(flights, assistant)) if "alert" in rule]
    assert {rule["labels"]["severity"] for rule in alerts} == {"page", "ticket"}
    text = " ".join(rule["expr"] for rule in alerts)
    assert "inform" not in text
    assert "shipway_monitor_" not in text
    assert "drift" not in text


def series(name: str, values: str, **labels: str) -> dict[str, str]:
    inside = ",".join(f'{key}="{value}"' for key, value in {"project": "both", **labels}.items())
    return {"series": f"{name}{{{inside}}}", "values": values}


REF, BOT = "deploy/delay@prod", "deploy/assistant@prod"
UP = [series("up", "1x60", job="shipway-control", instance="control:9464")]
SERVED = [
    series("up", "1x180", job="shipway-predictor", ref="deploy/delay@prod", instance="another:8080"),
    series("up", "1x180", job="shipway-gateway", ref="deploy/assistant@prod", instance="another:8080"),
]
P, G = {"ref": REF, "instance": "delay-prod:8080"}, {"ref": BOT, "instance": "assistant-prod:8080"}
MONITORED = {"ref": REF, "monitor": "calibration"}

SELDOM = ("business", "segments", "staleness")  # read once a day, after a judged day, after a retraining

# alert -> series of an hour on which it fires, and what its labels say
FIRES: dict[str, tuple[list[dict[str, str]], dict[str, str]]] = {
    "ShipwayMonitorPages": (
        [series("shipway_alert_open", "1x60", severity="page", **MONITORED)], {"severity": "page", **MONITORED}),
    "ShipwayMonitorTicket": (
        [series("shipway_alert_open", "1x60", severity="ticket", **MONITORED)], {"severity": "ticket", **MONITORED}),
    "ShipwayControlDown": (
        [series("up", "1x10 0x50", job="shipway-control", instance="control:9464")],
        {"severity": "page", "job": "shipway-control", "instance": "control:9464"}),
    "ShipwayPredictorDown": (
        [series("up", "1x10 0x50", job="shipway-predictor", **P)], {"severity": "page", "job": "shipway-predictor", **P}),
    "ShipwayPredictorErrors": (
        [series("shipway_predictor_requests_total", "0+540x60", status="200", **P),
         series("shipway_predictor_requests_total", "0+60x60", status="503", **P)], {"severity": "page", "ref": REF}),
    "ShipwayPredictorSlow": (
        [series("shipway_predictor_requests_total", "0+60x60", status="200", **P),
         series("shipway_predictor_request_seconds_bucket", "0+50x60", le="0.5", **P),
         series("shipway_predictor_request_seconds_bucket", "0+60x60", le="2.5", **P),
         series("shipway_predictor_request_seconds_bucket", "0+60x60", le="+Inf", **P)], {"severity": "ticket", "ref": REF}),
    "ShipwayPredictorDropsRecords": (
        [series("shipway_log_dropped_rows_total", "0+1x60", **P)], {"severity": "ticket", **P}),
    "ShipwayPredictorReplaced": (
        [series("shipway_predictor_replaced", "0+1x60", **P)], {"severity": "ticket", **P}),
    "ShipwayPredictorServesAnother": (
        [series("shipway_predictor_info", "1x60", release="sha256:aa", **P),
         series("shipway_live_info", "1x60", release="sha256:bb", ref=REF, instance="control:9464")],
        {"severity": "ticket", "release": "sha256:aa", "ref": REF}),
    "ShipwayPredictorMissing": (
        [series("up", "1x60", job="shipway-predictor", **{**P, "ref": "deploy/other@prod"})],
        {"severity": "page", "job": "shipway-predictor", "ref": REF}),
    "ShipwayGatewayMissing": ([], {"severity": "page", "job": "shipway-gateway", "ref": BOT}),
    "ShipwayDaysSilent": (
        [series("shipway_judged_timestamp_seconds", "-300000x60", ref=REF)], {"severity": "ticket", "ref": REF}),
    "ShipwayReadingsSilent": (
        [series("shipway_reading_timestamp_seconds", "-30000x60", ref=REF, monitor="errors")],
        {"severity": "ticket", "ref": REF, "monitor": "errors"}),
    "ShipwayGatewayDown": (
        [series("up", "1x10 0x50", job="shipway-gateway", **G)], {"severity": "page", "job": "shipway-gateway", **G}),
    "ShipwayGatewayErrors": (
        [series("shipway_gateway_calls_total", "0+500x60", model="assistant", status="200", cache="none", **G),
         series("shipway_gateway_calls_total", "0+60x60", model="assistant", status="502", cache="none", **G)],
        {"severity": "page", "ref": BOT}),
    "ShipwayGatewaySlow": (
        [series("shipway_gateway_calls_total", "0+60x60", model="assistant", status="200", cache="none", **G),
         series("shipway_gateway_call_seconds_bucket", "0+50x60", le="60.0", **G),
         series("shipway_gateway_call_seconds_bucket", "0+50x60", le="30.0", **G),
         series("shipway_gateway_call_seconds_bucket", "0+60x60", le="120.0", **G),
         series("shipway_gateway_call_seconds_bucket", "0+60x60", le="+Inf", **G)], {"severity": "ticket", "ref": BOT}),
    "ShipwayGatewayDropsRecords": (
        [series("shipway_gateway_log_dropped_calls_total", "0+1x60", **G)], {"severity": "ticket", **G}),
    "ShipwayProviderCooling": (
        [series("shipway_gateway_cooling", "1x60", provider="answer", **G)], {"severity": "ticket", "provider": "answer", **G}),
    "ShipwayBudgetNearlyUsed": (
        [series("shipway_gateway_budget_used_ratio", "0.95x60", scope="key/website", **G)],
        {"severity": "ticket", "ref": BOT, "scope": "key/website"}),
    "ShipwayLedgerDown": (
        [series("shipway_gateway_ledger_down_total", "0+1x60", **G)], {"severity": "ticket", **G}),
}  # fmt: skip

# alert -> series of an hour that come near and on which it does not fire
QUIET: dict[str, list[dict[str, str]]] = {
    "ShipwayMonitorPages": [
        series("shipway_alert_open", "1x60", severity="inform", ref=REF, monitor="drift.temp"),
        series("shipway_alert_open", "1x60", severity="ticket", ref=REF, monitor="freshness"),
        series("shipway_monitor_failing", "1x60", ref=REF, monitor="drift.temp"),
        {
            "series": 'shipway_alert_open{project="other",severity="page",ref="deploy/a@prod",monitor="calibration"}',
            "values": "1x60",
        },
    ],
    "ShipwayMonitorTicket": [series("shipway_alert_open", "1x60", severity="inform", ref=REF, monitor="drift.temp")],
    "ShipwayControlDown": [],
    "ShipwayPredictorDown": [series("up", "1x58 0x2", job="shipway-predictor", **P)],
    "ShipwayPredictorErrors": [  # every request fails, and there are three in five minutes
        series("shipway_predictor_requests_total", "0+0.6x60", status="500", **P),
        series("shipway_predictor_requests_total", "0+900x60", status="422", **{**P, "ref": "deploy/other@prod"}),
    ],
    "ShipwayPredictorSlow": [
        series("shipway_predictor_requests_total", "0+60x60", status="200", **P),
        series("shipway_predictor_request_seconds_bucket", "0+60x60", le="0.25", **P),
        series("shipway_predictor_request_seconds_bucket", "0+60x60", le="+Inf", **P),
    ],
    "ShipwayPredictorDropsRecords": [series("shipway_log_dropped_rows_total", "7x60", **P)],
    "ShipwayPredictorReplaced": [series("shipway_predictor_replaced", "7x60", **P)],
    "ShipwayPredictorServesAnother": [
        series("shipway_predictor_info", "1x60", release="sha256:bb", **P),
        series("shipway_live_info", "1x60", release="sha256:bb", ref=REF, instance="control:9464"),
    ],
    "ShipwayPredictorMissing": [series("up", "0x60", job="shipway-predictor", **P)],
    "ShipwayGatewayMissing": [series("up", "1x10 _x4 1x46", job="shipway-gateway", **G)],
    "ShipwayDaysSilent": [series("shipway_judged_timestamp_seconds", "-100000x60", ref=REF)],
    "ShipwayReadingsSilent": [
        series("shipway_reading_timestamp_seconds", "0+60x60", ref=BOT, monitor="freshness"),
        series("shipway_reading_timestamp_seconds", "-3000x60", ref=BOT, monitor="sentinel"),
        *(series("shipway_reading_timestamp_seconds", "-90000x60", ref=REF, monitor=seldom) for seldom in SELDOM),
    ],
    "ShipwayGatewayDown": [series("up", "1x60", job="shipway-gateway", **G)],
    "ShipwayGatewayErrors": [  # what callers do wrong is no fault of the gateway
        series("shipway_gateway_calls_total", "0+60x60", model="assistant", status="200", cache="none", **G),
        series("shipway_gateway_calls_total", "0+600x60", model="assistant", status="429", cache="none", **G),
    ],
    "ShipwayGatewaySlow": [
        series("shipway_gateway_calls_total", "0+60x60", model="assistant", status="200", cache="none", **G),
        series("shipway_gateway_call_seconds_bucket", "0+60x60", le="10.0", **G),
        series("shipway_gateway_call_seconds_bucket", "0+60x60", le="+Inf", **G),
    ],
    "ShipwayGatewayDropsRecords": [series("shipway_gateway_log_dropped_calls_total", "0x60", **G)],
    "ShipwayProviderCooling": [series("shipway_gateway_cooling", "0x56 1x4", provider="answer", **G)],
    "ShipwayBudgetNearlyUsed": [series("shipway_gateway_budget_used_ratio", "0.85x60", scope="gateway", **G)],
    "ShipwayLedgerDown": [series("shipway_gateway_ledger_down_total", "3x60", **G)],
}


def run_rules(home: Path, subject: Subject, cases: list[dict[str, Any]], code: int = 0) -> str:
    write(render_target("prometheus", subject), home)
    test = home / "series.test.yml"
    test.write_text(yaml.safe_dump({"rule_files": ["rules/both.yml"], "evaluation_interval": "1m", "tests": cases}))
    return said("promtool", "test", "rules", str(test), code=code)


def case(alert: str, given: list[dict[str, str]], expected: list[dict[str, Any]]) -> dict[str, Any]:
    control = [] if alert == "ShipwayControlDown" and given else UP
    if not alert.endswith("Missing"):
        control = [*control, *SERVED]
    asked = {"eval_time": "1h", "alertname": alert, "exp_alerts": expected}
    return {"name": alert, "interval": "1m", "input_series": [*control, *given], "alert_rule_test": [asked]}


def test_every_alert_fires_on_its_series_and_says_what_to_type_next(
    flights: Subject, assistant: Subject, tmp_path: Path
) -> None:
    subject = both(flights, assistant)
    names = {rule["alert"] for rule in rules_of(subject) if "alert" in rule}
    assert set(FIRES) == set(QUIET) == names
    # promtool compares annotations too: it prints those that it got, and they are read there
    cases = [case(name, given, [{"exp_labels": {"project": "both", **labels}}]) for name, (given, labels) in FIRES.items()]
    text = run_rules(tmp_path, subject, cases, code=1)
    for name, (_, labels) in FIRES.items():
        shown = ", ".join(f'{key}="{value}"' for key, value in sorted({"alertname": name, "project": "both", **labels}.items()))
        got = re.search(r"got:\[\s*\n?\s*0:\s*\n?\s*Labels:\{" + re.escape(shown) + r"\}\s*\n?\s*Annotations:\{(.*)\}", text)
        assert got, f"{name} with {shown}: {text}"
        assert 'next="shipway ' in got[1]
        assert "<error" not in got[1]
        assert "%!" not in got[1]


def test_no_alert_fires_on_series_that_only_come_near(flights: Subject, assistant: Subject, tmp_path: Path) -> None:
    run_rules(tmp_path, both(flights, assistant), [case(name, given, []) for name, given in QUIET.items()])


def test_a_rollout_rings_nobody_and_what_stays_behind_after_it_does(
    flights: Subject, assistant: Subject, tmp_path: Path
) -> None:
    """Two bakes of ten minutes and their analyses; then a pod that keeps the release before, whatever it is called."""

    def served(values: str, release: str, pod: str) -> dict[str, str]:
        return series("shipway_predictor_info", values, release=release, ref=REF, instance=pod)

    moved = [
        series("shipway_live_info", "1x9", release="sha256:aa", ref=REF, instance="control:9464"),
        series("shipway_live_info", "_x10 1x180", release="sha256:bb", ref=REF, instance="control:9464"),
    ]
    rolled = [
        served("1x40", "sha256:aa", "old:1"),
        served("1x55", "sha256:aa", "old:2"),
        served("_x12 1x180", "sha256:bb", "n"),
    ]
    kept = [served("1x50", "sha256:aa", "old:1"), served("_x45 1x180", "sha256:aa", "old:2")]
    unknown = [served("1x180", "sha256:aa", "old:1"), moved[0]]  # nobody says any more what is live
    fires = {"exp_labels": {"project": "both", "severity": "ticket", "ref": REF, "release": "sha256:aa"}}
    said = {
        "summary": f"1 predictors of {REF} serve sha256:aa, which is not live there",
        "next": f"shipway log {REF}",
    }
    for name, given, expected in (
        ("rolled", [*moved, *rolled], []),
        ("kept", [*moved, *kept], [{**fires, "exp_annotations": said}]),
        ("unknown", unknown, []),
    ):
        one = case("ShipwayPredictorServesAnother", given, expected)
        one["alert_rule_test"][0]["eval_time"] = "2h"
        run_rules(tmp_path / name, both(flights, assistant), [{**one, "name": name}])


def test_pods_are_found_by_what_is_rendered_for_them(flights: Subject, assistant: Subject, tmp_path: Path) -> None:
    """Debian's Prometheus has no discovery of Kubernetes: it is told what that would say of the pods that we render."""
    subject = both(flights, assistant)
    config = without_discovery(render_target("prometheus", subject)["kubernetes.yml"], pods_of(subject))
    file = tmp_path / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    assert "SUCCESS" in said("promtool", "check", "config", str(file))
    for job, port, ref in (
        ("shipway-control", 9464, None),
        ("shipway-predictor", 8080, REF),
        ("shipway-gateway", 8080, BOT),
    ):
        text = said("promtool", "check", "service-discovery", "--timeout=100ms", str(file), job)
        kept = [one["labels"] for one in json.loads(text) if one["labels"]]
        assert [labels["instance"] for labels in kept] == [f"10.0.0.9:{port}"]
        assert {name: kept[0].get(name) for name in ("project", "ref", "pod")} == {"project": "both", "ref": ref, "pod": "p-1"}


def without_discovery(text: str, pods: list[dict[str, str]]) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(text)
    for scrape in config["scrape_configs"]:
        assert scrape.pop("kubernetes_sd_configs") == [{"role": "pod", "namespaces": {"names": ["default"]}}]
        addresses = [{**pod} for pod in pods]
        scrape["static_configs"] = [{"targets": [pod.pop("__address__")], "labels": pod} for pod in addresses]
    return config


def pods_of(subject: Subject) -> list[dict[str, str]]:
    """What a discovery of pods says of each pod of a project, of a stranger's, and of one that still loads."""
    found = []
    for path, text in render_target("kubernetes", subject).items():
        for document in yaml.safe_load_all(text) if path != "kustomization.yaml" else ():
            if document["kind"] == "Deployment":
                told = document["spec"]["template"]["metadata"]
                (box,) = document["spec"]["template"]["spec"]["containers"]
                pod = {f"{kind}_{key}": value for kind in ("label", "annotation") for key, value in told[f"{kind}s"].items()}
                named = {re.sub(r"[^a-z0-9_]", "_", key): value for key, value in pod.items()}
                plain = {"phase": "Running", "ready": "true", "name": "p-1"}
                meta = {f"__meta_kubernetes_pod_{key}": value for key, value in {**named, **plain}.items()}
                found.append({"__address__": f"10.0.0.9:{box['ports'][0]['containerPort']}", **meta})
    predictor = next(pod for pod in found if pod["__meta_kubernetes_pod_label_app_kubernetes_io_component"] == "predictor")
    loading = {**predictor, "__address__": "10.0.0.10:8080", "__meta_kubernetes_pod_ready": "false"}
    stranger = {**predictor, "__address__": "10.0.0.11:8080", "__meta_kubernetes_pod_annotation_shipway_dev_project": "other"}
    return [*found, loading, stranger]


def test_a_control_plane_in_another_pod_is_no_new_alert(flights: Subject, assistant: Subject, tmp_path: Path) -> None:
    both_pods = [
        series("shipway_alert_open", values, severity="page", instance=pod, job="shipway-control", pod=pod, **MONITORED)
        for values, pod in (("1x30", "one"), ("_x28 1x32", "two"))
    ]
    one = case("ShipwayMonitorPages", both_pods, [{"exp_labels": {"project": "both", "severity": "page", **MONITORED}}])
    one["alert_rule_test"][0]["eval_time"] = "29m"  # both are known for a while
    text = run_rules(tmp_path, both(flights, assistant), [one], code=1)  # promtool compares annotations too
    assert text.count('Labels:{alertname="ShipwayMonitorPages", monitor="calibration", project="both"') == 2, (
        "expected, and got"
    )
    assert "pod=" not in text


def test_a_monitor_that_pages_shows_its_interval_and_its_limit(flights: Subject, assistant: Subject, tmp_path: Path) -> None:
    numbers = {"value": "0.083", "low": "0.061", "high": "0.105", "threshold": "0.05"}
    given = [series("shipway_alert_open", "1x60", severity="page", **MONITORED)]
    given += [series(f"shipway_monitor_{name}", f"{value}x60", **MONITORED) for name, value in numbers.items()]
    annotations = {
        "summary": f"{REF}: calibration fails",
        "description": "Measured last: 0.083 [0.061, 0.105], limit 0.05.",
        "next": "shipway watch delay@prod",
    }
    labels = {"project": "both", "severity": "page", **MONITORED}
    expected = {"exp_labels": labels, "exp_annotations": annotations}
    run_rules(tmp_path, both(flights, assistant), [case("ShipwayMonitorPages", given, [expected])])


def test_amtool_accepts_the_routes_and_they_lead_where_they_should(flights: Subject, tmp_path: Path) -> None:
    file = str(write(render_target("alertmanager", told(flights)), tmp_path) / "alertmanager.yml")
    assert "SUCCESS" in said("amtool", "check-config", file)

    def receiver(*labels: str) -> str:
        return said("amtool", "config", "routes", "test", f"--config.file={file}", *labels).split("\n")[0]

    assert receiver("project=flights", "severity=page", "alertname=ShipwayMonitorPages", f"ref={REF}") == "page"
    assert receiver("project=flights", "severity=ticket", "alertname=ShipwayMonitorTicket") == "ticket"
    assert receiver("project=flights", "severity=inform", "alertname=Drift") == "nobody"
    assert receiver("project=another", "severity=page") == "nobody"
    page_only = write(render_target("alertmanager", told(flights, AlertsSpec(page="http://a.example/x"))), tmp_path / "p")
    assert "SUCCESS" in said("amtool", "check-config", str(page_only / "alertmanager.yml"))


def test_a_token_is_a_file_over_there_and_never_in_ours(flights: Subject, tmp_path: Path) -> None:
    alerts = AlertsSpec(page="https://pager.example.com/hook", token_file="/etc/alertmanager/token")
    files = render_target("alertmanager", told(flights, alerts))
    assert "credentials_file: /etc/alertmanager/token" in files["alertmanager.yml"]
    said("amtool", "check-config", str(write(files, tmp_path) / "alertmanager.yml"))


def test_without_a_page_there_is_nothing_to_route(assistant: Subject) -> None:
    with pytest.raises(NothingToRender, match="where pages go"):
        render_target("alertmanager", told(assistant, AlertsSpec()))


def test_a_sentinel_that_asks_seldom_is_not_called_silent(assistant: Subject) -> None:
    import msgspec

    (service,) = assistant.services
    slow = tuple(
        msgspec.structs.replace(monitor, window=7 * 86_400.0) if monitor.name == "sentinel" else monitor
        for monitor in service.monitors
    )
    rules = rules_of(replace(assistant, services=(replace(service, monitors=slow),)))
    (silent,) = [rule for rule in rules if rule.get("alert") == "ShipwayReadingsSilent"]
    assert f'monitor="sentinel"}}) > {21 * 86_400}' in silent["expr"]


def test_names_that_collide_are_refused(flights: Subject) -> None:
    from shipway.deploy import NamesCollide

    (service,) = flights.services
    twins: tuple[Service, ...] = (replace(service, application="a_b"), replace(service, application="a-b"))
    for word in ("prometheus", "datadog"):
        with pytest.raises(NamesCollide):
            render_target(word, replace(flights, services=twins))


def test_the_collector_of_datadog_is_whole_and_its_key_is_a_reference(
    flights: Subject, assistant: Subject, tmp_path: Path
) -> None:
    """The collector is no package here: shape-checked by us, its scrapes by promtool."""
    config = yaml.safe_load(render_target("datadog", both(flights, assistant))["collector.yaml"])
    for pipeline in config["service"]["pipelines"].values():
        for kind in ("receivers", "processors", "exporters"):
            assert set(pipeline[kind]) == set(config[kind]), "each is defined and used"
    exporter = config["exporters"]["otlphttp/datadog"]
    assert exporter["headers"] == {"dd-api-key": "${env:DD_API_KEY}"}
    scrapes = tmp_path / "prometheus.yml"
    scrapes.write_text(yaml.safe_dump(config["receivers"]["prometheus"]["config"]))
    assert "SUCCESS" in said("promtool", "check", "config", str(scrapes))
    assert len(config["receivers"]["prometheus"]["config"]["scrape_configs"]) == 3
