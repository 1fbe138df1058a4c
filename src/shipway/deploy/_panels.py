"""Panels of a dashboard as Grafana's JSON model (version 1) has them: a few kinds, one form, laid out in rows of 24 columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shipway.kernel.canonical import Json, JsonObject

SOURCE: JsonObject = {"type": "prometheus", "uid": "${source}"}
SCHEMA = 36  # of the model; newer versions of Grafana migrate it when they load it
_WIDE, _HIGH = 24, 8


@dataclass(frozen=True, slots=True)
class Panel:
    """queries: expression -> its legend; unit: Grafana's word for it; kind: timeseries, stat or table."""

    title: str
    queries: dict[str, str]
    text: str
    unit: str = "short"
    kind: str = "timeseries"
    width: int = 8


@dataclass(frozen=True, slots=True)
class Row:
    """A title and its panels."""

    title: str
    panels: tuple[Panel, ...]


def dashboard(title: str, uid: str, rows: Sequence[Row], *, refs: str, tags: Sequence[str]) -> JsonObject:
    """A dashboard over a data source and deployments that the reader chooses. refs: a query for the names of deployments."""
    source: JsonObject = {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}
    ref: JsonObject = {
        "name": "ref",
        "label": "Deployment",
        "type": "query",
        "datasource": SOURCE,
        "query": refs,
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".+",
        "current": {"text": "All", "value": "$__all"},
    }
    return {
        "uid": uid,
        "title": title,
        "tags": list(tags),
        "timezone": "browser",
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": SCHEMA,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [source, ref]},
        "panels": _laid_out(rows),
    }


def _laid_out(rows: Sequence[Row]) -> list[Json]:
    found: list[Json] = []
    y = 0
    for row in rows:
        found.append({"id": len(found) + 1, "type": "row", "title": row.title, "collapsed": False, "panels": [],
                      "gridPos": {"x": 0, "y": y, "w": _WIDE, "h": 1}})  # fmt: skip
        x, y = 0, y + 1
        for panel in row.panels:
            if x + panel.width > _WIDE:
                x, y = 0, y + _HIGH
            found.append(_panel(panel, len(found) + 1, {"x": x, "y": y, "w": panel.width, "h": _HIGH}))
            x += panel.width
        y += _HIGH
    return found


def _panel(panel: Panel, number: int, place: JsonObject) -> JsonObject:
    once = panel.kind != "timeseries"
    targets: list[Json] = [
        {
            "refId": chr(ord("A") + place),
            "datasource": SOURCE,
            "expr": expression,
            "legendFormat": legend,
            **({"instant": True} if once else {}),
            **({"format": "table"} if panel.kind == "table" else {}),
        }
        for place, (expression, legend) in enumerate(panel.queries.items())
    ]
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit}, "overrides": []},
        "targets": targets,
    }
