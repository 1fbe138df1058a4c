"""A small application that answers a prompt, for the tests of several rooms: six documents, eight golden questions, and a
provider on loopback that copies the sentence of the passages that shares most words with the question.

What is retrieved decides what is answered, and the same question is always answered alike, so that every number is known.
"""

from __future__ import annotations

import json
import re
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cli_project import Project

from shipway.spec import DeploySpec
from shipway.store import Store, open_store

REF = "deploy/guide@prod"
KEY = "the-caller-s-own-key"
WORDS_KEY = "the-key-of-the-embedder"
UNTOLD = "I do not know."

DOCUMENTS = {
    "bridge.txt": "The bridge at Arnsen was built in 1893 by Marta Olsen.\n\nIt carries two tracks over the river Lys.\n",
    "ferry.txt": "The ferry to Holm leaves every forty minutes from the eastern quay.\n\nBicycles travel for free.\n",
    "library.txt": "The library lends nine books at a time to each reader.\n\nIts tower was designed by Ilse Brandt.\n",
    "market.txt": "The market sells cherries on Thursdays only.\n\nIts oldest stall belongs to the Weber family.\n",
    "museum.txt": "The museum keeps a whale skeleton of eighteen metres.\n\nIts entrance costs seven crowns for adults.\n",
    "school.txt": "The school teaches sailing in the summer term.\n\nIts headmaster is called Anton Rask.\n",
}
GOLDEN = [
    ("year", "In which year was the bridge at Arnsen built?", "1893", "bridge.txt"),
    ("builder", "Who built the bridge at Arnsen?", "Marta Olsen", "bridge.txt"),
    ("ferry", "How often leaves the ferry to Holm?", "forty minutes", "ferry.txt"),
    ("books", "How many books lends the library to a reader?", "nine", "library.txt"),
    ("cherries", "When are cherries sold at the market?", "Thursdays", "market.txt"),
    ("whale", "How long is the whale skeleton in the museum?", "eighteen", "museum.txt"),
    ("sailing", "When does the school teach sailing?", "summer", "school.txt"),
    ("head", "What is the headmaster of the school called?", "Anton Rask", "school.txt"),
]
QUESTION = GOLDEN[1][1]
PROMPT = "# system\n\nYou copy answers out of a text.\n\n# user\n\nText:\n{{passages}}\n\nQuestion: {{question}}\nAnswer:\n"
WORSE = "# user\n\nQuestion: {{question}}\nAnswer:\n"  # without the documents nobody knows
SPEC = """
project: guides
providers:
  answer: {{model: parrot, url: "{url}", temperature: 0, seed: 7, max_tokens: 64, price: {{input: 1, cached: 0.5, output: 2}}}}
  spare: {{model: parrot, url: "{url}", temperature: 0, price: {{input: 1, output: 2}}}}
  embed: {{model: words-by-hand, url: "{url}", key: secret://env/WORDS_KEY}}
prompts:
  answer: {{file: answer.md, provider: answer, passages: 2}}
indexes:
  docs: {{source: docs, include: ["**/*.txt"], embedder: {embedder}}}
evals:
  golden: {{file: golden.jsonl, at: 3}}
deploy:
  guide@prod:
    target: gateway
    follow: [index/docs]
    monitors:
      freshness: {{page: 0, window: 1s}}
      cost: {{page: 0.001, window: 1d}}
      sentinel: {{page: 0.1, window: 1h}}
policy:
  deploy/guide@prod:
    golden.recall_at_3: at least 0.3 at 95%
    golden.contains: [at least 0.4 at 95%, not worse by 0.5 at 95%]
gateway:
  keys:
    team: {{key: secret://env/TEAM_KEY, budget: 1 usd/day}}
"""


@dataclass
class Parrot:
    """The provider. The fields say how it behaves; asked: the questions that it was asked so far, in order."""

    down: bool = False
    swapped: bool = False  # another model behind the same name: counts tokens otherwise and shouts
    hangs_after: int | None = None  # answers so many questions and leaves the next ones open
    slow: float = 0.0
    asked: list[str] = field(default_factory=list)
    seeds: list[object] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    refused: int = 0  # calls while it was down
    url: str = ""
    end: threading.Event = field(default_factory=threading.Event)

    def calm(self) -> None:
        """As it was when it started; it keeps its address."""
        self.down, self.swapped, self.hangs_after, self.slow = False, False, None, 0.0
        self.forget()

    def forget(self) -> None:
        self.asked, self.seeds, self.keys, self.refused = [], [], set(), 0

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        said = body["messages"][-1]["content"]
        text, tokens = repeat(said), len(said.split())
        if self.swapped:
            text, tokens = text.upper(), tokens + 3
        usage = {"prompt_tokens": tokens, "completion_tokens": len(text.split())}
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return {"id": "c", "object": "chat.completion", "created": 0, "model": "parrot-1", "choices": [choice], "usage": usage}


