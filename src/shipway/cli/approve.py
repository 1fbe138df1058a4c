"""`shipway approve`: sign that a release, a policy or another object may move."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._output import Misused, Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings
from shipway.kernel.errors import ShipwayError

if TYPE_CHECKING:
    from shipway.kernel.digest import Digest

_COMPONENTS = ("data/", "model/", "prompt/", "index/")


class NothingToApprove(ShipwayError):
    """Nothing waits at this ref, or no object has a digest that begins so."""

    code = "cli.nothing-to-approve"


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
    if what and (what.startswith(("sha256:", *_COMPONENTS)) or what == "policy/main"):
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

    ref, target = _by_digest(project, what) if what.startswith("sha256:") else (what, _waiting(project, what))
    if ref.startswith("release/"):
        _approve_release(project, out, ref.removeprefix("release/"), target, why, then="shipway apply")
        return
    envelope = approve_object(project.store, project.signer, project.actor, ref=ref, target=target, why=why)
    out.say(f"approved {short(target)} for {ref} as {project.actor.name}")
    document = {"ref": ref, "digest": target, "release": None, "approver": project.actor.name, "evidence": envelope}
    out.end("approval", document, then="shipway apply" if ref == "policy/main" else f"shipway log {ref}")


def _waiting(project: Project, ref: str) -> Digest:
    """What would be published at policy/main, or what the gate of a component's ref refused last."""
    if ref == "policy/main":
        from shipway.operate import golden_of
        from shipway.release import policy_change

        change = policy_change(project.store, project.spec, golden=golden_of(project.store, project.spec))
        if change is None:
            raise NothingToApprove("the policy of shipway.yaml is in force already", where=ref, mend="shipway log policy/main")
        return change.digest
    for record in project.store.history(ref):
        if record.outcome == "refused" and record.target:
            return record.target
        if record.outcome == "moved":
            break
    what = f"nothing waits at {ref}: its gate refused nothing since its last move"
    raise NothingToApprove(what, where=ref, mend=f"shipway log {ref}, or give a digest")


def _by_digest(project: Project, text: str) -> tuple[str, Digest]:
    """The object of a digest's first digits, and the ref where it stood or wanted to."""
    begins = text.removeprefix("sha256:")
    found = project.store.targets("", f"sha256:{begins}") if len(begins) >= 4 else []
    if len(found) != 1:
        what = f"{len(found)} objects at refs begin with {begins!r}" if len(begins) >= 4 else f"{begins!r} is too short"
        raise NothingToApprove(what, mend="shipway log REF names what stands or wanted to stand there")
    for record in project.store.naming(found[0]):
        if record.target == found[0] and record.outcome in ("refused", "moved", "approved"):
            return record.resource, found[0]
    raise NothingToApprove(f"{text} was never wanted at a ref", where=text, mend="shipway log REF")
