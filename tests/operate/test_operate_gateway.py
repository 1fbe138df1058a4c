"""The process of a gateway: what its file says, which secrets it gets, and that it answers for the release that is live."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from assistant_live import KEY, QUESTION, REF, WORDS_KEY, Assistant, Parrot, apply, evaluate, go, release, rollback, sync

from shipway.environment import default_cache
from shipway.gate import move_ref
from shipway.gateway import load_config
from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.digest import Digest, digest_bytes
from shipway.operate import ENDPOINT, Supervisor, lone_gateway
from shipway.operate._gateway import gateway_config, prepare_gateway
from shipway.operate._lone_gateway import NothingToPass
from shipway.release import release_descriptor
from shipway.spec import load_spec

pytest_plugins = ["cli_assistant_fixtures"]


def config_of(project: Assistant) -> Any:
    """The file that the live deployment gets."""
    store = project.store
    digest = store.resolve(REF)
    value = store.get(digest, "deployment")
    return gateway_config(store, digest, value, release_descriptor(value).digest, cache=default_cache())


def providers(config: Any) -> dict[str, Any]:
    return {str(part["name"]): part for part in config["providers"]}


@contextmanager
def supervising(project: Assistant, **secrets: str) -> Iterator[Supervisor]:
    environ = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    known = {**project.environ, **secrets}
    found = Supervisor(project.store, cache=default_cache(), environ=environ, report=lambda _: None, secrets=known)
    try:
        found.step()
        yield found
    finally:
        found.close()


def endpoint(project: Assistant) -> Any:
    row = project.store.state(ENDPOINT, REF)
    assert row
    return row.value


def ask(project: Assistant, question: str = QUESTION, *, key: str = KEY) -> tuple[str, dict[str, Any]]:
    """The answer and its `shipway` block, through the real client."""
    from openai import OpenAI

    with OpenAI(base_url=f"{endpoint(project)['url']}/v1", api_key=key, max_retries=0) as client:
        said = client.chat.completions.create(model="guide", messages=[{"role": "user", "content": question}])
    return said.choices[0].message.content or "", (said.model_extra or {})["shipway"]


def environ_of(pid: int) -> dict[str, str]:
    """What a process was started with."""
    words = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(word.decode().partition("=")[::2] for word in words if word)


def move_gateway(project: Assistant, name: str, change: Json) -> None:
    """Move the deployment to the same with another part of its gateway's settings."""
    store = project.store
    value = store.get(store.resolve(REF), "deployment")
    settings: Any = value["gateway"]
    gateway: JsonObject = {**settings, name: change}
    target = store.put({**value, "gateway": gateway})
    move_ref(store, project.keys, project.actor, ref=REF, target=target)


def answer_of(project: Assistant, wanted: Digest) -> str:
    """What the release says of the bakery; the one before it may take a last call while it drains."""
    for _ in range(200):
        text, told = ask(project, "When opens the bakery in the morning?")
        if told["release"] == wanted:
            return text
        time.sleep(0.02)
    raise AssertionError(f"{wanted} never answered")


def test_the_file_says_what_the_release_and_the_deployment_say(live: Assistant) -> None:
    config = config_of(live)
    (application,) = config["applications"]
    parts = (application["name"], application["release"], application["deployment"])
    assert parts == ("guide", live.store.resolve("release/guide"), live.store.resolve(REF))
    assert application["passages"] == 2
    assert config["keys"] == [
        {
            "name": "team",
            "key": "secret://env/TEAM_KEY",
            "budget": {"usd": 1.0, "window_seconds": 86400.0},
            "rate_per_minute": None,
        }
    ]
    assert config["prices"]["rates"]["answer/parrot"]["output"] == 2


def test_the_file_is_one_that_a_gateway_takes_and_holds_no_secret(live: Assistant, tmp_path: Path) -> None:
    text = canonical_json(config_of(live))
    (tmp_path / "gateway.json").write_bytes(text)
    assert load_config(tmp_path / "gateway.json").applications[0].name == "guide"
    assert not any(secret.encode() in text for secret in (KEY, WORDS_KEY, "nobody's business"))


