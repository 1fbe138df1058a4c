"""The stored formats of an application that answers a prompt, made once by the code: a part of what format_cases.py records."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shipway.access import Actor, KeyRing, Signer
from shipway.evals import Answer, Evaluation, Judge, goldenset_object, load_golden, put_samples
from shipway.gate import attest, policy_object
from shipway.kernel import media
from shipway.kernel.canonical import JsonObject, canonical_json, parse_object
from shipway.kernel.check import Check, Verdict
from shipway.kernel.clock import instant
from shipway.kernel.digest import Descriptor, Digest, digest_bytes
from shipway.llm import MiniLm, Provider, parse_prompt, resolve_prices
from shipway.monitor import PromptRun, take_baseline
from shipway.rag import sync_index
from shipway.release import Component, deployment_object, gateway_settings, provider_object, put_release
from shipway.release._manifest import component_manifest
from shipway.spec import Spec, parse_spec
from shipway.store import CallRecord, CallSpan, Store, encode_record

SPEC = """\
project: assistant
providers:
  answer: {model: smollm2, url: "http://127.0.0.1:4790/v1", temperature: 0, seed: 7, price: {input: 0.15, output: 0.6}}
  own: {local: smollm2}
prompts:
  answer: {file: answer.md, provider: answer, index: docs, passages: 2}
indexes:
  docs: {source: corpus, chunk: 100, access: {"internal/**": [staff]}}
evals:
  golden: {file: golden.jsonl, samples: 1, at: 5, judge: answer}
deploy:
  assistant@prod: {target: gateway, follow: [index/docs]}
policy:
  deploy/assistant@prod:
    golden.contains: not worse by 0.1
