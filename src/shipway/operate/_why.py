"""Why a prediction, a call or an alert is what it is: the logs first, then the release behind it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from shipway.access import KeyRing
from shipway.kernel.canonical import Json
from shipway.kernel.check import Check
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest, is_digest, parse_digest, short
from shipway.kernel.errors import ShipwayError
from shipway.monitor import (
    Alert,
    DayVerdict,
    find_call,
    find_entity_outcomes,
    find_outcomes,
    find_predictions,
    load_alerts,
    load_readings,
    load_verdicts,
)
from shipway.operate._meant import Meant
from shipway.release import Reason, explain_move, explain_object, explain_ref, live_release
from shipway.store import AuditRecord, Store

_BEFORE = timedelta(days=7)  # moves this long before an alert are worth a look
_OURS = {"id", "request", "release", "deployment", "arm", "time", "day", "recorded", "latency_us", "request_hash"}


def explain(store: Store, keys: KeyRing, meant: Meant) -> Reason:
    """The answer to `why`. Raises what reading the object itself raises."""
    if meant.kind == "ref":
        return explain_ref(store, keys, meant.name)
    if meant.kind == "digest":
        return explain_object(store, keys, parse_digest(meant.name))
    if meant.kind == "alert":
        return _explain_alert(store, keys, _alert(store, meant.name))
    rows = (find_predictions if meant.kind == "prediction" else find_call)(store, meant.name).to_dicts()
    return (_explain_predictions if meant.kind == "prediction" else _explain_call)(store, keys, rows)


# predictions and calls


def _explain_predictions(store: Store, keys: KeyRing, rows: list[dict[str, Any]]) -> Reason:
    """The newest answer under the id, and how many others there were."""
    row = rows[-1]
    given = {name: _plain(value) for name, value in row.items() if name not in _OURS and value is not None}
    score = f", probability {row['probability']:.4g}" if row.get("probability") is not None else ""
    text = (
        f"prediction {row['id']} of {_when(row['time'])}{score}, answered by release {short(row['release'])},"
        f" arm {row['arm']}, in {row['latency_us'] / 1000:.1f} ms"
    )
    said = ", ".join(f"{name}={value}" for name, value in given.items())
    values: dict[str, Json] = {name: _plain(row[name]) for name in ("id", "request", "release", "deployment", "arm", "time")}
    behind = [Reason("columns", f"with {said}", values=given), *_outcomes(store, row)]
    if len(rows) > 1:
        behind.append(Reason("note", f"{len(rows)} answers were given under this id; this is the newest"))
    behind.append(_answered_by(store, keys, row))
    return Reason("prediction", text, parse_digest(row["release"]), values, (*behind, *_release(store, keys, row["release"])))


def _outcomes(store: Store, prediction: Mapping[str, Any]) -> list[Reason]:
    """Those of its id, and those of its entity in the time in which they are of it."""
    try:
        of_entity = find_entity_outcomes(store, prediction).to_dicts()
    except ShipwayError:  # its deployment cannot be read any more
        of_entity = []
    rows = [*of_entity, *find_outcomes(store, prediction["id"]).to_dicts()]
    if not rows:
        return [Reason("outcome", "no outcome is recorded yet")]
    return [
        Reason(
            "outcome",
            f"outcome {row['name']} = {row['value']:g}{_whose(row)}, recorded {_when(row['recorded'])}",
            values={name: _plain(value) for name, value in row.items()},
        )
        for row in rows
    ]


def _whose(outcome: Mapping[str, Any]) -> str:
    return "" if outcome["entity"] is None else f" of {outcome['entity']} at {_when(outcome['time'])}"


def _explain_call(store: Store, keys: KeyRing, rows: list[dict[str, Any]]) -> Reason:
    row = rows[-1]
    values: dict[str, Json] = {name: _plain(value) for name, value in row.items()}
    error = f" ({row['error']})" if row["error"] else ""
    text = (
        f"call {row['id']} of {_when(row['recorded'])}: status {row['status']}{error}, provider {row['provider'] or 'none'},"
        f" model {row['model'] or 'none'}, {row['input_tokens']:,} tokens in, {row['output_tokens']:,} out,"
        f" cache {row['cache']},"
        f" {row['usd']:.6g} usd, {row['latency_us'] / 1000:.1f} ms"
    )
    layers = ", ".join(f"{span['layer']} {span['took_us'] / 1000:.1f} ms {span['status']}" for span in row["spans"])
    behind = [Reason("layers", f"layers: {layers}")] if layers else []
    behind += [Reason("note", f"degraded: {', '.join(row['degraded'])}")] if row["degraded"] else []
    if row["index"]:
        behind.append(Reason("index", f"searched index {short(row['index'])}", Digest(row["index"])))
    if not row["release"]:
        alone = Reason("note", "a plain pass-through: no release stands behind it")
        return Reason("call", text, None, values, (*behind, alone))
    behind.append(_answered_by(store, keys, row))
    return Reason("call", text, parse_digest(row["release"]), values, (*behind, *_release(store, keys, row["release"])))


def _answered_by(store: Store, keys: KeyRing, row: Mapping[str, Any]) -> Reason:
    """The deployment that answered, and the move that had put it there by then."""
    name, at = str(row["deployment"]), row["recorded"]
    moves = _moves_to(store, name, at)
    if not moves:
        return Reason("deployment", f"of deployment {short(name)}, which no move of a ref put anywhere")
    ref = moves[0].resource
    present = store.ref(ref)
    now = live_release(store, present.digest if present else None)
    still = "which is live now" if now == row["release"] else f"where release {short(now or 'nothing')} is live now"
    digest = Digest(name) if is_digest(name) else None
    return Reason("deployment", f"of {ref}, {still}", digest, {"ref": ref, "live": now}, (explain_move(store, keys, moves[0]),))


def _moves_to(store: Store, deployment: str, at: datetime) -> list[AuditRecord]:
    """Moves that put a deployment (its digest, or its name) live, the newest one before an instant first."""
    if not is_digest(deployment):
        ref = deployment if deployment.startswith("deploy/") else f"deploy/{deployment}"
        put = store.place_at(ref, at).put
        return [put] if put else []
    moved = [record for record in store.naming(parse_digest(deployment)) if record.outcome == "moved"]
    return [record for record in moved if record.at <= at] or moved


# alerts


def _alert(store: Store, key: str) -> Alert:
    ref = "/".join(key.split("/")[:2])
    return next(alert for alert in load_alerts(store, ref) if alert.key == key)


def _explain_alert(store: Store, keys: KeyRing, alert: Alert) -> Reason:
    interval = "" if alert.low is None or alert.high is None else f" [{alert.low:.4g}, {alert.high:.4g}]"
    number = "" if alert.value is None else f" {alert.value:.4g}{interval}"
    limit = "" if alert.threshold is None else f" against {alert.threshold:.4g}"
    state = "open" if alert.open else f"resolved on {alert.resolved}"
    text = (
        f"alert {alert.severity}: {alert.monitor} of {alert.ref}{number}{limit}, {alert.first_day} to {alert.last_day}, {state}"
    )
    opened = _opened_by(store, alert)
    values = {"key": alert.key, **alert.to_json()}
    return Reason(
        "alert",
        text,
        alert.release,
        values,
        (*opened, *_moves_before(store, keys, alert), *_release(store, keys, alert.release)),
    )


def _opened_by(store: Store, alert: Alert) -> list[Reason]:
    """The check of the day on which it opened, with its window; of a monitor on the wall clock, its newest reading."""
    found = [
        Reason("check", f"opened by {_said(finding.check)}, window {_window(verdict)}", values=verdict.window())
        for verdict in load_verdicts(store, alert.ref)
        for finding in verdict.findings
        if verdict.day == alert.first_day and finding.check.name == alert.monitor
    ]
    readings = [reading for reading in load_readings(store, alert.ref) if reading.monitor == alert.monitor]
    found += [
        Reason("check", f"reading of {_when(r.at)}: {_said(r.check)}", values={"check": r.check.to_json(), "detail": r.detail})
        for r in readings
    ]
    cited = [row for row in store.evidence(alert.release) if row.name == "window"]
    if cited:
        found.append(Reason("evidence", f"{len(cited):,} windows of this release are kept as evidence about it"))
    return found


def _window(verdict: DayVerdict) -> str:
    days = f"{verdict.first_day} to {verdict.day}: {verdict.days} days with labels"
    return f"{days}, {verdict.rows:,} rows, {verdict.labels:,} labels"


def _said(check: Check) -> str:
    number = "" if check.value is None else f" {check.value:.4g}"
    return f"{check.name}: {check.verdict}{number}" + (f" ({check.text})" if check.text else "")


def _moves_before(store: Store, keys: KeyRing, alert: Alert) -> list[Reason]:
    """Moves of the deployment in the week before the alert opened, and the one that put the release there."""
    opened = datetime.combine(alert.first_day + timedelta(days=1), time(), UTC)
    near = [record for record in store.lives(alert.ref, limit=1000) if opened - _BEFORE <= record.at < opened]
    put = next(iter(store.lives(alert.ref, alert.release, limit=1)), None)
    found = [explain_move(store, keys, record) for record in near]
    if put and put not in near:
        found.append(Reason("live", "its release was put live by", put.target, because=(explain_move(store, keys, put),)))
    return found or [Reason("note", "no move in the week before")]


# what is behind a row


def _release(store: Store, keys: KeyRing, release: str) -> tuple[Reason, ...]:
    """The release that answered; a row outlives the release that gave it."""
    try:
        return (explain_object(store, keys, parse_digest(release)),)
    except ShipwayError as problem:
        return (Reason("note", f"the release {short(release)} cannot be read any more: {problem.what}"),)


def _plain(value: object) -> Json:
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _when(moment: datetime | None) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}" if moment else "an unknown time"
