"""Outcomes that a database knows: asked for now and then, from where the last round ended.

At least once: the place is written down after the rows are on the device, and rows of the newest place are read again each
time, because more of them may have been committed since. What the log says already is left out, so that is the same as once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date, datetime
from functools import partial
from typing import TYPE_CHECKING, cast

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import digest_bytes
from shipway.kernel.errors import ShipwayError
from shipway.operate._rounds import Round
from shipway.pipeline import Hands, open_sql
from shipway.spec import OutcomeSpec, Spec

if TYPE_CHECKING:
    from shipway.monitor import OutcomeColumns, OutcomeLog

PULLED = "pulled"  # a row of state for each outcome with a query
_LOOK_SECONDS = 1.0


class WatermarkUnfit(ShipwayError):
    """A watermark of a type whose place cannot be written down."""

    code = "operate.watermark-unfit"


def pull_outcomes(hands: Hands, spec: Spec, outcome: OutcomeSpec, log: OutcomeLog) -> int:
    """One round: rows after the last round's, as outcomes; how many were new. Nothing for an outcome without a query.

    Raises SourceDown, QueryRefused, RowsUnfit, DataMissing, SecretMissing, ColumnUnknown, OutcomeMalformed, WatermarkUnfit.
    What was recorded before stays, and the next round reads it again.
    """
    from shipway.data.sql import read_rows
    from shipway.monitor import pick_outcomes

    if outcome.query is None:
        return 0
    address, query = open_sql(hands, spec, outcome.query, what=outcome.name)
    row = hands.store.state(PULLED, outcome.name)
    asked = digest_bytes(f"{query.text}\0{query.order}\0{address.shown}".encode())
    after = _place(row.value["after"]) if row is not None and row.value["asked"] == asked else ()
    places, recorded = [after], 0
    for batch in read_rows(address, query, after=after):
        if batch.height:
            columns = _columns(outcome, batch.columns)
            recorded += log.record_new(pick_outcomes(batch.lazy(), columns, where=outcome.query.sql))
            if query.watermark:
                _written(batch.select(query.watermark).row(-1), outcome)  # one that cannot be kept is told before it is needed
                new = batch.select(query.watermark).unique(maintain_order=True).rows()
                places = list(dict.fromkeys([*places, *new]))[-2:]
    below = places[-2] if len(places) > 1 else after
    value: JsonObject = {"version": 1, "asked": asked, "after": _written(below, outcome)}
    if row is None or row.value != value:
        hands.store.put_state(PULLED, outcome.name, value)
    return recorded


def outcome_round(hands: Hands, *, spec: Callable[[], Spec | None], report: Callable[[str], None]) -> Round:
    """Pulls every outcome with a query when it is due. spec: read anew each time; None asks nothing."""
    return _OutcomeRound(hands, spec, report)


class _OutcomeRound(Round):
    """Of outcomes instead of deployments, with a log of its own."""

    def __init__(self, hands: Hands, spec: Callable[[], Spec | None], report: Callable[[str], None]) -> None:
        super().__init__("outcomes", hands.store, lambda _: None, every=_LOOK_SECONDS, report=report)
        self._hands, self._spec = hands, spec
        self._due: dict[str, float] = {}

    def _each(self) -> None:
        from shipway.monitor import OutcomeLog

        spec = self._spec()
        for outcome in spec.outcomes.values() if spec else ():
            if outcome.query is None or time.monotonic() < self._due.get(outcome.name, 0.0):
                continue
            assert spec is not None
            with OutcomeLog(self._hands.store) as log:
                self._guard(f"outcome {outcome.name}", partial(pull_outcomes, self._hands, spec, outcome, log))
            self._due[outcome.name] = time.monotonic() + outcome.every


def _columns(outcome: OutcomeSpec, columns: list[str]) -> OutcomeColumns:
    """What the query does not say itself; a column that is called like the entity's is the entity."""
    from shipway.monitor import OutcomeColumns

    name = None if "name" in columns else outcome.name
    unit = None if "unit" in columns else outcome.unit
    return OutcomeColumns(name=name, unit=unit, entity=outcome.by if outcome.by in columns else None)


def _written(place: tuple[object, ...], outcome: OutcomeSpec) -> list[Json]:
    """The values of a watermark with their types, as state keeps them."""
    found: list[Json] = []
    for value in place:
        kind = next((kind for kind, type_ in _KINDS.items() if type(value) is type_), None)
        if kind is None:
            what = f"the watermark of {outcome.name} is a {type(value).__name__}"
            raise WatermarkUnfit(what, mend="a timestamp, a date, a number or a text: CAST it in the query")
        found.append([kind, value.isoformat() if isinstance(value, date) else str(value)])
    return found


def _place(written: Json) -> tuple[object, ...]:
    return tuple(_READ[str(kind)](str(text)) for kind, text in cast("list[tuple[Json, Json]]", written))


_KINDS: dict[str, type] = {"int": int, "float": float, "text": str, "instant": datetime, "date": date}
_READ: dict[str, Callable[[str], object]] = {
    "int": int,
    "float": float,
    "text": str,
    "instant": datetime.fromisoformat,
    "date": date.fromisoformat,
}
