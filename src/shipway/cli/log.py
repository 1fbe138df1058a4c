"""`shipway log`: who moved what."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, cast

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shipway.kernel.canonical import JsonObject
    from shipway.kernel.digest import Digest
    from shipway.store import AuditRecord, Store

    _Gate = Mapping[str, list[JsonObject]]


@click.command(name="log")
@click.argument("ref", required=False)
@click.option("-n", "limit", default=20, show_default=True, help="How many records at most.")
@json_option
@click.pass_obj
def command(settings: Settings, ref: str | None, limit: int, as_json: bool) -> None:
    """Show who moved what, when, from where to where, and why.

    The newest comes first, and refused moves are there too. Without REF the present place of every ref is shown.
    """
    project, out = Project(settings), Output(as_json)
    if ref:
        _history(project, out, ref, limit)
    else:
        _refs(project, out)


def _refs(project: Project, out: Output) -> None:
    from shipway.kernel.digest import short

    refs = project.store.refs()
    for found in refs:
        out.say(f"{short(found.digest)}  {found.name}")
    deploys = [found.name for found in refs if found.name.startswith("deploy/")]
    out.end(
        "refs", {"refs": [{"ref": r.name, "digest": r.digest} for r in refs]}, then=f"shipway log {(deploys or ['REF'])[0]}"
    )


def _history(project: Project, out: Output, ref: str, limit: int) -> None:
    from shipway.store import RefMissing

    records = project.store.history(ref, limit=limit)
    if not records:
        raise RefMissing(f"nothing ever happened to {ref}", where=project.spec.project, mend="shipway log shows every ref")
    rows = [_row(project.store, record) for record in records]
    for record, row in zip(records, rows, strict=True):
        _say(out, record, row)
    out.end("log", {"ref": ref, "history": rows}, then=f"shipway plan {ref}" if ref.startswith("deploy/") else "shipway log")


def _row(store: Store, record: AuditRecord) -> dict[str, object]:
    """A record with the releases behind its deployments and what its verdict cites."""
    from shipway.kernel.clock import instant

    verdict = _read(store, record.verdict)
    return {
        "ref": record.resource,
        "from": _shown(store, record.source),
        "to": record.release or _shown(store, record.target),
        "arms": _arms(store, record.target) if record.resource.startswith("deploy/") else [],
        "who": record.actor,
        "when": instant(record.at),
        "why": record.why,
        "outcome": record.outcome,
        "action": record.action,
        "verdict": record.verdict,
        "evidence": verdict.get("evidence") or [],
        "missing": verdict.get("missing") or [],
        "forced": record.forced,
        "gate": {
            "verdict": verdict.get("verdict"),
            "checks": verdict.get("checks") or [],
            "observed": verdict.get("observed") or [],
        },
    }


def _say(out: Output, record: AuditRecord, row: dict[str, object]) -> None:
    from shipway.kernel.digest import short

    move = " -> ".join(short(str(row[end])) if row[end] else "nothing" for end in ("from", "to"))
    forced = row["forced"] is True
    said = f"{record.at:%Y-%m-%d %H:%M:%S}  {'FORCED' if forced else record.outcome:<8} {move}  {record.actor}  {record.why}"
    out.say(click.style(said, fg="red") if forced else said)
    for arm in cast("list[dict[str, str | float]]", row["arms"]):
        out.say(f"    arm {arm['name']}: {short(str(arm['release']))}, {100 * float(arm['share']):g} %")
    for line in cast("list[str]", row["missing"]):
        out.say(f"    missing: {line}")
    if observed := [check["name"] for check in cast("_Gate", row["gate"])["observed"] if check["verdict"] != "pass"]:
        out.say(f"    observed only, did not pass: {', '.join(map(str, observed))}")
    if evidence := cast("list[str]", row["evidence"]):
        out.say(f"    evidence: {', '.join(map(short, evidence))} (verdict {short(record.verdict or '')})")


def _arms(store: Store, digest: Digest | None) -> list[JsonObject]:
    """The releases that answer beside the one of a deployment."""
    from shipway.store import ObjectDamaged, ObjectMissing

    with suppress(ObjectDamaged, ObjectMissing):
        value = store.get(digest, "deployment") if digest else {}
        if "split" in value:
            from shipway.release import split_of

            split = split_of(value)
            return [arm.to_json() for arm in split.arms] if split else []
    return []


def _shown(store: Store, digest: Digest | None) -> object:
    """The release behind a deployment; the object itself where there is none, or where it cannot be read any more.

    Read here and not by the gate, whose signatures cost a third of the time that this command may take.
    """
    from shipway.store import ObjectDamaged, ObjectMissing

    with suppress(ObjectDamaged, ObjectMissing):
        value = store.get(digest) if digest else {}
        release = value.get("release") if value.get("kind") == "deployment" else None
        return release.get("digest") if isinstance(release, dict) else digest
    return digest


def _read(store: Store, verdict: Digest | None) -> JsonObject:
    """A verdict; nothing where it cannot be read any more: the history goes on."""
    from shipway.store import ObjectDamaged, ObjectMissing

    with suppress(ObjectDamaged, ObjectMissing):
        return store.get(verdict, "verdict") if verdict else {}
    return {}
