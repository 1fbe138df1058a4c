"""Several releases behind one gRPC port, and traces through it, as tritonclient asks them; all in this process."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np
import pytest
import tritonclient.grpc as triton
from grpc_help import FREE, MIRROR, Answering, Mirror, answering
from trace_help import PARENT, TRACE, Collector, traced
from tritonclient.utils import InferenceServerException
from wire_help import RELEASE

from shipway.kernel.split import SHADOW
from shipway.models import Array
from shipway.protocols import PredictorApp
from shipway.protocols._hop import Hop
from shipway.protocols._traces import Trace
from shipway.serve import Batcher, Identity, PredictionFailed, Predictor, Request, Shadow, Split, SplitArm

NEAR, BROKEN, BESIDE = (f"sha256:{letter * 64}" for letter in "123")
COLUMNS: Mapping[str, Array] = {"x": np.array([1.0, 2.0]), "who": np.array(["a", "b"], object)}
TYPES = {"x": "FP64", "who": "BYTES"}


def fails() -> None:
    raise ValueError("no")


def batcher_of(release: str, arm: str, hook: Callable[[], None] = lambda: None) -> Batcher:
    identity = Identity("mirror", "prod", release, release, arm, MIRROR)
    return Batcher(Predictor(Mirror(TYPES, hook), identity), FREE)


class Listening:
    """A shadow that remembers what it was told."""

    def __init__(self) -> None:
        self.asked: list[Request] = []

    async def tell(self, request: Request) -> float:
        self.asked.append(request)
        return 0.0


class Arms(NamedTuple):
    found: Answering
    client: Any
    shadow: Listening
    collector: Collector


@pytest.fixture(name="arms", scope="module")
def _arms() -> Iterator[Arms]:
    shadow, collector, takes = Listening(), Collector(), frozenset(TYPES)
    arms = [
        SplitArm("near", NEAR, ((0, 4000),), batcher_of(NEAR, "near"), takes),
        SplitArm("broken", BROKEN, ((4000, 6000),), batcher_of(BROKEN, "broken", fails), takes),
        SplitArm(SHADOW, BESIDE, ((0, 10_000),), None, takes),
    ]
    split = Split(batcher_of(RELEASE, "live"), arms, salt="salt", unit="header:x-user", shadow=Shadow(shadow))
    app = PredictorApp(split, server_version="0", tracer=traced(collector.url))
    with answering(app) as found, triton.InferenceServerClient(found.address) as client:
        yield Arms(found, client, shadow, collector)
        app.close()
    split.close()
    collector.close()


def inputs() -> list[Any]:
    found = []
    for name, array in COLUMNS.items():
        found.append(triton.InferInput(name, [2], TYPES[name]))
        found[-1].set_data_from_numpy(array)
    return found


def ask(arms: Arms, **options: Any) -> Any:
    return arms.client.infer(MIRROR, inputs(), **options).get_response()


def arm_of(response: Any) -> tuple[str, str, str]:
    failed = response.parameters["arm_failed"].string_param if "arm_failed" in response.parameters else ""
    return response.parameters["arm"].string_param, response.model_version, failed


@pytest.mark.interop
def test_a_user_has_one_arm_by_metadata_or_by_a_parameter_and_a_shadow_is_asked_besides(arms: Arms) -> None:
    by_metadata = {user: arm_of(ask(arms, headers={"x-user": str(user)}, request_id=f"u{user}")) for user in range(40)}
    by_parameter = {user: arm_of(ask(arms, parameters={"x-user": str(user)})) for user in range(40)}
    assert by_metadata == by_parameter
    assert set(by_metadata.values()) == {("live", RELEASE, ""), ("near", NEAR, ""), ("live", RELEASE, "broken")}
    end = time.monotonic() + 10
    while len(arms.shadow.asked) < 80 and time.monotonic() < end:
        time.sleep(0.01)
    assert {request.id for request in arms.shadow.asked} >= {f"u{user}" for user in range(40)}


@pytest.mark.interop
def test_a_version_is_a_release_and_the_header_of_a_mesh_chooses(arms: Arms) -> None:
    for version, arm in ((RELEASE, "live"), (NEAR, "near")):
        assert {arm_of(ask(arms, model_version=version, headers={"x-user": f"{user}"}))[:2] for user in range(9)} == {
            (arm, version)
        }
        assert arms.client.is_model_ready(MIRROR, version)
        assert arm_of(ask(arms, headers={"x-shipway-arm": arm}))[0] == arm
        assert arms.client.get_model_config(MIRROR, version, as_json=True)["config"]["name"] == MIRROR
    assert arms.client.get_model_metadata(MIRROR, as_json=True)["versions"] == [RELEASE, NEAR, BROKEN]
    listed = arms.client.get_model_repository_index(as_json=True)["models"]
    assert [entry["version"] for entry in listed] == [RELEASE, NEAR, BROKEN]
    assert arm_of(ask(arms, model_version=BROKEN)) == ("live", RELEASE, "broken")
    with pytest.raises(InferenceServerException, match=r"NOT_FOUND.*no version"):
        ask(arms, model_version=BESIDE)


@pytest.mark.interop
def test_each_request_of_a_stream_goes_to_the_arm_of_its_own_user(arms: Arms) -> None:
    alone = {user: arm_of(ask(arms, headers={"x-user": str(user)})) for user in range(20)}
    answers: queue.Queue[tuple[Any, Any]] = queue.Queue()
    with triton.InferenceServerClient(arms.found.address) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        for user in range(20):
            client.async_stream_infer(MIRROR, inputs(), request_id=str(user), parameters={"x-user": str(user)})
        found = [answers.get(timeout=20) for _ in range(20)]
        client.stop_stream()
    assert [error for _, error in found if error] == []
    responses = [result.get_response() for result, _ in found]
    assert {int(response.id): arm_of(response) for response in responses} == alone


@pytest.mark.interop
def test_a_span_of_a_call_is_below_its_callers_with_its_parts_below_it(arms: Arms) -> None:
    context = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "v=1"}
    ask(arms, headers={**context, "x-shipway-arm": "near"}, request_id="traced")
    with pytest.raises(InferenceServerException, match="no such column"):
        arms.client.infer(MIRROR, inputs()[:1], headers=context)
    ask(arms, headers={"traceparent": f"00-{TRACE}-{PARENT}-00"}, request_id="not sampled")
    end = time.monotonic() + 10
    while len(roots := [span for span in arms.collector.spans() if span.trace_id.hex() == TRACE and span.kind == 2]) < 2:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert {(span.name, span.parent_span_id.hex(), span.trace_state) for span in roots} == {("POST ModelInfer", PARENT, "v=1")}
    said = [{one.key: one.value.string_value or one.value.int_value for one in span.attributes} for span in roots]
    assert {(one["http.response.status_code"], one["shipway.rows"]) for one in said} == {(200, 2), (400, 0)}
    (whole,) = [span for span, one in zip(roots, said, strict=True) if one["shipway.request"] == "traced"]
    parts = [span.name for span in arms.collector.spans() if span.parent_span_id == whole.span_id]
    assert parts == ["decode", "queue", "model", "encode"]


def test_statistics_tell_where_the_time_of_answered_calls_went(arms: Arms) -> None:
    def read() -> dict[str, tuple[int, int]]:
        (model,) = arms.client.get_inference_statistics(MIRROR, as_json=True)["model_stats"]
        assert abs(int(model["last_inference"]) / 1000 - time.time()) < 60
        stats = model["inference_stats"]
        return {name: (int(one.get("count", 0)), int(one.get("ns", 0))) for name, one in stats.items()}

    before = read()
    for _ in range(3):
        ask(arms)
    with pytest.raises(InferenceServerException):
        arms.client.infer(MIRROR, inputs()[:1])
    after = read()
    more = {name: (after[name][0] - before[name][0], after[name][1] - before[name][1]) for name in after}
    parts = ("queue", "compute_input", "compute_infer", "compute_output")
    assert {more[name][0] for name in ("success", *parts)} == {3}
    assert all(more[name][1] > 0 for name in parts)
    assert sum(more[name][1] for name in parts) <= more["success"][1]
    assert (more["fail"][0], after["cache_hit"], after["cache_miss"]) == (1, (0, 0), (0, 0))


def test_an_arm_in_another_process_is_told_the_span_above_its_own() -> None:
    heads: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 500 no\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()

    async def both() -> None:
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            hop = Hop(f"http://127.0.0.1:{port}", Identity("mirror", "prod", NEAR, NEAR, "near", MIRROR), ())
            for trace in (Trace(TRACE, PARENT, "", 0.0, "00f067aa0ba902b8"), None):
                with pytest.raises(PredictionFailed):
                    await hop.predict(Request("r", COLUMNS), trace)

    asyncio.run(both())
    assert f"traceparent: 00-{TRACE}-00f067aa0ba902b8-01\r\n".encode() in heads[0]
    assert b"traceparent" not in heads[1]