def test_only_fallbacks_that_the_release_holds_are_named(live: Assistant) -> None:
    """The settings are of the whole spec: a release from before the fallback knows nothing of it."""
    live.edit("gateway:\n", "gateway:\n  fallback: {answer: [spare]}\n", file="shipway.yaml")
    apply(live, live.store.resolve("release/guide"))
    assert config_of(live)["fallback"] == {"answer": []}
    assert "spare" not in providers(config_of(live))
    evaluate(live)
    release(live)
    apply(live)
    assert config_of(live)["fallback"] == {"answer": ["spare"]}
    assert {"answer", "spare"} <= set(providers(config_of(live)))


def test_the_embedder_of_the_index_comes_with_its_key(live: Assistant) -> None:
    value = live.store.get(live.store.resolve(REF), "deployment")
    sources: Any = json.loads(json.dumps(value["gateway"]))["sources"]
    sources["docs"]["embedder"] = "embed"
    move_gateway(live, "sources", sources)
    assert providers(config_of(live))["embed"]["key"] == "secret://env/WORDS_KEY"
    with supervising(live):
        text, told = ask(live)
        assert environ_of(int(endpoint(live)["pids"][0]))["WORDS_KEY"] == WORDS_KEY
    assert "Marta Olsen" in text
    assert told["degraded"] == []


def test_the_process_gets_the_secrets_that_are_named_and_no_others(live: Assistant, parrot: Parrot) -> None:
    from openai import AuthenticationError

    with supervising(live, OPENAI_API_KEY="sk-of-the-user", ANOTHER_TOKEN="t"):
        (pid,) = endpoint(live)["pids"]
        found = environ_of(int(pid))
        text, told = ask(live)
        with pytest.raises(AuthenticationError):
            ask(live, key="guessed")
    assert found["TEAM_KEY"] == KEY
    assert set(found) <= {"PATH", "HOME", "TEAM_KEY", "WORDS_KEY", "LC_CTYPE", "SHIPWAY_REPLACED"}
    assert "Marta Olsen" in text
    assert told["release"] == live.store.resolve("release/guide")
    assert told["citations"][0]["document"] == "bridge.txt"
    assert KEY not in str(parrot.keys), "a caller's key goes no further"


def test_a_key_that_is_not_in_the_environment_is_told_and_nothing_is_served(live: Assistant) -> None:
    live.more.pop("TEAM_KEY")
    with supervising(live, TEAM_KEY=""):
        assert endpoint(live)["url"] is None
        assert "the variable TEAM_KEY is not set" in str(endpoint(live)["problem"])


def test_what_is_followed_and_what_is_rolled_back_answers_at_the_same_address(live: Assistant) -> None:
    first = live.store.resolve("release/guide")
    with supervising(live) as supervisor:
        url = endpoint(live)["url"]
        assert ask(live)[1]["release"] == first
        live.write("docs/bakery.txt", "The bakery opens at five in the morning.\n")
        sync(live)
        done = go(live)
        assert done
        supervisor.step()
        assert "five" in answer_of(live, done.release)
        rollback(live)
        supervisor.step()
        assert "five" not in answer_of(live, first)
        assert endpoint(live)["url"] == url


def test_a_gateway_alone_needs_no_project_and_warns_where_nobody_needs_a_key(live: Assistant, tmp_path: Path) -> None:
    spec = load_spec(live.root / "shipway.yaml")
    with lone_gateway(spec, tmp_path / "state", environ={}) as run:
        assert {part.name for part in run.config.providers} == {"answer", "spare", "embed"}
        assert (run.remarks, run.config.applications) == ((), [])
    text = (live.root / "shipway.yaml").read_text()
    (tmp_path / "open.yaml").write_text(text[: text.index("gateway:\n")])
    with lone_gateway(load_spec(tmp_path / "open.yaml"), tmp_path / "state", environ={}) as run:
        assert run.remarks == ("no keys are set: whoever reaches the loopback address may call",)


