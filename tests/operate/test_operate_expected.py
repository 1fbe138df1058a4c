"""Months of models of a number or of classes, without their labels: what `stats` says of the same rows, and no judgement."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).parents[1] / "monitor"))

from monitor_logs import FIRST_DAY, REF
from test_operate_segments import NAMES, VALUES, answered, watched

from shipway.cli._settings import read_settings
from shipway.cli._watch_months import expected_lines
from shipway.cli.watch import command
from shipway.gate import release_of
from shipway.monitor import (
    AnsweredRows,
    ByRows,
    find_learner,
    fit_rows_estimate,
    load_alerts,
    load_readings,
    load_verdicts,
    report_months,
    spaced_rows,
)
from shipway.operate import months_by_rows
from shipway.pipeline import MADE
from shipway.stats import (
    ASSUMPTION,
    LOSS_ASSUMPTION,
    expected_of_classes,
    fit_class_confidence,
    fit_direct_loss,
    realised_losses,
)
from shipway.store import Store

Floats = NDArray[np.float64]
DAYS = [FIRST_DAY + timedelta(days=at) for at in range(20)]


SPEC = """project: test
environment: requirements.lock
pipeline: steps.py
models:
  delay: {target: late, key: id, time: scheduled, class: line.Line}
outcomes:
  late: {matures: 0d}
deploy:
  delay@prod: {}
