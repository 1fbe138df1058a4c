"""Bodies broken at random, out of good ones of each protocol: no answer is a 5xx or takes long, and good ones still count."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import time
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest
from datatypes_model import VALUES, columns_of, echo_app
from wire_help import binary_message, tensors

from shipway.protocols import PredictorApp

INFER, PREDICT, INVOKE = "/v2/models/echo/infer", "/v1/models/echo:predict", "/invocations"
PLAIN = {name: values for name, values in VALUES.items() if name != "FP16"}
EVENTS = {"content-type": "application/cloudevents+json"}
WORDS = [
    b"null",
    b"NaN",
    b"-1",
    b"1e999",
    b'"',
    b"{",
    b"[",
    b"]" * 9,
    b"\\ud800",
    b"\xff\xfe",
    b"9" * 400,
    b"true",
    b"\x00",
    b"[" * 3000,
]


class Seed(NamedTuple):
    """A good request: where, its body and its headers."""

    path: str
    body: bytes
    headers: dict[str, str]


def seeds() -> list[Seed]:
    """One request of each form that is read."""
    columns = columns_of(*PLAIN)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*(array.tolist() for array in columns.values()), strict=True)]
    message = {"id": "r", "parameters": {"priority": 1}, "inputs": tensors(columns), "outputs": [{"name": "bool"}]}
    infer, (binary, length) = json.dumps(message).encode(), binary_message(columns, parameters={"binary_data_output": True})
    split = {"columns": [*columns], "data": [[*row.values()] for row in rows]}
    forms = [{"dataframe_split": split}, {"dataframe_records": rows}, {"instances": rows}, {"inputs": rows}]
    text = "\n".join([",".join(columns), *(",".join(map(str, row.values())) for row in rows)]).encode()
    return [
        Seed(INFER, infer, {}),
        Seed(INFER, binary, length),
        Seed(INFER, gzip.compress(infer), {"content-encoding": "gzip"}),
        Seed(INFER, zlib.compress(binary), {**length, "content-encoding": "deflate"}),
        Seed(PREDICT, json.dumps({"instances": rows}).encode(), {}),
        *(Seed(INVOKE, json.dumps(form).encode(), {}) for form in forms),
        Seed(INVOKE, text, {"content-type": "text/csv"}),
        Seed(INFER, b'{"specversion": "1.0", "id": "e", "source": "s", "type": "t", "data": ' + infer + b"}", EVENTS),
        Seed(
            PREDICT,
            json.dumps({"instances": rows}).encode(),
            {"ce-specversion": "1.0", "ce-id": "e", "ce-source": "s", "ce-type": "t"},
        ),
    ]


def broken(seed: Seed, rng: random.Random) -> Seed:
    """The seed with a few pieces of it changed, cut, doubled, moved or in a header."""
    body = bytearray(seed.body)
    for _ in range(rng.randint(1, 4)):
        at, to = sorted(rng.randrange(len(body) + 1) for _ in range(2))
        kind = rng.randrange(6)
        if kind == 0:
            body[at:at] = rng.choice(WORDS)
        elif kind == 1:
            body[at : at + 1] = rng.randbytes(1)
        elif kind == 2:
            del body[at : min(to, at + 30)]
        elif kind == 3:
            body[at:at] = body[at : min(to, at + 200)]
        elif kind == 4:
            del body[to:]
        else:
            body[at : at + 8] = rng.choice([b"\xff" * 8, bytes(8), b"\x00" * 7 + b"\x80"])
    headers = dict(seed.headers)
    if rng.random() < 0.2:
        name = rng.choice(
            ["inference-header-content-length", "content-encoding", "content-type", "accept-encoding", "content-length"]
        )
        headers[name] = rng.choice(["", "-1", "0", "7", "gzip", "text/csv", "application/json; x", "9" * 50, "\xff"])
    return Seed(seed.path, bytes(body), headers)


async def ask(app: PredictorApp, seed: Seed, pieces: int = 1) -> tuple[int, bytes]:
    """Status and body of one request, whose body comes in so many pieces."""
    sent: list[Any] = []
    size = -(-len(seed.body) // pieces) or 1
    parts = [seed.body[at : at + size] for at in range(0, len(seed.body), size)] or [b""]
    come = iter([{"type": "http.request", "body": part, "more_body": part is not parts[-1]} for part in parts])

    async def receive() -> Any:
        return next(come)

    async def send(part: Any) -> None:
        sent.append(part)

    headers = [(name.lower().encode(), value.encode("latin-1")) for name, value in seed.headers.items()]
    await app({"type": "http", "method": "POST", "path": seed.path, "headers": headers}, receive, send)
    return sent[0]["status"], sent[1]["body"]


@pytest.fixture(name="app", scope="module")
def _app() -> Iterator[PredictorApp]:
    app = echo_app(*PLAIN)
    yield app
    app.close()


def test_each_seed_is_answered(app: PredictorApp) -> None:
    for seed in seeds():
        assert asyncio.run(ask(app, seed))[0] == 200, seed
        assert asyncio.run(ask(app, seed, 3))[0] == 200, seed


@pytest.mark.parametrize("rounds", [150, pytest.param(20_000, marks=pytest.mark.slow)])
def test_a_broken_body_is_a_4xx_with_words_or_still_a_good_one(app: PredictorApp, rounds: int) -> None:
    async def all_of_them() -> dict[int, int]:
        found: dict[int, int] = {}
        for seed in seeds():
            rng = random.Random(seed.path + str(len(seed.body)))
            for _ in range(rounds):
                case = broken(seed, rng)
                started = time.process_time()
                status, body = await ask(app, case, rng.randint(1, 3))
                assert status < 500, (case, body)
                assert time.process_time() - started < 2, case
                if status != 200:
                    words = " ".join(map(str, json.loads(body).values()))
                    assert len(words) < 2000, case
                found[status] = found.get(status, 0) + 1
            assert (await ask(app, seed))[0] == 200, seed
        return found

    found = asyncio.run(all_of_them())
    assert found[400] > found[200]
