"""A release as a part of somebody's own application: below any path, started late or early, closed with it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient
from wire_help import RELEASE, TEXT_INPUTS, Served, rows_of, tensors

from shipway.kernel.errors import ShipwayError
from shipway.operate import LoadedRelease
from shipway.protocols import MountedRelease
from shipway.serve import load_config, open_log, open_model, open_predictor

pytest_plugins = ["wire_fixtures"]

PREDICT = "/v2/models/delay/infer"
MESSAGE = {"inputs": tensors(rows_of(TEXT_INPUTS, 3, seed=5))}


@pytest.fixture(name="load")
def _load(served: Served, tmp_path: Path) -> Callable[[], LoadedRelease]:
    """Loads the model of the tests in this process, logging to a folder of the test's own."""
    config = load_config(served.logging_to(tmp_path).config())

    def load() -> LoadedRelease:
        ready, log = open_model(config), open_log(config)
        assert log is not None
        predictor = open_predictor(config, ready.model, log)
        return LoadedRelease(predictor, ready.cost, golden=ready.golden, apart="", close=log.close)

    return load


@pytest.fixture(name="mounted")
def _mounted(load: Callable[[], LoadedRelease]) -> Iterator[MountedRelease]:
    mounted = MountedRelease(load)
    yield mounted
    mounted.close()


def starlette_app(mounted: MountedRelease) -> Any:
    return Starlette(routes=[Mount("/models/delay", mounted)])


def fastapi_app(mounted: MountedRelease) -> Any:
    app = FastAPI()

    @app.get("/own")
    def own() -> str:
        return "ours"

    app.mount("/models/delay", mounted)
    assert app.openapi()["paths"].keys() == {"/own"}
    return app


def inside_app(mounted: MountedRelease) -> Any:
    return Starlette(routes=[Mount("/models", Starlette(routes=[Mount("/delay", mounted)]))])


@pytest.mark.parametrize("make", [starlette_app, fastapi_app, inside_app])
def test_a_mounted_release_answers_below_its_path_as_it_does_alone(
    mounted: MountedRelease, make: Callable[[MountedRelease], Any]
) -> None:
    client, alone = TestClient(make(mounted)), TestClient(mounted)
    for path in ("/v2", "/v2/models/delay", "/v1/models", "/readyz", "/v2/health/live", "/nowhere", PREDICT):
        here, there = client.get(f"/models/delay{path}"), alone.get(path)
        assert (here.status_code, here.json()) == (there.status_code, there.json()), path
    answers = [
        client.post(f"/models/delay{PREDICT}", json={**MESSAGE, "id": "a"}),
        alone.post(PREDICT, json={**MESSAGE, "id": "a"}),
    ]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    assert answers[0].headers["x-shipway-release"] == RELEASE
    described = client.get("/models/delay/openapi.json").json()
    assert described["servers"] == [{"url": "/models/delay"}]
    assert alone.get("/openapi.json").json()["servers"] == [{"url": "/"}]
    assert client.get(PREDICT).status_code == 404, "nothing of it stands outside of its path"


def test_nothing_is_loaded_before_it_is_asked_and_once_for_all_who_ask_at_once(load: Callable[[], LoadedRelease]) -> None:
    loads, go = [], threading.Event()

    def slowly() -> LoadedRelease:
        loads.append(threading.current_thread().name)
        assert go.wait(30)
        return load()

    mounted = MountedRelease(slowly)
    app = starlette_app(mounted)
    assert loads == []
    found: list[int] = []
    askers = [
        threading.Thread(target=lambda: found.append(TestClient(app).post(f"/models/delay{PREDICT}", json=MESSAGE).status_code))
        for _ in range(3)
    ]
    for asker in askers:
        asker.start()
    client = TestClient(app)
    assert client.get("/models/delay/healthz").json() == {"live": True}
    ready = client.get("/models/delay/readyz")
    assert (ready.status_code, ready.json()) == (503, {"live": True, "ready": False})
    go.set()
    for asker in askers:
        asker.join()
    assert found == [200, 200, 200]
    assert len(loads) == 1
    assert client.get("/models/delay/readyz").status_code == 200
    mounted.close()


def test_what_does_not_load_is_503_that_says_why_and_is_tried_again(load: Callable[[], LoadedRelease]) -> None:
    broken = [ShipwayError("the disk is away", where="/disk", mend="bring it back"), ValueError("a secret path")]

    def sometimes() -> LoadedRelease:
        if broken:
            raise broken.pop(0)
        return load()

    mounted = MountedRelease(sometimes)
    client = TestClient(mounted)
    first, second = client.post(PREDICT, json=MESSAGE), client.post(PREDICT, json=MESSAGE)
    assert (first.status_code, second.status_code) == (503, 503)
    assert first.json() == {"error": "the release is not loaded: the disk is away; /disk; bring it back"}
    assert second.json() == {"error": "the release is not loaded: ValueError"}, "what a library says is for the log"
    assert first.headers["retry-after"] == "2"
    assert client.post(PREDICT, json=MESSAGE).status_code == 200
    mounted.close()


@pytest.mark.parametrize("way", ["own", "parent's"])
def test_a_lifespan_loads_it_before_the_first_request_and_seals_the_log_at_the_end(
    load: Callable[[], LoadedRelease], served: Served, tmp_path: Path, way: str
) -> None:
    began = []

    def watched() -> LoadedRelease:
        began.append(time.monotonic())
        return load()

    mounted = MountedRelease(watched)
    app = mounted if way == "own" else Starlette(routes=[Mount("/d", mounted)], lifespan=mounted.lifespan)
    with TestClient(app) as client:
        assert len(began) == 1
        path = PREDICT if way == "own" else f"/d{PREDICT}"
        assert client.post(path, json={**MESSAGE, "id": "kept"}).status_code == 200
    records = served.logging_to(tmp_path).records()
    assert [(record.request, record.rows) for record in records] == [("kept", 3)]
    assert not list((tmp_path / "log").glob("*.open"))


def test_a_lifespan_that_cannot_load_ends_the_start(load: Callable[[], LoadedRelease]) -> None:
    def never() -> LoadedRelease:
        raise ShipwayError("no such release")

    async def ask() -> list[Any]:
        given, sent = [{"type": "lifespan.startup"}], []

        async def receive() -> Any:
            return given.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        await MountedRelease(never)({"type": "lifespan"}, receive, send)
        return sent

    import asyncio

    assert asyncio.run(ask()) == [{"type": "lifespan.startup.failed", "message": "the release is not loaded: no such release"}]


def test_pages_in_browsers_ask_only_where_the_application_guards_itself(load: Callable[[], LoadedRelease]) -> None:
    headers = {"origin": "https://shop.example"}
    for browsers, status in ((False, 403), (True, 200)):
        mounted = MountedRelease(load, browsers=browsers)
        assert TestClient(mounted).post(PREDICT, json=MESSAGE, headers=headers).status_code == status
        mounted.close()


def test_it_answers_as_the_loaded_release_does(load: Callable[[], LoadedRelease], mounted: MountedRelease) -> None:
    columns = rows_of(TEXT_INPUTS, 40, seed=9)
    answer = TestClient(mounted).post(PREDICT, json={"inputs": tensors(columns)}).json()
    with load() as loaded:
        outputs = loaded.predict(columns)
    np.testing.assert_array_equal(answer["outputs"][0]["data"], outputs["probability"])
