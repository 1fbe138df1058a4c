"""Hours of days that are not settled yet: measured when they are asked for, and taken over when their day is settled.

The features of an hour are read when it is first asked for, and again only while rows of it still come. A day of many rows is
then settled without reading them once more: its leaf is the sum of these hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime

import polars as pl

from shipway.data import Profile, merge_profiles
from shipway.kernel.digest import Digest
from shipway.monitor._deployments import Reference, rows_of_ref
from shipway.monitor._hours import CUT_ROWS, load_hours, put_hours
from shipway.monitor._leaf import YOUNG, Leaf, Young, load_leaves, load_young, put_profile
from shipway.monitor._lock import exclusive
from shipway.monitor._measure import Measure
from shipway.monitor._references import readable_references
from shipway.monitor._tables import scan_predictions, scan_scores
from shipway.store import Store


def refresh_young(store: Store, ref: str, start: datetime, end: datetime, reference: Reference) -> None:
    """Measures what is new in the days from start to end that have no leaf yet. Killed half-way, the next call goes on.

    Rows of a release whose reference cannot be read are passed over until it can.
    """
    with exclusive(store.log_folder("predictions").parent / "watch.lock", wait=True):
        settled = {(leaf.release, leaf.day) for leaf in load_leaves(store, ref)}
        held = {(young.release, young.day): young for young in load_young(store, ref)}
        there = _count_hours(store, ref, start.astimezone(UTC).date(), end.astimezone(UTC).date())
        counted = {key: hours for key, hours in there.items() if key not in settled}
        references = readable_references(reference, {release for release, _ in counted})
        for (release, day), hours in counted.items():
            before = held.get((release, day))
            known = before.hours if before else {}
            if release in references and (wanted := [hour for hour, facts in hours.items() if known.get(hour) != facts]):
                made = _measured(store, ref, references[release], release, day, wanted)
                kept = load_hours(store, before.pack) if before else {}
                pack = put_hours(store, dict(sorted({**kept, **made}.items())))
                young = Young(release, day, hours, pack)
                store.put_state(YOUNG, young.key(ref), young.to_json())


def _count_hours(
    store: Store, ref: str, first: date, last: date
) -> Mapping[tuple[Digest, date], Mapping[int, tuple[int, int]]]:
    """Of each release and day how many rows each hour has, and when the last of them was recorded."""
    scores = rows_of_ref(store, scan_scores(store, first=first, last=last), ref)
    counted = (
        scores.group_by("release", "day", pl.col("time").dt.hour().cast(pl.Int64).alias("hour"))
        .agg(pl.len(), pl.col("recorded").max().cast(pl.Int64).alias("at"))
        .sort("day", "release", "hour")
        .collect()
    )
    found: dict[tuple[Digest, date], dict[int, tuple[int, int]]] = {}
    for release, day, hour, rows, at in counted.iter_rows():
        found.setdefault((Digest(release), day), {})[hour] = rows, at
    return found


def _measured(store: Store, ref: str, reference: Profile, release: Digest, day: date, hours: list[int]) -> dict[int, Profile]:
    hour = pl.col("time").dt.hour()
    rows = rows_of_ref(store, scan_predictions(store, first=day, last=day), ref)
    wanted = rows.filter(pl.col("release") == release, hour.is_in(hours))
    table = wanted.sort(hour, maintain_order=True).collect()
    return Measure(reference, table).hours(slice(0, table.height))


def take_young(store: Store, ref: str, counted: list[Leaf]) -> Iterator[tuple[Leaf, Leaf]]:
    """Of days of many rows, each of them in an hour that was measured before: the leaf as counted, and with its profiles."""
    held = {(young.release, young.day): young for young in load_young(store, ref)}
    for leaf in counted:
        young = held.get((leaf.release, leaf.day))
        if young is not None and leaf.rows >= CUT_ROWS and (young.rows, young.rows_at) == (leaf.rows, leaf.rows_at):
            whole = merge_profiles(*load_hours(store, young.pack).values())
            yield leaf, replace(leaf, features=put_profile(store, whole), hours=young.pack)


def forget_young(store: Store, ref: str) -> None:
    """What has a leaf by now goes."""
    settled = {(leaf.release, leaf.day) for leaf in load_leaves(store, ref)}
    for young in load_young(store, ref):
        if (young.release, young.day) in settled:
            store.delete_state(YOUNG, young.key(ref))
