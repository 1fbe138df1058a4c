"""The semantic cache: when it answers, when it asks, and when it stops trusting itself; its chances to err by simulation."""

from __future__ import annotations

import random

import numpy as np
import pytest
from scipy import stats
from semantic_help import WordBag

from shipway.gateway._semantic import Explore, Hit, Miss, SemanticCache, same_answer
from shipway.gateway._semantic_audit import ABOVE, UNPROVEN, Audit
from shipway.gateway._semantic_bound import evidence_above, evidence_below
from shipway.gateway._semantic_entries import Vector
from shipway.gateway._semantic_evidence import FamilyEvidence

EMBEDDER = WordBag()


def new_cache(**options: float) -> SemanticCache:
    chosen = {"errors": 0.05, "seed": 3, "audit": 0.2, "explore": 0.0} | options
    return SemanticCache(EMBEDDER, **chosen)  # type: ignore[arg-type]


def put(cache: SemanticCache, question: str, answer: str = "yes", scope: str = "s") -> None:
    cache.put(scope, question, answer, cache.embed(question))


def teach(cache: SemanticCache, comparisons: int, *, same: bool = True, scope: str = "s") -> None:
    """That many entries, each compared once."""
    for number in range(comparisons):
        put(cache, f"How do I reset part {number}?", scope=scope)
        found = cache.lookup(scope, f"How can I reset part {number}?")
        if isinstance(found, Explore):
            cache.learn(found, same=same)


def test_a_fresh_cache_explores_and_never_answers() -> None:
    cache = new_cache()
    put(cache, "How do I reset my password?")
    found = cache.lookup("s", "How can I reset my password?")
    assert isinstance(found, Explore)
    assert found.answer == "yes"
    assert found.similarity > 0.7


def test_the_identical_question_is_answered_and_counts_for_no_rate() -> None:
    cache = new_cache()
    put(cache, "How do I reset my password?")
    found = cache.lookup("s", "How do I reset my password?")
    assert isinstance(found, Hit)
    assert not found.audit
    assert (cache.status("s").identical, cache.status("s").hits) == (1, 0)
    with pytest.raises(ValueError, match="not in the sample"):
        cache.audited(found, same=True)


def test_after_enough_right_comparisons_a_new_entry_is_answered_for() -> None:
    cache = new_cache()
    teach(cache, 95)
    assert cache.status("s").opens_at is not None
    put(cache, "How do I reset my password?")
    assert isinstance(cache.lookup("s", "How can I reset my password?"), Hit)


def test_wrong_comparisons_keep_it_from_answering_ever() -> None:
    cache = new_cache()
    teach(cache, 200, same=False)
    assert cache.status("s").opens_at is None
    assert cache.status("s").hits == 0


def test_many_comparisons_at_one_popular_entry_do_not_speak_for_the_others() -> None:
    cache = new_cache()
    put(cache, "How do I reset my password?")
    for _ in range(500):
        found = cache.lookup("s", "How can I reset my password?")
        assert isinstance(found, Explore)
        cache.learn(found, same=True)


def test_an_entry_that_was_wrong_once_is_not_trusted_at_that_similarity_again() -> None:
    cache = new_cache()
    put(cache, "How do I reset my password?")
    first = cache.lookup("s", "How can I reset my password?")
    assert isinstance(first, Explore)
    cache.learn(first, same=False)
    teach(cache, 200)
    assert cache.status("s").opens_at is not None
    assert isinstance(cache.lookup("s", "How can I reset my password?"), Explore)


def test_a_guard_refuses_before_any_rule_and_is_named() -> None:
    cache = new_cache()
    put(cache, "How do I enable the alarm?")
    found = cache.lookup("s", "How do I disable the alarm?")
    assert found == Miss("guarded", "opposites", found.detail if isinstance(found, Miss) else None)
    assert cache.status("s").refused == {"opposites": 1}


def test_a_refused_twin_does_not_hide_the_right_entry_behind_it() -> None:
    cache = new_cache()
    put(cache, "How do I enable the alarm?", "on")
    put(cache, "How do I disable the alarm?", "off")
    found = cache.lookup("s", "How can I enable the alarm?")
    assert isinstance(found, Explore)
    assert found.answer == "on"


def test_no_answer_crosses_a_scope_but_evidence_is_shared_in_a_family() -> None:
    cache = new_cache()
    put(cache, "How do I reset my password?", scope="one")
    assert cache.lookup("two", "How can I reset my password?") == Miss("nothing near")
    assert cache.lookup("two", "How do I reset my password?") == Miss("nothing near")
    for number in range(95):
        put(cache, f"How do I reset part {number}?", scope="one")
        found = cache.lookup("one", f"How can I reset part {number}?", family="app")
        if isinstance(found, Explore):
            cache.learn(found, same=True)
    put(cache, "How do I reset my password?", "new", scope="two")
    again = cache.lookup("two", "How can I reset my password?", family="app")
    assert isinstance(again, Hit)
    assert again.answer == "new"


