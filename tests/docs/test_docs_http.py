"""docs/http.md and the three servers know the same routes and metrics."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import numpy as np
import pytest
from docs_help import DOCS, SOURCE, code_words, section, sections, table, titles
from starlette.routing import Mount, Route

from shipway.gateway import METRICS as GATEWAY_METRICS
from shipway.gateway import GatewayApp, GatewayConfig, ProviderConfig, open_app
from shipway.gateway._request import ENDPOINTS
from shipway.models import Array, Column, Signature
from shipway.protocols import PredictorApp
from shipway.protocols._metrics import METRICS as PREDICTOR_METRICS
from shipway.serve import Batcher, Cost, Identity, Predictor
from shipway.store import Store
from shipway.web import METRICS, make_app
from shipway.web._outcomes import Row

PAGE = DOCS / "http.md"
NOBODY = "http://127.0.0.1:9/v1"  # the port of `discard`, which nothing listens on


class Half:
    """A model that answers one half."""

    signature = Signature((Column("x", "FP64"),), (Column("probability", "FP64"),))

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        return {"probability": np.full(len(columns["x"]), 0.5)}


@pytest.fixture(scope="module")
def predictor() -> PredictorApp:
    identity = Identity("delay", "prod", "{version}", "sha256:2", "live", "{model}")
    return PredictorApp(Batcher(Predictor(Half(), identity), Cost(0.0, 0.0)), server_version="0")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayApp]:
    provider = {
        "kind": "provider",
        "version": 1,
        "shape": "openai",
        "model": "m",
        "url": NOBODY,
        "local": None,
        "weights": None,
        "parameters": {},
    }
    config = GatewayConfig(
        kind="gateway",
        version=1,
        state_directory=str(tmp_path_factory.mktemp("gateway")),
        providers=[ProviderConfig(name="answer", object=provider)],
        retries=0,
    )
    app = open_app(config, {}, None)
    yield app
    asyncio.run(app.close())


def documented(server: str) -> set[str]:
    """`METHOD /path` of a server's headings; those that the control plane has too say whose they are."""
    return {title.removeprefix(f"{server}'s ") for title in titles(PAGE, 3, below=server)}


def control_plane_routes() -> set[str]:
    def nothing(*_args: object) -> NoReturn:
        raise AssertionError("routes alone are looked at")

    def no_store() -> Store:
        return nothing()

    def no_rows(rows: list[Row]) -> int:
        return nothing(rows)

    app = make_app(no_store, links={}, endpoints=dict, record_outcomes=no_rows)
    found: set[str] = set()
    for route in app.routes:
        if isinstance(route, Mount):
            found.add(f"GET {route.path}/")
        elif isinstance(route, Route):
            found |= {f"{method} {route.path}" for method in route.methods or () if method != "HEAD"}
    return found


def ask(app: PredictorApp | GatewayApp, method: str, path: str, body: bytes = b"") -> tuple[int, str]:
    """Status and body of one request, straight on ASGI."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body}

    async def send(message: Any) -> None:
        sent.append(dict(message))

    scope: dict[str, Any] = {"type": "http", "method": method, "path": path, "headers": []}
    asyncio.run(app(scope, receive, send))
    return sent[0]["status"], sent[1]["body"].decode()


def test_the_control_plane_has_the_routes_of_the_page() -> None:
    assert documented("Control plane") == control_plane_routes()


def test_the_predictor_has_the_routes_of_the_page(predictor: PredictorApp) -> None:
    pages = {f"{method} {path}" for method, path in predictor.pages._fixed}
    inferring = {f"POST {path}" for path in predictor.predicting.wires}
    paths = json.loads(ask(predictor, "GET", "/openapi.json")[1])["paths"]
    described = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert pages | inferring | {"GET /metrics"} <= described
    assert documented("Predictor") == described | {"GET /openapi.json"}


def test_every_route_of_the_predictor_answers(predictor: PredictorApp) -> None:
    body = b'{"inputs": [{"name": "x", "datatype": "FP64", "shape": [2], "data": [0.5, 1.5]}], "instances": [[0.5], [1.5]]}'
    refused = {found.title for found in sections(PAGE) if found.text.startswith("\nRefused (400)")}
    for method, path in (route.split() for route in documented("Predictor")):
        asked = b'{"dataframe_split": {"columns": ["x"], "data": [[0.5]]}}' if path == "/invocations" else body
        assert ask(predictor, method, path, asked)[0] == (400 if f"{method} {path}" in refused else 200), path


def test_the_metrics_of_the_control_plane_are_those_of_the_page() -> None:
    rows = table(section(PAGE, "GET /metrics").text)
    assert {code_words(row[0])[0]: row[1] for row in rows} == {name: kind for name, (kind, _) in METRICS.items()}


def test_the_metrics_of_the_predictor_are_those_of_the_page(predictor: PredictorApp) -> None:
    rows = table(section(PAGE, "Predictor's GET /metrics").text)
    shown = {code_words(row[0])[0]: row[1] for row in rows}
    assert shown == {name: kind for name, (kind, _) in PREDICTOR_METRICS.items()}
    written = re.findall(r"^# TYPE (\S+) (\S+)$", ask(predictor, "GET", "/metrics")[1], re.M)
    assert shown == dict(written)


def test_the_gateway_has_the_calls_of_the_page() -> None:
    assert {route for route in documented("Gateway") if route.startswith("POST ")} == {f"POST {path}" for path in ENDPOINTS}


def test_every_page_of_the_gateway_answers_and_no_other_does(gateway: GatewayApp) -> None:
    pages = {route.split()[1] for route in documented("Gateway") if route.startswith("GET ")}
    source = (SOURCE / "gateway" / "_app.py").read_text()
    assert pages == set(re.findall(r'if path == "([^"]+)"', source))
    assert {path: ask(gateway, "GET", path)[0] for path in pages} == dict.fromkeys(pages, 200)
    assert ask(gateway, "GET", "/v2")[0] == 404


def test_what_the_gateway_says_of_itself_has_the_fields_of_the_page(gateway: GatewayApp) -> None:
    shown = json.loads(code_words(section(PAGE, "Gateway's GET /readyz").text)[0])
    assert json.loads(ask(gateway, "GET", "/readyz")[1]).keys() == shown.keys()


def test_an_error_of_the_gateway_is_in_the_shape_of_its_address(gateway: GatewayApp) -> None:
    status, text = ask(gateway, "POST", "/v1/messages", b'{"model": "nobody", "messages": []}')
    assert (status, json.loads(text)["type"]) == (404, "error")
    status, text = ask(gateway, "POST", "/v1/chat/completions", b'{"model": "nobody", "messages": []}')
    assert (status, json.loads(text)["error"]["code"]) == (404, "model_not_found")


def test_the_metrics_of_the_gateway_are_those_of_the_page(gateway: GatewayApp) -> None:
    rows = table(section(PAGE, "Gateway's GET /metrics").text)
    shown = {code_words(row[0])[0]: row[1] for row in rows}
    assert shown == {name: kind for name, (kind, _) in GATEWAY_METRICS.items()}
    written = dict(re.findall(r"^# TYPE (\S+) (\S+)$", ask(gateway, "GET", "/metrics")[1], re.M))
    assert written.items() <= shown.items()
    assert len(written) > 10
