"""`shipway why`, `at` and `lineage`: from a ref, a digest, a prediction, an alert back to evidence."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_project import ANN, REF, Project
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from shipway.cli.at import parse_time
from shipway.gate import release_of
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest, digest_bytes, short
from shipway.operate import Ambiguous, explain, find_meant
from shipway.operate._meant import MEANINGS

sys.path.insert(0, str(Path(__file__).parents[1] / "monitor"))

from monitor_calls import call, log_calls
from monitor_logs import log_outcomes, make_days, prediction

from shipway.cli._intake import Intake
from shipway.monitor import Alert, OutcomeLog, Severity, find_outcomes, find_predictions
from shipway.operate import gather
from shipway.store import OutcomeRecord, SegmentWriter, WorkRecord, encode_record
from shipway.web import EventRefused
from shipway.web._errors import MediaTypeUnknown

pytest_plugins = ["cli_fixtures"]
INPUTS = {"x": np.array([0.5, -0.5]), "y": np.array([1.0, 0.0]), "point": np.array(["a", "b"], dtype=object)}


@pytest.fixture(scope="module")
def live(released: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Refused once for want of an approval, then approved and applied. Tests add to its logs and change nothing else."""
    project = released.copy(tmp_path_factory.mktemp("live") / "project")
    assert project.cli("apply").code == 1
    for words in (("approve", "--why", "looks right"), ("apply", "--why", "first")):
        assert project.cli(*words).code == 0
    return project


@pytest.fixture
def own(live: Project, tmp_path: Path) -> Project:
    """A copy that a test may break."""
    live.store.close()  # reading SQLite's files beside an open connection would take that one's locks away
    return live.copy(tmp_path / "project")


def why(live: Project, text: str, only: str | None = None) -> dict[str, Any]:
    """The document of `why`, without a process of its own."""
    meant = find_meant(live.store, text, only=only)
    return {"meant": meant.kind, "name": meant.name, "answer": explain(live.store, live.keys, meant).to_json()}


