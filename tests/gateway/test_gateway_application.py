"""An application behind the gateway: the last question, its prompt and its index, on a real embedder and a real local model."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from gateway_help import RATES, Running, Upstream, chat, config_of, post, provider_object, start, upstream

from shipway.access import Actor, open_keys
from shipway.kernel.canonical import JsonObject
from shipway.llm import open_minilm, parse_prompt, start_local
from shipway.rag import sync_index
from shipway.spec import IndexSpec
from shipway.store import open_store

PROMPT = """# system
Answer from the passages.

{{passages}}
# user
{{question}}
"""
PAGES = {
    "public/library.txt": "The library opens at nine in the morning and closes at six in the evening.\n",
    "public/canteen.txt": "The canteen serves soup on Mondays and fish on Fridays.\n",
    "internal/vault.txt": "The code of the vault in the library is 4711.\n",
}


class Corpus(NamedTuple):
    """An index version in a project's store."""

    root: Path
    digest: str
    record: JsonObject
    cache: Path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    root = tmp_path_factory.mktemp("project")
    cache = Path.home() / ".cache" / "shipway"
    for name, text in PAGES.items():
        path = root / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    _, keys = open_keys(root / "keys")
    spec = IndexSpec(name="docs", source="docs", include=("**/*.txt",), access={"internal/**": ("staff",)})
    store = open_store(root, "assistant", create=True)
    try:
        embedder = open_minilm(cache)
        synced = sync_index(store, keys, Actor("ann", frozenset({"admin"})), spec, root=root, embedder=embedder)
        return Corpus(root, synced.index, store.get(synced.index, "index"), cache)
    finally:
        store.close()


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with upstream() as found:
        yield found


