"""What the Monitor page says of labels: how many came, how late, whether those that lack lack by chance, ids used twice."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
from web_client import serving
from web_project import REF, Project

sys.path.insert(0, str(Path(__file__).parents[1] / "monitor"))  # logs as the predictor and the outcome log write them

from monitor_logs import FIRST_DAY, NOW, log_predictions, make_days, prediction

from shipway.kernel.digest import short
from shipway.monitor import OutcomeLog
from shipway.operate import compact
from shipway.release import Component, load_components, put_release
from shipway.store import SegmentWriter, encode_record
from shipway.web import make_app


def test_coverage_bias_maturity_and_ambiguous_ids_stand_on_the_page(tmp_path: Path) -> None:
    project = Project(tmp_path)
    release = project.release("january")
    model = project.store.put({"kind": "model", "version": 1, "target": "late", "time": "scheduled"})
    parts = [part for part in load_components(project.store, release) if part.kind != "model"]
    release = put_release(project.store, [*parts, Component("model", "delay", model)])
    assert project.apply(release, "first")
    project.clock.at = NOW
    days = make_days(1, days=3, rows=200)
    log_predictions(project.store, days, release=release)
    log = SegmentWriter(project.store.log_folder("predictions"), "careless")
    for hour, score in ((12, 0.3), (13, 0.4), (14, 0.6)):  # three requests, and one id for all
        columns = {"scheduled": np.array([f"{FIRST_DAY}T{hour}:00:00"], dtype=object)}
        assert log.append(encode_record(prediction("1", columns, np.array([score]), release=release)), 1)
    log.close()
    with OutcomeLog(project.store) as outcomes:
        for day in days:  # who was sure to be late has a label, the others have none
            ids, when = [f"{day.day}-{row // 100}:{row % 100}" for row in range(200)], f"{day.day + timedelta(days=1)}T00:00:00"
            table = pl.DataFrame({"id": ids, "name": "late", "value": day.label, "time": when})
            outcomes.record_table(table.filter(pl.Series(day.score > 0.2)))
    compact(project.store)
    with serving(make_app(project.open, links={}, endpoints=dict, record_outcomes=len)) as client:
        document = client.get(f"/api/v1/labels?ref={REF}").json
        (arm,) = document["deployments"][REF]
        assert (document["kind"], document["command"]) == ("labels", "shipway outcomes --json")
        assert (arm["rows"], arm["ambiguous"], arm["bias"]["notable"]) == (603, 3, True)
        page = client.get("/monitor/delay@prod").text
        section = page[page.index('<section id="labels">') :]
        assert f"{arm['labels']:,} of {arm['mature']:,} mature predictions have a label, of 603" in section
        assert "labels are missing not by chance" in section
        assert f"KS {arm['bias']['ks']:.3f}" in section
        assert f"[{arm['bias']['low']:.3f}, " in section
        assert '<span class="v fail">3</span><small>their ids were used twice</small>' in section
        assert short(release) in section
        assert 'aria-label="How labels arrive"' in section
        assert "style=" not in section, "the content policy would not let it in"


def test_labels_that_cannot_be_told_say_so_and_hide_nothing_else(tmp_path: Path) -> None:
    project = Project(tmp_path)
    assert project.apply(project.release("january"), "of a model that names no target")
    with serving(make_app(project.open, links={}, endpoints=dict, record_outcomes=len)) as client:
        page = client.get("/monitor/delay@prod")
        assert (page.status, "Not told: what is live names no target" in page.text) == (200, True)
        assert "Calibration error" in page.text
        assert client.get("/api/v1/labels?ref=deploy/nobody@prod").status == 404
        assert client.get("/api/v1/labels?reff=x").status == 400
