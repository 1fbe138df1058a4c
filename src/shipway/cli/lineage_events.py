"""`shipway lineage events`: runs as OpenLineage events."""

from __future__ import annotations

import json
from pathlib import Path

import click

from shipway.cli._output import Misused, Output, json_option
from shipway.cli._settings import Project, Settings


@click.command(name="events")
@click.option(
    "-o", "path", default=None, metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), help="JSON lines here."
)
@click.option("--url", default=None, metavar="URL", help="Send them to the catalogue at this address.")
@click.option("--since", default=None, metavar="TIME", help="Only runs that ended then or later, as in 2d.")
@json_option
@click.pass_obj
def command(settings: Settings, path: Path | None, url: str | None, since: str | None, as_json: bool) -> None:
    """Write the recorded runs as OpenLineage events, or send them to a catalogue.

    START and COMPLETE of every run that signed provenance tells of, with its inputs and outputs by digest. JSON lines on stdout
    without -o and --url.
    """
    from shipway.cli._lineage_out import receiver_of
    from shipway.cli.at import parse_time
    from shipway.release import recorded_runs, run_events, send_events

    if path and url:
        raise Misused("-o and --url are two ways", mend="give one of them")
    project, out = Project(settings), Output(as_json)
    project.use_store_alone()
    after = parse_time(since, project.store.clock.now()) if since else None
    runs = recorded_runs(project.store, project.keys, since=after)
    events = list(run_events(project.store, runs))
    receiver = receiver_of({**settings.environ, "OPENLINEAGE_DISABLED": ""}, url) if url else None
    if receiver:
        out.say(f"{send_events(receiver, events)} events of {len(runs)} runs sent to {url}")
    elif path:
        try:
            (settings.directory / path).write_text("".join(json.dumps(event) + "\n" for event in events), "utf-8")
        except OSError as problem:
            raise Misused(f"cannot write {path}: {problem.strerror}", where=str(path), mend="name another file") from problem
        out.say(f"{len(events)} events of {len(runs)} runs in {path}")
    else:
        for event in events:
            click.echo(json.dumps(event), err=as_json)
    document = {"runs": len(runs), "events": len(events), "path": str(path) if path else None, "url": url}
    out.end("lineage-events", document, then=f"shipway lineage {runs[-1].job}" if runs and (path or url) else None)