def test_false_hits_found_by_the_audit_turn_it_off_and_a_person_turns_it_on_to_learn_anew() -> None:
    cache = new_cache(audit=1.0)
    teach(cache, 80)
    for _ in range(300):  # a long good time, or the first false hit alone would make it explore again
        cache._family("s").evidence.observe(0.95, same=True)
    put(cache, "How do I reset my password?")
    for number in range(100):
        put(cache, f"How do I reset wheel {number}?")
        found = cache.lookup("s", f"How can I reset wheel {number}?")
        if not isinstance(found, Hit):
            break
        assert found.audit
        cache.audited(found, same=False)
    status = cache.status("s")
    assert not status.on
    assert status.why == ABOVE
    assert status.false_hits <= 4
    assert cache.lookup("s", "How do I reset my password?") == Miss("off")
    cache.reset()
    assert isinstance(cache.lookup("s", "How can I reset my password?"), Explore)


def test_memory_is_bounded_and_the_least_recently_used_go_first() -> None:
    cache = new_cache(each=3, total=5)
    for number in range(3):
        put(cache, f"question {number}")
    cache.lookup("s", "question 0")
    put(cache, "question 3")
    assert isinstance(cache.lookup("s", "question 0"), Hit)
    assert not isinstance(cache.lookup("s", "question 1"), Hit)
    for number in range(3):
        put(cache, f"question {number}", scope="other")
    assert cache.status().entries == 5
    cache.drop("other")
    assert cache.status().entries == 2


def test_a_comparison_that_ends_after_its_entry_was_put_out_is_no_error() -> None:
    cache = new_cache(each=1)
    put(cache, "How do I reset my password?")
    found = cache.lookup("s", "How can I reset my password?")
    assert isinstance(found, Explore)
    put(cache, "something else")
    cache.learn(found, same=True)


def test_the_same_seed_gives_the_same_sample() -> None:
    def sample() -> list[bool]:
        cache = new_cache(audit=0.3)
        teach(cache, 300)
        put(cache, "How do I reset my password?")
        hits = [cache.lookup("s", "How can I reset my password?") for _ in range(50)]
        return [hit.audit for hit in hits if isinstance(hit, Hit)]

    assert sample() == sample()
    assert 5 <= sum(sample()) <= 25


@pytest.mark.parametrize("options", [{"errors": 0.0}, {"errors": 0.5}, {"audit": 0.0}, {"explore": 1.5}])
def test_a_rate_that_means_nothing_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected"):
        new_cache(**options)


def test_the_nearest_are_found_as_by_sorting_after_any_puts_and_removals() -> None:
    coin = np.random.default_rng(5)
    cache = new_cache(each=40, total=40)
    kept: dict[str, Vector] = {}
    for number in range(100):
        vector = coin.standard_normal(128).astype(np.float32)
        vector[0] += 60  # all near one another, so that every one passes the floor
        vector /= np.linalg.norm(vector)
        kept[f"q {number}"] = vector
        cache.put("s", f"q {number}", "a", vector)
    query = kept["q 99"]
    found = [entry.question for entry, _ in cache._entries["s"].nearest(query, 0.0)]
    alive = {name: kept[name] for name in list(kept)[60:]}
    assert found == sorted(alive, key=lambda name: -float(alive[name] @ query))[:8]


def test_evidence_below_is_a_mean_of_likelihood_ratios_and_starts_at_one() -> None:
    assert evidence_below(0, 0, 0.01) == pytest.approx(1.0)
    assert evidence_above(0, 0, 0.01) == pytest.approx(1.0)
    ratios = [stats.binom.pmf(2, 700, share * 0.01) / stats.binom.pmf(2, 700, 0.01) for share in (0.0, 0.125, 0.25, 0.5)]
    assert evidence_below(2, 700, 0.01) == pytest.approx(np.dot(ratios, [0.5, 0.2, 0.2, 0.1]))
    ratios = [stats.binom.pmf(9, 90, share * 0.05) / stats.binom.pmf(9, 90, 0.05) for share in (1.5, 2, 4, 8)]
    capped = stats.binom.pmf(9, 90, 0.525) / stats.binom.pmf(9, 90, 0.05)  # 32 times the limit would be above 1
    assert evidence_above(9, 90, 0.05) == pytest.approx(0.2 * (sum(ratios) + capped))


