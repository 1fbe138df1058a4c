"""`shipway serve`: one deployment in the foreground."""

from __future__ import annotations

import click

from shipway.cli._output import PORT, Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings


@click.command(name="serve")
@click.argument("deployment", required=False)
@click.option("--port", type=PORT, default=4781, show_default=True, help="On loopback; another one is taken when it is in use.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="What to bind to; elsewhere the port is no other than asked."
)
@json_option
@click.pass_obj
def command(settings: Settings, deployment: str | None, port: int, host: str, as_json: bool) -> None:
    """Serve one deployment here, in the foreground.

    It follows its ref: when that moves, the new release is loaded beside the old one and takes over once its golden rows
    reproduce. `shipway up` does this for every deployment.
    """
    from shipway.cli._serving import predictor_environ, stop_on_signals
    from shipway.operate import Control, hold_control, make_supervisor
    from shipway.release import deploy_ref

    project, out = Project(settings), Output(as_json)
    ref = deploy_ref(find_deploy(project.spec, deployment))
    project.store.resolve(ref)
    environ = predictor_environ(settings.environ)
    with hold_control(project.store, alone=False):
        supervisor = make_supervisor(
            project.store,
            cache=project.cache,
            environ=environ,
            report=out.note,
            port=port,
            only=ref,
            secrets=settings.environ,
            host=host,
        )
        Control(project.store, project.signer, supervisor, out.note).run(stop_on_signals())
    out.end("served", {"ref": ref}, then=f"shipway log {ref}")
