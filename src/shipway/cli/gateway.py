"""`shipway gateway`: LLM traffic without a project, and what it costs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from shipway.cli._output import PORT, Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.monitor import CostPart


@click.group(name="gateway")
def command() -> None:
    """The LLM gateway: run it alone, costs, questions compared."""


@command.command()
@click.argument("file", required=False, type=click.Path(dir_okay=False, path_type=Path))
@click.option("--port", type=PORT, default=4781, show_default=True, help="On loopback; 0 takes any free one.")
@click.option("--state", type=click.Path(file_okay=False, path_type=Path), default=None, metavar="DIR", help="Ledger and log.")
@json_option
@click.pass_obj
def serve(settings: Settings, file: Path | None, port: int, state: Path | None, as_json: bool) -> None:
    """Let LLM traffic through: keys, budgets, limits, fallback, caches, records. Needs no project and no store.

    FILE has the sections `providers` and `gateway` of a shipway.yaml; the one that is here when left out. Clients of OpenAI
    and Anthropic point their base URL at it. `shipway up` and `shipway serve` do the same for what is deployed. Ends with
    Ctrl-C or SIGTERM; what was accepted is finished first.
    """
    from shipway.operate import lone_gateway
    from shipway.spec import find_spec, load_spec

    out = Output(as_json)
    spec = load_spec(settings.directory / file if file else find_spec(settings.directory))
    folder = (settings.directory / state if state else spec.root / ".shipway-gateway").absolute()
    with lone_gateway(spec, folder, environ=settings.environ) as run:
        for line in run.remarks:
            out.note(line)
        code = run.serve(port)
    if code:
        raise click.exceptions.Exit(code)


@command.command()
@click.argument("deployment", required=False)
@click.option("--days", type=click.IntRange(1, 3650), default=30, show_default=True, help="How many days back.")
@json_option
@click.pass_obj
def cost(settings: Settings, deployment: str | None, days: int, as_json: bool) -> None:
    """Show what the calls of a deployment cost: per answer, release, key and day, and what its caches saved."""
    from datetime import timedelta

    from shipway.kernel.units import Seconds
    from shipway.monitor import cost_by, measure_cost
    from shipway.operate import gather
    from shipway.release import deploy_ref

    project, out = Project(settings), Output(as_json)
    store = project.store
    ref = deploy_ref(find_deploy(project.spec, deployment))
    gather(store)
    now = store.clock.now()
    whole = measure_cost(store, ref, window=Seconds(days * 86_400.0), now=now).whole
    since = now - timedelta(days=days)
    parts = {by: cost_by(store, ref, by=by, since=since) for by in ("release", "key", "day")}
    out.say(f"{ref}, {days} days: {_words(whole)}")
    for by, found in parts.items():
        for name, part in found.items():
            out.say(f"  {by:<8} {name.removeprefix('sha256:')[:12]:<12} {_words(part)}")
    document: dict[str, object] = {"ref": ref, "days": days, "total": whole.to_json()}
    document |= {f"by_{by}": {name: part.to_json() for name, part in found.items()} for by, found in parts.items()}
    out.end("cost", document, then=f"shipway log {ref}")


@command.command()
@click.argument("first")
@click.argument("second")
@json_option
@click.pass_obj
def compare(settings: Settings, first: str, second: str, as_json: bool) -> None:
    """Compare two questions as the semantic cache does: how near they are, and what stands against one answer for both."""
    from shipway.gateway import compare_questions
    from shipway.llm import open_minilm

    project, out = Project(settings), Output(as_json)
    one, other = open_minilm(project.cache).embed([first, second])
    refused = compare_questions(first, second)
    similarity = float(one @ other)
    out.say(
        f"similarity {similarity:.3f}; " + (f"refused by {refused.guard}: {refused.detail}" if refused else "no guard refuses")
    )
    found = [{"guard": refused.guard, "what": refused.detail}] if refused else []
    out.end("compared", {"similarity": similarity, "refused": found}, then="shipway gateway serve")


def _words(part: CostPart) -> str:
    each = f", {part.usd_per_answer:.8f} each" if part.usd_per_answer is not None else ""
    return f"{part.answers:,} answers, {part.usd:.6f} USD{each}; caches saved {part.saved_usd:.6f} USD"
