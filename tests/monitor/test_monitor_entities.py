"""Outcomes that name an entity and a time: joined as brute force joins them, and judged as if they had named predictions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from monitor_logs import (
    FIRST_DAY,
    NOW,
    OTHER_RELEASE,
    REF,
    RELEASE,
    Day,
    FakeClock,
    log_outcomes,
    log_predictions,
    make_days,
    new_store,
    prediction,
    reference_frame,
    time_column,
)

from shipway.access import Actor, open_keys
from shipway.data import reference_profile
from shipway.gate import move_ref
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.kernel.units import Seconds
from shipway.monitor import (
    EntityRule,
    OutcomeLog,
    OutcomeMalformed,
    Question,
    compact_logs,
    event_clock,
    find_entity_outcomes,
    find_predictions,
    joined,
    load_verdicts,
    measure_labels,
    measure_outcome_log,
    watch,
    window_rows,
)
from shipway.release import Component, deployment_object, put_release
from shipway.spec import DeploySpec, MonitorSpec, OutcomeSpec
from shipway.store import SegmentWriter, Store, encode_record

START = datetime(2013, 2, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
WITHIN = timedelta(hours=6)
ENTITIES = ("1", "2")


class Asked(NamedTuple):
    """A prediction: request, release, hours after START, customer."""

    request: str
    release: Digest
    hour: int
    customer: str | None

    @property
    def time(self) -> datetime:
        return START + self.hour * HOUR


class Told(NamedTuple):
    """An outcome: hours after START, a microsecond more or less, of whom (a customer or a prediction), its value."""

    hour: int
    tick: int
    owner: str
    name: str
    value: float

    @property
    def time(self) -> datetime:
        return START + self.hour * HOUR + timedelta(microseconds=self.tick)

    def row(self) -> dict[str, object]:
        zone = (self.time + timedelta(hours=5)).replace(tzinfo=None)  # told by a clock on another wall
        of = "id" if ":" in self.owner else "entity"
        return {of: self.owner, "name": self.name, "value": self.value, "time": f"{zone.isoformat()}+05:00"}


ASKED = st.lists(
    st.builds(
        Asked, st.sampled_from("abcdef"), st.sampled_from([RELEASE, OTHER_RELEASE]), st.integers(0, 40),
        st.sampled_from([*ENTITIES, *ENTITIES, None]),
    ),
    min_size=1, max_size=12, unique_by=lambda one: (one.request, one.release),
)  # fmt: skip
TOLD = st.builds(
    Told, st.integers(-4, 50), st.sampled_from([0, 0, -1, 1]), st.sampled_from([*ENTITIES, *ENTITIES, "gone", "a:0", "b:0"]),
    st.sampled_from(["late", "late", "spend"]), st.sampled_from([0.0, 1.0, 2.5]),
)  # fmt: skip
BATCHES = st.lists(
    st.tuples(st.sampled_from([0, 1]), st.sampled_from(["rows", "table", "new"]), st.lists(TOLD, min_size=1, max_size=6),
              st.booleans()), min_size=1, max_size=5,
)  # fmt: skip
Batches = list[tuple[int, str, list[Told], bool]]
ANY = given(ASKED, BATCHES, st.integers(-7200, 7200), st.booleans())


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@ANY
def test_the_join_by_entity_and_time_is_that_of_brute_force(
    tmp_path_factory: pytest.TempPathFactory, asked: list[Asked], batches: Batches, skew: int, every: bool
) -> None:
    compare_with_brute_force(tmp_path_factory.mktemp("entities"), asked, batches, skew, every)


@pytest.mark.slow
@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@ANY
def test_the_join_by_entity_and_time_is_that_of_brute_force_in_four_hundred_rounds(
    tmp_path_factory: pytest.TempPathFactory, asked: list[Asked], batches: Batches, skew: int, every: bool
) -> None:
    compare_with_brute_force(tmp_path_factory.mktemp("entities"), asked, batches, skew, every)


def compare_with_brute_force(folder: Path, asked: list[Asked], batches: Batches, skew: int, every: bool) -> None:
    """Late, twice, corrected, of nobody, before the prediction, from two machines whose clocks differ by hours."""
    clocks = FakeClock(), FakeClock()
    stores = new_store(folder, clocks[0]), new_store(folder, clocks[1])
    _log(stores[0], asked)
    said: list[tuple[datetime, int, Told]] = []
    for number, (writer, way, told, compacts) in enumerate(batches):
        moment = NOW + timedelta(seconds=60 * number + (skew if writer else 0), microseconds=number)
        clocks[writer].at = moment
        with OutcomeLog(stores[writer]) as log:
            if way == "rows":
                log.record(one.row() for one in told)
            else:
                kinds = dict.fromkeys(("id", "entity", "name", "time"), pl.String)
                table = pl.DataFrame([one.row() for one in told], schema=kinds | {"value": pl.Float64})
                (log.record_table if way == "table" else log.record_new)(table)
        said += [(moment, line, one) for line, one in enumerate(told)]
        if compacts:
            compact_logs(stores[0], now=NOW, time_column=time_column)
    compact_logs(stores[0], now=NOW, time_column=time_column)
    rule = EntityRule("customer", WITHIN, every)
    expected = {(f"{one.request}:0", one.release): _label(one, asked, said, every) for one in asked}
    for first, last in ((0, 1), (0, 0), (1, 1)):
        days = FIRST_DAY + timedelta(days=first), FIRST_DAY + timedelta(days=last)
        table = joined(stores[0], release=None, start=days[0], end=days[1], outcome="late", entity=rule).collect()
        found = dict(zip(zip(table["id"], table["release"], strict=True), table["label"], strict=True))
        mine = {(f"{one.request}:0", one.release) for one in asked if days[0] <= one.time.date() <= days[1]}
        assert found == {key: expected[key] for key in mine}, "whatever days are asked about"


def _log(store: Store, asked: list[Asked]) -> None:
    """Each twice, as a client asks again that got no answer; of one release customers are texts, of the other numbers."""
    logs = {release: SegmentWriter(store.log_folder("predictions"), release[7:12]) for release in (RELEASE, OTHER_RELEASE)}
    for one in asked * 2:
        customer = np.array([one.customer], dtype=object)
        if one.release == OTHER_RELEASE:
            customer = np.array([np.nan if one.customer is None else float(one.customer)])
        columns = {"scheduled": np.array([one.time.isoformat()], dtype=object), "customer": customer}
        record = prediction(one.request, columns, np.array([0.5]), release=one.release)
        assert logs[one.release].append(encode_record(record), 1)
    for log in logs.values():
        log.close()
    compact_logs(store, now=NOW, time_column=time_column)


def _label(one: Asked, asked: list[Asked], said: list[tuple[datetime, int, Told]], every: bool) -> float | None:
    late = [found for found in said if found[2].name == "late"]
    own = [(moment, line, told.value) for moment, line, told in late if told.owner == f"{one.request}:0"]
    if own:
        return max(own)[2]
    mine = [
        (told.time, moment, line, told.value)
        for moment, line, told in late
        if told.owner == one.customer and one.time <= told.time <= one.time + WITHIN
        and (every or not any(_between(one, told, other) for other in asked))
    ]  # fmt: skip
    return max(mine)[3] if mine else None


def _between(one: Asked, told: Told, other: Asked) -> bool:
    same = (other.release, other.customer) == (one.release, one.customer)
    return same and one.time < other.time <= told.time


# what is refused


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"entity": "1", "name": "late", "value": 1}, "time"),
        ({"entity": "1", "id": "a:0", "name": "late", "value": 1, "time": "2013-02-01T10:00:00"}, "entity"),
        ({"entity": "", "name": "late", "value": 1, "time": "2013-02-01T10:00:00"}, "entity"),
        ({"entity": 7, "name": "late", "value": 1, "time": "2013-02-01T10:00:00"}, "entity"),
        ({"entity": None, "name": "late", "value": 1, "time": "2013-02-01T10:00:00"}, "id"),
    ],
)
def test_an_outcome_of_nobody_of_two_or_of_no_time_is_refused_by_row_and_as_a_table(
    tmp_path: Path, row: dict[str, object], field: str
) -> None:
    with OutcomeLog(new_store(tmp_path)) as log:
        with pytest.raises(OutcomeMalformed) as caught:
            log.record([row])
        assert caught.value.field == field
        if row["entity"] != 7:  # whole numbers of a table are taken for texts
            with pytest.raises(OutcomeMalformed):
                log.record_table(pl.DataFrame([row], schema_overrides={"entity": pl.String}))


# behind a deployment

DEPLOY = DeploySpec(name="delay@prod", application="delay", environment="prod")
MONITORS = {name: MonitorSpec(name=name, page=0.05, window=Seconds(7 * 86_400.0)) for name in ("base_rate", "calibration")}


class Live(NamedTuple):
    """A store in which a model is live whose outcomes are of flights."""

    store: Store
    release: Digest
    deployment: Digest


@pytest.fixture
def live(tmp_path: Path) -> Live:
    signer, keys = open_keys(tmp_path / "keys")
    del signer
    store = new_store(tmp_path / "project")
    signature: JsonObject = {"inputs": [{"name": "x0", "datatype": "FP64"}], "outputs": []}
    model: JsonObject = {"kind": "model", "version": 1, "target": "late", "time": "scheduled", "signature": signature}
    profile: Any = reference_profile(reference_frame().drop("flight", "scheduled", "probability", "late")).to_json()
    parts = [Component("model", "delay", store.put(model)), Component("profile", "", store.put(profile))]
    parts += [Component(kind, "", store.put({"kind": kind, "version": 1})) for kind in ("environment", "pipeline")]
    release = put_release(store, parts)
    outcomes = {"late": OutcomeSpec(name="late", by="flight", within=Seconds(3 * 86_400.0))}
    deployment = store.put(deployment_object(store, release, DEPLOY, outcomes))
    move_ref(store, keys, Actor("ada@example.org", frozenset({"admin"})), ref=REF, target=deployment)
    return Live(store, release, deployment)


def _watch(store: Store) -> list[JsonObject]:
    known = reference_profile(reference_frame().drop("flight", "scheduled", "late"))
    watch(
        store, REF, MONITORS, matures=Seconds(0.0), outcome="late", attest_checks=lambda *_: None, reference=lambda _: known
    )  # fmt: skip
    return [verdict.to_json() for verdict in load_verdicts(store, REF)]


def _tell(store: Store, days: list[Day]) -> None:
    with OutcomeLog(store) as log:
        for day in days:
            when = f"{day.day + timedelta(days=1)}T12:00:00"
            flights, label = day.columns["flight"].tolist(), day.label
            log.record_table(pl.DataFrame({"entity": flights, "name": "late", "value": label, "time": when}))


def test_days_are_judged_by_entity_as_they_are_by_id(live: Live, tmp_path: Path) -> None:
    days = make_days(3, days=12, rows=60, shift=0.3, from_day=4)
    other = new_store(tmp_path / "by-id")
    for store in (live.store, other):
        log_predictions(store, days, release=live.release, deployment=live.deployment if store is live.store else REF)
    _tell(live.store, days)
    log_outcomes(other, days)
    verdicts = []
    for store in (live.store, other):
        compact_logs(store, now=NOW, time_column=time_column)
        assert event_clock(store, REF) == datetime(2013, 2, 13, 12, tzinfo=UTC), "an outcome tells the time"
        verdicts.append(_watch(store))
    assert [str(verdict["verdict"]) for verdict in verdicts[0]].count("fail") > 0
    same = ("day", "verdict", "rows", "labels", "checks")
    assert [[v.get(key) for key in same] for v in verdicts[0]] == [[v.get(key) for key in same] for v in verdicts[1]]
    (facts,) = measure_outcome_log(live.store)
    assert (facts.rows, facts.entities, facts.orphans) == (720, 720, 0)
    question = Question(REF, "late", Seconds(0.0), NOW, NOW)
    (labels,) = measure_labels(live.store, question._replace(clock=datetime(2013, 2, 13, 12, tzinfo=UTC)))
    assert (labels.rows, labels.labels) == (720, 720)
    assert window_rows(live.store, REF, start=FIRST_DAY, end=FIRST_DAY, outcome="late")["label"].null_count() == 0


def test_orphans_corrections_and_repeats_of_entities_are_counted_and_a_prediction_shows_all_that_are_its(live: Live) -> None:
    (day,) = make_days(3, days=1, rows=4)
    log_predictions(live.store, [day], release=live.release, deployment=live.deployment)
    flight, other = day.columns["flight"][:2]
    with OutcomeLog(live.store) as log:
        for value, when, whose in product((0, 1), ("2013-02-02T12:00:00", "2013-02-03T12:00:00"), (flight, "nobody")):
            log.record([{"entity": whose, "name": "late", "value": value, "time": when}])
        log.record([{"entity": other, "name": "late", "value": 1, "time": "2013-02-09T12:00:00"}])
        log.record([{"entity": flight, "name": "spend", "value": 1, "time": "2013-02-02T12:00:00"}])
    compact_logs(live.store, now=NOW, time_column=time_column)
    late, spend = measure_outcome_log(live.store)
    assert (late.rows, late.ids, late.entities, late.corrected, late.orphans) == (9, 5, 5, 4, 3)
    assert (spend.ids, spend.orphans) == (1, 1), "no deployment says how it joins"
    (row,) = find_predictions(live.store, f"{FIRST_DAY}-0:0").to_dicts()
    found = find_entity_outcomes(live.store, row)
    assert found["value"].to_list() == [0, 0, 1, 1]
    assert set(found["entity"]) == {flight}
    assert find_entity_outcomes(live.store, {**row, "id": f"{FIRST_DAY}-0:1"}).is_empty()