@pytest.mark.parametrize("rate", [0.01, 0.05])
def test_the_expected_evidence_never_exceeds_one_where_the_claim_is_false(rate: float) -> None:
    for n in (10, 100, 1000):
        for true, evidence in (
            (rate, evidence_below),
            (2 * rate, evidence_below),
            (rate, evidence_above),
            (rate / 2, evidence_above),
        ):
            weights = stats.binom.pmf(np.arange(n + 1), n, true)
            assert sum(w * evidence(k, n, rate) for k, w in enumerate(weights) if w > 1e-300) <= 1 + 1e-9


def test_a_family_with_a_rate_at_the_limit_opens_at_most_once_in_twenty_even_when_looked_at_every_time() -> None:
    coin, opened, families = random.Random(11), 0, 200
    for _ in range(families):
        family = FamilyEvidence(0.05)
        for _ in range(600):
            family.observe(coin.uniform(0.7, 1.0), same=coin.random() >= 0.05)
            if family.opens_at() is not None:
                opened += 1
                break
    assert stats.binom.sf(opened - 1, families, 0.05) > 0.01


def test_a_family_that_is_never_wrong_opens_after_as_many_comparisons_as_the_docs_say() -> None:
    for limit, expected in ((0.01, 445), (0.05, 87)):
        family = FamilyEvidence(limit)
        needed = 0
        while family.opens_at() is None:
            family.observe(0.95, same=True)
            needed += 1
        assert needed == pytest.approx(expected, abs=2)


def audits(rate: float, limit: float, count: int, seed: int) -> Audit:
    coin, audit = random.Random(seed), Audit(limit)
    for _ in range(count):
        audit.observe(same=coin.random() >= rate)
        if audit.off:
            break
    return audit


def test_a_cache_that_is_right_stays_on_and_one_that_is_too_often_wrong_goes_off() -> None:
    limit, count, runs = 0.05, 480, 120
    off = {
        share: sum(audits(share * limit, limit, count, seed).off is not None for seed in range(runs))
        for share in (0, 0.1, 1, 2)
    }
    assert off[0] == 0
    assert off[0.1] <= 0.05 * runs
    assert off[1] >= 0.9 * runs
    assert off[2] >= 0.97 * runs


def test_at_a_rate_far_above_the_limit_few_audits_are_enough_and_the_reason_is_told() -> None:
    ends = [audits(0.25, 0.05, 480, seed) for seed in range(60)]
    assert all(audit.off == ABOVE for audit in ends)
    assert np.median([audit.audited for audit in ends]) < 40


def test_a_rate_just_at_the_limit_is_not_called_above_it_but_unproven() -> None:
    ends = [audits(0.05, 0.05, 480, seed).off for seed in range(100)]
    assert ends.count(ABOVE) <= 10
    assert ends.count(UNPROVEN) >= 80


def test_the_bound_shown_is_the_exact_one() -> None:
    audit = Audit(0.5)
    assert audit.upper() == 1.0
    for number in range(40):
        audit.observe(same=number != 7)
    assert audit.upper() == pytest.approx(stats.beta.ppf(0.95, 2, 39))


def test_over_a_whole_life_the_rate_among_hits_stays_under_the_stated_one_though_entries_differ() -> None:
    coin = random.Random(8)
    cache = new_cache(explore=0.1, audit=0.1)
    hits = wrong = 0
    for number in range(700):
        put(cache, f"How do I reset part {number}?")
        bad = coin.random() < 0.02  # an entry whose neighbours all want something else
        for _ in range(3):
            found = cache.lookup("s", f"How can I reset part {number}?")
            if isinstance(found, Explore):
                cache.learn(found, same=not bad)
            elif isinstance(found, Hit):
                hits, wrong = hits + 1, wrong + bad
                if found.audit:
                    cache.audited(found, same=not bad)
    assert hits > 200
    assert wrong / hits < 0.05


def test_two_answers_are_the_same_only_beyond_doubt() -> None:
    assert same_answer("Ottawa.", "  ottawa")
    assert not same_answer("The fee is 5 EUR", "The fee is 6 EUR", EMBEDDER)
    assert not same_answer("You can cancel", "You can not cancel", EMBEDDER)
    assert not same_answer("C", "C++", EMBEDDER)
    assert same_answer("It is open on Monday in Bonn", "It is open in Bonn on Monday", EMBEDDER)
    assert not same_answer("It is open on Monday in Bonn", "It is open in Bonn on Monday")
    assert not same_answer("Press the red button twice", "There is a long queue at the counter", EMBEDDER)
