"""`shipway outcomes`: what has become known of the predictions, and the ways in for files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._group import CommandGroup
from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.monitor import Labels


@click.command(name="outcomes")
@json_option
@click.pass_obj
def alone(settings: Settings, as_json: bool) -> None:
    """Show what became true of the predictions, by name.

    How many rows about how many predictions, in which unit, how many were corrected, how many join no prediction; how labels of
    a deployment arrive, and by how much its arms differ from live in every outcome.
    """
    from shipway.monitor import arm_words, measure_outcome_log
    from shipway.operate import arms_against_live, gather, labels_of

    project, out = Project(settings), Output(as_json)
    gather(project.store)
    found = measure_outcome_log(project.store)
    if not found:
        out.say("no outcome has been recorded")
    for one in found:
        unit = f" {', '.join(one.units)}" if one.units else ""
        whose = f" ({one.entities:,} by an entity)" if one.entities else ""
        counts = f"{one.ids:,} predictions{whose}, {one.corrected:,} corrected, {one.repeated:,} sent again"
        out.say(f"  {one.name:<24} {one.rows:,} rows{unit}: {counts}, {one.orphans:,} join none")
    deployments: dict[str, object] = {}
    arms: dict[str, object] = {}
    for ref in project.store.refs("deploy/"):
        known = labels_of(project.store, ref.name)
        deployments[ref.name] = [one.to_json() for one in known]
        for labels in known:
            out.say(f"  {ref.name} {labels.release[7:19]} {labels.arm}: {_told(labels)}")
        if compared := arms_against_live(project.store, ref.name):
            arms[ref.name] = [one.to_json() for one in compared]
            for arm in compared:
                out.say(f"  {ref.name} {arm.release[7:19]} {arm.arm} against live: {arm_words(arm)}")
    document = {"outcomes": [one.to_json() for one in found], "deployments": deployments, "arms": arms}
    out.end("outcomes", document, then="shipway watch" if found else "shipway outcomes import FILE")


def _told(one: Labels) -> str:
    """Coverage, its bias, and when labels come, of one arm."""
    said = [f"{one.labels:,} of {one.mature:,} mature predictions have a label, of {one.rows:,}"]
    if one.ambiguous:
        said.append(f"{one.ambiguous:,} can have none: their ids were used twice")
    if one.bias:
        interval = f"KS {one.bias.ks:.3f} [{one.bias.low:.3f}, {one.bias.high:.3f}], PSI {one.bias.psi:.3f}"
        how = "labels are missing not by chance" if one.bias.notable else "scores with and without one"
        said.append(f"{how}: {interval}")
    if one.curve:
        said.append("arrived " + ", ".join(f"{point.share:.0%} by {_age(point.age)}" for point in one.curve[-4:]))
    return "; ".join(said)


def _age(seconds: float) -> str:
    unit, size = next((pair for pair in (("d", 86_400), ("h", 3_600)) if seconds >= pair[1]), ("min", 60))
    return f"{seconds / size:g} {unit}"


command = CommandGroup(alone, {"import": "outcomes_import", "pull": "outcomes_pull"})