def test_a_gateway_without_a_provider_has_nothing_to_pass(tmp_path: Path) -> None:
    (tmp_path / "shipway.yaml").write_text("project: empty\n")
    with (
        pytest.raises(NothingToPass, match="no providers"),
        lone_gateway(load_spec(tmp_path / "shipway.yaml"), tmp_path / "state", environ={}),
    ):
        pass


def test_two_releases_of_one_application_have_files_of_their_own(live: Assistant) -> None:
    """The one that runs is not given the file of the one that starts."""
    with supervising(live) as supervisor:
        live.edit("copy answers", "copy good answers", file="answer.md")
        evaluate(live)
        second: Digest = release(live)
        apply(live)
        supervisor.step()
        assert answer_of(live, second)
    assert len(list((live.store.root / "serving").glob("*/gateway.json"))) == 2


def test_a_key_reads_what_its_groups_may_and_no_more(live: Assistant, parrot: Parrot) -> None:
    live.edit("embedder: embed}", 'embedder: embed, access: {"bridge.txt": [staff]}}')
    live.edit("golden.jsonl, at: 3", "golden.jsonl, at: 3, groups: [staff]")
    crew = "    crew: {key: secret://env/CREW_KEY, groups: [staff], tenant: house}\n"
    live.write("shipway.yaml", (live.root / "shipway.yaml").read_text().rstrip("\n") + "\n" + crew)
    live.more["CREW_KEY"] = "key-of-the-crew"
    sync(live)
    evaluate(live)
    release(live)
    apply(live)
    (told,) = [key for key in config_of(live)["keys"] if key["name"] == "crew"]
    assert (told["groups"], told["tenant"]) == (["staff"], "house")
    with supervising(live):
        assert "Marta Olsen" in ask(live, key="key-of-the-crew")[0]
        text, block = ask(live)
        assert "Marta Olsen" not in text, "not from the cache either"
        assert "bridge.txt" not in {cited["document"] for cited in block["citations"]}


def test_several_processes_share_the_rates_of_one_deployment(live: Assistant) -> None:
    live.edit("budget: 1 usd/day}", "budget: 1 usd/day, rate: 2/minute}")
    live.edit("gateway:\n", "gateway:\n  rate: 100/minute\n", file="shipway.yaml")
    apply(live)
    store = live.store
    value = store.get(store.resolve(REF), "deployment")
    live_release = release_descriptor(value).digest
    rates = []
    for workers in (1, 4):
        many: JsonObject = {**value, "scale": {"workers": workers}}
        config: Any = gateway_config(store, store.put(many), many, live_release, cache=default_cache())
        rates.append((config["rate_per_minute"], config["keys"][0]["rate_per_minute"]))
    assert rates == [(100, 2), (25.0, 1.0)]


def test_a_gateway_has_the_time_that_it_takes_itself_and_its_files_are_its_owners(live: Assistant) -> None:
    from shipway.gateway import _server as serving
    from shipway.llm import _local as local

    store, digest = live.store, live.store.resolve(REF)
    value = store.get(digest, "deployment")
    (store.root / "gateway").mkdir(mode=0o755, exist_ok=True)
    found = prepare_gateway(store, REF, digest, value, release_descriptor(value).digest, cache=default_cache())
    assert found.ready_seconds > local.READY_SECONDS
    assert found.drain_seconds > serving._DRAIN_SECONDS
    assert Path(found.command[-1]).stat().st_mode & 0o777 == 0o600
    assert (store.root / "gateway").stat().st_mode & 0o777 == 0o700


def test_a_gateway_alone_keeps_the_prices_that_it_bills_by(live: Assistant, tmp_path: Path) -> None:
    with lone_gateway(load_spec(live.root / "shipway.yaml"), tmp_path / "state", environ={}) as run:
        digest = run.config.prices_digest
        (file,) = (tmp_path / "state").glob("prices-*.json")
    assert (file.name, digest_bytes(file.read_bytes())) == (f"prices-{digest[7:19]}.json", digest)
    assert (tmp_path / "state").stat().st_mode & 0o777 == 0o700
