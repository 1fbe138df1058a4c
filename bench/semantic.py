"""How often the semantic cache is wrong on questions made to fool it: guards and rule, one of them, a plain threshold.

The peer is a plain similarity threshold of 0.9, which is what semantic caches usually offer. Real embeddings (MiniLM),
an oracle for "same answer". Templates in three parts: see tests/gateway/semantic_help.py for who saw which one when.
Writes bench/results/semantic.json; exit 0 if the bars hold.
"""

import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # two threads on two busy cores wait for each other
import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests" / "gateway"))

from semantic_help import PARTS, Pair, adversarial_pairs, distant_twins, paraphrase_groups  # noqa: E402

from shipway.gateway._guards import GUARDS, compare_questions, compare_signatures, read_signature  # noqa: E402
from shipway.gateway._semantic import Explore, Hit, Miss, SemanticCache  # noqa: E402
from shipway.gateway._semantic_entries import Entry, Scope, Vector  # noqa: E402
from shipway.llm import Embedder, open_minilm  # noqa: E402
from shipway.stats import clopper_pearson  # noqa: E402

SEED = 11
PAIRS_EACH, GROUPS_EACH, TWINS_EACH = 30, 60, 20
RATES = (0.01, 0.05)
Question = tuple[str, str, str]  # text, what it asks (equal means the same answer), where it comes from


class Unguarded(SemanticCache):
    """The rule without the guards, to see what each is good for."""

    def _candidate(self, scope: str, _question: str, vector: Vector, _mine: object) -> tuple[Entry, float] | Miss:
        return next(self._entries[scope].nearest(vector, 0.7), Miss("nothing near"))


class WithoutTopic(SemanticCache):
    """The rule behind guards that let through what they did before the guard `topic`: does it notice?"""

    def _candidate(self, scope: str, question: str, vector: Vector, _mine: object) -> tuple[Entry, float] | Miss:
        kept = frozenset(name for name, _ in GUARDS if name != "topic")
        mine = read_signature(question)
        near = self._entries[scope].nearest(vector, 0.7)
        return next((at for at in near if not compare_signatures(mine, at[0].signature, guards=kept)), Miss("nothing near"))


def stream() -> list[Question]:
    """Every adversarial pair, twin after question, among paraphrases and repeats, in a seeded order."""
    meaning: dict[str, str] = {}
    blocks: list[list[Question]] = []
    for pair in adversarial_pairs(each=PAIRS_EACH):
        texts = (pair.first, pair.second)
        blocks.append(
            [(text, meaning.setdefault(text, text), kind) for text, kind in zip(texts, ("first", "twin"), strict=True)]
        )
    for _, forms in paraphrase_groups(each=GROUPS_EACH):
        asked = [(text, meaning.setdefault(text, forms[0]), "paraphrase") for text in forms]
        blocks += [[one] for one in asked] + [[asked[0]]]  # the last is a plain repeat
    random.Random(SEED).shuffle(blocks)
    return [question for block in blocks for question in block]


def replay(cache: SemanticCache, questions: list[Question], vectors: dict[str, Vector]) -> Counter[str]:
    """Run the stream with an oracle in place of the model: `kind hit`, `kind false`, and so on."""
    seen: Counter[str] = Counter()
    for text, meaning, kind in questions:
        seen[kind] += 1
        found = cache.lookup("one", text, vectors[text])
        if isinstance(found, Hit):
            if found.similarity == 1.0 and found.entry.question == text:
                seen["identical"] += 1
                continue
            seen["hit"] += 1
            seen[f"{kind} hit"] += 1
            same = found.answer == meaning
            seen["false"] += not same
            seen[f"{kind} false"] += not same
            if found.audit:
                cache.audited(found, same=same)
            continue
        same = isinstance(found, Explore) and found.answer == meaning
        if isinstance(found, Explore):
            cache.learn(found, same=same)
        if not same:
            cache.put("one", text, meaning, vectors[text])
    return seen


