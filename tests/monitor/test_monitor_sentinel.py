"""The sentinel notices a swapped provider and keeps quiet about a noisy one; both shares are simulated."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from monitor_calls import ask_golden
from monitor_logs import new_store
from scipy import stats

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Verdict
from shipway.monitor import (
    Baseline,
    BaselineMalformed,
    PromptRun,
    SentinelFound,
    compare_prices,
    compare_runs,
    take_baseline,
    with_prices,
)
from shipway.monitor._permutation import Paired, energy_distances, energy_test, luck_of_change, mean_test, unequal


def watched(now: list[PromptRun], *, then: list[PromptRun] | None = None, **more: Any) -> SentinelFound:
    return compare_runs(take_baseline(then or ask_golden(1, right=1.3), provider="answer"), now, **more)


def plain(runs: list[PromptRun]) -> list[PromptRun]:
    """Without scores and embeddings: only texts, tokens and names."""
    return [replace(run, score=None, vector=None) for run in runs]


def test_the_same_answers_pass() -> None:
    found = watched(ask_golden(2, right=1.3))
    assert (found.by, found.check.verdict, found.check.value) == ((), Verdict.PASS, 0.0)
    assert found.text == "12 golden prompts, 3 repeats: the provider answers as it did"


def test_other_prompt_tokens_for_the_same_prompts_are_a_change() -> None:
    found = watched(plain(ask_golden(2, tokens=3)))
    assert (found.by, found.check.verdict) == (("tokens",), Verdict.FAIL)
    assert found.text == "prompt tokens differ in 12 of 12 prompts (p0 20, now 23)"


def test_tokens_that_a_provider_does_not_say_are_no_change() -> None:
    assert watched([replace(run, prompt_tokens=None) for run in ask_golden(2, right=1.3)]).by == ()


def test_repeatable_answers_that_differ_are_a_change_with_their_share() -> None:
    found = watched(plain(ask_golden(2, changed=0.5)), threshold=0.1)
    assert (found.by, found.check.verdict, found.check.value) == (("answers",), Verdict.FAIL, 0.5)
    assert found.text == "answers differ in 6 of 12 prompts that were answered the same every time"


def test_a_share_below_the_threshold_passes() -> None:
    found = watched(plain(ask_golden(2, changed=1 / 12)), threshold=0.1)
    assert (found.by, found.check.verdict) == ((), Verdict.PASS)
    assert found.check.value == pytest.approx(1 / 12)


def test_one_prompt_may_have_changed_by_luck_and_that_is_said() -> None:
    found = watched(plain(ask_golden(2, changed=1 / 12)))
    assert (found.by, found.check.verdict) == (("answers",), Verdict.INCONCLUSIVE)
    assert "more repeats" in found.text


def test_prompts_asked_once_decide_nothing_about_answers() -> None:
    found = watched(plain(ask_golden(2, changed=1.0, repeats=1)))
    assert found.check.verdict is Verdict.INCONCLUSIVE


def test_another_model_name_is_a_change_and_another_fingerprint_alone_is_not_sure() -> None:
    renamed = watched(plain(ask_golden(2, model="smollm3")))
    assert (renamed.by, renamed.check.verdict) == (("model",), Verdict.FAIL)
    then = ask_golden(1, fingerprint="fp_a")
    found = watched(plain(ask_golden(2, fingerprint="fp_b")), then=then)
    assert (found.by, found.check.verdict) == (("fingerprint",), Verdict.INCONCLUSIVE)
    assert watched(plain([*ask_golden(2, fingerprint="fp_b"), *ask_golden(3, fingerprint="fp_a")]), then=then).by == ()


def test_worse_scores_are_a_change_with_their_interval() -> None:
    then = [replace(run, vector=None) for run in ask_golden(1, prompts=40, repeats=4, right=0.8)]
    now = [replace(run, vector=None) for run in ask_golden(2, prompts=40, repeats=4, right=0.4)]
    found = watched(now, then=then)
    assert (found.by, found.check.verdict) == (("score",), Verdict.FAIL)
    assert found.text.startswith("score -0.")


def test_answers_worded_anew_each_time_are_told_by_their_embeddings() -> None:
    then = [replace(run, score=None, text=f"{number}") for number, run in enumerate(ask_golden(1))]
    now = [replace(run, score=None, text=f"now {number}") for number, run in enumerate(ask_golden(2, shift=0.3))]
    found = watched(now, then=then)
    assert (found.by, found.check.verdict) == (("vectors",), Verdict.FAIL)


def never_the_same(runs: list[PromptRun], word: str) -> list[PromptRun]:
    return [replace(run, text=f"{word} {number}", vector=None) for number, run in enumerate(runs)]


def test_a_provider_that_never_repeats_itself_cannot_be_told_by_words() -> None:
    then = never_the_same(plain(ask_golden(1)), "good answer")
    for word in ("good answer, later", "RUBBISH"):
        found = watched(never_the_same(plain(ask_golden(2)), word), then=then)
        assert (found.by, found.check.verdict) == (("words",), Verdict.INCONCLUSIVE)
        assert found.text == "answers to one prompt were the same in 0% of pairs of the baseline: cannot tell a change by words"
    steady = watched(plain(ask_golden(2)), then=then)
    assert steady.check.verdict is Verdict.INCONCLUSIVE


def test_scores_tell_what_the_words_of_a_swapped_provider_cannot() -> None:
    then = never_the_same([replace(run, score=1.0) for run in ask_golden(1, prompts=6)], "good answer")
    now = never_the_same([replace(run, score=0.0) for run in ask_golden(2, prompts=6)], "RUBBISH")
    found = watched(now, then=then)
    assert (set(found.by), found.check.verdict) == ({"score", "words"}, Verdict.FAIL)
    assert found.text.startswith("score -1.000 ")
    same = watched(never_the_same([replace(run, score=1.0) for run in ask_golden(3, prompts=6)], "RUBBISH"), then=then)
    assert same.check.verdict is Verdict.INCONCLUSIVE


def test_vectors_of_every_answer_tell_more_than_words() -> None:
    then, now = ([replace(run, score=None, text=f"{n}") for n, run in enumerate(ask_golden(seed))] for seed in (1, 2))
    assert watched(now, then=then).by == ()


def test_a_loss_above_the_threshold_that_the_test_cannot_decide_is_inconclusive() -> None:
    then = plain(ask_golden(1, noise=0.6, prompts=2, repeats=2))
    now = plain(ask_golden(3, noise=0.6, prompts=2, repeats=2, changed=1.0))
    found = watched(now, then=then, threshold=0.1)
    assert found.check.value is not None
    assert found.check.value > 0.1
    assert (found.by, found.check.verdict) == (("answers",), Verdict.INCONCLUSIVE)
    assert "may be chance (permutation test" in found.text


def test_an_unchanged_noisy_provider_is_called_changed_no_more_often_than_the_level_says() -> None:
    """300 pairs of runs, a third of the answers worded by chance; level 0.9, so that a miss would show. Seen: 0.06."""
    alarms = 0
    for seed in range(300):
        then, now = ask_golden(2 * seed, noise=0.35, prompts=10), ask_golden(2 * seed + 1, noise=0.35, prompts=10)
        alarms += watched(now, then=then, level=0.9, seed=seed).check.verdict is Verdict.FAIL
    assert stats.binomtest(alarms, 300, 0.1, alternative="greater").pvalue > 0.001
    assert alarms > 0  # a test that never speaks has no level


def test_a_provider_of_coin_flips_that_looks_repeatable_is_not_called_changed() -> None:
    """The worst case of the exact rule: prompts whose two answers are equally likely."""
    random, alarms = np.random.default_rng(3), 0
    for _ in range(400):

        def flips(random: np.random.Generator = random) -> list[PromptRun]:
            return [PromptRun(f"p{n}", 9, str(random.integers(2)), "m", 0.1) for n in range(3) for _ in range(2)]

        alarms += watched(flips(), then=flips(), level=0.9).check.verdict is Verdict.FAIL
    assert stats.binomtest(alarms, 400, 0.1, alternative="greater").pvalue > 0.001


def test_a_swapped_noisy_provider_is_found_nearly_always() -> None:
    """60 pairs; the other model answers half of the prompts otherwise, under the same name and tokenizer."""
    found = 0
    for seed in range(60):
        then = plain(ask_golden(2 * seed, noise=0.35, repeats=4))
        now = plain(ask_golden(2 * seed + 1, noise=0.35, repeats=4, changed=0.5))
        found += watched(now, then=then, threshold=0.1, seed=seed).check.verdict is Verdict.FAIL
    assert found >= 57


def test_equal_seeds_give_equal_verdicts() -> None:
    then, now = ask_golden(1, noise=0.4), ask_golden(2, noise=0.4, changed=0.3)
    assert watched(now, then=then, seed=5) == watched(now, then=then, seed=5)


def test_the_energy_test_agrees_with_an_exact_permutation_test() -> None:
    random = np.random.default_rng(0)
    points = np.vstack([random.normal(size=(5, 2)), random.normal(1.5, 1, size=(5, 2))])

    def mean(a: Any, b: Any) -> float:
        return float(np.mean([np.linalg.norm(points[int(p)] - points[int(q)]) for p in a for q in b]))

    def energy(a: Any, b: Any) -> float:
        return 2 * mean(a, b) - mean(a, a) - mean(b, b)

    numbers = np.arange(10)
    exact = stats.permutation_test((numbers[:5], numbers[5:]), energy, n_resamples=np.inf, alternative="greater").pvalue
    assert 0.005 < exact < 0.2
    assert energy_test([Paired(energy_distances(points), 5)], seed=1) == pytest.approx(exact, abs=0.02)


def test_the_mean_test_agrees_with_scipy() -> None:
    then, now = [0.1, 0.4, 0.3, 0.9, 0.2], [0.8, 0.9, 0.7, 0.6, 1.0]
    exact = stats.permutation_test((now, then), lambda a, b: np.mean(a) - np.mean(b), n_resamples=np.inf).pvalue
    assert mean_test([([*then, *now], 5)], seed=2) == pytest.approx(exact, abs=0.02)


def test_agreement_is_the_energy_distance_of_texts() -> None:
    assert energy_test([Paired(unequal(["a"] * 4 + ["b"] * 4), 4)], seed=0) == pytest.approx(2 / 70, abs=0.01)
    assert energy_test([Paired(unequal(["a"] * 8), 4)], seed=0) == 1.0


def test_the_luck_of_a_change_is_that_of_a_fair_coin() -> None:
    assert luck_of_change(4, 4) == pytest.approx(2 * 0.5**8)
    assert luck_of_change(1, 3) == 1.0


def test_a_baseline_is_an_object_that_comes_back(tmp_path: Path) -> None:
    store = new_store(tmp_path)
    baseline = take_baseline([replace(run, vector=(0.5, -1.0)) for run in ask_golden(1)], provider="answer")
    digest = store.put(baseline.to_object())
    assert Baseline.from_object(store.get(digest, "baseline")).to_object() == baseline.to_object()
    assert compare_runs(Baseline.from_object(store.get(digest, "baseline")), baseline.runs).by == ()
    assert watched(ask_golden(2)).detail(digest)["baseline"] == digest


def test_runs_that_cannot_be_compared_say_what_to_do() -> None:
    with pytest.raises(BaselineMalformed, match="no runs"):
        take_baseline([], provider="answer")
    with pytest.raises(BaselineMalformed, match="asked only once, 'p0' among them"):
        take_baseline(ask_golden(1, repeats=1), provider="answer")
    with pytest.raises(BaselineMalformed, match="no golden prompt"):
        watched([replace(run, prompt="another") for run in ask_golden(2)])
    with pytest.raises(BaselineMalformed, match="not a baseline"):
        Baseline.from_object({"kind": "baseline", "version": 1, "provider": "answer", "prompts": {"p": [{"text": 1}]}})


OLD: JsonObject = {
    "kind": "prices", "version": 1, "date": "2026-11-01", "source": "genai-prices 0.2.3",
    "rates": {"answer/gpt-4o-mini": {"input": 0.15, "cached": 0.075, "written": None, "output": 0.6, "source": "genai-prices"}},
    "limits": {"answer": {"requests_per_minute": 500}},
}  # fmt: skip


def test_a_changed_price_and_limit_are_told_in_words_and_fail() -> None:
    new: JsonObject = {
        **OLD,
        "date": "2026-11-23",
        "rates": {"answer/gpt-4o-mini": {"input": 0.3, "cached": None, "written": None, "output": 0.6}, "x/y": {"input": 1}},
        "limits": {"answer": {"requests_per_minute": 50}},
    }
    words = compare_prices(OLD, new)
    assert words == (
        "price of answer/gpt-4o-mini, cached: 0.075 then, not known now USD per million tokens",
        "price of answer/gpt-4o-mini, input: 0.15 then, 0.3 now USD per million tokens",
        "limit of answer, requests_per_minute: 500 then, 50 now",
    )
    found = with_prices(watched(ask_golden(2, right=1.3)), words)
    assert (found.by, found.check.verdict, found.text) == (("price",), Verdict.FAIL, "; ".join(words))


def test_another_date_of_the_same_prices_is_no_change() -> None:
    assert compare_prices(OLD, {**OLD, "date": "2027-01-01", "source": "genai-prices 0.3.0"}) == ()
    calm = watched(ask_golden(2, right=1.3))
    assert with_prices(calm, ()) is calm
