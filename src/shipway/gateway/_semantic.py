"""The semantic cache: an answer given before, for a question put in other words, only as far as a stated error rate allows.

How a gateway uses it (all calls from one event loop; only `embed` is slow, and may run in a thread):

    vector = await to_thread(cache.embed, question)
    found = cache.lookup(scope, question, vector)
    Hit      answer with found.answer; if found.audit, also ask the model and report `cache.audited(found, same=...)`
    Explore  ask the model, answer with that, report `cache.learn(found, same=...)`; if not the same, `cache.put(...)`
    Miss     ask the model, `cache.put(scope, question, answer, vector)`; found.reason is for the trace

`scope` is a digest of everything else that determines an answer: release, prompt, provider, parameters, index, tenant. No
answer ever crosses it. The caller keeps out what must not be cached at all: tools, temperature above 0, long conversations.

The rule. After vCache (arXiv 2502.03771), which learns from compared answers when a hit is safe and explores otherwise.
Ours differs: vCache bounds wrong answers per request, so that it may give a hit it believes to be wrong, if rarely; here the
rate of wrong answers among hits is bounded. A hit is given at similarity s near entry e only if
  1. no guard refuses (questions that differ in a number, a name, a negation... `_guards.py`);
  2. the family of entries has shown that wrong answers at similarity >= c are rarer than the limit, for a c <= s: the mixture
     e-value  E = sum_j w_j (p_j/d)^k ((1-p_j)/(1-d))^(n-k)  over rates p_j < d reaches 3 / 0.05, with d the limit and k of n
     entries were wrong the first time that a question came near them; c in 0.7, 0.8, 0.9;
  3. e itself was not found wrong at s - 0.02 or above, nor twice;
  4. and, where e was never compared, a coin with the chance `explore` says not to compare it now.
Else it explores: with nothing seen there is no hit, so a fresh cache cannot be wrong. It takes about 450 compared entries at
1 % and 90 at 5 %, if none of them is wrong. Assumed: comparisons are right; entries are exchangeable (what comes near the
next one is like what came near the earlier ones: no flood of a new kind of question); at one entry, being right once does not
make being wrong later likelier. Where these fail, the audit finds it: a random share of hits is asked again, see
`_semantic_audit.py`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from shipway.gateway._guards import compare_signatures, read_signature
from shipway.gateway._semantic_audit import Audit
from shipway.gateway._semantic_entries import Entries, Entry, Vector
from shipway.gateway._semantic_evidence import WINDOWS, FamilyEvidence
from shipway.gateway._semantic_same import same_answer
from shipway.llm import Embedder

__all__ = ["CacheStatus", "Explore", "Hit", "Miss", "SemanticCache", "same_answer"]

FAMILIES = 1_000  # whose evidence is kept; the oldest is forgotten, and learns anew
OFF, EMPTY, GUARDED = "off", "nothing near", "guarded"  # reasons of a miss


@dataclass(frozen=True, slots=True)
class Miss:
    """No candidate. reason: `off`, `nothing near`, or `guarded` with the guard that refused the nearest and what differed."""

    reason: str
    guard: str | None = None
    detail: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Explore:
    """A candidate that is not safe enough yet: ask the model, compare with `answer`, tell `learn`."""

    entry: Entry
    similarity: float
    family: str

    @property
    def answer(self) -> str:
        """What the cache would have answered."""
        return self.entry.answer


@dataclass(frozen=True, slots=True, eq=False)
class Hit:
    """An answer to give. audit: ask the model as well, compare, tell `audited`. similarity: 1.0 when identical."""

    entry: Entry
    similarity: float
    family: str
    answer: str
    audit: bool


@dataclass(frozen=True, slots=True)
class CacheStatus:
    """One family, or all together, for metrics and the page. upper: 95 % bound of the rate of false hits (1.0 without audits).

    opens_at: the similarity from which on hits are given, None while it still learns; refused: guard -> times.
    identical: hits on the very same question, which no rate counts.
    """

    on: bool
    why: str | None
    limit: float
    opens_at: float | None
    lookups: int
    hits: int
    identical: int
    explored: int
    audited: int
    false_hits: int
    upper: float
    entries: int
    refused: Mapping[str, int]


@dataclass(slots=True)
class _Family:
    evidence: FamilyEvidence
    audit: Audit
    counts: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)


class SemanticCache:
    """Answers for questions in other words, with wrong ones at most `errors` of the hits. See the module for rule and use.

    errors: the stated rate, strictly between 0 and 0.5, else ValueError; audit: share of hits asked again; explore: chance to
    compare an entry that was never compared although its family has proof; each, total: entries in one scope, and in all.
    Not thread-safe, except `embed`. Memory: about 4 bytes x dimension + the texts + 2 kB an entry.
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        errors: float,
        seed: int,
        audit: float = 0.05,
        explore: float = 0.1,
        each: int = 10_000,
        total: int = 50_000,
    ) -> None:
        if not 0 < errors < 0.5:
            raise ValueError(f"errors: expected a rate strictly between 0 and 0.5, such as 0.01, got {errors}")
        if not 0 < audit <= 1 or not 0 <= explore <= 1:
            raise ValueError(f"audit, explore: expected shares, audit above 0, got {audit} and {explore}")
        self._embedder, self._errors, self._audit, self._explore = embedder, errors, audit, explore
        self._random = random.Random(seed)  # noqa: S311  a coin for sampling, no secret
        self._entries = Entries(dimension=embedder.dimension, each=each, total=total)
        self._families: dict[str, _Family] = {}
        self._all = self._new_family()

    def embed(self, question: str) -> Vector:
        """(dimension,) of length 1. The only slow call, may run in a thread. Raises EmbedderDown."""
        vector: Vector = self._embedder.embed([question])[0]
        return vector

    def lookup(
        self, scope: str, question: str, vector: Vector | None = None, *, family: str | None = None
    ) -> Hit | Explore | Miss:
        """What is known for this question; vector: of `embed`, which is called when it is left out.

        family: scopes that share evidence, never answers (the same application under successive releases, say); the scope
        alone when left out.
        """
        name = scope if family is None else family
        mine = self._family(name)
        self._count(mine, "lookups")
        if self._all.audit.off or mine.audit.off:
            return Miss(OFF)
        twin = self._entries[scope].by_question.get(question)
        if twin is not None:
            self._count(mine, "identical")
            self._entries.touch(twin)
            return Hit(twin, 1.0, name, twin.answer, audit=False)
        found = self._candidate(scope, question, self.embed(question) if vector is None else vector, mine)
        return found if isinstance(found, Miss) else self._judge(*found, name, mine)

    def put(self, scope: str, question: str, answer: str, vector: Vector) -> None:
        """Keep an answer of the model. The same question again replaces it and forgets what was seen near it."""
        self._entries.add(Entry(scope, question, answer, read_signature(question)), vector)

    def learn(self, explored: Explore, *, same: bool) -> None:
        """The model has answered: is it what the cache would have said? Never call it without a comparison."""
        self._observe(explored, same=same)

    def audited(self, hit: Hit, *, same: bool) -> None:
        """The audit of a hit: did the model say the same? May turn the cache off. Raises ValueError for another hit.

        Only hits marked `audit` count: they are drawn before the answer is known, others would bias the rate.
        """
        if not hit.audit:
            raise ValueError("audited: this hit is not in the sample; report only hits whose `audit` is true")
        mine = self._family(hit.family)
        for record in (mine, self._all):
            record.audit.observe(same=same)
        self._observe(hit, same=same)

    def status(self, family: str | None = None) -> CacheStatus:
        """State for metrics; of one family, or of all. A family that was never looked up is on and has seen nothing."""
        record = self._all if family is None else self._families.get(family) or self._new_family()
        counts = record.counts
        why = self._all.audit.off or record.audit.off
        return CacheStatus(
            on=why is None,
            why=why,
            limit=self._errors,
            opens_at=None if family is None else record.evidence.opens_at(),
            lookups=counts["lookups"],
            hits=counts["hits"],
            identical=counts["identical"],
            explored=counts["explored"],
            audited=record.audit.audited,
            false_hits=record.audit.wrong,
            upper=record.audit.upper(),
            entries=len(self._entries),
            refused=dict(record.refused),
        )

    def drop(self, scope: str) -> None:
        """Forget the answers of a scope (its release is gone); what its family has shown stays."""
        self._entries.drop(scope)

    def reset(self, family: str | None = None) -> None:
        """Turn on again and learn anew, a person's decision: one family, or everything. Answers stay, evidence goes."""
        if family is None:
            self._families.clear()
            self._all = self._new_family()
        else:
            self._families.pop(family, None)

    def _candidate(self, scope: str, question: str, vector: Vector, mine: _Family) -> tuple[Entry, float] | Miss:
        """The nearest entry that no guard refuses."""
        signature, refusal = None, None
        for entry, similarity in self._entries[scope].nearest(vector, WINDOWS[0]):
            signature = signature or read_signature(question)
            refused = compare_signatures(signature, entry.signature)
            if refused is None:
                return entry, similarity
            refusal = refusal or refused
        if refusal is None:
            return Miss(EMPTY)
        mine.refused[refusal.guard] += 1
        self._all.refused[refusal.guard] += 1
        return Miss(GUARDED, refusal.guard, refusal.detail)

    def _judge(self, entry: Entry, similarity: float, name: str, mine: _Family) -> Hit | Explore:
        self._entries.touch(entry)
        start = mine.evidence.opens_at()
        safe = start is not None and similarity >= start and entry.evidence.allows(similarity)
        if safe and not entry.evidence.seen:
            safe = self._random.random() >= self._explore
        self._count(mine, "hits" if safe else "explored")
        if not safe:
            return Explore(entry, similarity, name)
        return Hit(entry, similarity, name, entry.answer, audit=self._random.random() < self._audit)

    def _observe(self, found: Explore | Hit, *, same: bool) -> None:
        if not found.entry.evidence.seen:  # only the first counts for the family: entries are independent, their questions not
            self._family(found.family).evidence.observe(found.similarity, same=same)
        found.entry.evidence.observe(found.similarity, same=same)

    def _count(self, mine: _Family, what: str) -> None:
        mine.counts[what] += 1
        self._all.counts[what] += 1

    def _family(self, name: str) -> _Family:
        found = self._families.pop(name, None) or self._new_family()
        self._families[name] = found  # the dict is in the order of use
        if len(self._families) > FAMILIES:
            self._forget_a_family()
        return found

    def _forget_a_family(self) -> None:
        """The one unused for longest; one that is off stays as long as there is another, or it would come on again."""
        idle = next((name for name, family in self._families.items() if family.audit.off is None), next(iter(self._families)))
        del self._families[idle]

    def _new_family(self) -> _Family:
        return _Family(FamilyEvidence(self._errors), Audit(self._errors))
