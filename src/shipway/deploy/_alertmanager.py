"""Alertmanager: pages at once, tickets in a digest, and nothing else to anybody."""

from __future__ import annotations

from shipway.deploy._errors import NothingToRender
from shipway.deploy._subject import Subject
from shipway.deploy._text import Files, yaml_text
from shipway.kernel.canonical import Json, JsonObject

TARGET = "alertmanager"
NOBODY = "nobody"  # what no route knows is seen in Alertmanager and sent to nobody


def compile_alertmanager(subject: Subject) -> Files:
    """alertmanager.yml. Raises NothingToRender when `targets.alerts` does not say where pages go."""
    if subject.targets.alerts.page is None:
        raise NothingToRender("nothing says where pages go", mend="targets: {alerts: {page: https://pager.example.com/hook}}")
    return {"alertmanager.yml": yaml_text([_config(subject)], target=TARGET)}


def _config(subject: Subject) -> JsonObject:
    alerts, mine = subject.targets.alerts, f'project="{subject.project}"'
    same: list[Json] = ["project", "ref"]
    routes: list[Json] = [_route("page", mine, "10s", "5m", "4h")]
    receivers: list[Json] = [{"name": NOBODY}, _receiver(subject, "page", alerts.page)]
    if alerts.ticket:
        routes.append(_route("ticket", mine, "5m", "1h", "24h"))
        receivers.append(_receiver(subject, "ticket", alerts.ticket))
    return {
        "route": {"receiver": NOBODY, "group_by": ["project", "ref", "alertname"], "routes": routes},
        # a predictor that is gone fails and is slow as well: one page says it
        "inhibit_rules": [
            {
                "source_matchers": [f'alertname="Shipway{kind}Down"'],
                "target_matchers": [f'alertname=~"Shipway{kind}(Errors|Slow)"'],
                "equal": same,
            }
            for kind in ("Predictor", "Gateway")
        ],
        "receivers": receivers,
    }


def _route(severity: str, mine: str, wait: str, between: str, again: str) -> JsonObject:
    times: JsonObject = {"group_wait": wait, "group_interval": between, "repeat_interval": again}
    return {"receiver": severity, "matchers": [mine, f'severity="{severity}"'], **times}


def _receiver(subject: Subject, name: str, url: str | None) -> JsonObject:
    token = subject.targets.alerts.token_file
    shown: JsonObject = {"http_config": {"authorization": {"type": "Bearer", "credentials_file": token}}} if token else {}
    return {"name": name, "webhook_configs": [{"url": url, "send_resolved": True, **shown}]}