def with_application(config: dict[str, Any], corpus: Corpus, provider: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The configuration with the application `assistant` in it."""
    retrieve: JsonObject = {"index": "docs", "passages": 1}
    application = {
        "name": "assistant",
        "release": "sha256:" + "2" * 64,
        "deployment": "sha256:" + "3" * 64,
        "prompt": parse_prompt(PROMPT, where="test").to_object("answer", retrieve),
        "provider": provider,
        "provider_name": "answer",
        "index": corpus.digest,
        "index_object": corpus.record,
        "passages": 1,
        "store_root": str(corpus.root),
        "project": "assistant",
    }
    config["prices"]["rates"]["answer/gpt"] = RATES
    return {**config, "applications": [application], "cache_directory": str(corpus.cache), **more}


@pytest.fixture(scope="module")
def gateway(up: Upstream, corpus: Corpus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("application")
    hashed = {name: "sha256:" + hashlib.sha256(name.encode()).hexdigest() for name in ("public", "staff")}
    keys = [
        {"name": "public", "key": hashed["public"]},
        {"name": "staff", "key": hashed["staff"], "groups": ["staff"], "budget": {"usd": 1.0, "window_seconds": 86400}},
    ]
    provider = provider_object("gpt", up.url, temperature=0, max_tokens=48)
    with start(folder, with_application(config_of(folder, up.url, keys=keys, retries=0), corpus, provider)) as running:
        yield running


def ask(running: Running, text: str, key: str = "public", **more: Any) -> Any:
    headers = {"authorization": f"Bearer {key}"}
    answer = post(f"{running.url}/v1/chat/completions", chat("assistant", text, **more), headers)
    assert answer.status == 200, answer.body
    return answer.json


def test_an_answer_says_release_index_and_where_it_is_from(gateway: Running, corpus: Corpus, up: Upstream) -> None:
    up.plan()
    answer = ask(gateway, "When does the library open?")
    block = answer["shipway"]
    assert answer["choices"][0]["message"]["content"] == "Paris is the capital."
    assert (block["release"], block["index"]) == ("sha256:" + "2" * 64, corpus.digest)
    assert (block["cache"], block["degraded"]) == ("none", [])
    cited = block["citations"][0]
    assert cited["document"] == "public/library.txt"
    assert PAGES["public/library.txt"].encode()[cited["start"] : cited["end"]].strip().startswith(b"The library opens")
    sent = up.seen[0]["body"]
    assert "opens at nine" in sent["messages"][0]["content"]
    assert sent["messages"][-1] == {"role": "user", "content": "When does the library open?"}
    assert (sent["temperature"], sent["max_tokens"], sent["model"]) == (0, 48, "gpt")


def test_a_stream_ends_with_the_same_block(gateway: Running, corpus: Corpus) -> None:
    import openai

    with openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="public", max_retries=0) as client:
        messages: list[Any] = [{"role": "user", "content": "When does the canteen serve soup?"}]
        for cache in ("none", "exact"):
            with client.chat.completions.create(model="assistant", messages=messages, stream=True) as stream:
                chunks = list(stream)
            assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "Paris is the capital."
            assert all(chunk.usage is None for chunk in chunks)
            block = (chunks[-1].model_extra or {})["shipway"]
            assert (block["cache"], block["index"]) == (cache, corpus.digest)
            assert block["citations"][0]["document"] == "public/canteen.txt"


def test_a_reader_gets_passages_of_its_groups_only_and_never_anothers_cached_answer(gateway: Running) -> None:
    question = "What is the code of the vault?"
    assert ask(gateway, question, "staff")["shipway"]["citations"][0]["document"] == "internal/vault.txt"
    block = ask(gateway, question, "public")["shipway"]
    assert block["cache"] == "none"
    assert block["citations"][0]["document"].startswith("public/")


def test_a_caller_cannot_ask_for_more_than_the_release_allows(gateway: Running, up: Upstream) -> None:
    up.plan()
    ask(gateway, "Anything?", temperature=1.5, max_tokens=4000, model_extra="x")
    ask(gateway, "Anything else?", max_tokens=5)
    assert [(seen["body"]["temperature"], seen["body"]["max_tokens"]) for seen in up.seen] == [(0, 48), (0, 5)]


def test_anthropics_client_asks_an_application_too(gateway: Running) -> None:
    body = {**chat("assistant", "When does the library close?"), "max_tokens": 5}
    answer = post(f"{gateway.url}/v1/messages", body, {"x-api-key": "public"}).json
    assert answer["content"][0]["text"] == "Paris is the capital."
    assert answer["shipway"]["citations"][0]["document"] == "public/library.txt"


def test_without_its_model_an_application_answers_with_its_passages_and_keeps_nothing(gateway: Running, up: Upstream) -> None:
    for stream in (False, True):
        up.plan("broken")
        headers = {"authorization": "Bearer public"}
        body = chat("assistant", "Is the library open at noon?", stream=stream)
        said = post(f"{gateway.url}/v1/chat/completions", body, headers).body.decode()
        assert "opens at nine" in said
        assert '"degraded":["model"]' in said
    assert ask(gateway, "Is the library open at noon?")["shipway"]["degraded"] == []


@pytest.mark.parametrize("behaviour", ["busy", "locked", "garbage", "empty", "drop"])
@pytest.mark.parametrize("stream", [False, True])
def test_whatever_keeps_a_model_from_answering_a_reader_gets_the_passages(
    gateway: Running, up: Upstream, behaviour: str, stream: bool
) -> None:
    if behaviour == "empty" and not stream:
        behaviour = "broken"
    up.plan(behaviour)
    body = chat("assistant", "Who has the key of the library?", stream=stream)
    answer = post(f"{gateway.url}/v1/chat/completions", body, {"authorization": "Bearer public"})
    said = answer.body.decode()
    assert answer.status == 200, said
    assert "opens at nine" in said
    assert '"degraded":["model"]' in said
    assert '"finish_reason":"stop"' in said


def test_a_request_that_the_provider_refuses_is_no_model_that_is_down(gateway: Running, up: Upstream) -> None:
    up.plan("wrong")
    body = chat("assistant", "Who has the key of the canteen?")
    assert post(f"{gateway.url}/v1/chat/completions", body, {"authorization": "Bearer public"}).status == 400


def test_a_question_is_needed(gateway: Running) -> None:
    body = {"model": "assistant", "messages": [{"role": "system", "content": "x"}]}
    answer = post(f"{gateway.url}/v1/chat/completions", body, {"authorization": "Bearer public"})
    assert answer.status == 400


def test_a_real_local_model_answers_over_the_index_and_its_record_has_every_layer(corpus: Corpus, tmp_path: Path) -> None:
    import openai

    with start_local("smollm2") as model:
        object = provider_object(model.model, "", temperature=0, max_tokens=16, seed=7)
        object |= {"url": None, "local": model.model, "weights": model.weights}
        config = config_of(tmp_path, model.url)
        config["providers"].append({"name": "answer", "object": object, "url": model.url})
        config["prices"] = None
        config = {**with_application({**config, "prices": {"rates": {}}}, corpus, object), "prices": None}
        with start(tmp_path, config) as running, openai.OpenAI(base_url=f"{running.url}/v1", api_key="none") as client:
            messages: list[Any] = [{"role": "user", "content": "When does the library open?"}]
            whole = client.chat.completions.create(model="assistant", messages=messages)
            with client.chat.completions.create(model="assistant", messages=messages, stream=True) as stream:
                text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
            records = running.records()
    assert whole.choices[0].message.content == text
    assert text
    for record in records:
        assert record.input_tokens > 20
        assert not record.estimated
        assert {span.layer for span in record.spans} >= {"embed", "dense", "text", "prompt", "model"}
        assert (record.usd, record.index, record.release) == (0.0, corpus.digest, "sha256:" + "2" * 64)
    assert records[1].ttft_us > 0
    assert records[1].per_token_us > 0
