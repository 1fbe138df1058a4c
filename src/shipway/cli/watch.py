"""`shipway watch`: judge the days that have not been judged."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings


@click.command(name="watch")
@click.argument("deployment", required=False)
@click.option("--months", is_flag=True, help="Report calendar months as well.")
@json_option
@click.pass_obj
def command(settings: Settings, deployment: str | None, months: bool, as_json: bool) -> None:
    """Judge the days of a deployment that have not been judged.

    Each is judged on the trailing window that ends with it, when its outcomes have had the time to mature. Pages come from
    outcomes only (calibration, base rate); drift of features informs and never pages. Exits 1 while a page is open.
    """
    from shipway.monitor import Severity, load_alerts, load_verdicts, report_months
    from shipway.operate import compact, watch_ref
    from shipway.release import deploy_ref

    project, out = Project(settings), Output(as_json)
    ref = deploy_ref(find_deploy(project.spec, deployment))
    compact(project.store)
    judged = watch_ref(project.store, project.signer, ref)
    verdicts, alerts = load_verdicts(project.store, ref), load_alerts(project.store, ref)
    out.say(f"{ref}: {len(verdicts)} days judged" + (f", the last {verdicts[-1].day}" if verdicts else ""))
    for alert in alerts:
        span = f"{alert.first_day} to {alert.last_day}"
        number = f"{alert.value:+.3f} [{alert.low:+.3f}, {alert.high:+.3f}]" if alert.low is not None else f"{alert.value:.3f}"
        against = f"{number} against {alert.threshold:g}, {span}, {'open' if alert.open else 'resolved'}"
        out.say(f"  {alert.severity.value:<7} {alert.monitor:<24} {against}")
    document: dict[str, object] = {
        "ref": ref,
        "judged_now": len(judged["days"]) if judged else 0,  # type: ignore[arg-type]
        "days": [verdict.to_json() for verdict in verdicts],
        "alerts": [alert.to_json() for alert in alerts],
    }
    if months:
        document["months"] = report_months(project.store, ref)
    paging = any(alert.severity is Severity.PAGE and alert.open for alert in alerts)
    out.end("watch", document, then=f"shipway rollback {ref}" if paging else f"shipway log {ref}")
    if paging:
        raise click.exceptions.Exit(1)
