"""One number out of a JSON document, by a path; and a metric out of a run of MLflow (`GET /api/2.0/mlflow/runs/get`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from shipway.gate._foreign import Bound, Found, ImportRefused, number_found
from shipway.kernel.canonical import Json, NotCanonical, parse_json

_STEP = re.compile(r"""\.?(?P<name>[^\s.\[\]"]+)|\[(?P<index>[0-9]{1,9})\]|\["(?P<quoted>[^"]*)"\]""")


def read_number(data: bytes, path: str, bound: Bound | None) -> Found:
    """The number, or the yes or no, at a path such as `totals.percent`, `runs[0].auc` or `["a.b"].c`. Raises ImportRefused."""
    return number_found(_follow(_parse(data), path), bound, path, tool="json")


def read_run(data: bytes, metric: str, bound: Bound | None) -> Found:
    """The last value of a metric of a run that has finished. Raises ImportRefused."""
    run = _mapping(_mapping(_parse(data)).get("run"))
    info, kept = _mapping(run.get("info")), _mapping(run.get("data"))
    if not info or not isinstance(kept.get("metrics", []), list):
        raise ImportRefused("this is no run of MLflow", mend="import what GET /api/2.0/mlflow/runs/get answers")
    if info.get("status") != "FINISHED":
        raise ImportRefused(f"the run is {str(info.get('status'))[:20]}, not FINISHED: its metrics are not its last")
    entries = kept.get("metrics", [])
    assert isinstance(entries, list)  # seen above
    values = {str(entry.get("key")): entry.get("value") for entry in entries if isinstance(entry, Mapping)}
    if len(values) < len(entries):
        raise ImportRefused("a metric of the run comes twice, or is no metric")
    if metric not in values:
        raise ImportRefused(f"the run has no metric {metric}", mend=f"it has {', '.join(sorted(values))[:200] or 'none'}")
    return number_found(values[metric], bound, f"{metric} of run {info.get('run_id')}", tool="mlflow")


def _parse(data: bytes) -> Json:
    try:
        return parse_json(data)
    except NotCanonical as problem:
        raise ImportRefused(str(problem)) from problem


def _follow(value: Json, path: str) -> Json:
    """What is at a path. Raises ImportRefused, with what is there instead."""
    at = 0
    while at < len(path):
        step = _STEP.match(path, at)
        if step is None:
            raise ImportRefused(f"{path!r} is no path from {path[at:]!r} on", mend='write it as a.b[0].c, or ["a b"]')
        value = _step(value, step, path[: step.end()])
        at = step.end()
    return value


def _step(value: Json, step: re.Match[str], so_far: str) -> Json:
    if step["index"] is not None:
        number = int(step["index"])
        if not isinstance(value, list) or number >= len(value):
            raise ImportRefused(f"there is no {so_far}: {_shown(value)}")
        return cast("Json", value[number])
    name = step["name"] if step["name"] is not None else step["quoted"]
    if not isinstance(value, Mapping) or name not in value:
        raise ImportRefused(f"there is no {so_far}: {_shown(value)}")
    return value[name]


def _shown(value: Json) -> str:
    if isinstance(value, Mapping):
        return f"there are {', '.join(sorted(value))[:160] or 'no names'}"
    return f"there is a list of {len(value)}" if isinstance(value, list) else f"there is {str(value)[:60]}"


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}
