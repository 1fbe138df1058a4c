"""`shipway apply`: move a deployment, if its gate allows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipway.cli._output import Misused, Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.gate import Moved
    from shipway.kernel.digest import Digest


@click.command(name="apply")
@click.argument("deployment", required=False)
@click.option("--release", default=None, metavar="DIGEST", help="A release other than the newest candidate.")
@click.option("--why", default="", help="A line for the history.")
@json_option
@click.pass_obj
def command(settings: Settings, deployment: str | None, release: str | None, why: str, as_json: bool) -> None:
    """Move a deployment to the release, if its gate allows.

    Publishes a changed policy first, as its own move. DEPLOYMENT may be a file that `plan -o` wrote: then exactly that plan is
    applied, or refused when the ref or the policy moved since. Exits 1 when the gate refuses, 2 when it cannot decide; the
    refusal is recorded in the history.
    """
    project, out = Project(settings), Output(as_json)
    file = _plan_file(settings, deployment)
    if file and release:
        raise Misused("a plan says which release, so --release has no place beside it", mend=f"shipway apply {deployment}")
    if file:
        _apply_file(project, out, file, why)
    else:
        _apply_candidate(project, out, deployment, release, why)


def _plan_file(settings: Settings, name: str | None) -> Path | None:
    """The file that an argument means: one that is there, or whose name can be nothing else."""
    path = settings.directory / name if name else None
    return path if path and (path.suffix == ".json" or path.is_file()) else None


def _apply_file(project: Project, out: Output, file: Path, why: str) -> None:
    from shipway.cli._files import read_whole
    from shipway.gate import release_of
    from shipway.release import apply_planned, load_plan

    project.use_store_alone()  # a plan holds all that it needs
    plan = load_plan(project.store, read_whole(file), where=file.name)
    moved = apply_planned(project.store, project.keys, project.actor, plan, signer=project.signer, why=why)
    live = release_of(project.store, plan.source) if plan.source else None
    _end(out, moved, live, plan.release, plan.digest)


def _apply_candidate(project: Project, out: Output, deployment: str | None, release: str | None, why: str) -> None:
    from shipway.cli._digests import find_release
    from shipway.operate import golden_of, keep_prices
    from shipway.release import apply_release

    deploy = find_deploy(project.spec, deployment)
    chosen = find_release(project.store, release) if release else None
    plan, moved = apply_release(
        project.store,
        project.keys,
        project.actor,
        project.spec,
        deploy,
        release=chosen,
        golden=golden_of(project.store, project.spec),
        prices=keep_prices(project.store, project.spec, deploy),
        signer=project.signer,
        why=why,
    )
    _end(out, moved, plan.live, plan.release, None)


def _end(out: Output, moved: Moved, live: Digest | None, release: Digest, plan: Digest | None) -> None:
    from shipway.cli._verdicts import gate_document, say_gate
    from shipway.kernel.digest import short

    say_gate(out, moved.judged)
    was = short(live) if live else "nothing"
    out.say(f"{moved.ref}: {was} -> {short(release)}" if moved.changed else f"{moved.ref}: already at {short(release)}")
    document = {"ref": moved.ref, "from": live, "to": release, "deployment": moved.target, "changed": moved.changed}
    gate = gate_document(moved.judged)
    out.end("apply", {**document, "plan": plan, "verdict": moved.verdict, "gate": gate}, then=f"shipway log {moved.ref}")
