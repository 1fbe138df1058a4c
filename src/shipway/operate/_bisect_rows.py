"""The logged rows on which two releases are told apart: with all that both ask for, and with what became true of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.kernel.units import Seconds
from shipway.models import Signature
from shipway.monitor import event_clock, weights_of, window_rows
from shipway.operate._bisect import BisectImpossible
from shipway.release import load_components, outcomes_of
from shipway.store import Store

ROWS = 50_000
DAYS = 30
TRAINED = "one of the two may have been trained on"


@dataclass(frozen=True, slots=True)
class Window:
    """Which logged rows: of a deployment, on these event days (the last 30 mature ones without), at most so many."""

    ref: str
    days: tuple[date, date] | None = None
    rows: int = ROWS


def replay_rows(
    store: Store, window: Window, *, outcome: str, wanted: frozenset[str], unseen: date | None
) -> tuple[pl.DataFrame, JsonObject]:
    """Mature rows with a label whose log has all the wanted inputs, thinned evenly to the most that the window wants, and facts
    about them.

    unseen: the day from which neither release was trained on anything; rows from before it are left out.
    Raises BisectImpossible.
    """
    clock = event_clock(store, window.ref)
    if clock is None:
        mend = "serve it, and record what became true: shipway outcomes import"
        raise BisectImpossible("no request has been logged", where=window.ref, mend=mend)
    present = store.ref(window.ref)
    matures = (outcomes_of(store.get(present.digest, "deployment")) if present else {}).get(outcome, Seconds(0.0))
    newest = (clock - timedelta(seconds=matures)).date()
    start, end = window.days or (newest - timedelta(days=DAYS - 1), newest)
    logged = window_rows(store, window.ref, start=start, end=end, outcome=outcome, matures=matures, as_of=clock)
    fit = [release for release in logged["release"].unique().to_list() if wanted <= _logs(store, release)]
    kept = logged.filter(pl.col("release").is_in(fit))
    labelled = kept.drop_nulls("label")
    if labelled.is_empty():
        raise _no_rows(logged, kept, outcome, wanted, window.ref, f"{start}..{end}")
    new = labelled if unseen is None else labelled.filter(pl.col("day") >= unseen)
    if new.is_empty():
        what = f"all {labelled.height:,} requests with outcomes of {start}..{end} are from before {unseen}, which {TRAINED}"
        raise BisectImpossible(what, where=window.ref, mend="name later days: --days A..B, or wait for outcomes")
    every = -(-new.height // max(1, window.rows))
    rows = new.gather_every(every)
    weights = weights_of(rows)
    facts: JsonObject = {
        "ref": window.ref,
        "outcome": outcome,
        "first": str(rows["day"].min()),
        "last": str(rows["day"].max()),
        "days": rows["day"].n_unique(),
        "logged": logged.height,
        "with_outcome": labelled.height,
        "left_out": labelled.height - new.height,
        "unseen_from": str(unseen) if unseen else None,
        "replayed": rows.height,
        "stand_for": rows.height if weights is None else round(float(weights.sum())),
    }
    return rows, facts


def _logs(store: Store, release: str) -> set[str]:
    """The inputs that a release's rows have in the log; none of a release that cannot be read any more."""
    try:
        models = [part for part in load_components(store, Digest(release)) if part.kind == "model"]
        found = [Signature.from_json(store.get(part.digest, "model")["signature"]) for part in models]
    except ShipwayError:
        return set()
    return {column.name for signature in found for column in signature.inputs}


def _no_rows(
    logged: pl.DataFrame, kept: pl.DataFrame, outcome: str, wanted: frozenset[str], ref: str, days: str
) -> BisectImpossible:
    if logged.is_empty():
        return BisectImpossible(f"no request was logged on {days}", where=ref, mend="name other days: --days A..B")
    if kept.is_empty():
        what = f"no release that was asked on {days} has logged all of {', '.join(sorted(wanted))}"
        return BisectImpossible(what, where=ref, mend="name days on which a release with these inputs answered: --days A..B")
    what = f"none of {kept.height:,} requests of {days} has a mature outcome `{outcome}`"
    return BisectImpossible(what, where=ref, mend="record outcomes (shipway outcomes import), or name older days: --days A..B")


def words_left_out(facts: JsonObject) -> str:
    """How many rows were left out and why, to stand behind a sentence about the others; nothing where none was."""
    left = facts["left_out"]
    return f"; {left:,} from before {facts['unseen_from']}, which {TRAINED}, are left out" if left else ""


def check_enough(rows: pl.DataFrame, facts: JsonObject, metric: str, *, binary: bool) -> None:
    """Errors are clustered by day, and one day says nothing of another. Raises BisectImpossible with how many more it takes."""
    days = rows["day"].n_unique()
    if binary and not rows["label"].is_in([0.0, 1.0]).all():
        mend = "a probability is of an outcome that came true (1) or did not (0): record it so"
        raise BisectImpossible(f"outcomes are not all 0 or 1, so there is no {metric}", mend=mend)
    if metric == "auc":
        days = min(rows.filter(pl.col("label") == value)["day"].n_unique() for value in (0.0, 1.0))
    if days < 2:
        of = " with outcomes of both classes" if metric == "auc" else " with outcomes"
        a_day = max(1, round(rows.height / max(1, rows["day"].n_unique())))
        more = f"{2 - days} more day{'s' if days == 0 else ''}, about {a_day * (2 - days):,} requests"
        what = f"an interval needs at least two days{of}, and there {'is' if days == 1 else 'are'} {days or 'none'}"
        raise BisectImpossible(f"{what}: {more}{words_left_out(facts)}", mend="wait, or name more days: --days A..B")
