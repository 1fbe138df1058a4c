"""Prometheus: what it scrapes, and rules that page. Statistics are Shipway's: no rule looks at a model's quality itself."""

from __future__ import annotations

from shipway.deploy._rules import alert_rules, recording_rules
from shipway.deploy._scrapes import jobs_of, pod_scrapes, target_groups
from shipway.deploy._subject import Subject
from shipway.deploy._text import Files, yaml_text
from shipway.kernel.canonical import Json, JsonObject

TARGET = "prometheus"
INTERVAL = "15s"


def compile_prometheus(subject: Subject) -> Files:
    """prometheus.yml, a file of targets for each job, kubernetes.yml, which finds pods instead, and the rules of the project.

    Raises NamesCollide, CannotExpress.
    """
    files: list[Json] = [{"job_name": job, "file_sd_configs": [{"files": [f"targets/{job}.yml"]}]} for job in jobs_of(subject)]
    targets = {
        f"targets/{job}.yml": yaml_text([groups], target=TARGET)
        for job, groups in target_groups(subject, target=TARGET).items()
    }
    rules: JsonObject = {
        "groups": [
            {"name": f"{subject.project}.recording", "interval": INTERVAL, "rules": recording_rules(subject)},
            {"name": f"{subject.project}.alerts", "interval": INTERVAL, "rules": alert_rules(subject)},
        ]
    }
    return {
        "prometheus.yml": yaml_text([_config(files)], target=TARGET),
        "kubernetes.yml": yaml_text([_config(pod_scrapes(subject))], target=TARGET),
        f"rules/{subject.project}.yml": yaml_text([rules], target=TARGET),
        **targets,
    }


def _config(scrapes: list[Json]) -> JsonObject:
    return {
        "global": {"scrape_interval": INTERVAL, "evaluation_interval": INTERVAL},
        "rule_files": ["rules/*.yml"],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": ["alertmanager:9093"]}]}]},
        "scrape_configs": scrapes,
    }
