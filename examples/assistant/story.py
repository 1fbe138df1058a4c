"""The second loop: a documentation assistant that is released, served and watched like a model.

    python story.py --demo once --report report.json

Works in a folder of its own (`.demo-assistant` in the checkout, made anew each time). A small local model stands where a
bought one would: behind an address, under a name. Every number comes out of a command, the API or a call of the `openai`
client; nothing is known beforehand. With `--demo stay` the control plane goes on running at the end.
"""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from openai import OpenAI

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from telling import Story, finish, get, read_options, short, start_anew  # noqa: E402 - it lies beside our folder

FILES = ("shipway.yaml", "golden.jsonl", "pairs.jsonl")
APP, REF = "assistant@prod", "deploy/assistant@prod"
MODEL, WEIGHTS = "smollm2", "smollm2-q8"  # the name that it answers to; the same model, written so that it reads faster
FOLLOW_SECONDS = 240.0
QUESTION = "What value does the X-Frame-Options header have by default?"
NEW_QUESTION = "Which method customizes the automatic imports of the shell command?"


class Upstream:
    """The provider: a local model behind a name, which whoever runs it may swap."""

    def __init__(self, folder: Path, port: int) -> None:
        self._log, self.port = folder / "provider.log", port
        self._process: subprocess.Popen[str] | None = None

    def start(self, weights: str) -> None:
        """Serve these weights under the one name."""
        command = [sys.executable, "-m", "shipway.llm.local", "--weights", weights, "--model", MODEL, "--port", str(self.port)]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, text=True)
        end = time.monotonic() + 60
        while time.monotonic() < end and self._process.poll() is None:
            if "ok" in get(f"http://127.0.0.1:{self.port}/health"):  # it listens before it has read its weights
                return
            time.sleep(0.05)
        sys.exit(f"the provider did not start: see {self._log}")

    def stop(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=30)
            self._process = None

    def swap(self, weights: str) -> None:
        """Other weights, same name, same address."""
        self.stop()
        self.start(weights)