gateway:
  budget: 200 usd/month
  keys:
    team: {key: secret://env/TEAM_KEY, budget: 5 usd/day, rate: 60/minute}
"""
PROMPT = """\
# system

Answer from the passages.

# user

{{passages}}

In {{words: integer}} words: {{question}}
"""
DOCUMENTS = {"guide.md": "# Ports\n\nThe page is on 4780.\n", "internal/keys.txt": "Keys lie outside the store.\n"}
GOLDEN = """\
{"input": "Where are keys?", "id": "q2", "expect": [{"type": "contains", "value": "outside"}]}
{"id": "q1", "input": "Which port has the page?", "target": "4780", "context": "guide.md#Ports", "slice": "ports"}
"""
EXAMPLE = digest_bytes(b"an object")


class Halves:
    """An embedder of four numbers: a text is at one corner or another, by its length."""

    dimension = 4

    def __init__(self) -> None:
        self.record: JsonObject = {
            "kind": "embedder", "version": 1, "name": "halves", "weights": None, "provider": None,
            "dimension": self.dimension, "normalize": True,
        }  # fmt: skip
        self.digest = digest_bytes(canonical_json(self.record))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.eye(4, dtype=np.float32)[[len(text) % 4 for text in texts]]


def answering_vectors(store: Store, signer: Signer, actor: Actor, root: Path) -> dict[str, tuple[bytes, bool]]:
    """Bytes by name, and whether they are text. The store is that of a project of its own; root: an empty folder."""
    root.mkdir()
    spec = parse_spec(SPEC, path="shipway.yaml")
    parts = _parts(store, actor, spec, root)
    found = {**{name: store.objects.get(digest) for name, digest in parts.items()}, **_leaves(store, parts["index"])}
    found |= _release(store, spec, parts) | _evaluation(store, signer, spec, root)
    found |= {"baseline": canonical_json(_baseline()), "embedder": canonical_json(_embedder())}
    shown = {name: (data, True) for name, data in found.items() if name != "vectors"}
    return {**shown, "vectors": (found["vectors"], False), "record-call": (_call(), False)}


def _parts(store: Store, actor: Actor, spec: Spec, root: Path) -> dict[str, Digest]:
    for name, text in DOCUMENTS.items():
        (root / "corpus" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "corpus" / name).write_text(text)
    synced = sync_index(store, KeyRing([]), actor, spec.indexes["docs"], root=root, embedder=Halves())
    prompt = parse_prompt(PROMPT, where="answer.md").to_object("answer", {"index": "docs", "passages": 2})
    provider = spec.providers["answer"]
    known = Provider(provider.name, provider.model, provider.url, parameters=provider.parameters)
    own = Provider("own", "smollm2", local="smollm2", weights=EXAMPLE)
    price = {f"answer/{provider.model}": dict(provider.price or {})}
    prices = resolve_prices([known, own], on=date(2026, 11, 23), custom=price)
    return {
        "prompt": store.put(prompt),
        "provider": store.put(provider_object(provider, None)),
        "provider-local": store.put(provider_object(spec.providers["own"], lambda _: EXAMPLE)),
        "index": synced.index,
        "prices": store.put({**prices, "source": "custom"}),  # else the version of a library that is installed here
    }


def _leaves(store: Store, index: Digest) -> dict[str, bytes]:
    """What an index version points at."""
    record = store.get(index, "index")
    return {name: store.objects.get(Descriptor.from_json(record[name]).digest) for name in ("members", "vectors")}


def _release(store: Store, spec: Spec, parts: dict[str, Digest]) -> dict[str, bytes]:
    components = [
        Component(kind, "docs" if kind == "index" else "answer", parts[kind]) for kind in ("prompt", "provider", "index")
    ]
    release = put_release(store, components)
    settings = gateway_settings(spec, parts["prices"])
    deployment = deployment_object(store, release, spec.deploy["assistant@prod"], spec.outcomes, settings)
    found = {f"manifest-{part.kind}": canonical_json(component_manifest(store, part)) for part in components}
    return {**found, "release-prompt": store.objects.get(release), "deployment-gateway": canonical_json(deployment)}


def _evaluation(store: Store, signer: Signer, spec: Spec, root: Path) -> dict[str, bytes]:
    """The golden set, what a policy makes of it, kept samples, and evidence of a comparison with live."""
    (root / "golden.jsonl").write_text(GOLDEN)
    rows = load_golden(root / "golden.jsonl")
    judge = Judge("answer", {"temperature": 0, "max_tokens": 4}, model=EXAMPLE)
    golden = goldenset_object(store, spec.evals["golden"], rows, judge)
    definition = store.put(golden)
    answer = Answer("Port 4780.", ("guide.md#Ports",), usd=0.25, seconds=0.5, input_tokens=90, output_tokens=4)
    samples = put_samples(store, Evaluation(EXAMPLE, rows, 1, {("q1", 0): answer, ("q2", 0): Answer("", error="timed out")}))
    check = Check(
        "golden.contains", Verdict.INCONCLUSIVE, -0.25, -0.5, 0.0, n=4, text="candidate minus live, paired by item", level=0.95
    )
    predicate: JsonObject = {
        "check": check.to_json(), "at": instant(store.clock.now()), "by": "ann@example.org",
        "tool": {"name": "shipway", "version": "0.1.0"}, "level": 0.95, "definition": definition, "clusters": 4,
        "samples": samples.to_json(), "against": EXAMPLE,
    }  # fmt: skip
    kind, name = media.CHECK_PREDICATE, "release/assistant"
    envelope = attest(store, signer, subject=EXAMPLE, name=name, predicate_type=kind, predicate=predicate, label=check.name)
    return {
        "goldenset": canonical_json(golden),
        "golden-rows": store.objects.get(Descriptor.from_json(golden["rows"]).digest),
        "samples": store.objects.get(samples.digest),
        "policy-golden": canonical_json(policy_object(store, spec.policy, {}, {"golden": definition})),
        "statement-evaluation": base64.b64decode(str(parse_object(store.objects.get(envelope))["payload"]), validate=True),
    }


def _embedder() -> JsonObject:
    """What an index says of MiniLM; no weights are read for it."""
    nothing: Any = None
    return MiniLm(nothing, nothing, weights=EXAMPLE, tokenizer_digest=EXAMPLE).record


def _baseline() -> JsonObject:
    runs = [
        PromptRun("capital", 20, "Paris", "smollm2", 0.25, vector=(1.0, 0.0)),
        PromptRun("capital", 20, "Paris.", "smollm2", 0.5, score=1.0, fingerprint="fp1"),
    ]
    return take_baseline(runs, provider="answer").to_object()


def _call() -> bytes:
    return encode_record(
        CallRecord(
            id="c1", recorded=1_795_435_200_250_000, application="assistant", release="sha256:" + "1" * 64,
            deployment="sha256:" + "2" * 64, provider="answer", model="smollm2", key="team", status=200, finish="stop",
            stream=True, input_tokens=90, output_tokens=4, cached_tokens=64, usd=0.25, prices="sha256:" + "3" * 64,
            latency_us=5000, ttft_us=2000, per_token_us=1000, index="sha256:" + "4" * 64, degraded=["embed"],
            spans=[CallSpan(layer="text", start_us=10, took_us=200, status="ok")],
        )
    )  # fmt: skip
