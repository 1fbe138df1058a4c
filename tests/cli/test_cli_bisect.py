"""`shipway bisect` as a person types it: real models in their own environment, and real questions to a provider."""

from __future__ import annotations

import io
import sys
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from cli_assistant import Assistant, Parrot, forget_answers
from cli_project import REF, Project, points

sys.path.insert(0, str(Path(__file__).parents[1] / "monitor"))

from monitor_logs import microseconds, prediction

from shipway.gate import move_ref
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.models import functions_blob
from shipway.release import Component, deployment_object, load_components, put_release
from shipway.store import OutcomeRecord, SegmentWriter, encode_record

pytest_plugins = ["cli_fixtures", "cli_assistant_fixtures"]

AROUND = """import numpy as np


def plain(columns):
    return {name: columns[name] for name in ("x", "y")}


def swapped(columns):
    return {"x": columns["y"], "y": columns["x"]}
"""


def variant(project: Project, *, steep: float, before: str) -> Digest:
    """The released application with another fit, and a function before its model."""
    store = project.store
    components = load_components(store, store.resolve("release/line"))
    (model,) = (part for part in components if part.kind == "model")
    manifest: Any = store.get(model.digest, "model")
    fitted = import_module("sklearn.linear_model").LogisticRegression().fit(np.eye(2), [0, 1])
    fitted.coef_, fitted.intercept_ = np.array([[-steep, steep]]), np.array([0.0])
    buffer = io.BytesIO()
    import_module("skops.io").dump(fitted, buffer)
    source = store.put_bytes(functions_blob({"around.py": AROUND}), media.media_type("functions"))
    own: JsonObject = {"source": source.to_json(), "before": f"around.{before}", "after": None}
    own = {**own, "inputs": manifest["signature"]["inputs"]}
    file = store.put_bytes(buffer.getvalue(), media.SKOPS)
    made = store.put({**manifest, "format": "skops", "file": file.to_json(), "functions": own})
    return put_release(store, [part for part in components if part.kind != "model"] + [Component("model", "above", made)])


def serve(project: Project, release: Digest) -> None:
    """The release answered the points of twelve days, and it came out what they are, nearly always."""
    store, table = project.store, points()
    target = store.put(deployment_object(store, release, project.deploy, project.spec.outcomes))
    move_ref(store, project.keys, project.actor, ref=REF, target=target)
    log, told = (SegmentWriter(store.log_folder(stream), "by-hand") for stream in ("predictions", "outcomes"))
    flips = np.random.default_rng(3).random(table.height) < 0.1
    for number, day in enumerate(table["day"].unique().sort()):
        rows = table.filter(table["day"] == day)
        columns: dict[str, Any] = {name: rows[name].to_numpy() for name in ("x", "y")}
        columns |= {"point": np.array(rows["point"].to_list(), object), "day": np.array([str(day)] * rows.height, object)}
        score = 1 / (1 + np.exp(columns["x"] - columns["y"]))
        record = prediction(f"r{number}", columns, score, release=release, deployment=target, recorded=store.clock.now())
        assert log.append(encode_record(record), record.rows)
        values = ((columns["y"] > columns["x"]) ^ flips[number * 50 : number * 50 + rows.height]).astype(float).tolist()
        ids, when = [f"r{number}:{row}" for row in range(rows.height)], f"{day + timedelta(days=2)}T00:00:00"
        names = ["above"] * rows.height
        times: list[str | None] = [when] * rows.height
        now = microseconds(store.clock.now())
        outcome = OutcomeRecord(recorded=now, rows=rows.height, ids=ids, names=names, values=values, times=times)
        told.append_durable(encode_record(outcome), rows.height)
    log.close()
    told.close()


def test_code_that_swaps_two_columns_is_told_from_a_model_that_is_only_newer(project: Project) -> None:
    old, new = variant(project, steep=1.0, before="plain"), variant(project, steep=1.5, before="swapped")
    serve(project, old)
    done = project.cli("bisect", old, new, "--json")
    assert done.code == 0, done.err
    document = done.document
    assert (document["kind"], document["metric"], document["moved"]) == ("bisection", "auc", ["code"])
    found = {one["component"]: one for one in document["components"]}
    assert (found["code"]["verdict"], found["model"]["verdict"]) == ("moved", "unchanged")
    assert found["code"]["effect"]["high"] < -0.5
    assert document["rows"]["replayed"] > 500
    assert document["replayed"] == [
        {"release": old, "rows": document["rows"]["replayed"], "equal": document["rows"]["replayed"]}
    ]
    assert "the code lost" in done.err
    assert "points ± " in done.err
    assert ", not the model" in done.err


def test_an_index_without_the_answers_is_told_from_a_prompt_in_other_words(live: Assistant, parrot: Parrot) -> None:
    before = live.store.resolve("release/guide")
    live.edit("copy answers", "copy good answers", file="answer.md")
    forget_answers(live)
    live.ask("rag", "sync")
    after = live.ask("release")["release"]
    parrot.forget()
    done = live.cli("bisect", before, after, "--metric", "contains", "--json")
    assert done.code == 0, done.err
    document = done.document
    found = {one["component"]: one for one in document["components"]}
    assert (set(found), document["moved"]) == ({"prompt", "index"}, ["index"])
    assert (found["index"]["effect"]["value"], found["prompt"]["verdict"]) == (-1.0, "unchanged")
    assert document["rows"]["items"] == 8
    assert "the index lost 100.0 points" in done.err
    assert ", not the prompt" in done.err
    asked = len(parrot.asked)
    again = live.cli("bisect", before, after, "--metric", "mrr")
    assert len(parrot.asked) == asked, "what was answered within a day is not asked again"
    assert again.last == f"next: shipway diff {before} {after}"
