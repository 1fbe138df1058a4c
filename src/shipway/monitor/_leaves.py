"""Leaves: one day of one release behind one ref as an additive profile, so that any window is a sum of leaves.

A leaf is a row of state (kind `leaf`) with the digests of two profiles: the features and scores of every row, read
once, and the outcomes of the rows whose label is known, made again when more labels or corrections have arrived. A day of
many rows has those of its hours, too. It is made when its day is settled.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from shipway.data import Profile, merge_profiles
from shipway.kernel.digest import Digest
from shipway.monitor._deployments import Reference, rows_of_ref
from shipway.monitor._entities import entity_rule
from shipway.monitor._hours import CUT_ROWS, put_hours
from shipway.monitor._join import with_labels
from shipway.monitor._leaf import LEAF, Leaf, Question, load_leaves, put_profile
from shipway.monitor._measure import Measure
from shipway.monitor._references import readable_references
from shipway.monitor._settle import Settled, settle_days
from shipway.monitor._tables import scan_predictions, scan_scores, scan_weights
from shipway.monitor._young import forget_young, take_young
from shipway.store import Store

_CHUNK_DAYS = 56  # read at a time: bounds memory


class Leaves(NamedTuple):
    """The leaves of a ref by day, and the settled days among theirs."""

    leaves: list[Leaf]
    settled: Settled


def refresh_leaves(store: Store, question: Question, reference: Reference) -> Leaves:
    """Makes what the settled days lack, or what new rows and labels have outdated; all leaves of the ref, by day.

    Rows of a release whose reference cannot be read are passed over until it can. Killed half-way, the next call goes on.
    """
    counted = _count_days(store, question)
    references = readable_references(reference, {leaf.release for leaf in counted})
    counted = [leaf for leaf in counted if leaf.release in references]
    settled = settle_days(counted, question)
    held = {(leaf.release, leaf.day): leaf for leaf in load_leaves(store, question.ref)}
    days = set(settled.days)
    wanted = [leaf for leaf in counted if leaf.day in days and not _same(leaf, held.get((leaf.release, leaf.day)))]
    for chunk in _chunks(wanted):
        made = _make(store, question, references, chunk, held)
        store.put_states(LEAF, {leaf.key(question.ref): leaf.to_json() for leaf in made})
    forget_young(store, question.ref)
    return Leaves([leaf for leaf in load_leaves(store, question.ref) if leaf.release in references], settled)


def _count_days(store: Store, question: Question) -> list[Leaf]:
    """A leaf without profiles for every day of every release that is over."""
    scores = rows_of_ref(store, scan_scores(store), question.ref).filter(pl.col("day") < question.clock.date())
    counted = (
        _labelled(store, scores, question)
        .group_by("release", "day")
        .agg(
            pl.len().alias("rows"),
            pl.col("recorded").max().cast(pl.Int64).alias("rows_at"),
            pl.col("label").count().alias("labels"),
            pl.col("label_recorded").max().cast(pl.Int64).fill_null(0).alias("labels_at"),
            pl.col("label").sum().alias("label_sum"),
        )
        .sort("day", "release")
        .collect()
    )
    return [Leaf(**row) for row in counted.iter_rows(named=True)]


def _labelled(
    store: Store, predictions: pl.LazyFrame, question: Question, first: date | None = None, last: date | None = None
) -> pl.LazyFrame:
    outcome, matures = question.outcome, question.matures
    rule = entity_rule(store, question.ref, outcome, first, last)
    return with_labels(store, predictions, outcome=outcome, matures=matures, as_of=question.clock, entity=rule)


def _same(counted: Leaf, held: Leaf | None) -> bool:
    return held is not None and replace(held, features=None, outcomes=None, hours=None) == counted


def _chunks(leaves: list[Leaf]) -> Iterator[list[Leaf]]:
    at = 0
    while at < len(leaves):
        end = leaves[at].day + timedelta(days=_CHUNK_DAYS)
        chunk = [leaf for leaf in leaves[at:] if leaf.day < end]
        yield chunk
        at += len(chunk)


def _make(
    store: Store,
    question: Question,
    references: Mapping[Digest, Profile],
    chunk: list[Leaf],
    held: Mapping[tuple[Digest, date], Leaf],
) -> Iterator[Leaf]:
    """The leaves of a chunk of days; features are measured only where the rows are not those measured before."""
    ready = {leaf: old for leaf in chunk if (old := _same_rows(leaf, held.get((leaf.release, leaf.day))))}
    ready |= dict(take_young(store, question.ref, [leaf for leaf in chunk if leaf not in ready]))
    whole = any(references[leaf.release].answers for leaf in chunk)  # answers are no scores: only the whole table has them
    scan = scan_weights if len(ready) == len(chunk) and not whole else scan_predictions
    first, last = chunk[0].day, chunk[-1].day
    labelled = _labelled(store, rows_of_ref(store, scan(store, first=first, last=last), question.ref), question, first, last)
    table = labelled.sort("release", "day", pl.col("time").dt.hour(), maintain_order=True).collect()
    spans = _spans(table)
    for release in sorted({leaf.release for leaf in chunk}):
        measure = Measure(references[release], table)
        for leaf in (leaf for leaf in chunk if leaf.release == release):
            span = spans[release, leaf.day]
            old = ready.get(leaf) or _measured(store, measure, leaf, span)
            yield replace(leaf, features=old.features, hours=old.hours, outcomes=put_profile(store, measure.outcomes(span)))


def _measured(store: Store, measure: Measure, leaf: Leaf, span: slice) -> Leaf:
    """The leaf with the features of its rows; of many rows hour by hour, whose sum the day is."""
    if leaf.rows < CUT_ROWS:
        return replace(leaf, features=put_profile(store, measure.features(span)))
    hours = measure.hours(span)
    return replace(leaf, features=put_profile(store, merge_profiles(*hours.values())), hours=put_hours(store, hours))


def _same_rows(counted: Leaf, held: Leaf | None) -> Leaf | None:
    """The leaf that is held, when it was made from the rows that are there now."""
    return held if held and (held.rows, held.rows_at) == (counted.rows, counted.rows_at) else None


def _spans(table: pl.DataFrame) -> dict[tuple[Digest, date], slice]:
    """Where the rows of each release and day are in a table that is sorted by them."""
    groups = table.group_by("release", "day", maintain_order=True).len()
    ends = groups["len"].cum_sum()
    return {
        (Digest(release), day): slice(end - rows, end)
        for (release, day, rows), end in zip(groups.iter_rows(), ends, strict=True)
    }
