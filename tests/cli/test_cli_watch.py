"""`shipway watch` says that it was misused before it does anything."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from cli_project import REF, Project

sys.path.insert(0, str(Path(__file__).parents[1] / "monitor"))

from monitor_logs import prediction

from shipway.store import SegmentWriter, encode_record

pytest_plugins = ["cli_fixtures"]


@pytest.mark.parametrize(
    ("hours", "code", "said"),
    [
        ("2013-02-01", 64, "'2013-02-01' is no window of hours"),
        ("2013-02-01..2013-02-02", 1, f"{REF} points at nothing yet"),
    ],
)
def test_hours_that_cannot_be_told_are_refused_before_the_log_is_read(
    project: Project, hours: str, code: int, said: str
) -> None:
    store = project.store
    log = SegmentWriter(store.log_folder("predictions"), "by-hand")
    columns = {"x": np.array([0.5]), "y": np.array([0.5])}
    record = prediction("r", columns, np.array([0.5]), release=store.resolve("release/line"), recorded=store.clock.now())
    log.append_durable(encode_record(record), 1)
    log.close()
    lie = sorted(store.log_folder("predictions").rglob("*"))
    done = project.cli("watch", "line@prod", "--hours", hours)
    assert (done.code, said in done.err) == (code, True), done.err
    assert sorted(store.log_folder("predictions").rglob("*")) == lie != []
