"""`shipway at`: what a ref pointed at then."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import click

from shipway.cli._output import Output, json_option
from shipway.cli._settings import Project, Settings

if TYPE_CHECKING:
    from shipway.store import AuditRecord


def parse_time(text: str, now: datetime) -> datetime:
    """An ISO 8601 time (UTC unless it says otherwise), `now`, `yesterday` (a day ago), or how long ago: `2d`, `90m`."""
    from shipway.kernel.clock import parse_instant
    from shipway.kernel.units import UnitMalformed, parse_duration

    try:
        if text in ("now", "yesterday"):
            return now - timedelta(days=text == "yesterday")
        return now - timedelta(seconds=parse_duration(text))
    except (UnitMalformed, OverflowError):
        pass
    try:
        return parse_instant(text)
    except ValueError:
        message = f"{text!r} is no time: write 2026-11-28T14:00, 2026-11-28, yesterday, or how long ago as in 2d or 90m"
        raise click.BadParameter(message) from None


@click.command(name="at")
@click.argument("ref")
@click.argument("time")
@json_option
@click.pass_obj
def command(settings: Settings, ref: str, time: str, as_json: bool) -> None:
    """Say what a ref pointed at then, who had put it there, since when and until when.

    TIME is ISO 8601 (UTC unless it says otherwise), `yesterday`, or how long ago: `2d`, `90m`. The order of moves is the order
    in which they were recorded: where the clocks of two machines disagree, the newest record that claims a time not after TIME
    counts.
    """
    from shipway.kernel.clock import instant
    from shipway.kernel.digest import short
    from shipway.operate import find_meant
    from shipway.release import live_release

    project, out = Project(settings), Output(as_json)
    project.use_store_alone()
    store = project.store
    name, moment = find_meant(store, ref, only="ref").name, parse_time(time, store.clock.now())
    place = store.place_at(name, moment)
    digest = place.put.target if place.put else None
    release = (place.put.release if place.put else None) or live_release(store, digest)
    if place.put is None or digest is None:
        out.say(f"{name} pointed at nothing at {instant(moment)}")
    else:
        shown = f"release {short(release)}" if release else short(digest)
        out.say(f"{name} was at {shown} at {instant(moment)}")
        out.say(f"  since  {_said(place.put)}")
    ended = (
        "it is there still" if place.put and not place.ended else _said(place.ended) if place.ended else "it never was anywhere"
    )
    out.say(f"  {'until' if place.put else 'first'}  {ended}")
    document = {
        "ref": name,
        "time": instant(moment),
        "digest": digest,
        "release": release,
        "since": _document(place.put),
        "until": _document(place.ended),
    }
    out.end("at", document, then=f"shipway why {short(release or digest)}" if digest else f"shipway log {name}")


def _said(record: AuditRecord) -> str:
    why = f", because: {record.why}" if record.why else ""
    return f"{record.at:%Y-%m-%d %H:%M:%S}, {record.action} by {record.actor}{why}"


def _document(record: AuditRecord | None) -> dict[str, object] | None:
    """A move: which record of the history it is, and what it says."""
    from shipway.kernel.clock import instant

    if record is None:
        return None
    return {
        "id": record.id,
        "when": instant(record.at),
        "who": record.actor,
        "why": record.why,
        "action": record.action,
        "verdict": record.verdict,
        "to": record.target,
    }
