"""Several releases behind one address, by real processes: told in answers, records and metrics; live stands in for others."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from wire_help import RELEASE, TEXT_INPUTS, Answer, Running, Served, ask, infer, rows_of, serving, tensors

from shipway.kernel.digest import digest_bytes
from shipway.models import golden_blob

pytest_plugins = ["wire_fixtures"]

ROWS = rows_of(TEXT_INPUTS, 2)
NEAR, APART, BROKEN, SHADOW = (f"sha256:{letter * 64}" for letter in "1234")


class Arms(NamedTuple):
    """A live release with an arm in its process, one in another, one that does not load, and a shadow."""

    running: Running
    apart: Running
    served: Served


def written(served: Served, name: str, release: str, **changes: object) -> Path:
    """serving.json of an arm in a folder of its own."""
    folder = served.folder / name
    folder.mkdir()
    path = folder / "serving.json"
    path.write_text(json.dumps({**served.fields, "release": release, "arm": name, **changes}))
    return path


def broken(served: Served) -> dict[str, object]:
    """Golden rows that no model repeats."""
    golden = golden_blob(ROWS, {"probability": np.array([0.5, 0.5])})
    path = served.folder / "golden-broken.json"
    path.write_bytes(golden)
    descriptor = {"mediaType": "application/json", "digest": digest_bytes(golden), "size": len(golden)}
    return {"golden_file": str(path), "model": {**served.fields["model"], "golden": descriptor}}


def buckets(start: int, end: int, name: str, release: str, config: Path, url: str | None = None) -> dict[str, Any]:
    return {"name": name, "release": release, "buckets": [[start, end]], "config": str(config), "url": url}


@pytest.fixture(scope="module")
def arms(served: Served, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arms]:
    served = served.logging_to(tmp_path_factory.mktemp("arms"))
    apart, shadow = written(served, "apart", APART), written(served, "shadow", SHADOW)
    with serving(apart) as other, serving(shadow) as third:
        listed = [
            buckets(0, 2500, "near", NEAR, written(served, "near", NEAR)),
            buckets(2500, 5000, "apart", APART, apart, f"http://{other.address}"),
            buckets(5000, 7500, "broken", BROKEN, written(served, "broken", BROKEN, **broken(served))),
            buckets(0, 10_000, "shadow", SHADOW, shadow, f"http://{third.address}"),
        ]
        split = {"salt": "salt", "unit": "header:x-user", "arms": listed}
        with serving(served.config(split=split)) as running:
            yield Arms(running, other, served)


def asked(arms: Arms, user: int, headers: dict[str, str] | None = None, path: str = "/v2/models/delay/infer") -> Answer:
    message = {"id": f"user-{user}", "inputs": tensors(ROWS)}
    return infer(arms.running.address, message, {"x-user": str(user), **(headers or {})}, path=path)


def test_users_are_divided_told_and_recorded_and_a_shadow_is_asked_besides(arms: Arms) -> None:
    found = {user: asked(arms, user) for user in range(60)}
    assert {answer.status for answer in found.values()} == {200}
    told = {user: answer.headers["x-shipway-arm"] for user, answer in found.items()}
    assert set(told.values()) == {"live", "near", "apart"}
    for user, answer in found.items():
        release = {"live": RELEASE, "near": NEAR, "apart": APART}[told[user]]
        assert (answer.headers["x-shipway-release"], answer.json["model_version"]) == (release, release)
        assert answer.json["outputs"] == found[0].json["outputs"], "the same model, here and in the other process"
        assert answer.headers.get("x-shipway-arm-failed", "broken") == "broken"
    stood_in = {user for user, answer in found.items() if "x-shipway-arm-failed" in answer.headers}
    assert stood_in <= {user for user, arm in told.items() if arm == "live"}
    assert stood_in
    assert {user: asked(arms, user).headers["x-shipway-arm"] for user in range(20)} == {u: told[u] for u in range(20)}
    wait_for_records(arms, 160)
    records = arms.served.records()
    assert {r.request for r in records if r.arm == "shadow"} == {f"user-{user}" for user in range(60)}
    heard = {(r.request, r.arm, r.release) for r in records if r.arm != "shadow"}
    releases = {"live": RELEASE, "near": NEAR, "apart": APART}
    assert heard == {(f"user-{user}", arm, releases[arm]) for user, arm in told.items()}


def wait_for_records(arms: Arms, number: int) -> None:
    end = time.monotonic() + 20
    while len(arms.served.records()) < number:
        assert time.monotonic() < end, len(arms.served.records())
        time.sleep(0.05)


def test_who_splits_before_us_decides_by_the_header_and_a_version_is_a_release(arms: Arms) -> None:
    for arm in ("near", "apart", "live"):
        assert asked(arms, 7, {"x-shipway-arm": arm}).headers["x-shipway-arm"] == arm
    assert asked(arms, 7, path=f"/v2/models/delay/versions/{NEAR}/infer").headers["x-shipway-arm"] == "near"
    assert asked(arms, 7, path=f"/v2/models/delay/versions/{RELEASE}/infer").headers["x-shipway-arm"] == "live"
    assert ask(arms.running.address, "GET", f"/v2/models/delay/versions/{APART}/ready").status == 200
    assert asked(arms, 7, path=f"/v2/models/delay/versions/{SHADOW}/infer").status == 404
    assert asked(arms, 7, path="/v2/models/delay/infer").json["id"] == "user-7"


def test_a_wrong_request_is_told_whichever_arm_it_falls_to_and_others_protocols_are_split_too(arms: Arms) -> None:
    for arm in ("near", "apart", "live"):
        answer = infer(arms.running.address, {"inputs": tensors(ROWS)[:2]}, {"x-shipway-arm": arm})
        assert (answer.status, "distance" in answer.error) == (400, True)
        assert "x-shipway-release" in answer.headers
        rows = [dict(zip(ROWS, values, strict=True)) for values in zip(*(c.tolist() for c in ROWS.values()), strict=True)]
        path, body = "/v1/models/delay:predict", json.dumps({"instances": rows}).encode()
        answer = ask(arms.running.address, "POST", path, body, {"x-shipway-arm": arm})
        assert (answer.status, answer.headers["x-shipway-arm"]) == (200, arm)


def test_metrics_tell_shares_and_requests_by_arm(arms: Arms) -> None:
    lines = ask(arms.running.address, "GET", "/metrics").body.decode().splitlines()
    shares = {line for line in lines if line.startswith("shipway_predictor_arm_share{")}
    assert shares == {
        f'shipway_predictor_arm_share{{arm="live",release="{RELEASE}"}} 0.25',
        f'shipway_predictor_arm_share{{arm="near",release="{NEAR}"}} 0.25',
        f'shipway_predictor_arm_share{{arm="apart",release="{APART}"}} 0.25',
        f'shipway_predictor_arm_share{{arm="broken",release="{BROKEN}"}} 0',
        f'shipway_predictor_arm_share{{arm="shadow",release="{SHADOW}"}} 1.0',
    }
    counted = {line.partition("{")[2].partition("}")[0] for line in lines if "arm_requests_total{" in line}
    wanted = [("live", "answered"), ("near", "answered"), ("apart", "answered"), ("broken", "failed"), ("shadow", "answered")]
    assert counted >= {f'arm="{arm}",outcome="{outcome}"' for arm, outcome in wanted}


def test_an_arm_whose_process_dies_costs_no_answer(arms: Arms) -> None:
    arms.apart.end(signal.SIGKILL)
    answer = asked(arms, 7, {"x-shipway-arm": "apart"})
    assert (answer.status, answer.headers["x-shipway-arm"], answer.headers["x-shipway-arm-failed"]) == (200, "live", "apart")
    assert answer.headers["x-shipway-release"] == RELEASE