def reasons(answer: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every fact of an answer."""
    yield answer
    for child in answer["because"]:
        yield from reasons(child)


def of_kind(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [reason for reason in reasons(document["answer"]) if reason["kind"] == kind]


def test_a_ref_goes_back_to_who_why_verdict_policy_evidence_and_run(live: Project) -> None:
    document = live.ask("why", REF)
    assert (document["meant"], document["name"]) == ("ref", REF)
    (move,) = of_kind(document, "move")
    assert (move["values"]["who"], move["values"]["why"], move["values"]["outcome"]) == (ANN, "first", "moved")
    (verdict,) = of_kind(document, "verdict")
    assert verdict["values"]["policy"] == live.store.resolve("policy/main")
    auc = next(reason for reason in of_kind(document, "check") if reason["values"]["name"] == "auc")
    assert all(auc["values"][key] is not None for key in ("value", "low", "high", "threshold", "n"))
    cited = [reason for reason in verdict["because"] if reason["kind"] == "evidence"]
    assert len(cited) == 3
    assert all(reason["values"]["counts"] and reason["values"]["key"] for reason in cited)
    assert {tool["name"] for reason in cited if (tool := reason["values"]["tool"])} == {"shipway"}
    (run,) = of_kind(document, "run")
    wanted = {live.store.resolve("data/points")}
    assert wanted <= {reason["digest"] for reason in run["because"]}
    (refusal,) = of_kind(document, "refusal")
    assert "approval: 0 of 1" in refusal["text"]


def test_evidence_by_a_key_that_is_not_trusted_here_does_not_count_and_is_said_so(live: Project, tmp_path: Path) -> None:
    """An auditor elsewhere trusts nobody yet."""
    answered = live.cli("why", REF, "--json", environ={"SHIPWAY_KEYS": str(tmp_path / "other")})
    cited = of_kind(answered.document, "evidence")
    assert cited
    assert not any(reason["values"]["counts"] for reason in cited)
    assert "does not count: " in answered.err


def test_a_prefix_names_what_an_object_is_where_it_stands_and_what_used_it(live: Project) -> None:
    model = live.store.resolve("model/above")
    document = why(live, short(model))
    assert (document["meant"], document["answer"]["values"]["is"]) == ("digest", "model")
    assert [reason["values"]["ref"] for reason in of_kind(document, "named")] == ["model/above"]
    ways = {reason["values"]["is"]: reason["text"] for reason in of_kind(document, "lineage")}
    assert ways["release"].startswith("was used by model/above")
    assert ways["pipeline"].startswith("came from pipeline")


def test_a_verdict_an_envelope_and_a_leaf_are_explained_too(live: Project) -> None:
    (move,) = of_kind(why(live, REF), "move")
    verdict = why(live, move["digest"])
    assert verdict["answer"]["kind"] == "verdict"
    assert "moved at deploy/line@prod" in next(iter(of_kind(verdict, "named")))["text"]
    envelope = of_kind(verdict, "evidence")[0]["digest"]
    assert [reason["values"]["is"] for reason in of_kind(why(live, envelope), "subject")] == ["model"]
    file = live.store.get(live.store.resolve("model/above"), "model")["file"]
    assert isinstance(file, dict)
    leaf = why(live, str(file["digest"]))
    assert leaf["answer"]["values"]["is"] == "bytes"
    assert any("was used by file: model" in reason["text"] for reason in of_kind(leaf, "lineage"))


def test_why_goes_on_where_a_verdict_and_the_spec_are_gone(own: Project) -> None:
    (record,) = [r for r in own.store.history(REF) if r.outcome == "moved"]
    assert record.verdict is not None
    own.store.objects.path(record.verdict).unlink()
    (own.root / "shipway.yaml").write_text("no: [spec")
    answered = own.cli("why", REF)
    assert answered.code == 0
    assert "cannot be read any more" in answered.out


def test_a_word_that_nothing_is_called_says_so(live: Project) -> None:
    failed = live.cli("why", "nobody-knows", "--json")
    assert (failed.code, failed.document["error"]["code"]) == (1, "operate.nothing-known")


def test_the_kinds_that_a_word_can_be_are_those_of_the_option() -> None:
    from shipway.cli.why import command

    (option,) = [parameter for parameter in command.params if parameter.name == "meaning"]
    assert tuple(option.to_info_dict()["type"]["choices"]) == MEANINGS


# predictions of other people's servers


def logged(half: str, data: object, *, id: str = "kserve-1") -> tuple[bytes, dict[bytes, bytes]]:
    """As KServe's payload logger sends it: the attributes in headers, the protocol's body."""
    kind = f"org.kubeflow.serving.inference.{half}"
    said = {"specversion": "1.0", "id": id, "source": "http://localhost:9081/", "type": kind, "inferenceservicename": "line"}
    headers = {**said, "time": "2026-11-29T10:00:00Z" if half == "request" else "2026-11-29T10:00:00.25Z"}
    return json.dumps(data).encode(), {f"ce-{name}".encode(): value.encode() for name, value in headers.items()}


def test_events_of_a_payload_logger_become_predictions_of_what_is_live(live: Project) -> None:
    tensor = {"datatype": "FP64", "shape": [2], "data": [0.5, -0.5]}
    points = {"name": "point", "datatype": "BYTES", "shape": [2], "data": ["a", "b"]}
    asked = {"inputs": [{"name": "x", **tensor}, {"name": "y", **tensor}, points]}
    two = {"outputs": [{"name": "output-0", "datatype": "FP64", "shape": [2, 2], "data": [0.25, 0.75, 0.9, 0.1]}]}
    with OutcomeLog(live.store) as outcomes, Intake(live.store.again, outcomes) as intake:
        told = [
            json.loads(intake.event(*logged(half, data), {"deployment": "line@prod"}).body)
            for half, data in (("response", two), ("request", asked))
        ]
        assert told == [{"recorded": 0, "waiting": 1, "dropped": 0}, {"recorded": 2, "waiting": 0, "dropped": 0}]
        for half, data in (("request", {"instances": [[0.5, 1.0]]}), ("response", {"predictions": [0.5]})):
            intake.event(*logged(half, data, id="v1"), {})
    gather(live.store)
    rows = find_predictions(live.store, "kserve-1").sort("id")
    deployment = live.store.resolve(REF)
    assert rows.select("id", "deployment", "probability", "x", "point", "latency_us").rows() == [
        ("kserve-1:0", deployment, 0.75, 0.5, "a", 250_000),
        ("kserve-1:1", deployment, 0.1, -0.5, "b", 250_000),
    ]
    assert find_predictions(live.store, "v1:0")["probability"].to_list() == [0.5]


@pytest.mark.parametrize(
    ("asked", "answered", "deployment"),
    [
        ({"inputs": []}, {"predictions": [1]}, ""),
        ({"instances": [[0.5]]}, {"predictions": [1]}, ""),
        ({"instances": [[0.5, 1.0]]}, {"predictions": [1, 2]}, ""),
        ({"instances": [[0.5, 1.0]]}, {"predictions": ["yes"]}, ""),
        ({"instances": [[0.5, 1.0]]}, {"outputs": [{"name": "p", "shape": [7], "data": [1]}]}, ""),
        ({"instances": [[0.5, 1.0]]}, [[[[]]]], ""),
        ({"instances": [[0.5, 1.0]]}, {"predictions": [0.5]}, "nobody@prod"),
    ],
)
def test_events_that_could_not_be_of_what_is_live_are_refused_with_a_reason(
    live: Project, asked: object, answered: object, deployment: str
) -> None:
    with OutcomeLog(live.store) as outcomes, Intake(live.store.again, outcomes) as intake:
        halves = [logged(half, data, id="odd") for half, data in (("request", asked), ("response", answered))]
        if not deployment:
            intake.event(*halves[0], {})
        with pytest.raises(EventRefused):
            intake.event(*halves[1], {"deployment": deployment})
    gather(live.store)
    assert find_predictions(live.store, "odd").is_empty()


def test_an_export_keeps_what_is_good_and_says_how_much_is_not(live: Project) -> None:
    def record(**values: object) -> dict[str, object]:
        said = [{"key": f"shipway.{name}", "value": {"doubleValue" if name == "value" else "stringValue": value}}
                for name, value in values.items()]  # fmt: skip
        return {"timeUnixNano": "1359796500000000000", "attributes": said}

    records = [record(prediction="otlp:0", outcome="above", value=1.0), record(outcome="above", value=1.0), record(other="x")]
    body = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]}).encode()
    with OutcomeLog(live.store) as outcomes, Intake(live.store.again, outcomes) as intake:
        answer = intake.receivers.logs(body, {b"content-type": b"application/json"}, {})
        with pytest.raises(EventRefused):
            intake.receivers.traces(b"7", {b"content-type": b"application/json"}, {})
        with pytest.raises(MediaTypeUnknown):
            intake.receivers.logs(body, {b"content-type": b"text/plain"}, {})
    assert json.loads(answer.body)["partialSuccess"]["rejectedLogRecords"] == "1"
    gather(live.store)
    assert find_outcomes(live.store, "otlp:0").select("name", "value").rows() == [("above", 1.0)]


def span(name: str, **said: object) -> dict[str, Any]:
    """A quarter of a second long; __ in a name is a dot."""
    kinds = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue", bytes: "bytesValue"}
    attributes = [
        {"key": key.replace("__", "."), "value": {kinds[type(value)]: "" if isinstance(value, bytes) else value}}
        for key, value in said.items()
    ]
    begin = 1_359_796_500_000_000_000
    times = {"startTimeUnixNano": str(begin), "endTimeUnixNano": str(begin + 250_000_000)}
    return {
        "name": name,
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": "00f067aa0ba902b7",
        **times,
        "attributes": attributes,
    }


def exported(*spans: dict[str, Any], **resource: object) -> bytes:
    about = {"attributes": span("", **resource)["attributes"]}
    return json.dumps({"resourceSpans": [{"resource": about, "scopeSpans": [{"spans": spans}]}]}).encode()


def test_spans_with_our_attributes_or_openinference_values_become_predictions_of_what_is_live(live: Project) -> None:
    """As protobuf and as JSON; of the attributes a span's own go before its resource's."""
    tabular = span("a", shipway__feature__x=0.5, shipway__feature__y=1.0, shipway__feature__point="c", shipway__score=0.75)
    values = {"input__value": '{"x": [0.5, -0.5], "y": [1, 0]}', "output__value": '{"probability": [0.25, 0.5]}'}
    inferred = span("b", shipway__prediction__id="inferred", shipway__deployment="line@prod", **values)
    body = {"input__value": '{"instances": [[0.5, 1.0]]}', "output__value": '{"predictions": [0.125]}'}
    bodies = span("c", shipway__prediction__id="bodies", **body)
    others = span("chat", input__value="What is the capital of France?", output__value="Paris")
    whole = exported(tabular, inferred, bodies, others, shipway__deployment="line@prod")
    message = json_format.Parse(whole, ExportTraceServiceRequest())
    for found in message.resource_spans[0].scope_spans[0].spans:  # OTLP's JSON has ids in hexadecimal
        found.trace_id, found.span_id = bytes.fromhex(tabular["traceId"]), bytes.fromhex(tabular["spanId"])
    counted: list[tuple[str, int]] = []
    with OutcomeLog(live.store) as outcomes, Intake(live.store.again, outcomes, lambda *one: counted.append(one)) as intake:
        for sent, kind in ((whole, b"application/json"), (message.SerializeToString(), b"application/x-protobuf")):
            answer = intake.receivers.traces(sent, {b"content-type": kind}, {})
            assert answer.body in (b"{}", b""), answer.body
    assert sum(rows for what, rows in counted if what == "predictions") == 8
    gather(live.store)
    rows = find_predictions(live.store, "0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7")
    assert set(rows.select("probability", "x", "point", "latency_us", "deployment").rows()) == {
        (0.75, 0.5, "c", 250_000, live.store.resolve(REF))
    }
    assert find_predictions(live.store, "inferred").sort("id")["probability"].to_list() == [0.25, 0.25, 0.5, 0.5]
    assert find_predictions(live.store, "bodies:0")["x"].to_list() == [0.5, 0.5]


GOOD_SPAN: dict[str, Any] = {"shipway__feature__x": 0.5, "shipway__feature__y": 1.0, "shipway__score": 0.75}


@pytest.mark.parametrize(
    ("said", "why_not"),
    [
        ({**GOOD_SPAN, "shipway__feature__x": b""}, "is no text, number or truth value"),
        ({**GOOD_SPAN, "shipway__feature__x": "half"}, "x"),
        ({**GOOD_SPAN, "shipway__feature__z": 1.0}, "z"),
        ({**GOOD_SPAN, "shipway__score": "high"}, "no answer of numbers"),
        ({**GOOD_SPAN, "shipway__deployment": "nobody@prod"}, "of which deployment"),
        ({**GOOD_SPAN, "shipway__prediction__id": "x" * 300}, "at most 256 characters"),
        ({"shipway__score": 0.75}, "input.value"),
        ({"shipway__score": 0.75, "input__value": "[" * 100_000}, "input.value is no JSON"),
        ({"shipway__score": 0.75, "input__value": '{"x": [1, 2], "y": [1]}'}, "different lengths"),
        ({"shipway__score": 0.75, "input__value": "7"}, "no rows of columns"),
        (
            {"shipway__prediction__id": "p", "input__value": '{"x": 0.5, "y": 1}', "output__value": "yes"},
            "output.value is no JSON",
        ),
        ({"shipway__score": 0.75, "input__value": " " * (1 << 20) + "{}"}, "bytes of values"),
    ],
)
def test_a_span_that_could_be_no_prediction_is_refused_with_a_reason_and_counted_and_the_others_are_kept(
    live: Project, said: dict[str, Any], why_not: str
) -> None:
    counted: list[tuple[str, int]] = []
    whole = exported(span("odd", **said), span("good", shipway__prediction__id="beside", **GOOD_SPAN))
    with OutcomeLog(live.store) as outcomes, Intake(live.store.again, outcomes, lambda *one: counted.append(one)) as intake:
        answer = intake.receivers.traces(whole, {b"content-type": b"application/json"}, {"deployment": "line@prod"})
    partial = json.loads(answer.body)["partialSuccess"]
    assert partial["rejectedSpans"] == "1"
    assert why_not in partial["errorMessage"]
    assert counted == [("predictions", 1), ("refused", 1)]


def test_halves_that_wait_when_it_ends_are_a_gap_and_counted_when_they_are_dropped(own: Project) -> None:
    with OutcomeLog(own.store) as outcomes, Intake(own.store.again, outcomes) as intake:
        for number in range(3):
            intake.event(*logged("request", {"instances": [[0.5, 1.0]]}, id=f"alone-{number}"), {})
    (gap,) = own.store.states("gap", "predictions/events-")
    assert (gap.value["rows"], gap.value["remark"]) == (3, "events without their other half")


# predictions, calls, alerts


def answer(live: Project, request: str) -> tuple[Digest, Digest]:
    """A request of two rows, answered by what is live: the release and the deployment."""
    deployment = live.store.resolve(REF)
    release = release_of(live.store, deployment)
    assert release is not None
    record = prediction(
        request, INPUTS, np.array([0.75, 0.25]), release=release, deployment=deployment, recorded=datetime.now(UTC)
    )
    log = SegmentWriter(live.store.log_folder("predictions"), request)
    assert log.append(encode_record(record), record.rows)
    log.close()
    return release, deployment


def test_a_prediction_goes_back_to_its_columns_outcome_release_deployment_and_evidence(live: Project) -> None:
    release, deployment = answer(live, "req-1")
    log = SegmentWriter(live.store.log_folder("outcomes"), "o")
    log.append_durable(
        encode_record(
            OutcomeRecord(recorded=1_795_000_000_000_000, rows=1, ids=["req-1:1"], names=["above"], values=[1.0], times=[None])
        ),
        1,
    )
    log.close()
    document = why(live, "req-1:1")
    assert (document["meant"], document["answer"]["values"]["release"]) == ("prediction", release)
    assert "probability 0.25" in document["answer"]["text"]
    (columns,) = of_kind(document, "columns")
    assert (columns["values"]["x"], columns["values"]["point"]) == (-0.5, "b")
    (outcome,) = of_kind(document, "outcome")
    assert outcome["values"]["value"] == 1.0
    (place,) = of_kind(document, "deployment")
    assert (place["values"], place["digest"]) == ({"ref": REF, "live": release}, deployment)
    assert of_kind(document, "verdict")
    assert of_kind(document, "run")


def test_an_outcome_of_a_customer_is_shown_with_the_prediction_that_it_is_of(own: Project) -> None:
    own.edit("above: {matures: 1d}", "above: {by: point, within: 7d}")
    assert own.cli("apply", "--why", "outcomes of points").code == 0
    answer(own, "req-9")
    later = instant(datetime.now(UTC) + timedelta(seconds=5))
    with OutcomeLog(own.store) as log:
        log.record([{"entity": "b", "name": "above", "value": value, "time": later} for value in (0, 1)])
    gather(own.store)
    said = [reason["text"] for reason in of_kind(why(own, "req-9:1"), "outcome")]
    assert [text.partition(" at ")[0] for text in said] == ["outcome above = 0 of b", "outcome above = 1 of b"]
    assert [reason["text"] for reason in of_kind(why(own, "req-9:0"), "outcome")] == ["no outcome is recorded yet"]
    (told,) = own.ask("outcomes")["outcomes"]
    assert (told["entities"], told["corrected"]) == (1, 1)


def test_a_request_of_several_rows_is_ambiguous_and_its_rows_are_named(live: Project) -> None:
    answer(live, "req-2")
    with pytest.raises(Ambiguous, match="prediction req-2:0, prediction req-2:1"):
        why(live, "req-2")


def test_a_word_that_is_a_prediction_and_a_digest_says_which_it_could_be(live: Project) -> None:
    model = live.store.resolve("model/above")
    digits = model.removeprefix("sha256:")[:12]
    log_calls(live.store, [call(digits)])
    failed = live.cli("why", digits, "--json")
    assert failed.document["error"]["code"] == "operate.ambiguous"
    assert f"digest {model}, call {digits}" in failed.document["error"]["what"]
    assert why(live, digits, "digest")["name"] == model
    assert why(live, digits, "call")["meant"] == "call"


def test_a_call_goes_back_to_its_release_also_when_that_is_gone(live: Project) -> None:
    release, deployment = answer(live, "req-3")
    log_calls(live.store, [call("call-1", release=release, deployment=deployment), call("call-2"), call("call-3", release="")])
    first, second, third = (why(live, f"call-{number}") for number in (1, 2, 3))
    assert first["answer"]["digest"] == release
    assert "status 200, provider answer, model smollm2, 900 tokens in, 40 out" in first["answer"]["text"]
    assert of_kind(first, "verdict")
    assert "cannot be read any more" in of_kind(second, "note")[-1]["text"]
    assert "plain pass-through" in of_kind(third, "note")[-1]["text"]


def test_an_alert_goes_back_to_the_check_that_opened_it_and_the_moves_before(live: Project) -> None:
    """The predictor of this release is as wrong as can be for sixty days; the real monitors say so."""
    deployment = live.store.resolve(REF)
    release = release_of(live.store, deployment)
    assert release is not None
    rows = make_days(3, days=60, rows=60, shift=0.6, features=3)
    log = SegmentWriter(live.store.log_folder("predictions"), "p")
    for day in rows:
        columns = {"x": day.columns["x0"], "y": day.columns["x1"], "point": day.columns["flight"]}
        columns["day"] = np.array([str(day.day)] * 60, dtype=object)
        record = prediction(f"{day.day}-0", columns, day.score, release=release, deployment=deployment)
        assert log.append(encode_record(record), record.rows)
    done = WorkRecord(release=release, deployment=deployment, arm="live", recorded=0, rows=4000, cpu_us=2_000_000, usd=0.5)
    assert log.append(encode_record(done), 0)
    log.close()
    log_outcomes(live.store, rows)
    watched = live.cli("watch", "line@prod", "--json")
    assert watched.code in (0, 1), watched.err
    cost = {"cpu_seconds": 0.5, "usd": 0.125}
    assert watched.document["serving"] == {"release": release, "rows": 4000, "per_thousand": cost}
    key = Alert(
        ref=REF, severity=Severity.PAGE, monitor="calibration", value=0.3, low=0.2, high=0.4, threshold=0.1,
        first_day=datetime.now(UTC).date(), last_day=datetime.now(UTC).date(), release=release,
    )  # fmt: skip
    live.store.put_state("alert", key.key, key.to_json())
    document = why(live, key.key)
    assert document["meant"] == "alert"
    assert of_kind(document, "move")[0]["values"]["why"] == "first"
    assert why(live, f"{REF}/calibration", "alert")["name"] == key.key


# at


def test_at_says_which_release_was_live_since_and_until_when(own: Project) -> None:
    first = own.ask("log", REF)["history"][0]
    edited = own.root / "shipway.yaml"
    edited.write_text(edited.read_text().replace("line@prod: {}", "line@prod: {workers: 2}"))
    assert own.cli("apply", "--why", "more workers").code == 0
    moment = first["when"]
    document = own.ask("at", REF, moment)
    assert (document["release"], document["since"]["who"], document["since"]["why"]) == (first["to"], ANN, "first")
    assert document["until"]["why"] == "more workers"
    before = own.ask("at", REF, instant(datetime.fromisoformat(moment) - timedelta(microseconds=1)))
    assert (before["digest"], before["until"]["why"]) == (None, "first")
    now = own.cli("at", "line", "now").out
    assert "it is there still" in now


def test_a_time_may_be_written_in_many_ways() -> None:
    now = datetime(2026, 11, 28, 12, tzinfo=UTC)
    meant = {
        "1h": datetime(2026, 11, 28, 11, tzinfo=UTC),
        "yesterday": datetime(2026, 11, 27, 12, tzinfo=UTC),
        "now": now,
        "2026-01-01": datetime(2026, 1, 1, tzinfo=UTC),
        "2026-01-01T12:00:00+02:00": datetime(2026, 1, 1, 10, tzinfo=UTC),
    }
    assert {text: parse_time(text, now) for text in meant} == meant


def test_a_time_that_is_none_is_a_mistake_of_the_command_line(live: Project) -> None:
    failed = live.cli("at", "data/points", "lately")
    assert (failed.code, "is no time" in failed.err) == (64, True)


# lineage


def test_lineage_has_a_json_form_and_a_graph(live: Project) -> None:
    document = live.ask("lineage", "model/above", "--depth", "2")
    assert {"came_from", "used_by"} <= document.keys()
    assert document["digest"] == live.store.resolve("model/above")
    graph = live.cli("lineage", "model/above", "--dot").out
    assert graph.startswith("digraph lineage {")
    assert f'"{live.store.resolve("model/above")}" -> "{live.store.resolve("release/line")}" [label="model/above"];' in graph


def test_what_has_no_lineage_says_where_to_look(live: Project) -> None:
    answer(live, "req-4")
    failed = live.cli("lineage", "req-4:0", "--json")
    assert "shipway why req-4:0" in json.loads(failed.out)["error"]["mend"]
    assert live.cli("lineage", digest_bytes(b"nobody")).out.count("nothing that is recorded") == 2
