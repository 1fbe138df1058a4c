"""`shipway eval`: golden sets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._refs import find_deploy
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.evals import Metric
    from shipway.operate import Evaluated


@click.command(name="eval")
@click.argument("deployment", required=False)
@click.option("--release", default=None, metavar="DIGEST", help="A release that was made, instead of what the files say now.")
@click.option("--set", "only", default=None, metavar="NAME", help="One golden set of several.")
@click.option("--again", is_flag=True, help="Ask everything anew, also what was answered within a day.")
@json_option
@click.pass_obj
def command(
    settings: Settings, deployment: str | None, release: str | None, only: str | None, again: bool, as_json: bool
) -> None:
    """Ask the golden sets, and compare with what is live.

    Retrieval (recall, MRR, nDCG) and answers (exact, contains) with their intervals, every sample kept; against live the
    difference, paired by item. All of it is evidence about the release that `shipway release` makes of the same parts. A
    judge informs: it is reported with how often it agrees with the matches and how often it turns with the order.
    """
    from shipway.cli._digests import find_release
    from shipway.cli._progress import RunReport
    from shipway.kernel.digest import short
    from shipway.operate import evaluate_candidate, world_of

    project, out = Project(settings), Output(as_json)
    deploy = find_deploy(project.spec, deployment)
    chosen = find_release(project.store, release) if release is not None else None
    world = world_of(project.hands, project.spec, environ=settings.environ, again=again)
    found = evaluate_candidate(
        project.hands, project.spec, deploy, world=world, release=chosen, only=only, report=RunReport(out)
    )
    for evaluated in found:
        out.say(f"{evaluated.golden} of release {short(evaluated.release)}, {evaluated.called} answers asked anew")
        say_evaluated(out, evaluated)
    release_made = found[0].release if found else chosen
    document = {"release": release_made, "evaluations": [evaluated_document(evaluated) for evaluated in found]}
    out.end("evaluations", document, then="shipway plan" if chosen else "shipway release")


def say_evaluated(out: Output, evaluated: Evaluated) -> None:
    """A line for each metric, each slice of it, and each difference."""
    for metric in evaluated.metrics:
        where = f" ({metric.slice})" if metric.slice else ""
        out.say(f"  {metric.name + where:<28} {_numbers(metric)}")
    for metric in (found for found in evaluated.differences if found.slice is None):
        out.say(f"  {metric.name + ' against live':<28} {_numbers(metric, sign='+')}")
    judge = evaluated.judge
    if judge and isinstance(judge["agreement"], dict):
        share = judge["agreement"]["value"]
        flips = judge["flip_rate"]
        turned = f", turns with the order in {flips['value']:.0%}" if isinstance(flips, dict) else ""
        out.say(f"  judge {judge['provider']}: agrees with the matches in {share:.0%}{turned}; it informs, the matches decide")
    if evaluated.errors:
        out.say(f"  {evaluated.errors} answers failed and are in no metric")


def evaluated_document(evaluated: Evaluated) -> dict[str, object]:
    """The same as JSON."""
    name = evaluated.golden
    return {
        "golden": name,
        "release": evaluated.release,
        "against": evaluated.against,
        "metrics": [metric.to_json(f"{name}.{metric.name}") for metric in evaluated.metrics],
        "against_live": [m.to_json(f"{name}.{m.name}") for m in evaluated.differences if m.slice is None],
        "judge": evaluated.judge,
        "errors": evaluated.errors,
        "asked": evaluated.called,
        "evidence": [measured.envelope for measured in evaluated.measured],
    }


def _numbers(metric: Metric, *, sign: str = "") -> str:
    digits = "9" if metric.name == "cost_usd" else "4"
    interval = "" if metric.low is None or metric.high is None else _interval(metric.low, metric.high, sign, digits)
    return f"{metric.value:{sign}.{digits}f}{interval}  n={metric.n:,}"


def _interval(low: float, high: float, sign: str, digits: str) -> str:
    return f" [{low:{sign}.{digits}f}, {high:{sign}.{digits}f}]"
