from __future__ import annotations

import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from llm_upstream import ANTHROPIC_USAGE, OPENAI_USAGE, WORDS, anthropic_answer, anthropic_frames, openai_answer, openai_frames

from shipway.kernel.canonical import Json
from shipway.llm import ANTHROPIC, OPENAI, StreamScan, Usage, stream_usage, usage_of

STREAMS = {
    "openai": (OPENAI, b"".join(openai_frames())),
    "openai with CRLF": (OPENAI, b"".join(openai_frames()).replace(b"\n", b"\r\n")),
    "openai without end": (OPENAI, b"".join(openai_frames(end=False))[:-1]),
    "openai without usage": (OPENAI, b": hello\n\n" + b"".join(openai_frames(usage=False))),
    "anthropic": (ANTHROPIC, b"".join(anthropic_frames())),
    "one frame in two lines": (OPENAI, b'data: {"choices":[{"delta":\ndata: {"content": "\xc3\xa9"}}]}\n\ndata: [DONE]'),
    "garbage": (OPENAI, b"data: {nonsense\n\nhello\n\ndata: [[[\n\n" + b"".join(openai_frames())),
}


def outcome(scan: StreamScan) -> tuple[object, ...]:
    return (
        *(scan.usage, scan.finish, scan.model, scan.fingerprint, scan.text, scan.deltas, scan.done, scan.error),
        *(scan.malformed, scan.complete, scan.first_token_seen),
    )


def scanned(shape: str, pieces: list[bytes]) -> tuple[object, ...]:
    scan = stream_usage(shape)
    texts = [text for piece in pieces for text in scan.feed(piece)] + scan.end()
    assert "".join(texts) == scan.text
    return outcome(scan)


@pytest.mark.parametrize("name", STREAMS)
@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_any_split_of_the_bytes_gives_the_same_result(name: str, data: st.DataObject) -> None:
    shape, stream = STREAMS[name]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=30)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert scanned(shape, pieces) == scanned(shape, [stream])


@pytest.mark.parametrize("name", STREAMS)
def test_byte_by_byte_gives_the_same_result(name: str) -> None:
    shape, stream = STREAMS[name]
    assert scanned(shape, [bytes([byte]) for byte in stream]) == scanned(shape, [stream])


def test_a_stream_has_its_usage_reason_model_and_pieces() -> None:
    text = "".join(WORDS)
    found = scanned(*(STREAMS["openai"][0], [STREAMS["openai"][1]]))
    assert found == (Usage(20, 5, cached=8), "stop", "m-2026", "fp_1", text, len(WORDS), True, None, 0, True, True)
    found = scanned(ANTHROPIC, [STREAMS["anthropic"][1]])
    assert found == (Usage(20, 5, cached=8, written=2), "end_turn", "m-2026", None, text, len(WORDS), True, None, 0, True, True)


def test_a_stream_without_its_end_is_not_complete() -> None:
    scan = stream_usage(OPENAI)
    scan.feed(STREAMS["openai without end"][1])
    scan.end()
    assert (scan.complete, scan.usage, scan.text) == (False, None, "".join(WORDS))


def test_frames_that_cannot_be_read_are_counted_and_the_rest_is_read() -> None:
    scan = stream_usage(OPENAI)
    scan.feed(STREAMS["garbage"][1])
    assert (scan.malformed, scan.complete, scan.usage) == (2, True, Usage(20, 5, cached=8))


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=400), st.sampled_from([OPENAI, ANTHROPIC]))
def test_no_bytes_make_the_scanner_raise(noise: bytes, shape: str) -> None:
    scan = stream_usage(shape)
    scan.feed(b"data: " + noise)
    scan.end()
    usage_of(shape, noise)


def test_a_line_without_an_end_is_not_kept_in_memory() -> None:
    scan = stream_usage(OPENAI)
    for _ in range(40):
        scan.feed(b"data: " + b"x" * 100_000)
    assert len(scan._rest) <= 1 << 20
    scan.feed(b"\n\n" + STREAMS["openai"][1])
    assert (scan.malformed, scan.complete) == (1, True)


def test_many_lines_of_one_frame_are_not_kept_in_memory() -> None:
    scan = stream_usage(OPENAI)
    for _ in range(40):
        scan.feed(b"data: " + b"x" * 100_000 + b"\n")
    assert len(scan._data) <= 1 << 20
    assert scan.malformed > 0


def test_a_tool_call_is_output_without_text() -> None:
    scan = stream_usage(OPENAI)
    scan.feed(b'data: {"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}\n\n')
    assert (scan.first_token_seen, scan.text) == (True, "")


def test_the_usage_of_whole_answers() -> None:
    assert usage_of(OPENAI, json.dumps(openai_answer()).encode()) == Usage(20, 5, cached=8)
    assert usage_of(ANTHROPIC, json.dumps(anthropic_answer()).encode()) == Usage(20, 5, cached=8, written=2)
    assert usage_of(OPENAI, {"usage": OPENAI_USAGE}) == Usage(20, 5, cached=8)
    assert usage_of(ANTHROPIC, {"usage": ANTHROPIC_USAGE}) == Usage(20, 5, cached=8, written=2)


def test_embeddings_and_responses_are_counted_too() -> None:
    assert usage_of(OPENAI, {"usage": {"prompt_tokens": 3, "total_tokens": 3}}) == Usage(3, 0)
    used: dict[str, Json] = {"input_tokens": 9, "output_tokens": 4, "input_tokens_details": {"cached_tokens": 2}}
    assert usage_of(OPENAI, {"usage": used}) == Usage(9, 4, cached=2)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"usage": null}', b'{"usage": {"prompt_tokens": -1}}'])
def test_what_has_no_usage_gives_none(body: bytes) -> None:
    assert usage_of(OPENAI, body) is None
    assert usage_of(ANTHROPIC, body) is None


def test_a_provider_cannot_say_that_more_was_cached_than_was_sent() -> None:
    used: dict[str, Json] = {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 50}}
    assert usage_of(OPENAI, {"usage": used}) == Usage(3, 1, cached=3)


def test_scanning_a_hundred_frames_costs_under_a_millisecond() -> None:
    frames = openai_frames()
    stream = [frames[1]] * 100 + frames[-3:]

    def once() -> float:
        scan, began = stream_usage(OPENAI), time.thread_time()
        for frame in stream:
            scan.feed(frame)
        assert scan.usage is not None
        return time.thread_time() - began

    assert min(once() for _ in range(20)) < 0.001
