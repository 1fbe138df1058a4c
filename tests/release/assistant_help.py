"""A project that answers a prompt, with real objects in a real store, and ann, who works there."""

from __future__ import annotations

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import numpy as np

from shipway.access import Actor, open_keys
from shipway.gate import Moved, attest, move_ref
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject, canonical_json
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest, digest_bytes
from shipway.release import Candidate, Plan, apply_release, make_plan, make_release, policy_change
from shipway.spec import DeploySpec, Spec, parse_spec
from shipway.store import Store, open_store

REF = "deploy/assistant@prod"
GOLDEN = {"golden": digest_bytes(b"golden set")}
PRICES = digest_bytes(b"prices")
DOCUMENTS = {"a.txt": "alpha", "b/c.txt": "gamma", "b/d.txt": "delta"}
SPEC = """
project: assistant
providers:
  answer: {model: smollm2, url: "http://127.0.0.1:4790/v1", key: secret://env/ANSWER_KEY, temperature: 0, seed: 7}
  spare: {local: smollm2}
prompts:
  answer: {file: prompts/answer.md, provider: answer, index: docs, passages: 3}
indexes:
  docs: {source: corpus, include: ["**/*.txt"], access: {"b/**": [staff]}}
evals:
  golden: golden.jsonl
deploy:
  assistant@prod: {target: gateway, follow: [index/docs]}
policy:
  deploy/assistant@prod:
    golden.contains: [at least 0.3 at 95%, not worse by 0.1 at 95%]
gateway:
  budget: 200 usd/month
  keys:
    team: {key: secret://env/TEAM_KEY, budget: 5 usd/day, rate: 60/minute}
"""


class StillClock:
    """The same instant each time that it is asked."""

    def now(self) -> datetime:
        return datetime(2026, 11, 23, tzinfo=UTC)


class Assistant:
    """A project in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.text = SPEC
        self.store: Store = open_store(folder, "assistant", create=True, clock=StillClock())
        self.signer, self.keys = open_keys(folder / "keys")
        self.actor = Actor("ann", frozenset({"admin"}))

    @property
    def spec(self) -> Spec:
        return parse_spec(self.text, path="shipway.yaml")

    @property
    def deploy(self) -> DeploySpec:
        return self.spec.deploy["assistant@prod"]

    def edit(self, old: str, new: str) -> None:
        assert old in self.text
        self.text = self.text.replace(old, new)

    # objects

    def prompt(
        self,
        system: str = "Answer from the passages.",
        *,
        provider: str = "answer",
        index: str | None = "docs",
        passages: int = 3,
    ) -> Digest:
        retrieve: Json = {"index": index, "passages": passages} if index else None
        messages: list[Json] = [{"role": "system", "text": system}, {"role": "user", "text": "{{passages}}\n\n{{question}}"}]
        return self.store.put(
            {
                "kind": "prompt",
                "version": 1,
                "messages": messages,
                "variables": {"question": "text", "passages": "passages"},
                "provider": provider,
                "retrieve": retrieve,
            }
        )

    def index(self, documents: Mapping[str, str] = DOCUMENTS, *, embedder: str = "minilm") -> Digest:
        """One chunk a document."""
        corpus = self.folder / "corpus"
        files = {}
        for name, text in documents.items():
            files[name] = corpus / digest_bytes(text.encode()).removeprefix("sha256:") / Path(name).name
            files[name].parent.mkdir(parents=True, exist_ok=True)
            files[name].write_text(text)
        members = b"".join(
            canonical_json({"document": name, "text": text, "start": 0}) + b"\n" for name, text in sorted(documents.items())
        )
        vectors = io.BytesIO()
        np.save(vectors, np.ones((len(documents), 4), dtype=np.float32) / 2)
        return self.store.put(
            {
                "kind": "index",
                "version": 1,
                "corpus": self.store.put_files(files).to_json(),
                "extractor": {"name": "text", "version": 1},
                "chunker": {"name": "sections", "version": 1, "chunk": 1000},
                "embedder": {"kind": "embedder", "version": 1, "name": embedder, "dimension": 4},
                "members": self.store.put_bytes(members, media.BYTES).to_json(),
                "vectors": self.store.put_bytes(vectors.getvalue(), media.NPY).to_json(),
                "documents": len(documents),
                "chunks": len(documents),
            }
        )

    # moves

    def put(self, ref: str, digest: Digest) -> Digest:
        move_ref(self.store, self.keys, self.actor, ref=ref, target=digest)
        return digest

    def fill(self, system: str = "Answer from the passages.") -> None:
        self.put("prompt/answer", self.prompt(system))
        self.put("index/docs", self.index())

    def make(self) -> Candidate:
        return make_release(self.store, self.keys, self.actor, self.spec, self.deploy)

    def plan(self, release: Digest | None = None, *, prices: Digest | None = PRICES) -> Plan:
        policy = policy_change(self.store, self.spec, golden=GOLDEN)
        arguments = (self.store, self.keys, self.actor, self.spec, self.deploy)
        return make_plan(*arguments, release=release, policy=policy, prices=prices)

    def apply(self, release: Digest | None = None) -> Moved:
        arguments = (self.store, self.keys, self.actor, self.spec, self.deploy)
        return apply_release(*arguments, release=release, golden=GOLDEN, prices=PRICES)[1]

    def evaluate(
        self, release: Digest, value: float, *, against: Digest | None = None, definition: Digest | None = None
    ) -> None:
        """What `shipway eval` would sign, its interval a twentieth to each side."""
        check = Check("golden.contains", Verdict.INCONCLUSIVE, value, value - 0.05, value + 0.05, n=40, level=0.95)
        predicate: JsonObject = {
            "check": check.to_json(),
            "level": 0.95,
            "definition": definition or GOLDEN["golden"],
            "against": against,
        }
        attest(
            self.store,
            self.signer,
            subject=release,
            name="release/assistant",
            predicate_type=media.CHECK_PREDICATE,
            predicate=predicate,
            label="golden.contains",
        )

    @cached_property
    def live(self) -> Digest:
        """A release that was evaluated and applied."""
        self.fill()
        release = self.make().release
        self.evaluate(release, 0.6)
        self.apply(release)
        return release

    def leaf(self, release_index: Digest, name: str) -> Path:
        """The file of a leaf of an index."""
        record = self.store.get(release_index, "index")[name]
        assert isinstance(record, Mapping)
        return self.store.objects.path(Digest(str(record["digest"])))


def flip(path: Path) -> None:
    """Change one bit of a file that nobody should write."""
    path.chmod(0o644)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