class Assistant(Story):
    """The story's commands, and what the report is made of."""

    def __init__(self, folder: Path, port: int, upstream: Upstream, *, brief: bool) -> None:
        super().__init__(folder, port)
        self.upstream, self.brief = upstream, brief
        self.environ["ASSISTANT_KEY"] = "demo-key-of-the-website"
        self.syncs: list[dict[str, Any]] = []
        self.changes: list[dict[str, Any]] = []
        self.freshness: list[dict[str, Any]] = []

    def sync(self) -> dict[str, Any]:
        found: dict[str, Any] = self.run("rag", "sync")["indexes"][0]
        keys = ("version", "documents", "chunks", "new_chunks", "embedded", "seconds")
        self.syncs.append({key: found[key] for key in keys})
        self.say(
            f"{found['documents']} documents, {found['chunks']} chunks, {found['new_chunks']} new,"
            f" {found['embedded']} embedded, {found['seconds']:.2f} s"
        )
        return found

    def judged(self, change: str, gate: dict[str, Any]) -> None:
        """What the gate said of a change, and the number that it said it with."""
        failed = [check for check in gate["checks"] if check["verdict"] != "pass"]
        why = "; ".join(_words(check) for check in failed) or "every check passes"
        self.changes.append({"change": change, "verdict": gate["verdict"], "why": why})
        self.say(f"gate: {gate['verdict']}: {why}")

    def look(self, when: str) -> int:
        """How many documents are stale now, by the freshness monitor."""
        watched = self.run("watch", APP, codes=(0, 1))
        reading = next(reading for reading in watched["readings"] if reading["monitor"] == "freshness")
        stale = int(reading["detail"]["stale"])
        self.freshness.append({"when": when, "stale_documents": stale, "verdict": reading["check"]["verdict"]})
        self.say(f"freshness: {reading['check']['verdict']}, {stale} of {reading['detail']['documents']} documents are stale")
        return stale

    def live(self) -> str:
        return str(self.ask("deployments")["deployments"][0]["release"])

    def client(self) -> OpenAI:
        """The real client, against the gateway that answers for what is live."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = self.ask("deployments")["deployments"][0]
            if found.get("endpoint") and found["release"] in get(f"{found['endpoint']}/readyz"):
                return OpenAI(base_url=f"{found['endpoint']}/v1", api_key=self.environ["ASSISTANT_KEY"], max_retries=0)
            time.sleep(0.1)
        sys.exit("no gateway answers")


def main() -> None:
    brief = "ask every second question, with a margin to match"
    options = read_options(__doc__ or "", HERE.parents[1] / ".demo-assistant", "report.json", 4780, brief=brief)
    base = options.folder.resolve()
    docs = HERE.parents[1] / ".demo-docs"  # fetched once, whatever folder the story works in
    start_anew(base)
    started = time.monotonic()
    subprocess.run([sys.executable, HERE / "get_docs.py", docs], check=True, stderr=subprocess.DEVNULL)
    fetched = time.monotonic() - started
    story = Assistant(base / "assistant", options.port, Upstream(base, _free_port(4790)), brief=options.brief)
    report = tell(story, docs)
    report["seconds_to_fetch"] = round(fetched, 1)
    kept = json.loads(options.report.read_text()) if options.report.exists() else {}
    options.report.write_text(json.dumps({**kept, "assistant": report}, indent=2) + "\n")
    print(f"\n{report['seconds']:.0f} s in all; {options.report} has every number.", flush=True)
    with _ended(story):
        finish(story, stay=options.demo == "stay")


def tell(story: Assistant, docs: Path) -> dict[str, Any]:
    """The story; the report."""
    started = time.monotonic()
    try:
        first = _first_release(story, docs)
        _answers(story)
        second = _documents_change(story, docs, first)
        _worse_prompt(story)
        sentinel = _model_is_swapped(story)
        _caches(story, second)
        cost = _costs(story)
        evaluations = story.ask("evaluations")["evaluations"]
    except BaseException:
        with _ended(story):
            finish(story, stay=False)
        raise
    return {
        "sync": story.syncs,
        "eval": [
            {"release": found["release"], "metric": m["name"], **{key: m[key] for key in ("value", "low", "high", "n")}}
            for found in evaluations
            for m in found["metrics"]
            if not m.get("slice")
        ],
        "judge": [{"release": found["release"], **found["judge"]} for found in evaluations if found.get("judge")],
        "gate": story.changes,
        "freshness": story.freshness,
        "sentinel": sentinel,
        "cost": cost,
        "seconds": round(time.monotonic() - started, 1),
        "by_step": story.steps,
    }


def _first_release(story: Assistant, docs: Path) -> str:
    with story.part("init", "A project: the documentation of Django 5.1, a prompt, a golden set"):
        story.folder.mkdir(parents=True)
        for name in FILES:
            shutil.copy(HERE / name, story.folder)
        shutil.copytree(HERE / "prompts", story.folder / "prompts")
        _arrive(story, docs / "5.1")
        _edit(story, ":4790/", f":{story.upstream.port}/")
        if story.brief:
            _ask_half(story)
        story.run("init")
        story.upstream.start(WEIGHTS)
    with story.part("sync", "Index version 1; a second sync embeds nothing"):
        story.sync()
        story.sync()
    with story.part("eval", "The golden set: retrieval and answers, each with its interval"):
        _say_evaluation(story, story.run("eval", APP))
    with story.part("release", "Prompt, index, provider and parameters, locked together"):
        release = str(story.run("release", "--why", "first")["release"])
        plan = story.run("plan", APP)
        for change in plan["changes"]:
            story.say(f"{change['kind']} {change['name']}: {change['text'].splitlines()[0]}")
        story.judged("first release", story.run("apply", APP, "--why", "first release")["gate"])
    with story.part("up", "The control plane and the gateway"):
        story.say(story.start_up("--no-mlflow"))
    return release


def _answers(story: Assistant) -> None:
    with story.part("answers", "The real openai client asks; streaming too"):
        client = story.client()
        answer = client.chat.completions.create(model="assistant", messages=[{"role": "user", "content": QUESTION}])
        told = (answer.model_extra or {})["shipway"]
        story.say(f"{QUESTION} -> {answer.choices[0].message.content!r}")
        story.say(f"cites {told['citations'][0]['document']}, release {short(told['release'])}, {_tokens(answer)}")
        pieces, last = [], None
        with client.chat.completions.create(
            model="assistant", messages=[{"role": "user", "content": NEW_QUESTION}], stream=True
        ) as stream:
            for chunk in stream:
                pieces += [choice.delta.content or "" for choice in chunk.choices]
                last = (chunk.model_extra or {}).get("shipway") or last
        assert last is not None
        story.say(f"streamed, {len(pieces)} chunks: {NEW_QUESTION} -> {''.join(pieces)!r}")


def _documents_change(story: Assistant, docs: Path, first: str) -> str:
    with story.part("stale", "The documentation changes to Django 5.2"):
        story.look("before the change")
        _arrive(story, docs / "5.2")
        time.sleep(1.5)  # the window of the freshness monitor
        story.look("after the change")
    with story.part("resync", "Only the new chunks are embedded; the deployment follows by a child release, through its gate"):
        story.sync()
        second = _followed(story, first)
        story.look("after the sync")
        answer = story.client().chat.completions.create(model="assistant", messages=[{"role": "user", "content": NEW_QUESTION}])
        story.say(f"{NEW_QUESTION} -> {answer.choices[0].message.content!r}")
    with story.part("rollback", "Rollback takes prompt and index back together; then forward again"):
        moved = story.run("rollback", REF, "--why", "practice")
        assert moved["to"] == first
        told = story.client().chat.completions.create(model="assistant", messages=[{"role": "user", "content": QUESTION}])
        story.say(f"release {short((told.model_extra or {})['shipway']['release'])} answers again")
        story.run("apply", APP, "--release", second, "--why", "back to the new documentation")
        story.client()
    return second


def _followed(story: Assistant, first: str) -> str:
    """Wait until the deployment has followed its index; the release that it is at."""
    end = time.monotonic() + FOLLOW_SECONDS
    while time.monotonic() < end:
        move = story.run("log", REF, quiet=True)["history"][0]
        if move["outcome"] == "refused":
            story.judged("new documentation", move["gate"])
            sys.exit("the gate refused the new documentation")
        if move["to"] != first and move["outcome"] == "moved":
            story.judged("new documentation", move["gate"])
            story.say(f"{REF}: {short(move['from'])} -> {short(move['to'])}, {move['why']}")
            return str(move["to"])
        time.sleep(1)
    sys.exit(f"the deployment did not follow in {FOLLOW_SECONDS:.0f} s")


def _worse_prompt(story: Assistant) -> None:
    with story.part("prompt", "A shorter prompt is proposed, which costs a sixth"):
        right = (story.folder / "prompts" / "answer.md").read_text()
        shutil.copy(HERE / "prompts" / "shorter.md", story.folder / "prompts" / "answer.md")
        _say_evaluation(story, story.run("eval", APP))
        story.run("release", "--why", "a shorter prompt")
        story.run("apply", APP, "--why", "cheaper", codes=(1,))
        refused = story.run("log", REF, quiet=True)["history"][0]
        story.judged("a shorter prompt", refused["gate"])
        (story.folder / "prompts" / "answer.md").write_text(right)
        story.run("release", "--why", "the prompt that works")


def _model_is_swapped(story: Assistant) -> dict[str, Any]:
    with story.part("sentinel", "The provider swaps the model behind its name, at another price"):
        calm = _sentinel(story.run("watch", APP, "--sentinel", codes=(0, 1)))
        story.say(f"before: {calm['check']['verdict']}: {calm['check']['text']}")
        story.upstream.swap("gemma3-270m")
        _edit(story, "output: 0.6}", "output: 0.9}")
        swapped = _sentinel(story.run("watch", APP, "--sentinel", codes=(1,)))
        story.say(f"swapped: {swapped['check']['verdict']}: {swapped['check']['text']}")
        story.upstream.swap(WEIGHTS)
        _edit(story, "output: 0.9}", "output: 0.6}")
        healed = _sentinel(story.run("watch", APP, "--sentinel", codes=(0, 1)))
        story.say(f"after: {healed['check']['verdict']}")
    detected = swapped["check"]["verdict"] == "fail" and calm["check"]["verdict"] == "pass"
    return {"detected": detected, "by": swapped["detail"]["by"]}


def _caches(story: Assistant, release: str) -> None:
    with story.part("caches", "A repeated question comes from the exact cache; why the semantic cache is off"):
        client = story.client()
        for round_ in ("first", "second"):
            started = time.monotonic()
            answer = client.chat.completions.create(model="assistant", messages=[{"role": "user", "content": QUESTION}])
            told = (answer.model_extra or {})["shipway"]
            assert told["release"] == release
            story.say(f"{round_} time: cache {told['cache']}, {(time.monotonic() - started) * 1000:.1f} ms")
        for pair in map(json.loads, (story.folder / "pairs.jsonl").read_text().splitlines()):
            said = story.run("gateway", "compare", pair["a"], pair["b"], quiet=True)
            refusal = "; ".join(f"{one['guard']}: {one['what']}" for one in said["refused"]) or "no guard refuses"
            story.say(f"{said['similarity']:.3f} {'same ' if pair['same'] else 'OTHER'} {pair['a']} / {pair['b']}: {refusal}")


def _costs(story: Assistant) -> dict[str, Any]:
    with story.part("cost", "Per answer, per release, per key, and what the caches saved"):
        costs = _settled(story)
        total = costs["total"]
        story.say(f"{total['answers']} answers, {total['usd']:.6f} USD, {total['usd_per_answer']:.8f} each")
        for name, found in costs["by_release"].items():
            story.say(f"release {short(name)}: {found['answers']} answers, {found['usd']:.6f} USD")
        for name, found in costs["by_key"].items():
            story.say(f"key {name}: {found['answers']} answers, {found['usd']:.6f} USD")
        story.say(f"the caches saved {total['saved_usd']:.6f} USD")
    return {"usd_per_answer": total["usd_per_answer"], "saved_by_cache": total["saved_usd"]}


def _settled(story: Assistant) -> dict[str, Any]:
    """The costs once the log has handed over every call: a call may wait seconds for its segment."""
    end, before = time.monotonic() + 30, -1
    while True:
        costs = story.run("gateway", "cost", APP, quiet=True)
        answers = costs["total"]["answers"]
        if answers and (answers == before or time.monotonic() > end):
            return costs
        before = answers
        time.sleep(6)


def _say_evaluation(story: Assistant, document: dict[str, Any]) -> None:
    for found in document["evaluations"]:
        for metric in found["metrics"]:
            if not metric.get("slice"):
                digits = 9 if metric["name"].endswith("cost_usd") else 3
                interval = f"[{metric['low']:.{digits}f}, {metric['high']:.{digits}f}] n={metric['n']}"
                story.say(f"{metric['name']:<22} {metric['value']:.{digits}f} {interval}")
        for difference in (one for one in found["against_live"] if not one["name"].endswith("cost_usd")):
            interval = f"[{difference['low']:+.3f}, {difference['high']:+.3f}]"
            story.say(f"{difference['name']:<22} against live {difference['value']:+.3f} {interval}")
        if found["judge"]:
            judge = found["judge"]
            story.say(
                f"the judge agrees with the matches in {judge['agreement']['value']:.0%}"
                + (f", turns with the order in {judge['flip_rate']['value']:.0%}" if judge.get("flip_rate") else "")
                + ": it informs, and decides nothing"
            )


def _sentinel(watched: dict[str, Any]) -> dict[str, Any]:
    return next(reading for reading in watched["readings"] if reading["monitor"] == "sentinel")


def _words(check: dict[str, Any]) -> str:
    if check["value"] is None:
        return f"{check['name']}: {check['text']}"
    return (
        f"{check['name']} {check['value']:+.3f} [{check['low']:+.3f}, {check['high']:+.3f}], threshold {check['threshold']:g}"
    )


def _tokens(answer: Any) -> str:
    return f"{answer.usage.prompt_tokens} tokens in, {answer.usage.completion_tokens} out"


def _arrive(story: Assistant, pages: Path) -> None:
    """The documentation of a release takes the place of what was there, file by file as an editor would."""
    corpus = story.folder / "corpus"
    for page in sorted(pages.rglob("*.txt")):
        target = corpus / page.relative_to(pages)
        if not target.exists() or target.read_bytes() != page.read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(page, target)


def _edit(story: Assistant, old: str, new: str) -> None:
    spec = story.folder / "shipway.yaml"
    text = spec.read_text()
    assert old in text
    spec.write_text(text.replace(old, new))


def _ask_half(story: Assistant) -> None:
    """Every second question; so few tell no difference as small as all of them."""
    golden = story.folder / "golden.jsonl"
    golden.write_text("".join(golden.read_text().splitlines(keepends=True)[1::2]))
    _edit(story, "not worse by 0.15", "not worse by 0.3")


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(sock.getsockname()[1])
    raise AssertionError("no free port")


@contextmanager
def _ended(story: Assistant) -> Iterator[None]:
    try:
        yield
    finally:
        story.upstream.stop()


if __name__ == "__main__":
    main()