"""


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {kind: tmp_path_factory.mktemp(kind) for kind in ("number", "classes")}


@pytest.fixture(scope="module")
def stores(folders: dict[str, Path]) -> dict[str, Store]:
    """A judged project of either kind, for those that only look."""
    return {kind: watched(folder, kind).store for kind, folder in folders.items()}


def rows_of(kind: str, seed: int, sizes: Sequence[int], worse: float) -> tuple[Floats, NDArray[np.int64], Floats]:
    """What was answered, the carriers and what became true, as the fixture of segments makes them."""
    random, parts = np.random.default_rng(seed), []
    for size in sizes:
        carrier = random.integers(0, 3, size)
        parts.append((*answered(kind, random, carrier, worse), carrier))
    given, truth, carriers = (np.concatenate(part) for part in zip(*parts, strict=True))
    return given, carriers, truth


def expected(kind: str) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """By stats alone: expected, in the reference, realised."""
    (known, carrier, was), (said, now, true) = rows_of(kind, 9, [3000], 0.0), rows_of(kind, 3, [300] * 20, 1.5)
    if kind == "number":
        often = Counter(NAMES[carrier].tolist())
        order = sorted(often, key=lambda name: (-often[name], name))
        before, after = (np.array([[1.0 + order.index(name)] for name in NAMES[side]]) for side in (carrier, now))
        losses = fit_direct_loss(before, known, was, learner=find_learner(), chunks=[], categories=(0,)).estimate(after, said)
        sides: list[Any] = [losses, realised_losses(known, was), realised_losses(said, true)]
    else:
        place, there = np.searchsorted(VALUES, was), np.searchsorted(VALUES, true)
        answer, later = known.argmax(axis=1), said.argmax(axis=1)
        found = fit_class_confidence(known, place, answer, chunks=[]).estimate(said, later)
        eye = np.eye(3)
        sides = [found, expected_of_classes(known, eye[place], answer), expected_of_classes(said, eye[there], later)]
    named = [{name: value if np.isfinite(value) else None for name, value in side._asdict().items()} for side in sides]
    return named[0], named[1], named[2]


def month(store: Store, by_rows: ByRows | None) -> Any:
    (found,) = report_months(store, REF, by_rows=by_rows)
    assert (found["month"], found["n"], found["labels"]) == ("2013-02", 6000, 6000)
    return found["estimated"]


@pytest.mark.parametrize("kind", ["number", "classes"])
def test_a_month_says_what_stats_say_of_the_same_rows_and_nothing_is_judged_by_it(stores: dict[str, Store], kind: str) -> None:
    store = stores[kind]
    before = load_alerts(store, REF), load_verdicts(store, REF), load_readings(store, REF)
    assert month(store, None) is None, "unless it is asked for, no row is read"
    found, (estimated, reference, realised) = month(store, months_by_rows(store, REF)), expected(kind)
    assert {name: one["estimated"] for name, one in found["metrics"].items()} == pytest.approx(estimated)
    assert {name: one["reference"] for name, one in found["metrics"].items()} == pytest.approx(reference)
    assert {name: one["realised"] for name, one in found["metrics"].items()} == pytest.approx(realised)
    assert (found["of"], found["rows"], found["text"]) == (kind, 6000, "")
    assert found["supported"] > 0.99
    assert found["assumes"] == (LOSS_ASSUMPTION if kind == "number" else ASSUMPTION)
    assert found["learner"] == (find_learner().name if kind == "number" else None)
    # AA errs more than it did, which no estimate of the kind can see.
    told = found["metrics"]["mae" if kind == "number" else "accuracy"]
    assert abs(told["estimated"] - told["reference"]) < 0.05
    assert abs(told["realised"] - told["estimated"]) > 0.08
    assert (load_alerts(store, REF), load_verdicts(store, REF), load_readings(store, REF)) == before


def test_of_many_rows_some_are_read_evenly_and_the_line_says_how_many(stores: dict[str, Store]) -> None:
    store = stores["number"]
    found = month(store, months_by_rows(store, REF, most=1000))
    assert found["rows"] == 1000
    (line, assumed) = expected_lines([{"month": "2013-02", "estimated": found}])
    assert line.startswith("  expected     2013-02  mae 1.")
    assert " in the reference, " in line
    assert line.endswith(f"99.9% of 1,000 rows are like rows of the reference; {find_learner().name}")
    assert assumed == f"  {LOSS_ASSUMPTION}"
    release = release_of(store, store.resolve(REF))
    assert release is not None
    until = datetime(2013, 3, 1, tzinfo=UTC)
    rows = spaced_rows(store, REF, release, DAYS[2:], columns=["carrier", "gone"], most=1800, outcome="late", as_of=until)
    assert rows["day"].value_counts().sort("day").rows() == [(day, 100) for day in DAYS[2:]]
    assert "prediction" not in rows.columns
    assert rows["label"].null_count() == 0


def test_where_the_held_out_rows_are_elsewhere_a_sentence_says_why_there_is_no_estimate(stores: dict[str, Store]) -> None:
    store = stores["classes"]
    (made,) = store.states(MADE, "")
    store.delete_state(MADE, made.key)
    found = month(store, months_by_rows(store, REF))
    store.put_state(MADE, made.key, made.value)
    assert (found["of"], found["metrics"]) == ("classes", {})
    assert list(expected_lines([{"month": "2013-02", "estimated": found}, {"month": "2013-03", "estimated": None}])) == [
        "  expected     2013-02  the held-out rows of this release are not in this store, so nothing can be learnt from them"
    ]


def test_the_command_line_tells_a_month_in_a_line_and_in_its_document(
    stores: dict[str, Store], folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHIPWAY_KEYS", str(folders["classes"] / "keys"))
    project = folders["classes"] / "project"
    for name, text in (("shipway.yaml", SPEC), ("requirements.lock", ""), ("steps.py", "")):
        (project / name).write_text(text)
    settings = read_settings(directory=str(project), debug=False)
    told = CliRunner().invoke(command, ["--months"], obj=settings)
    assert told.exit_code == 0, told.output
    assert "  expected     2013-02  accuracy 0.7597 (0.7597 in the reference, 0.6492 where labels are), f1 " in told.stdout
    assert f"; 100.0% of 6,000 rows are like rows of the reference\n  {ASSUMPTION}\n" in told.stdout
    document = json.loads(CliRunner().invoke(command, ["--months", "--json"], obj=settings).stdout)
    assert document["months"][0]["estimated"] == month(stores["classes"], months_by_rows(stores["classes"], REF))


def test_a_probabilitys_months_are_told_as_well() -> None:
    metrics = {"base_rate": 0.25, "roc_auc": None, "brier": 0.125}
    estimated: dict[str, Any] = {"rows": 1200, **metrics, "supported": 0.5, "assumes": ASSUMPTION}
    assert list(expected_lines([{"month": name, "estimated": {**estimated}} for name in ("2013-02", "2013-03")])) == [
        "  expected     2013-02  base_rate 0.25, brier 0.125; 50.0% of 1,200 rows are like rows of the reference",
        "  expected     2013-03  base_rate 0.25, brier 0.125; 50.0% of 1,200 rows are like rows of the reference",
        f"  {ASSUMPTION}",
    ]


def test_a_feature_that_the_log_lacks_is_not_like_the_references_and_a_label_of_no_class_is_none() -> None:
    random = np.random.default_rng(1)
    truth, size = random.normal(20, 5, 300), random.normal(size=300)
    features = pl.DataFrame({"size": size, "kind": ["a", "b", "c"] * 100, "seen": [True, False, True] * 100})
    known = AnsweredRows(truth + size, truth, features)
    of_number = fit_rows_estimate(known, ())
    texts = features.with_columns(pl.col("size").cast(pl.String))
    assert of_number(known._replace(features=texts)) == of_number(known)
    assert of_number(known).supported == 1.0
    assert of_number(known._replace(features=features.drop("size"))).supported == 0.0
    chances = random.dirichlet(np.ones(3), 1200)
    places = chances.argmax(axis=1).astype(np.float64)
    odd = AnsweredRows(chances[:4], np.array([7.0, np.nan, 0.5, -1.0]), pl.DataFrame())
    found = fit_rows_estimate(AnsweredRows(chances, places, pl.DataFrame()), ["x", "y", "z"])(odd)
    assert (found.rows, {one.realised for _, one in found.metrics}) == (4, {None})
