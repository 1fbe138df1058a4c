"""`shipway apply`: move a deployment, if its gate allows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from shipway.cli._arms import arm_option, asked_arms
from shipway.cli._output import Misused, Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.gate import Moved
    from shipway.kernel.canonical import JsonObject
    from shipway.kernel.digest import Digest
    from shipway.operate import Standing


_POLICY = "policy/main"


@click.command(name="apply")
@click.argument("deployment", required=False)
@click.option("--release", default=None, metavar="DIGEST", help="A release other than the newest candidate.")
@arm_option
@click.option("--why", default="", help="A line for the history.")
@click.option("--force", is_flag=True, help="Move against the gate: for admins, with --why, and red in the history for ever.")
@click.option("--wait/--no-wait", default=None, help="Until it answers; when `up` runs that is so by itself.")
@click.option("--seconds", type=click.FloatRange(0), default=120.0, show_default=True, help="How long to wait at most.")
@json_option
@click.pass_obj
def command(
    settings: Settings,
    deployment: str | None,
    release: str | None,
    arms: tuple[str, ...],
    why: str,
    force: bool,
    wait: bool | None,
    seconds: float,
    as_json: bool,
) -> None:
    """Move a deployment to the release, if its gate allows.

    Publishes a changed policy first, as its own move; `policy/main` for DEPLOYMENT publishes it alone. DEPLOYMENT may be a
    file that `plan -o` wrote: then exactly that plan is applied, or refused when the ref or the policy moved since. Exits 1
    when the gate refuses, 2 when it cannot decide; the refusal is recorded in the history. With --arm what is live stays, and
    the named releases answer a share beside it, all of them judged; without, the release answers alone. Where `up` runs, it
    waits until the release answers: the ref has moved by then, whatever becomes of the waiting.
    """
    project, out = Project(settings), Output(as_json)
    if deployment == _POLICY:
        _apply_policy(project, out, why, force=force, beside=release is not None or bool(wait) or bool(arms))
        return
    file = _plan_file(settings, deployment)
    if file and (release is not None or arms):
        raise Misused("a plan says which release, so --release has no place beside it", mend=f"shipway apply {deployment}")
    if file:
        moved, document = _apply_file(project, file, why, force=force)
    else:
        moved, document = _apply_candidate(project, deployment, release, arms, why, force=force)
    _say(out, moved, document)
    standing = _converged(project, out, moved, seconds) if wait is not False else None
    live = standing.to_json() if standing else None
    out.end("apply", {**document, "live": live}, then=_next(moved, standing))
    if wait and standing is None:
        out.note("shipway up does not run here, so nothing answers yet")
    if wait and not (standing and standing.live):
        raise click.exceptions.Exit(1)


def _apply_policy(project: Project, out: Output, why: str, *, force: bool, beside: bool) -> None:
    """Publish the policy of shipway.yaml and nothing else: what guards data, prompts and indexes needs no deployment."""
    from shipway.cli._desired import golden_of
    from shipway.release import gate_document, publish_policy

    if beside:
        raise Misused("a policy has no release and nothing to wait for", mend=f"shipway apply {_POLICY}")
    store, present = project.store, project.store.ref(_POLICY)
    golden = golden_of(store, project.spec)
    moved = publish_policy(store, project.keys, project.actor, project.spec, golden=golden, why=why, force=force)
    now = moved.target if moved else present.digest if present else None
    source = present.digest if present else None
    document: JsonObject = {"ref": _POLICY, "from": source, "to": now, "deployment": None}
    if moved:
        _say(out, moved, document)
    else:
        out.say(f"{_POLICY}: the policy of shipway.yaml is in force")
    ends: JsonObject = {"changed": moved is not None, "forced": bool(moved and moved.forced), "plan": None}
    judged: JsonObject = (
        {"verdict": moved.verdict, "gate": gate_document(moved.judged)} if moved else {"verdict": None, "gate": None}
    )
    out.end("apply", {**document, **ends, **judged, "arms": [], "live": None}, then=f"shipway log {_POLICY}")


def _plan_file(settings: Settings, name: str | None) -> Path | None:
    """The file that an argument means: one that is there, or whose name can be nothing else."""
    path = settings.directory / name if name else None
    try:
        return path if path and (path.suffix == ".json" or path.is_file()) else None
    except OSError:  # longer than a file's name can be
        return None


def _apply_file(project: Project, file: Path, why: str, *, force: bool) -> tuple[Moved, JsonObject]:
    from shipway.cli._files import read_whole
    from shipway.release import apply_planned, live_release, load_plan, split_of

    project.use_store_alone()  # a plan holds all that it needs
    plan = load_plan(project.store, read_whole(file), where=file.name)
    moved = apply_planned(project.store, project.keys, project.actor, plan, signer=project.signer, why=why, force=force)
    live, split = live_release(project.store, plan.source), split_of(project.store.get(plan.target, "deployment"))
    arms: JsonObject = {"arms": [arm.to_json() for arm in split.arms] if split else []}
    return moved, {**_document(moved, live, plan.release, plan.digest), **arms}


def _apply_candidate(
    project: Project, deployment: str | None, release: str | None, arms: tuple[str, ...], why: str, *, force: bool
) -> tuple[Moved, JsonObject]:
    from shipway.cli._desired import golden_of, keep_prices
    from shipway.cli._digests import find_release
    from shipway.release import apply_release

    deploy = find_deploy(project.spec, deployment)
    chosen = find_release(project.store, release) if release is not None else None
    plan, moved = apply_release(
        project.store,
        project.keys,
        project.actor,
        project.spec,
        deploy,
        release=chosen,
        golden=golden_of(project.store, project.spec),
        prices=keep_prices(project.store, project.spec, deploy),
        arms=asked_arms(project.store, deploy, arms),
        signer=project.signer,
        why=why,
        force=force,
    )
    return moved, {**_document(moved, plan.live, plan.release, None), "arms": [arm.to_json() for arm in plan.arms]}


def _document(moved: Moved, live: Digest | None, release: Digest, plan: Digest | None) -> JsonObject:
    from shipway.release import gate_document

    ends: JsonObject = {"ref": moved.ref, "from": live, "to": release, "deployment": moved.target, "changed": moved.changed}
    return {**ends, "forced": moved.forced, "plan": plan, "verdict": moved.verdict, "gate": gate_document(moved.judged)}


def _say(out: Output, moved: Moved, document: JsonObject) -> None:
    from shipway.cli._verdicts import say_gate
    from shipway.kernel.digest import short

    say_gate(out, moved.judged)
    if moved.forced:
        out.say("FORCED against the gate: it stays so in the history")
    was, now = short(str(document["from"])) if document["from"] else "nothing", short(str(document["to"]))
    out.say(f"{moved.ref}: {was} -> {now}" if moved.changed else f"{moved.ref}: already at {now}")
    for arm in cast("list[dict[str, str | float]]", document.get("arms") or []):
        out.say(f"  {arm['name']}: {short(str(arm['release']))}, {100 * float(arm['share']):g} %")


def _converged(project: Project, out: Output, moved: Moved, seconds: float) -> Standing | None:
    """How what runs stands to what was applied, once it is there or the time is up; None where nothing runs."""
    from shipway.kernel.digest import short
    from shipway.operate import standing_of, wait_until_live

    if not standing_of(project.store, moved.ref, moved.target).controlled:
        return None
    standing = wait_until_live(project.store, moved.ref, moved.target, seconds=seconds, report=out.note)
    if standing.live:
        workers = f"{standing.workers} worker{'s' if standing.workers != 1 else ''}"
        out.say(f"{moved.ref}: {short(standing.release or '')} answers at {standing.url}, {workers}")
    else:
        answers = f"{short(standing.release)} still answers" if standing.release else "nothing answers"
        why = standing.problem or ("it is starting" if standing.controlled else "shipway up has ended")
        out.say(f"{moved.ref}: the ref has moved, and {answers}: {why}")
    return standing


def _next(moved: Moved, standing: Standing | None) -> str:
    """Where to look, or the way back when the new release does not start."""
    failed = standing is not None and not standing.live and standing.problem and moved.changed
    return f"shipway rollback {moved.ref}" if failed else f"shipway log {moved.ref}"
