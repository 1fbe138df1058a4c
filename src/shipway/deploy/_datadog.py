"""Datadog by OTLP: an OpenTelemetry collector that scrapes our pages and passes them on. The key stays in its environment."""

from __future__ import annotations

from shipway.deploy._scrapes import static_scrapes
from shipway.deploy._subject import Subject
from shipway.deploy._text import Files, yaml_text
from shipway.kernel.canonical import JsonObject

TARGET = "datadog"


def compile_datadog(subject: Subject) -> Files:
    """collector.yaml for the collector's contrib distribution. Raises NamesCollide, CannotExpress."""
    return {"collector.yaml": yaml_text([_config(subject)], target=TARGET)}


def _config(subject: Subject) -> JsonObject:
    scrapes: JsonObject = {"global": {"scrape_interval": "15s"}, "scrape_configs": static_scrapes(subject, target=TARGET)}
    return {
        "receivers": {"prometheus": {"config": scrapes}},
        "processors": {
            "memory_limiter": {"check_interval": "5s", "limit_mib": 256},
            "cumulativetodelta": {},  # Datadog counts differences
            "batch": {"timeout": "10s"},
        },
        "exporters": {
            "otlphttp/datadog": {
                "metrics_endpoint": "https://otlp.${env:DD_SITE}/v1/metrics",
                "headers": {"dd-api-key": "${env:DD_API_KEY}"},
            }
        },
        "service": {
            "pipelines": {
                "metrics": {
                    "receivers": ["prometheus"],
                    "processors": ["memory_limiter", "cumulativetodelta", "batch"],
                    "exporters": ["otlphttp/datadog"],
                }
            }
        },
    }