def replay_plain(questions: list[Question], vectors: dict[str, Vector], *, threshold: float, guards: bool) -> Counter[str]:
    """What a plain threshold does on the same stream, with or without our guards in front."""
    seen: Counter[str] = Counter()
    scope, known = Scope(384), SemanticCache(Fixed(), errors=0.01, seed=0)
    for text, meaning, kind in questions:
        seen[kind] += 1
        if text in scope.by_question:
            seen["identical"] += 1
            continue
        near = scope.nearest(vectors[text], threshold)
        entry = next((e for e, _ in near if not guards or compare_questions(text, e.question) is None), None)
        if entry is None:
            known.put("one", text, meaning, vectors[text])
            scope.add(known._entries["one"].by_question[text], vectors[text])
            continue
        for label in ("", f"{kind} "):
            seen[f"{label}hit"] += 1
            seen[f"{label}false"] += entry.answer != meaning
    return seen


class Fixed:
    """An embedder by name only: every vector of this bench is made once, before."""

    dimension, digest, record = 384, "", {}

    def embed(self, texts: object) -> np.ndarray:
        raise NotImplementedError


def embed_all(embedder: Embedder, texts: list[str]) -> dict[str, Vector]:
    """Each different text once."""
    different = sorted(set(texts))
    rows = np.concatenate([embedder.embed(different[start : start + 64]) for start in range(0, len(different), 64)])
    return dict(zip(different, rows, strict=True))


def lookup_seconds() -> tuple[float, float]:
    """Median and 99th percentile of a lookup in 10,000 entries, embedding excluded, guards included."""
    coin = np.random.default_rng(SEED)
    rows = coin.standard_normal((10_000, 384)).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    cache = SemanticCache(Fixed(), errors=0.01, seed=0)
    for number, row in enumerate(rows):
        cache.put("one", f"What does part {number} of the machine cost in Paris?", "5", row)
    times = []
    for number in range(1_000):
        near = rows[number] + 0.3 / 384**0.5 * coin.standard_normal(384).astype(np.float32)
        near /= np.linalg.norm(near)
        start = time.perf_counter()
        cache.lookup("one", f"Tell me what part {number} of the machine costs in Paris", near)
        times.append(time.perf_counter() - start)
    return statistics.median(times), sorted(times)[989]


def main() -> None:
    """Measure, print, write, and say whether the bars hold."""
    with tempfile.TemporaryDirectory() as folder:
        questions = stream()
        embedder = open_minilm(Path(folder), threads=2)
        vectors = embed_all(embedder, [text for text, _, _ in questions])
    plain = {limit: replay_plain(questions, vectors, threshold=limit, guards=False) for limit in (0.8, 0.9)}
    rows = [*pair_rows(), *timing_rows()]
    for rate in RATES:
        rows += stream_rows(rate, questions, vectors, plain[0.9])
    rows += [_arm(f"threshold {limit}, no guards", seen) for limit, seen in plain.items()]
    rows.append(_arm("guards only, similarity from 0.7", replay_plain(questions, vectors, threshold=0.7, guards=True)))
    (HERE / "results" / "semantic.json").write_text(json.dumps(rows, indent=2) + "\n")
    for row in rows:
        print("{figure:<88} {ours} {unit}  peer {peer}  bar {bar}  holds {holds}  {note}".format(**row))
    sys.exit(0 if all(row["holds"] for row in rows) else 1)


