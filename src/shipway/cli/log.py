"""`shipway log`: who moved what."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings


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
    from shipway.gate import release_of
    from shipway.kernel.clock import instant
    from shipway.kernel.digest import short
    from shipway.store import RefMissing

    records = project.store.history(ref, limit=limit)
    if not records:
        raise RefMissing(f"nothing ever happened to {ref}", where=project.spec.project, mend="shipway log shows every ref")
    rows = []
    for record in records:
        verdict = project.store.get(record.verdict, "verdict") if record.verdict else {}
        seen = [digest and (release_of(project.store, digest) or digest) for digest in (record.source, record.target)]
        move = " -> ".join(short(digest) if digest else "nothing" for digest in seen)
        evidence = verdict.get("evidence") or []
        out.say(f"{record.at:%Y-%m-%d %H:%M:%S}  {record.outcome:<8} {move}  {record.actor}  {record.why}")
        missing = verdict.get("missing")
        for line in missing if isinstance(missing, list) else []:
            out.say(f"    missing: {line}")
        rows.append(
            {
                "ref": record.resource,
                "from": seen[0],
                "to": seen[1],
                "who": record.actor,
                "when": instant(record.at),
                "why": record.why,
                "outcome": record.outcome,
                "action": record.action,
                "verdict": record.verdict,
                "evidence": evidence,
                "missing": missing or [],
            }
        )
    out.end("log", {"ref": ref, "history": rows}, then=f"shipway plan {ref}" if ref.startswith("deploy/") else "shipway log")
