"""A provider that is a model run here: the gateway serves it itself, and only the weights that were locked."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from shipway.gateway import GatewayConfig
from shipway.gateway._local_models import WeightsOther, with_local_models
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest
from shipway.llm import Provider, find_weights, weights_digest

pytest.importorskip("xllamacpp")


def config(tmp_path: Path, weights: Digest | None) -> JsonObject:
    provider = Provider("small", "smollm2", local="smollm2", weights=weights, parameters={"temperature": 0, "max_tokens": 4})
    return {
        "kind": "gateway",
        "version": 1,
        "state_directory": str(tmp_path / "state"),
        "providers": [{"name": "small", "object": provider.to_object()}],
    }


def test_a_local_model_is_started_with_the_gateway_and_ends_with_it(tmp_path: Path) -> None:
    from openai import OpenAI

    file = tmp_path / "gateway.json"
    file.write_bytes(msgspec.json.encode(config(tmp_path, weights_digest(find_weights("smollm2")))))
    command = [sys.executable, "-m", "shipway.gateway", "--config", str(file), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=dict(os.environ)) as process:
        assert process.stdout is not None
        ready = msgspec.json.decode(process.stdout.readline())
        with OpenAI(base_url=f"http://127.0.0.1:{ready['port']}/v1", api_key="none", max_retries=0) as client:
            answer = client.chat.completions.create(model="small", messages=[{"role": "user", "content": "Say hello."}])
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.terminate()
        process.wait(timeout=30)
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert answer.usage.completion_tokens > 0
    assert children
    assert not [child for child in children if Path(f"/proc/{child}/cmdline").exists()]


def test_other_weights_than_the_release_locked_are_refused(tmp_path: Path) -> None:
    wrong = msgspec.convert(config(tmp_path, Digest("sha256:" + "0" * 64)), GatewayConfig)
    with ExitStack() as running, pytest.raises(WeightsOther, match="locked sha256:0000"):
        with_local_models(wrong, running)