def stream_rows(
    rate: float, questions: list[Question], vectors: dict[str, Vector], peer: Counter[str]
) -> Iterator[dict[str, object]]:
    """The cache at one stated rate, and the rule alone."""
    cache = SemanticCache(Fixed(), errors=rate, seed=SEED)
    seen = replay(cache, questions, vectors)
    status = cache.status("one")
    yield _rate(
        f"false hits of hits, stated {rate:.0%}", seen["false"], seen["hit"], bar=rate, peer=peer["false"] / peer["hit"]
    )
    yield _rate(
        f"false hits of twins asked, stated {rate:.0%}",
        seen["twin false"],
        seen["twin"],
        bar=rate,
        peer=peer["twin false"] / peer["twin"],
    )
    share = peer["paraphrase hit"] / peer["paraphrase"]
    yield _rate(f"hits of paraphrases asked, stated {rate:.0%}", seen["paraphrase hit"], seen["paraphrase"], peer=share)
    refused = dict(sorted(status.refused.items(), key=lambda item: -item[1]))
    note = f"opens at {status.opens_at}, on {status.on}, audited {status.audited}, upper {status.upper:.3f}, refused {refused}"
    yield _row(f"explored, stated {rate:.0%}", "questions", status.explored, note=note)
    alone = replay(Unguarded(Fixed(), errors=rate, seed=SEED), questions, vectors)
    yield _arm(f"rule without guards, stated {rate:.0%}", alone)
    leaky = replay(WithoutTopic(Fixed(), errors=rate, seed=SEED), questions, vectors)
    yield _arm(f"rule with guards but `topic`, stated {rate:.0%}", leaky)


def pair_rows() -> Iterator[dict[str, object]]:
    """The guards alone, pair by pair, half by half."""
    twins, distant, groups = adversarial_pairs(each=PAIRS_EACH), distant_twins(each=TWINS_EACH), paraphrase_groups(each=20)
    for half in PARTS:
        for name, pairs in (("minimal", twins), ("distant", distant)):
            mine = [pair for pair in pairs if pair.half == half]
            refused = Counter(_refused_by(pair) for pair in mine)
            passed = refused.pop("", 0)
            note = f"refused by {dict(refused)}"
            yield _rate(f"{name} twins that pass the guards, {half}", passed, len(mine), note=note)
        kin = [(a, b) for h, forms in groups if h == half for i, a in enumerate(forms) for b in forms[:i]]
        yield _rate(
            f"paraphrase pairs that pass the guards, {half}", sum(compare_questions(a, b) is None for a, b in kin), len(kin)
        )


def _refused_by(pair: Pair) -> str:
    refusal = compare_questions(pair.first, pair.second)
    return refusal.guard if refusal else ""


def timing_rows() -> Iterator[dict[str, object]]:
    """Guards and lookup, without embedding."""
    pairs = adversarial_pairs(each=PAIRS_EACH)
    start = time.process_time()
    for pair in pairs:
        compare_questions(pair.first, pair.second)
    yield _row(
        "guards, both questions read anew, mean CPU", "us", round((time.process_time() - start) / len(pairs) * 1e6, 1), bar=100
    )
    median, tail = lookup_seconds()
    yield _row(
        "lookup in 10,000 entries without embedding, p50",
        "ms",
        round(median * 1e3, 3),
        bar=4.5,
        note="12 ms less 7.5 of MiniLM",
    )
    yield _row("lookup in 10,000 entries without embedding, p99", "ms", round(tail * 1e3, 3))


def _arm(name: str, seen: Counter[str]) -> dict[str, object]:
    hit = seen["paraphrase hit"] / seen["paraphrase"]
    return _rate(f"false hits of hits, {name}", seen["false"], seen["hit"], note=f"hits of paraphrases {hit:.3f}")


def _rate(
    name: str, wrong: int, n: int, *, bar: float | None = None, peer: float | None = None, note: str = ""
) -> dict[str, object]:
    ours = wrong / n if n else 0.0
    bound = clopper_pearson(wrong, n) if n else None
    text = f"{wrong} of {n}" + (f", 95 % {bound.low:.4f} to {bound.high:.4f}" if bound else "")
    return _row(name, "share", round(ours, 5), bar=bar, peer=peer, note=f"{text}; {note}" if note else text)


def _row(
    name: str, unit: str, ours: float, *, bar: float | None = None, peer: float | None = None, note: str = ""
) -> dict[str, object]:
    return {
        "figure": name,
        "unit": unit,
        "ours": ours,
        "peer": None if peer is None else round(peer, 4),
        "peer_name": None if peer is None else "threshold 0.9",
        "ratio": None if not peer else round(ours / peer, 4),
        "bar": bar,
        "holds": bar is None or ours <= bar,
        "note": note,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}",
    }


if __name__ == "__main__":
    main()
