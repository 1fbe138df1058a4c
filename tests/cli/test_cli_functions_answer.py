"""An application that answers from a function of AWS Lambda: its real runtime client, calls as API Gateway and a load balancer
hand them over, rows in a real PostgreSQL, objects in an S3 on the loopback.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cli_assistant import KEY, QUESTION, REF, WORDS_KEY, Assistant, Parrot
from function_world import Answer, Sandbox, balanced, called, function

sys.path.insert(0, str(Path(__file__).parents[1] / "store"))

from store_help import BUCKET, new_schema, s3_client, s3_environ

from shipway.cli._function_answer import Answering, check_http_event
from shipway.cli._function_project import FunctionProject, FunctionUnready, open_function
from shipway.gate import move_ref
from shipway.kernel.canonical import Json, JsonObject
from shipway.operate import AnswersNotHere
from shipway.protocols import EventUnknown
from shipway.release import release_descriptor

pytest_plugins = ["cli_assistant_fixtures"]
pytest.importorskip("awslambdaric", reason="the runtime client is for Linux")

CHAT = "/v1/chat/completions"
ASKED = {"model": "guide", "messages": [{"role": "user", "content": QUESTION}]}
BEARER = {"authorization": f"Bearer {KEY}"}


def change_gateway(project: Assistant, **changes: Json) -> None:
    """Move the deployment to the same with other settings of its gateway."""
    value = project.store.get(project.store.resolve(REF), "deployment")
    settings: Any = value["gateway"]
    gateway: JsonObject = {**settings, **changes}
    move_ref(project.store, project.keys, project.actor, ref=REF, target=project.store.put({**value, "gateway": gateway}))


@dataclass
class Team:
    """The application in the team's store. release: what is live."""

    folder: Path
    keys: Path
    prefix: str
    release: str
    environ: dict[str, str]

    def project(self, home: Path, **changes: str) -> FunctionProject:
        return open_function({**self.environ, **changes}, directory=self.folder, home=home)


