"""`shipway serve`: one deployment in the foreground."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import click

from shipway.cli._output import PORT, Misused, Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings


@click.command(name="serve")
@click.argument("deployment", required=False)
@click.option("--port", type=PORT, default=4781, show_default=True, help="On loopback; another one is taken when it is in use.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="What to bind to; elsewhere the port is no other than asked."
)
@click.option(
    "--grpc-port", type=PORT, default=None, help="A second port, which speaks gRPC; 0 takes a free one. None when left out."
)
@click.option("--release", default=None, metavar="DIGEST", help="Stay with this one, which is or was live there.")
@click.option("--deployment", "pinned", default=None, metavar="DIGEST", help="Stay with this one, its arms included.")
@click.option(
    "--bundle", default=None, metavar="DIR", type=click.Path(path_type=Path), help="Take the release from it; needs no project."
)
@json_option
@click.pass_obj
def command(
    settings: Settings,
    deployment: str | None,
    port: int,
    host: str,
    grpc_port: int | None,
    release: str | None,
    pinned: str | None,
    bundle: Path | None,
    as_json: bool,
) -> None:
    """Serve one deployment here, in the foreground.

    It follows its ref: when that moves, the new release is loaded beside the old one and takes over once its golden rows
    reproduce. `shipway up` does this for every deployment. With --release or --bundle it serves one release until it ends, as
    a container does, with --deployment one with its arms; what does not start ends it.
    """
    out, at = Output(as_json), _At(port, host, grpc_port)
    if pinned and (release or bundle):
        raise Misused("--deployment says the releases itself", mend="leave --release and --bundle out")
    if bundle:
        ref, grpc = _from_bundle(settings, out, bundle, deployment, release, at)
        out.end("served", {"ref": ref, "grpc": grpc}, then=f"shipway verify {bundle}")
        return
    project = Project(settings)
    if grpc_port is not None and find_deploy(project.spec, deployment).target == "gateway":
        raise Misused("a gateway speaks no gRPC", where="--grpc-port", mend="leave it out")
    if release or pinned:
        ref, grpc = _pinned(project, out, deployment, at, release=release, whole=pinned)
    else:
        ref, grpc = _following(project, out, deployment, at)
    out.end("served", {"ref": ref, "grpc": grpc}, then=f"shipway log {ref}")


class _At(NamedTuple):
    """Where to listen."""

    port: int
    host: str
    grpc_port: int | None


def _following(project: Project, out: Output, deployment: str | None, at: _At) -> tuple[str, str | None]:
    from shipway.cli._serving import predictor_environ, stop_on_signals
    from shipway.operate import Control, hold_control, make_supervisor
    from shipway.release import deploy_ref

    ref = deploy_ref(find_deploy(project.spec, deployment))
    project.store.resolve(ref)
    environ = predictor_environ(project.settings.environ)
    with hold_control(project.store, alone=False):
        supervisor = make_supervisor(
            project.store,
            cache=project.cache,
            environ=environ,
            report=out.note,
            only=ref,
            secrets=project.settings.environ,
            **at._asdict(),
        )
        Control(project.store, project.signer, supervisor, out.note).run(stop_on_signals())
    return ref, supervisor.grpc.get(ref)


def _pinned(
    project: Project, out: Output, deployment: str | None, at: _At, *, release: str | None, whole: str | None
) -> tuple[str, str | None]:
    """release: of an arm, or the live one, alone; whole: a deployment with all that it names."""
    from shipway.cli._digests import find_release
    from shipway.cli._serving import predictor_environ, stop_on_signals
    from shipway.operate import serve_pinned
    from shipway.release import deploy_ref, pinned_deployment, pinned_with_arms

    ref, environ = deploy_ref(find_deploy(project.spec, deployment)), project.settings.environ
    keys, wanted = project.settings.trusted(), find_release(project.store, release) if release else None
    if wanted:
        digest = pinned_deployment(project.store, keys, ref, wanted)
    else:
        digest = pinned_with_arms(project.store, keys, ref, whole or "")
    grpc = serve_pinned(
        project.store,
        ref,
        digest,
        cache=project.cache,
        environ=predictor_environ(environ),
        secrets=environ,
        report=out.note,
        stop=stop_on_signals(),
        **at._asdict(),
        release=wanted,
        arms=wanted is None,
    )
    return ref, grpc


def _from_bundle(
    settings: Settings, out: Output, path: Path, deployment: str | None, release: str | None, at: _At
) -> tuple[str, str | None]:
    from shipway.cli._serving import predictor_environ, stop_on_signals
    from shipway.environment import default_cache
    from shipway.operate import serve_pinned
    from shipway.release import open_bundle, unpack_bundle

    _check_protocol(settings.environ.get("PROTOCOL", ""), at)
    stop = stop_on_signals()
    with unpack_bundle(open_bundle(settings.directory / path), settings.trusted(), name=deployment, release=release) as found:
        if not found.verified:
            out.note("no key is trusted here: every byte is as its digest says, and no statement was checked")
        grpc = serve_pinned(
            found.store,
            found.ref,
            found.deployment,
            cache=default_cache(),
            environ=predictor_environ(settings.environ),
            secrets=settings.environ,
            report=out.note,
            stop=stop,
            log=False,
            **at._asdict(),
        )
        return found.ref, grpc


def _check_protocol(wanted: str, at: _At) -> None:
    """KServe says by a variable what it will speak to the container."""
    if wanted not in ("", "v1", "v2", "grpc-v2"):
        what = f"PROTOCOL is {wanted!r}, and a predictor speaks V1 and V2 over HTTP, and V2 over gRPC"
        raise Misused(what, where="the environment", mend="PROTOCOL=v2, as the rendered InferenceService has it, or v1")
    if wanted == "grpc-v2" and at.grpc_port is None:
        raise Misused(f"PROTOCOL is {wanted!r}, and no port speaks gRPC", where="the environment", mend="--grpc-port")
