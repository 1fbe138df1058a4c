"""`shipway incident`: what is wrong with a deployment, since when, why perhaps, and what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.monitor import Incident

_SHOWN = 5  # incidents that are over


@click.command(name="incident")
@click.argument("deployment", required=False)
@click.option("--silence", "span", metavar="DURATION", help="Call nobody for so long, as in 2d; 0s ends a silence.")
@click.option("--monitor", metavar="NAME", help="With --silence: of this monitor alone.")
@click.option("--why", metavar="TEXT", help="With --silence: the reason, which stands beside the alert.")
@json_option
@click.pass_obj
def command(
    settings: Settings, deployment: str | None, span: str | None, monitor: str | None, why: str | None, as_json: bool
) -> None:
    """Show what is wrong, since when, why perhaps, and silence it.

    Alerts that overlap are one incident, shown with what may have caused it (a release, a column, a provider, late labels, lost
    rows, the world), the likeliest first. Exits 1 while one is open that pages and is not silenced.
    """
    from shipway.monitor import load_incidents, load_silences
    from shipway.release import deploy_ref

    if span is None and (monitor is not None or why is not None):
        raise click.UsageError("--monitor and --why belong to --silence")
    project, out = Project(settings), Output(as_json)
    ref = deploy_ref(find_deploy(project.spec, deployment))
    if span is not None:
        _silence(project, out, ref, span, monitor, why or "")
    incidents, silences = load_incidents(project.store, ref), load_silences(project.store, ref)
    now = project.store.clock.now()
    calling = [
        alert
        for incident in incidents
        for alert in incident.alerts
        if alert.open and alert.severity.value == "page" and not any(one.covers(alert.monitor, now) for one in silences)
    ]
    _tell(out, ref, incidents)
    for one in silences:
        what = "every monitor" if one.monitor == "*" else one.monitor
        out.say(f"  {what} is silenced until {one.until:%Y-%m-%d %H:%M} UTC by {one.who}: {one.why}")
    document: dict[str, object] = {
        "ref": ref,
        "incidents": [incident.to_json() for incident in incidents],
        "silences": [one.to_json() for one in silences],
        "calling": sorted({alert.monitor for alert in calling}),
    }
    out.end("incidents", document, then=_next(ref, incidents))
    if calling:
        raise click.exceptions.Exit(1)


def _tell(out: Output, ref: str, incidents: tuple[Incident, ...]) -> None:
    current = [one for one in incidents if one.open]
    over = [one for one in incidents if not one.open]
    out.say(f"{ref}: {len(current)} open, {len(over)} over")
    for incident in [*current, *over[:_SHOWN]]:
        until = "open" if incident.open else f"to {incident.last_day}"
        monitors = ", ".join(alert.monitor for alert in incident.alerts[:4])
        out.say(f"  {incident.severity.value:<7} since {incident.first_day}, {until}: {monitors}")
        for cause in incident.causes[:3] if incident.open else incident.causes[:1]:
            out.say(f"    {cause.likelihood}: {cause.text} ({cause.runbook})")


def _next(ref: str, incidents: tuple[Incident, ...]) -> str:
    newest = next((one for one in incidents if one.open), None)
    kind = newest.causes[0].kind.value if newest and newest.causes else ""
    commands = {"release": f"shipway rollback {ref}", "world": f"shipway retrain {ref}", "labels": "shipway outcomes"}
    return commands.get(kind, f"shipway watch {ref}")


def _silence(project: Project, out: Output, ref: str, span: str, monitor: str | None, why: str) -> None:
    from shipway.access import Action, authorize
    from shipway.kernel.units import Seconds, UnitMalformed, parse_duration
    from shipway.monitor import ALL, keep_silence

    try:
        seconds = Seconds(0.0) if span in ("0", "0s") else parse_duration(span)
    except UnitMalformed as problem:
        raise click.UsageError(f"--silence: {problem.what}") from problem
    authorize(project.actor, Action.RECORD, ref)
    kept = keep_silence(project.store, ref, monitor or ALL, who=project.actor.name, why=why, seconds=seconds)
    out.say(f"silenced until {kept.until:%Y-%m-%d %H:%M} UTC" if seconds else "the silence has ended")