@pytest.fixture(scope="module")
def team(live_once: Assistant, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    project = live_once.copy(tmp_path_factory.mktemp("team") / "project")
    change_gateway(project, ledger_down="allow")
    release = release_descriptor(project.store.get(project.store.resolve(REF), "deployment")).digest
    prefix = f"answers/{project.root.parent.name}"
    shared = {**s3_environ(), "SHIPWAY_CATALOGUE": new_schema(), "SHIPWAY_OBJECTS": f"s3://{BUCKET}/{prefix}"}
    project.store.close()
    project.more |= shared
    project.ask("store", "migrate")
    environ = {
        **shared,
        "TEAM_KEY": KEY,
        "WORDS_KEY": WORDS_KEY,
        "SHIPWAY_DEPLOYMENT": "guide@prod",
        "SHIPWAY_RELEASE": release,
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in shared.items():
            patch.setenv(name, value)
        yield Team(project.root, project.keys_folder, prefix, release, environ)


@pytest.fixture(scope="module")
def sandbox(team: Team, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with function("answer", team.folder, tmp_path_factory.mktemp("function"), team.environ) as started:
        yield started


def body(answer: Answer) -> Any:
    assert answer.error is None, answer.error
    text = answer.value["body"]
    return json.loads(base64.b64decode(text) if answer.value["isBase64Encoded"] else text)


def test_a_call_is_answered_from_the_documents_of_the_release(team: Team, sandbox: Sandbox, parrot: Parrot) -> None:
    for event in (called(CHAT, ASKED, headers=BEARER), balanced(CHAT, ASKED, headers={"x-api-key": KEY})):
        answer = sandbox.invoke(event)
        said = body(answer)
        assert answer.value["statusCode"] == 200
        assert "Marta Olsen" in said["choices"][0]["message"]["content"]
        assert said["shipway"]["release"] == team.release


def test_the_signature_of_aws_is_no_key_and_the_key_beside_it_is(sandbox: Sandbox, parrot: Parrot) -> None:
    """Where AWS itself looks who calls, its signature takes the header in which a key would come."""
    signed = {"authorization": "AWS4-HMAC-SHA256 Credential=AKIA/20260105/eu-west-1/lambda/aws4_request, Signature=0"}
    refused = sandbox.invoke(called(CHAT, ASKED, headers=signed))
    assert (refused.value["statusCode"], body(refused)["error"]["code"]) == (401, "invalid_api_key")
    assert sandbox.invoke(called(CHAT, ASKED, headers={**signed, "x-api-key": KEY})).value["statusCode"] == 200


def test_a_stream_comes_in_one_piece(sandbox: Sandbox, parrot: Parrot) -> None:
    answer = sandbox.invoke(called(CHAT, {**ASKED, "stream": True}, headers=BEARER))
    assert answer.value["headers"]["content-type"].startswith("text/event-stream")
    assert "Olsen" in answer.value["body"]
    assert answer.value["body"].rstrip().endswith("data: [DONE]")


def test_other_pages_are_those_of_a_gateway(sandbox: Sandbox) -> None:
    ready = sandbox.invoke(called("/readyz", method="GET"))
    assert body(ready)["ready"] is True
    listed = sandbox.invoke(balanced("/v1/models", method="GET", headers=BEARER))
    assert [model["id"] for model in body(listed)["data"]] == ["guide"]
    assert sandbox.invoke(called("/nothing", method="GET")).value["statusCode"] == 404


def test_what_was_recorded_is_in_the_teams_bucket(team: Team, sandbox: Sandbox, parrot: Parrot) -> None:
    assert sandbox.invoke(called(CHAT, ASKED, headers=BEARER)).value["statusCode"] == 200
    found = s3_client(s3_environ()).list_objects_v2(Bucket=BUCKET, Prefix=f"{team.prefix}/logs/").get("Contents", [])
    assert [each["Key"] for each in found if "/calls/" in each["Key"]], sandbox.said()


def test_the_gate_of_ecs_reads_the_release_out_of_the_teams_bucket(team: Team, tmp_path: Path) -> None:
    details = {"deployment": "guide@prod", "release": team.release}
    environ = {name: value for name, value in team.environ.items() if not name.startswith("SHIPWAY_DEPLOY")}
    with function("gate", team.folder, tmp_path, {**environ, "SHIPWAY_KEYS": str(team.keys)}) as gate:
        assert gate.invoke({"lifecycleStage": "PRE_SCALE_UP", "hookDetails": details}).value == {"hookStatus": "SUCCEEDED"}
        unknown = {**details, "release": "sha256:" + "0" * 64}
        assert gate.invoke({"lifecycleStage": "PRE_SCALE_UP", "hookDetails": unknown}).value == {"hookStatus": "FAILED"}
        assert "release.never-live" in gate.said()


@pytest.mark.parametrize(
    "event",
    [
        None,
        {},
        {"Records": []},
        {"version": "2.0", "requestContext": {"http": {"method": "GET"}}, "headers": {}},
        {"version": "1.0"},
    ],
)
def test_what_is_no_call_is_one_clear_error(event: object) -> None:
    with pytest.raises(EventUnknown, match="no call of a shape"):
        check_http_event(event)


def test_a_function_is_told_what_it_answers_from(team: Team, tmp_path: Path) -> None:
    for missing in ("SHIPWAY_DEPLOYMENT", "SHIPWAY_RELEASE"):
        answering = Answering(lambda name=missing: team.project(tmp_path, **{name: ""}))  # type: ignore[misc]
        with pytest.raises(FunctionUnready, match="not set"):
            answering(called("/readyz", method="GET"), None)


def test_it_is_opened_again_after_an_hour_and_reads_its_secrets_anew(team: Team, tmp_path: Path, parrot: Parrot) -> None:
    now, opened = [0.0], list[str]()

    def project() -> FunctionProject:
        opened.append(f"key {len(opened)}")
        return team.project(tmp_path, TEAM_KEY=opened[-1].replace(" ", "-"))

    answering = Answering(project, clock=lambda: now[0])
    try:
        for moment, key, status in (
            (0.0, "key-0", 200),
            (3599.0, "key-0", 200),
            (3601.0, "key-0", 401),
            (3602.0, "key-1", 200),
        ):
            now[0] = moment
            given = answering(called(CHAT, ASKED, headers={"x-api-key": key}), None)
            assert given["statusCode"] == status
    finally:
        answering.close()
    assert len(opened) == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"ledger_down": "refuse"}, "a budget is counted in a file"),
        ({"keys": []}, "the gateway has no keys"),
    ],
)
def test_what_a_function_cannot_promise_is_refused(
    live: Assistant, changes: dict[str, Json], says: str, tmp_path: Path
) -> None:
    from shipway.access import open_ring
    from shipway.operate import open_answering

    change_gateway(live, **changes)
    release = release_descriptor(live.store.get(live.store.resolve(REF), "deployment")).digest
    with pytest.raises(AnswersNotHere, match=says) as caught:
        open_answering(live.store, open_ring(tmp_path), REF, release, cache=tmp_path, environ=live.more)
    assert caught.value.mend


def test_a_local_model_and_a_predictor_are_not_answered_from_a_function(live: Assistant) -> None:
    from shipway.gateway import GatewayConfig, KeyConfig, ProviderConfig
    from shipway.operate._answering_here import _check, _of_gateway

    local = ProviderConfig(name="answer", object={"local": "smollm2"})
    keys = [KeyConfig(name="team", key="secret://env/TEAM_KEY")]
    config = GatewayConfig(kind="gateway", version=1, state_directory="/tmp", providers=[local], keys=keys)
    with pytest.raises(AnswersNotHere, match="answer is a local model"):
        _check(config, REF)
    value = live.store.get(live.store.resolve(REF), "deployment")
    predictor = live.store.put({name: part for name, part in value.items() if name != "gateway"})
    with pytest.raises(AnswersNotHere, match="answers no prompts"):
        _of_gateway(live.store, predictor, REF)