def repeat(said: str) -> str:
    """The sentence of the text that shares most words with the question."""
    before, _, after = said.rpartition("Question: ")
    wanted = _words(after.splitlines()[0] if after else said)
    sentences = [part.strip() for part in re.split(r"(?<=\.)\s+|\n", before)]
    found = max(sentences, key=lambda part: len(wanted & _words(part)), default="")
    return found if wanted & _words(found) else UNTOLD


def _words(text: str) -> set[str]:
    return {word for word in re.findall(r"[a-z0-9]+", text.lower()) if len(word) > 3}


def vector(text: str) -> list[float]:
    """Words counted in 64 places: texts that share words are near each other."""
    found = [0.0] * 64
    found[0] = 0.1
    for word in re.findall(r"[a-z0-9]+", text.lower()):
        found[zlib.crc32(word.encode()) % 63 + 1] += 1.0
    return found


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        parrot: Parrot = self.server.parrot  # type: ignore[attr-defined]
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        parrot.keys.add(self.headers.get("authorization", ""))
        if self.path.endswith("/embeddings"):
            if self.headers.get("authorization") != f"Bearer {WORDS_KEY}":
                return self._say(401, {"error": {"message": "who are you?"}})
            data = [{"index": place, "embedding": vector(text)} for place, text in enumerate(body["input"])]
            return self._say(200, {"model": "words-by-hand-1", "data": data})
        if parrot.down:
            parrot.refused += 1
            return self._say(503, {"error": {"message": "out to lunch"}})
        if parrot.hangs_after is not None and len(parrot.asked) >= parrot.hangs_after:
            parrot.end.wait(60)
            return None
        time.sleep(parrot.slow)
        parrot.asked.append(body["messages"][-1]["content"].rpartition("Question: ")[2].splitlines()[0])
        parrot.seeds.append(body.get("seed"))
        if body.get("stream"):
            return self._stream(parrot.answer(body))
        return self._say(200, parrot.answer(body))

    def _stream(self, answer: dict[str, Any]) -> None:
        """The answer word by word, as events."""
        words = answer["choices"][0]["message"]["content"].split(" ")
        shared = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": answer["model"]}
        said = [{"index": 0, "delta": {"content": f"{word} "}, "finish_reason": None} for word in words]
        parts = [{**shared, "choices": [choice]} for choice in (*said, {"index": 0, "delta": {}, "finish_reason": "stop"})]
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for part in (*parts, {**shared, "choices": [], "usage": answer["usage"]}):
            self.wfile.write(b"data: " + json.dumps(part).encode() + b"\n\n")
        self.wfile.write(b"data: [DONE]\n\n")

    def _say(self, status: int, record: dict[str, Any]) -> None:
        data = json.dumps(record).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_words: object) -> None:
        return


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        return  # a client that was killed


@contextmanager
def parrot() -> Iterator[Parrot]:
    """A running provider."""
    state = Parrot()
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.parrot = state  # type: ignore[attr-defined]
        state.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.02))
        thread.start()
        try:
            yield state
        finally:
            state.end.set()
            server.shutdown()
            thread.join(10)


class Assistant(Project):
    """The application in a folder, and the person who works there."""

    @cached_property
    def store(self) -> Store:
        return open_store(self.root, "guides", create=True)

    @property
    def deploy(self) -> DeploySpec:
        return self.spec.deploy["guide@prod"]

    def write(self, name: str, text: str) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def copy(self, root: Path) -> Assistant:
        made = super().copy(root)
        return Assistant(made.root, made.keys_folder, made.who, made.more)


def make_assistant(root: Path, keys_folder: Path, url: str, *, embedder: str = "embed") -> Assistant:
    """The files of the application; nothing has been done with them. embedder: `embed` is the provider's, quick and poor."""
    made = Assistant(root, keys_folder, more={"WORDS_KEY": WORDS_KEY, "TEAM_KEY": KEY, "UNNAMED_SECRET": "nobody's business"})
    made.write("shipway.yaml", SPEC.format(url=url, embedder=embedder).lstrip())
    made.write("answer.md", PROMPT)
    for name, text in DOCUMENTS.items():
        made.write(f"docs/{name}", text)
    write_golden(made, GOLDEN)
    return made


def write_golden(project: Assistant, rows: Sequence[tuple[str, str, str, str]]) -> None:
    records = [{"id": id, "input": question, "target": target, "context": [file]} for id, question, target, file in rows]
    project.write("golden.jsonl", "".join(json.dumps(record) + "\n" for record in records))


def forget_answers(project: Assistant) -> None:
    """The documents as they are, without what the golden questions ask for."""
    for name, text in DOCUMENTS.items():
        for _, _, target, _ in GOLDEN:
            text = text.replace(target, "something")
        project.write(f"docs/{name}", text)
