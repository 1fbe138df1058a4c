"""Outcomes of a database: from where the last round ended, at least once, and twice is the same as once."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from shipway.cli._settings import Project, read_settings
from shipway.cli.outcomes import command
from shipway.kernel.errors import ShipwayError
from shipway.monitor import ColumnUnknown, OutcomeLog, OutcomeMalformed, measure_outcome_log, scan_outcomes
from shipway.operate import gather, outcome_round, pull_outcomes
from shipway.operate._outcome_queries import WatermarkUnfit, _place, _written
from shipway.spec import OutcomeSpec, SpecMalformed, load_spec

SPEC = """
project: test
outcomes:
  churned: {sql: churned.sql, from: "sqlite:crm.db", watermark: [changed], matures: 60d, every: 1s, unit: people}
"""
QUERY = "SELECT prediction_id AS id, churned AS value, happened AS time, changed FROM answers"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shipway.yaml").write_text(SPEC)
    (tmp_path / "churned.sql").write_text(QUERY)
    with base(tmp_path) as table:
        table.execute("CREATE TABLE answers (prediction_id TEXT, churned INTEGER, happened TEXT, changed INTEGER)")
    return tmp_path


@contextmanager
def base(folder: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(folder / "crm.db")) as connection, connection:
        yield connection


def add(folder: Path, rows: Iterable[tuple[str, object, str | None, int]]) -> None:
    with base(folder) as table:
        table.executemany("INSERT INTO answers VALUES (?, ?, ?, ?)", rows)


def outcomes(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(command, words, obj=read_settings(directory=str(folder), debug=False))


def pulled(folder: Path) -> int:
    done = outcomes(folder, "pull", "--json")
    assert done.exit_code == 0, done.exception
    return int(json.loads(done.stdout)["recorded"]["churned"])


def test_each_round_takes_what_is_new_and_a_correction_is_one_more(folder: Path) -> None:
    add(folder, [("r:0", 0, "2013-02-01T10:00:00", 1), ("r:1", 1, None, 2)])
    assert [pulled(folder), pulled(folder)] == [2, 0]
    add(folder, [("r:0", 1, "2013-02-03T10:00:00", 3), ("late:0", 1, None, 2)])
    assert pulled(folder) == 2, "the row that came late has the newest place"
    assert [pulled(folder), pulled(folder)] == [0, 0]
    (facts,) = json.loads(outcomes(folder, "--json").stdout)["outcomes"]
    assert (facts["name"], facts["rows"], facts["corrected"], facts["units"]) == ("churned", 4, 1, ["people"])


def test_a_query_with_a_column_called_as_the_entity_gives_outcomes_of_entities(folder: Path) -> None:
    (folder / "shipway.yaml").write_text(SPEC.replace("matures: 60d", "by: customer, within: 30d"))
    (folder / "churned.sql").write_text(QUERY.replace("AS id", "AS id, 'C' || changed AS customer"))
    add(folder, [("r:0", 0, "2013-02-01T10:00:00", 1), ("r:1", 1, "2013-02-01T11:00:00", 2)])
    assert [pulled(folder), pulled(folder)] == [2, 0]
    (facts,) = json.loads(outcomes(folder, "--json").stdout)["outcomes"]
    assert (facts["rows"], facts["entities"], facts["units"]) == (2, 2, ["people"])


def test_a_round_that_is_killed_before_it_wrote_its_place_down_is_repeated_as_if_it_had_not_been(folder: Path) -> None:
    add(folder, [(f"r:{at}", at % 2, None, at) for at in range(12_000)])  # several batches
    project = Project(read_settings(directory=str(folder), debug=False))
    outcome = project.spec.outcomes["churned"]
    with OutcomeLog(project.store) as log:
        real, calls = log.record_new, []

        def dies(table: object) -> int:
            calls.append(table)
            if len(calls) == 2:
                raise KeyboardInterrupt
            return real(table)  # type: ignore[arg-type]

        log.record_new = dies  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            pull_outcomes(project.hands, project.spec, outcome, log)
    gather(project.store)
    with OutcomeLog(project.store) as log:
        assert pull_outcomes(project.hands, project.spec, outcome, log) == 7_000
    gather(project.store)
    (facts,) = measure_outcome_log(project.store)
    assert (facts.rows, facts.ids, facts.repeated) == (12_000, 12_000, 0)


def test_another_query_begins_anew_and_one_with_a_key_reads_all_each_time(folder: Path) -> None:
    add(folder, [("r:0", 0, None, 1)])
    assert pulled(folder) == 1
    (folder / "churned.sql").write_text(QUERY + " WHERE churned = 0")
    add(folder, [("older:0", 0, None, 0)])
    assert pulled(folder) == 1
    (folder / "shipway.yaml").write_text(SPEC.replace("watermark: [changed]", "key: [id]"))
    with base(folder) as table:
        table.execute("DELETE FROM answers WHERE prediction_id = 'r:0'")
        table.execute("UPDATE answers SET changed = 0, prediction_id = 'r:9'")
    assert [pulled(folder), pulled(folder)] == [1, 0]


def test_the_round_of_up_asks_when_it_is_due_and_tells_a_fault_once(folder: Path) -> None:
    project = Project(read_settings(directory=str(folder), debug=False))
    told: list[str] = []
    turns = outcome_round(project.hands, spec=lambda: project.spec, report=told.append)
    (folder / "crm.db").rename(folder / "away.db")
    turns.turn()
    turns.turn()
    assert told == ["outcome churned: there is no SQLite file"]
    (folder / "away.db").rename(folder / "crm.db")
    add(folder, [("r:0", 1, None, 1)])
    again = outcome_round(project.hands, spec=lambda: project.spec, report=told.append)
    again.turn()
    again.turn()
    gather(project.store)
    assert scan_outcomes(project.store).collect()["id"].to_list() == ["r:0"]
    outcome_round(project.hands, spec=lambda: None, report=told.append).turn()
    assert len(told) == 1


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("SELECT 1 AS id, 'yes' AS value, 1 AS changed", OutcomeMalformed),
        ("SELECT NULL AS id, 1 AS value, 1 AS changed", OutcomeMalformed),
        ("SELECT 1 AS value, 1 AS changed", ColumnUnknown),
        ("SELECT 'r:0' AS id, 1 AS value, x'00' AS changed", WatermarkUnfit),
        ("DROP TABLE answers", ShipwayError),
        ("SELECT 1; SELECT 2", ShipwayError),
    ],
)
def test_a_query_that_gives_no_outcomes_is_one_error_and_its_place_is_not_written(
    folder: Path, query: str, kind: type[ShipwayError]
) -> None:
    (folder / "churned.sql").write_text(query)
    assert isinstance(outcomes(folder, "pull").exception, kind)
    project = Project(read_settings(directory=str(folder), debug=False))
    assert not project.store.states("pulled")


def test_a_place_is_read_back_as_it_was() -> None:
    place = (7, 1.5, "a\0b", datetime(2013, 2, 1, 10, tzinfo=UTC), datetime(2013, 2, 1), date(2013, 2, 1))
    assert _place(json.loads(json.dumps(_written(place, OutcomeSpec(name="x"))))) == place
    with pytest.raises(WatermarkUnfit):
        _written((b"x",), OutcomeSpec(name="x"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{sql: q.sql}", "neither a key nor a watermark"),
        ("{every: 5m}", "`every` is of a query"),
        ("{sql: q.sql, watermark: [x], every: 0s}", "more than once a second"),
        ("{watermark: [x]}", "is of a query, and outcome late has none"),
        ("{from: 'postgresql://a:hunter2@b/c', sql: q.sql, key: [x]}", "password"),
        ("{sql: ../q.sql, key: [x]}", "query of late"),
    ],
)
def test_a_spec_that_cannot_be_meant_is_refused_at_its_line(tmp_path: Path, line: str, said: str) -> None:
    (tmp_path / "shipway.yaml").write_text(f"project: test\noutcomes:\n  late: {line}\n")
    with pytest.raises(SpecMalformed) as caught:
        load_spec(tmp_path / "shipway.yaml")
    assert said in caught.value.render()
    assert "hunter2" not in caught.value.render()
    assert "shipway.yaml:3" in caught.value.render()
