"""`shipway check outputs`: the same answers through a server, in batch and in one's own Python."""

from __future__ import annotations

import click

from shipway.cli._output import Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings


@click.command(name="outputs")
@click.argument("deployment", required=False)
@click.option("--release", default=None, metavar="DIGEST", help="A release other than the newest candidate.")
@json_option
@click.pass_obj
def command(settings: Settings, deployment: str | None, release: str | None, as_json: bool) -> None:
    """Ask the golden rows through a server, in batch and in Python, and compare bit by bit.

    What is found is kept as evidence about the release, for a policy that says `equal_outputs: pass`. Exits 1 when an answer
    differs, or a row answers otherwise alone than among others.
    """
    from shipway.cli._digests import find_release
    from shipway.cli._serving import predictor_environ
    from shipway.cli._verdicts import render_check
    from shipway.kernel.check import Verdict
    from shipway.kernel.digest import short
    from shipway.operate import measure_equal_outputs
    from shipway.release import candidate_of

    project, out = Project(settings), Output(as_json)
    deploy = find_deploy(project.spec, deployment)
    chosen = find_release(project.store, release) if release is not None else candidate_of(project.store, deploy)
    environ = predictor_environ(settings.environ)
    found = measure_equal_outputs(project.hands, chosen, application=deploy.application, environ=environ, report=out.note)
    out.say(f"release {short(chosen)} of {deploy.application}: {render_check(found.check)}")
    record = {"release": chosen, "evidence": found.envelope, **found.check.to_json()}
    out.end("check-outputs", record, then=f"shipway plan {deploy.name}")
    if found.check.verdict is not Verdict.PASS:
        raise click.exceptions.Exit(1)
