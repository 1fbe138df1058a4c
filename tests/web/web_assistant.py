"""A project with a deployment of target `gateway`: readings, evaluations and reviews in the rows that their rooms write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from web_project import Project

from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.clock import instant
from shipway.kernel.digest import Digest, digest_bytes
from shipway.monitor import Severity, keep_reading
from shipway.release import Component, put_release

REF = "deploy/assistant@prod"
NOW = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
GOLDEN = digest_bytes(b"golden")
DOCUMENTS = ("ref/models/fields.txt", "topics/db/queries.txt", "releases/5.2.txt", "howto/asgi.txt", "intro/tutorial01.txt")
CANDIDATE = digest_bytes(b"candidate")


def assistant(
    folder: Path, *, stale: int = 7, swapped: bool = False, documents: Sequence[str] = DOCUMENTS
) -> tuple[Project, Digest, Digest]:
    """The project, its live release and its candidate, after six hours of readings that end with `stale` documents."""
    project = Project(folder)
    live, candidate = release(project, "v1"), release(project, "v2")
    put_live(project, live)
    project.move("release/assistant", candidate, "a shorter prompt")
    for step in range(25):
        at = NOW - timedelta(minutes=15 * (24 - step))
        behind = stale if step >= 18 else 0
        detail: JsonObject = {
            "index": "docs", "documents": 63, "stale": behind, "orphans": 0,
            "oldest_seconds": 900.0 * (step - 17) if behind else None,
            "examples": list(documents) if behind else [],
        }  # fmt: skip
        text = (
            f"index docs, 63 documents, {behind} not served as they are now" if behind else "index docs serves all 63 documents"
        )
        keep(project, live, "freshness", at, behind, 0.0, detail, text, Verdict.FAIL if behind else Verdict.PASS)
        spent = 0.004 * step * (1 + 0.2 * (step % 3))
        text = f"{spent:.2f} USD for {40 * step} answers in 1 d; caches saved 0.02 USD"
        keep(project, live, "cost", at, spent, 5.0, cost(live, candidate, spent, step), text, Verdict.PASS)
    verdict, by = (Verdict.FAIL, ["tokens", "answers"]) if swapped else (Verdict.PASS, [])
    text = "12 golden prompts, 3 repeats: the provider answers as it did"
    if swapped:
        text = "prompt tokens differ in 12 of 12 prompts (p0 20, now 23); answers differ in 11 of 12 prompts"
    baseline: JsonObject = {"by": list(by), "prompts": 12, "repeats": 3, "baseline": digest_bytes(b"baseline")}
    keep(project, live, "sentinel", NOW - timedelta(minutes=31), 0.92 if swapped else 0.0, 0.1, baseline, text, verdict)
    evaluated(project, live, 0.0)
    evaluated(project, candidate, -0.08)
    project.clock.at = NOW
    return project, live, candidate


def release(project: Project, version: str) -> Digest:
    store = project.store
    index = store.put({"kind": "index", "version": 1, "documents": 63, "chunks": 1804, "text": version})
    provider = store.put({"kind": "provider", "version": 1, "model": "smollm2", "shape": "openai"})
    prompt = store.put({"kind": "prompt", "version": 1, "text": version})
    parts = (("index", "docs", index), ("prompt", "answer", prompt), ("provider", "answer", provider))
    return put_release(store, [Component(*part) for part in parts])


def put_live(project: Project, release: Digest) -> None:
    store = project.store
    thresholds = {"freshness": 0, "cost": 5, "sentinel": 0.1}
    monitors: JsonObject = {name: {"page": n, "inform": None, "window_seconds": 900.0} for name, n in thresholds.items()}
    project.move(REF, store.put({
        "kind": "deployment", "version": 1, "application": "assistant", "environment": "prod", "target": "gateway",
        "release": store.descriptor(release, media.OCI_INDEX).to_json(), "monitors": monitors, "scale": {"workers": 1},
        "outcomes": {}, "after": None, "follow": ["index/docs"], "gateway": {},
    }), "first assistant")  # fmt: skip


def keep(
    project: Project, release: Digest, monitor: str, at: datetime, value: float, threshold: float, detail: JsonObject,
    text: str, verdict: Verdict,
) -> None:  # fmt: skip
    check = Check(monitor, verdict, float(value), threshold=threshold, n=63, text=text)
    keep_reading(project.store, REF, monitor, check, severity=Severity.PAGE, release=release, detail=detail, now=at)


def cost(live: Digest, candidate: Digest, usd: float, step: int) -> JsonObject:
    def part(share: float) -> JsonObject:
        return {"answers": round(40 * step * share), "usd": usd * share, "usd_per_answer": 0.0001, "saved_usd": 0.02 * share}

    return {
        "window_seconds": 86_400.0, **part(1.0), "tokens": {"input": 41_234, "output": 2_310, "cached": 1_024},
        "by_release": {live: part(0.8), candidate: part(0.2)}, "by_key": {"team": part(0.7), "website": part(0.3)},
    }  # fmt: skip


def evaluated(project: Project, release: Digest, shift: float, golden: str = "golden", question: str = "install") -> None:
    """A row of state as an evaluation leaves it; metrics of the whole golden set and of one slice."""
    values = {"recall_at_5": 0.78, "mrr": 0.61, "contains": 0.52, "judge": 0.7, "cost_usd": 0.00021, "seconds": 1.42}

    def metric(name: str, value: float, slice: str | None) -> JsonObject:
        reach = 0.2 * value if slice is None else 0.4 * value
        check = Check(f"{golden}.{name}", Verdict.INCONCLUSIVE, value, value - reach, value + reach, n=80, level=0.95)
        return {**check.to_json(), "clusters": 60, "slice": slice}

    whole = [metric(name, value + (shift if value > 0.1 else 0.0), None) for name, value in values.items()]
    part: JsonObject = {"value": 0.61, "low": 0.5, "high": 0.72, "n": 80}
    project.store.put_state("evaluated", f"{release}/{golden}", {
        "version": 1, "release": release, "golden": golden, "definition": GOLDEN, "at": instant(NOW - timedelta(hours=3)),
        "samples": {}, "items": 80, "metrics": [*whole, metric("contains", 0.4, question)],
        "judge": {"agreement": part, "kappa": None, "flip_rate": {"value": 0.31, "low": None, "high": None, "n": 80}},
    })  # fmt: skip


def queue(project: Project, reviews: Mapping[str, JsonObject]) -> None:
    for key, value in reviews.items():
        project.store.put_state("review", key, value)


def review(question: str = "How do I install Django?", answer: str = "Run pip install Django.", **more: Json) -> JsonObject:
    """A row of state of the review queue: is this answer right?"""
    return {
        "version": 1, "kind": "rate", "question": question, "answers": [{"text": answer, "release": CANDIDATE}], "judge": 1,
        "ratings": [], "golden": GOLDEN, "release": CANDIDATE, **more,
    }  # fmt: skip


def pair(first: str = "Run pip install Django.", second: str = "Use conda.") -> JsonObject:
    """Another one: which of two is better?"""
    answers: list[Json] = [{"text": first, "release": CANDIDATE}, {"text": second, "release": digest_bytes(b"live")}]
    return review(kind="pick", answers=answers, judge=0)
