"""`shipway data review`: what waits at a data set's ref, what differs in it, what the gate says, who said what."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.kernel.canonical import JsonObject
    from shipway.release import RefReview


@click.command(name="review")
@click.argument("name")
@click.argument("snapshot", required=False)
@json_option
@click.pass_obj
def command(settings: Settings, name: str, snapshot: str | None, as_json: bool) -> None:
    """Show what waits at data/NAME since its gate refused it: what differs from what stands there, what the gate says now, who
    approved, rejected or commented. Where nothing waits: what stands, beside what stood there before. SNAPSHOT is another one
    to look at. Exits 1 when the gate would refuse it.
    """
    from shipway.cli._data import find_snapshot
    from shipway.cli._data_sides import review_of
    from shipway.operate import control_process

    project, out = Project(settings), Output(as_json)
    target = find_snapshot(project, snapshot) if snapshot else None
    review, found = review_of(project, name.removeprefix("data/"), target)
    _say(out, review, found)
    if url := (control_process(project.store) or {}).get("url"):
        out.say(f"page: {url}/data/{review.ref.removeprefix('data/')}?snapshot={review.target}")
    then = f"shipway data snapshot {name}" if review.judged.judgement.allowed else f"shipway approve {review.ref}"
    out.end("data-review", {"name": name, **review.to_json(), "diff": found}, then=then)
    if review.waits and not review.judged.judgement.allowed:
        raise click.exceptions.Exit(1)


def _say(out: Output, review: RefReview, found: JsonObject | None) -> None:
    """Counts first; the gate; words of people; then what differs."""
    from shipway.cli._verdicts import say_gate
    from shipway.data import render_diff
    from shipway.kernel.clock import instant
    from shipway.kernel.digest import short

    stands = short(review.before) if review.before else "nothing"
    state = "waits" if review.waits else "stands there"
    out.say(f"{review.ref}: {short(review.target)} {state}, {stands} -> {short(review.target)}")
    say_gate(out, review.judged)
    for one in review.said:
        counts = "" if one.reading.counts else f" (does not count: {one.reading.why})"
        out.say(f"  {one.kind} by {one.who or 'somebody'} at {instant(one.at)[:16]}Z: {one.why}{counts}")
    for line in render_diff(found) if found is not None else ():
        out.say(line)
