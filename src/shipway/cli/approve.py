"""`shipway approve`: sign that a release, a policy or another object may move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._output import Misused, Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings
from shipway.cli._waiting import COMPONENTS, find_asked

if TYPE_CHECKING:
    from shipway.kernel.digest import Digest


@click.command(name="approve")
@click.argument("what", required=False)
@click.option("--release", default=None, metavar="DIGEST", help="A release other than the newest candidate.")
@click.option("--why", default="", help="What you looked at.")
@json_option
@click.pass_obj
def command(settings: Settings, what: str | None, release: str | None, why: str, as_json: bool) -> None:
    """Sign that a release may go live, or that another object may move. The approval binds to its digest: one changed byte
    needs another one.

    WHAT is a deployment, whose newest candidate is approved; policy/main, for the policy of shipway.yaml that `apply` would
    publish; the ref of a component, for what its gate refused last; or a digest, sha256: and at least its first four digits.
    """
    project, out = Project(settings), Output(as_json)
    if what and (what.startswith(("sha256:", *COMPONENTS)) or what == "policy/main"):
        if release is not None:
            raise Misused(f"{what} says what is approved, so --release has no place beside it", mend=f"shipway approve {what}")
        _approve_object(project, out, what, why)
    else:
        _approve_candidate(project, out, what, release, why)


def _approve_candidate(project: Project, out: Output, deployment: str | None, release: str | None, why: str) -> None:
    from shipway.cli._digests import find_release
    from shipway.release import candidate_of

    deploy = find_deploy(project.spec, deployment)
    chosen = find_release(project.store, release) if release is not None else candidate_of(project.store, deploy)
    _approve_release(project, out, deploy.application, chosen, why, then=f"shipway apply {deploy.name}")


def _approve_release(project: Project, out: Output, application: str, release: Digest, why: str, *, then: str) -> None:
    from shipway.kernel.digest import short
    from shipway.release import approve_release

    envelope = approve_release(project.store, project.signer, project.actor, application, release, why=why)
    out.say(f"approved release {short(release)} of {application} as {project.actor.name}")
    document = {"ref": f"release/{application}", "digest": release, "release": release}
    out.end("approval", {**document, "approver": project.actor.name, "evidence": envelope}, then=then)


def _approve_object(project: Project, out: Output, what: str, why: str) -> None:
    from shipway.kernel.digest import short
    from shipway.release import approve_object

    ref, target = find_asked(project, what)
    if ref.startswith("release/"):
        _approve_release(project, out, ref.removeprefix("release/"), target, why, then="shipway apply")
        return
    envelope = approve_object(project.store, project.signer, project.actor, ref=ref, target=target, why=why)
    out.say(f"approved {short(target)} for {ref} as {project.actor.name}")
    document = {"ref": ref, "digest": target, "release": None, "approver": project.actor.name, "evidence": envelope}
    out.end("approval", document, then="shipway apply" if ref == "policy/main" else f"shipway log {ref}")
