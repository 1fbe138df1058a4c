"""A canary is held against live by what users spent: with its unit, by users where the log knows them, and honestly early."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "monitor"))

from monitor_logs import FIRST_DAY, NOW, REF, microseconds, new_store, time_column

from shipway.access import Actor, open_keys
from shipway.gate import move_ref
from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Verdict
from shipway.kernel.digest import Digest
from shipway.kernel.units import Seconds
from shipway.models import encode_columns
from shipway.monitor import ArmOutcome, arm_words, compact_logs, load_alerts, load_readings
from shipway.operate import arms_against_live, watch_service
from shipway.pipeline import Hands
from shipway.release import AskedArm, Component, deployment_object, plan_split, put_release
from shipway.spec import ADDED_MONITORS, DeploySpec, OutcomeSpec
from shipway.store import OutcomeRecord, PredictionRecord, SegmentWriter, encode_record

WATCHED = {"business": ADDED_MONITORS["business"]}
OUTCOMES = {
    "late": OutcomeSpec(name="late", matures=Seconds(0.0)),
    "spend": OutcomeSpec(name="spend", matures=Seconds(0.0), unit="EUR", better="higher"),
}


@pytest.fixture
def hands(tmp_path: Path) -> Hands:
    signer, keys = open_keys(tmp_path / "keys")
    actor = Actor("ada@example.org", frozenset({"admin"}))
    return Hands(new_store(tmp_path / "project"), signer, keys, actor, tmp_path / "cache")


def deploy_spec(unit: str) -> DeploySpec:
    return DeploySpec(name="delay@prod", application="delay", environment="prod", unit=unit, monitors=WATCHED)


def release(hands: Hands, text: str) -> Digest:
    columns: list[Any] = [{"name": "user", "datatype": "BYTES"}]
    outputs: list[Any] = [{"name": "probability", "datatype": "FP64"}]
    signature: JsonObject = {"inputs": columns, "outputs": outputs}
    model: JsonObject = {
        "kind": "model", "version": 1, "text": text, "target": "late", "time": "scheduled", "signature": signature,
    }  # fmt: skip
    parts = [Component("model", "delay", hands.store.put(model))]
    parts += [Component(kind, "", hands.store.put({"kind": kind, "version": 1})) for kind in ("environment", "pipeline")]
    return put_release(hands.store, parts)


def put_live(hands: Hands, live: Digest, arms: Mapping[str, tuple[Digest, float]], unit: str = "column:user") -> Digest:
    spec, present = deploy_spec(unit), hands.store.ref(REF)
    asked = [AskedArm(name, arm, share) for name, (arm, share) in arms.items()]
    split = plan_split(hands.store, spec, asked, live=live, source=present.digest if present else None)
    deployment = hands.store.put(deployment_object(hands.store, live, spec, OUTCOMES, None, split))
    move_ref(hands.store, hands.keys, hands.actor, ref=REF, target=deployment)
    return deployment


class Logs:
    """Requests of users, a row each, and what each spent."""

    def __init__(self, hands: Hands) -> None:
        self._hands, self._made = hands, 0

    def ask(
        self, days: range, answers: Mapping[str, tuple[Digest, float, int]], deployment: Digest, *, valued: float = 1.0
    ) -> None:
        """answers: of each arm its release, what is spent on average, and how many users ask twice a day."""
        random, store = np.random.default_rng(self._made + 1), self._hands.store
        self._made += 1
        log = SegmentWriter(store.log_folder("predictions"), f"predictor{self._made}")
        known = SegmentWriter(store.log_folder("outcomes"), f"outcomes{self._made}")
        for number in days:
            for arm, (of, mean, users) in answers.items():
                for record, told in _records(random, number, arm, of, mean, users, deployment, valued):
                    assert log.append(encode_record(record), record.rows)
                    known.append_durable(encode_record(told), told.rows)
        log.close()
        known.close()
        compact_logs(store, now=NOW, time_column=time_column)


def _records(
    random: np.random.Generator, number: int, arm: str, of: Digest, mean: float, users: int, deployment: Digest, valued: float
) -> Iterator[tuple[PredictionRecord, OutcomeRecord]]:
    day, rows = FIRST_DAY + timedelta(days=number), 2 * users
    names = np.array([f"{arm}{user % users}" for user in range(rows)], dtype=object)
    columns = {"user": names, "scheduled": np.array([f"{day}T12:00:00"] * rows, dtype=object)}
    request = f"{day}-{arm}-{deployment[7:12]}"
    yield (
        PredictionRecord(
            request=request, release=of, deployment=deployment, arm=arm, recorded=microseconds(NOW), rows=rows,
            columns=encode_columns(columns), outputs=encode_columns({"probability": np.full(rows, 0.5)}), latency_us=1,
        ),
        _outcome(request, day, [row for row in range(rows) if random.random() < valued], random, mean),
    )  # fmt: skip


def _outcome(request: str, day: Any, rows: list[int], random: np.random.Generator, mean: float) -> OutcomeRecord:
    when: list[str | None] = [f"{day + timedelta(days=1)}T12:00:00"] * len(rows)
    return OutcomeRecord(
        recorded=microseconds(NOW), rows=len(rows), ids=[f"{request}:{row}" for row in rows], names=["spend"] * len(rows),
        values=random.exponential(mean, len(rows)).tolist(), times=when,
    )  # fmt: skip


def spend(hands: Hands) -> ArmOutcome:
    (found,) = (one for one in arms_against_live(hands.store, REF) if one.outcome.name == "spend")
    return found


def test_an_arm_whose_users_spend_less_pages_with_its_unit_and_the_alert_ends_with_the_arm(hands: Hands) -> None:
    one, two = release(hands, "one"), release(hands, "two")
    put_live(hands, one, {})
    deployment = put_live(hands, one, {"candidate": (two, 0.2)})
    Logs(hands).ask(range(10), {"live": (one, 20.0, 120), "candidate": (two, 10.0, 30)}, deployment)
    found = spend(hands)
    assert (found.clusters, found.known) == ("user", (600, 2400))
    assert found.found is not None
    assert found.found.units == (30, 120)
    assert found.found.arm == pytest.approx(10.0, abs=2.0)
    assert arm_words(found).startswith("spend ")
    assert " EUR of 30 units of user, live " in arm_words(found)
    reading = {one.monitor: one for one in watch_service(hands, REF)}["business.candidate"]
    assert (reading.check.verdict, reading.release) == (Verdict.FAIL, two)
    assert reading.check.value == pytest.approx(0.5, abs=0.1)
    assert [(alert.monitor, alert.open) for alert in load_alerts(hands.store, REF)] == [("business.candidate", True)]
    late = next(one for one in arms_against_live(hands.store, REF) if one.outcome.name == "late")
    assert (late.found, late.worse) == (None, None)
    assert late.missing == "0 of 30 units of user of the arm with a value; not enough yet, about 30 more"
    put_live(hands, one, {})
    watch_service(hands, REF)
    assert [alert.open for alert in load_alerts(hands.store, REF)] == [False]
    assert "business.candidate" not in {one.monitor for one in load_readings(hands.store, REF)}


def test_early_and_equal_arms_are_undecided_and_say_how_many_more(hands: Hands) -> None:
    one, two = release(hands, "one"), release(hands, "two")
    deployment = put_live(hands, one, {"candidate": (two, 0.2), "shadow": (two, 0.5)})
    logs = Logs(hands)
    logs.ask(range(1), {"live": (one, 20.0, 40), "candidate": (two, 21.0, 12), "shadow": (two, 1.0, 40)}, deployment)
    early = {one.monitor: one for one in watch_service(hands, REF)}["business.candidate"].check
    assert early.verdict is Verdict.INCONCLUSIVE
    assert early.text == "spend: 12 of 30 units of user of the arm with a value; not enough yet, about 18 more"
    logs.ask(range(1, 3), {"live": (one, 20.0, 60), "candidate": (two, 19.0, 40), "shadow": (two, 1.0, 40)}, deployment)
    later = {one.monitor: one for one in watch_service(hands, REF)}["business.candidate"].check
    assert later.verdict is Verdict.INCONCLUSIVE
    assert later.still_needed
    assert later.text.endswith(f"; not enough yet, about {later.still_needed:,} more")
    assert {one.arm for one in arms_against_live(hands.store, REF)} == {"candidate"}  # nobody acted on a shadow's answers


def test_stretches_of_other_shares_and_other_releases_are_kept_apart(hands: Hands) -> None:
    one, two, three = (release(hands, text) for text in ("one", "two", "three"))
    logs = Logs(hands)
    old = put_live(hands, one, {"candidate": (three, 0.2)})
    logs.ask(range(3), {"live": (one, 500.0, 50), "candidate": (three, 1.0, 50)}, old)  # another release's arm
    small = put_live(hands, one, {"candidate": (two, 0.1)})
    logs.ask(range(3, 6), {"live": (one, 10.0, 300), "candidate": (two, 10.0, 40)}, small)
    large = put_live(hands, one, {"candidate": (two, 0.5)})
    logs.ask(range(6, 9), {"live": (one, 40.0, 150), "candidate": (two, 40.0, 150)}, large)  # a month in which all pay more
    found = spend(hands)
    assert found.known == (2 * 3 * 190, 2 * 3 * 450)
    assert found.found is not None
    assert found.found.share is not None
    assert found.found.difference.low < 0 < found.found.difference.high
    assert found.found.arm == pytest.approx(found.found.other, rel=0.1)


def test_a_header_is_in_no_log_so_requests_are_the_units_and_missing_values_are_not_zero(hands: Hands) -> None:
    one, two = release(hands, "one"), release(hands, "two")
    deployment = put_live(hands, one, {"candidate": (two, 0.5)}, unit="header:x-user")
    Logs(hands).ask(range(28), {"live": (one, 20.0, 4), "candidate": (two, 20.0, 4)}, deployment, valued=0.5)
    found = spend(hands)
    assert found.clusters == "request"
    assert found.missing == "28 of 30 requests of the arm with a value; not enough yet, about 2 more"
    assert found.rows == (28 * 8, 28 * 8)
    assert 0.3 < found.known[0] / found.rows[0] < 0.7
    record = found.to_json()
    assert (record["mean"], record["unit"], record["clusters"]) == (None, "EUR", {"of": "request", "arm": 0, "live": 0})
    assert cast("str", record["missing"]).startswith("28 of 30")
