"""`shipway check`: measure the candidate."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from shipway.cli._group import CommandGroup
from shipway.cli._options import days_option
from shipway.cli._output import Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.kernel.canonical import JsonObject
    from shipway.kernel.digest import Digest
    from shipway.operate import Measured
    from shipway.spec import DeploySpec, Spec


@click.command(name="check")
@click.argument("deployment", required=False)
@click.option("--release", default=None, metavar="DIGEST", help="A release other than the newest candidate.")
@days_option("Event days to compare with live on; the last 30 logged.")
@json_option
@click.pass_obj
def alone(
    settings: Settings, deployment: str | None, release: str | None, days: tuple[date, date] | None, as_json: bool
) -> None:
    """Measure the candidate: contracts, evaluation, against live.

    All that is found is kept as evidence: the contract of each data set, the evaluation on held-out rows, and, when
    something is live, the paired difference on the rows that live answered and whose outcomes are known; where the policy says
    `equal_outputs: pass`, what `check outputs` does. An application that answers a prompt is asked its golden sets, as `eval`
    does. Exits 1 when a contract is violated or outputs differ; the rest is the gate's to judge.
    """
    from shipway.cli._digests import find_release
    from shipway.cli._verdicts import render_check
    from shipway.kernel.check import Verdict
    from shipway.kernel.digest import short
    from shipway.release import candidate_of

    project, out = Project(settings), Output(as_json)
    deploy = find_deploy(project.spec, deployment)
    chosen = find_release(project.store, release) if release is not None else candidate_of(project.store, deploy)
    measured = _measure(project, out, deploy, chosen, days)
    out.say(f"release {short(chosen)} of {deploy.application}: {len(measured)} checks, all kept as evidence")
    for found in measured:
        out.say(f"  {found.subject.kind}/{found.subject.name:<10} {render_check(found.check)}")
        if found.detail:
            out.say(found.detail)
    document = {"release": chosen, "checks": [_row(found) for found in measured]}
    out.end("check", document, then=f"shipway plan {deploy.name}")
    if any(found.check.verdict is Verdict.FAIL for found in measured):
        raise click.exceptions.Exit(1)


def _measure(
    project: Project, out: Output, deploy: DeploySpec, release: Digest, days: tuple[date, date] | None
) -> tuple[Measured, ...]:
    """What can be measured of a release: of one that answers prompts its golden sets, of a model its data, rows and outputs."""
    from shipway.cli._progress import RunReport
    from shipway.cli._serving import predictor_environ
    from shipway.operate import release_answers

    environ, report = project.settings.environ, RunReport(out)
    if release_answers(project.store, release):
        from shipway.operate import check_application, measured_of, world_of

        world = world_of(project.hands, project.spec, environ=environ)
        return tuple(measured_of(check_application(project.hands, project.spec, deploy, release, world=world, report=report)))
    from shipway.operate import check_candidate

    measured = tuple(check_candidate(project.hands, project.spec, deploy, release, days=days, report=report))
    if not _asks_for_outputs(project.spec, deploy):
        return measured
    from shipway.operate import measure_equal_outputs

    name, note = deploy.application, report.note
    outputs = measure_equal_outputs(project.hands, release, application=name, environ=predictor_environ(environ), report=note)
    return (*measured, outputs)


def _row(found: Measured) -> JsonObject:
    return {
        "subject": f"{found.subject.kind}/{found.subject.name}",
        "digest": found.subject.digest,
        "against": found.against,
        "evidence": found.envelope,
        **found.check.to_json(),
    }


def _asks_for_outputs(spec: Spec, deploy: DeploySpec) -> bool:
    from shipway.release import deploy_ref
    from shipway.spec import rule_of

    rule = rule_of(spec.policy, deploy_ref(deploy), observed=True)
    return any(asked.name == "equal_outputs" for asked in rule.require)


command = CommandGroup(alone, {"import": "check_import", "export": "check_export", "outputs": "check_outputs"})
