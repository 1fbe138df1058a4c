"""The sentinel: does a provider still answer the golden prompts as it did? A pure comparison; asking is the caller's work.

Two kinds of signs. Exact ones need no statistics: the provider counts other tokens for the same prompt, names another
model, or changes the answers of prompts that it answered the same every time. The others are tests, and share between
them the chance of a false alarm that the level leaves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import prod
from typing import NamedTuple

import numpy as np

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest
from shipway.monitor._golden_prompts import Baseline, BaselineMalformed, PromptRun, by_prompt
from shipway.monitor._permutation import (
    Paired,
    agreement_loss,
    energy_distances,
    energy_test,
    luck_of_change,
    mean_test,
    own_agreement,
    unequal,
)
from shipway.stats import mean_interval

SENTINEL = "sentinel"
_TESTS = 4  # repeatable answers, other answers, score, vectors: each has a quarter of the chance of a false alarm
_LITTLE = 0.05  # a baseline that agrees with itself in fewer pairs is worded anew each time


@dataclass(frozen=True, slots=True)
class SentinelFound:
    """by: what gave it away (`tokens`, `model`, `fingerprint`, `answers`, `score`, `vectors`, `words`, `price`);
    text: in words.

    A changed fingerprint alone is inconclusive: a provider changes it more often than its answers.
    """

    by: tuple[str, ...]
    check: Check
    text: str
    prompts: int
    repeats: int

    def detail(self, baseline: Digest) -> JsonObject:
        """The `detail` of a reading of the monitor `sentinel`; baseline: the digest of its object."""
        return {"by": list(self.by), "prompts": self.prompts, "repeats": self.repeats, "baseline": baseline}


class _Sign(NamedTuple):
    """One thing that was noticed, or that cannot be told yet (not sure)."""

    by: str
    text: str
    sure: bool = True


class _Prompt(NamedTuple):
    """The answers to one prompt, then and now."""

    name: str
    then: list[PromptRun]
    now: list[PromptRun]

    @property
    def both(self) -> list[PromptRun]:
        return [*self.then, *self.now]

    def answers(self) -> Paired:
        return Paired(unequal([run.text for run in self.both]), len(self.then))


def compare_runs(
    baseline: Baseline, runs: Iterable[PromptRun], *, level: float = 0.99, threshold: float = 0.0, seed: int = 0
) -> SentinelFound:
    """Compares the answers that a provider gives now with its baseline, on the prompts that both have.

    level: 1 minus the chance that an unchanged provider is called changed; threshold: the share of agreement that may be
    lost before changed answers fail. The check's value is that loss: 0 when now agrees with then as then does with itself,
    the share of answers that differ when they were repeatable. Where all answers were repeatable on both sides a change
    counts as soon as it can hardly be the luck of a provider that is not repeatable; where they were not, a permutation
    test of agreement decides. Scores need a permutation test and a paired interval without 0. Prompts asked once, then or
    now, decide nothing about answers. A loss above the threshold that no test calls a change is inconclusive, and so is a
    baseline that agrees with itself no more than may be lost (then no loss can show) when no other sign fails and the
    answers have no vectors. Raises BaselineMalformed when no prompt is in both.
    """
    prompts = _pairs(baseline, runs)
    lost = agreement_loss(prompt.answers() for prompt in prompts)
    chance = (1 - level) / _TESTS
    signs = [*_tokens(prompts), *_names(prompts), *_answers(prompts, lost, threshold, chance, seed)]
    signs += [*_scores(prompts, chance, seed), *_vectors(prompts, chance, seed), *_wordless(prompts, threshold)]
    return _found(signs, prompts, lost, threshold, level)


def with_prices(found: SentinelFound, changes: Sequence[str]) -> SentinelFound:
    """The same with what `compare_prices` said: any change of a price or a limit fails the check."""
    if not changes:
        return found
    text = "; ".join(filter(None, (found.text if found.by else "", *changes)))
    return replace(found, by=(*found.by, "price"), check=replace(found.check, verdict=Verdict.FAIL, text=text), text=text)


def compare_prices(old: JsonObject, new: JsonObject) -> tuple[str, ...]:
    """What differs between two objects of kind `prices` for what the old one has a price or a limit for, in words.

    Models that only the new table has, its date and its source are no change.
    """
    words = []
    for table, unit in (("rates", " USD per million tokens"), ("limits", "")):
        before, after = _rows(old.get(table)), _rows(new.get(table))
        for name in sorted(before):
            there = after.get(name, {})
            for what in sorted((before[name].keys() | there.keys()) - {"source"}):
                then, now = before[name].get(what), there.get(what)
                if then != now:
                    kind = "price" if table == "rates" else "limit"
                    words.append(f"{kind} of {name}, {what}: {_amount(then)} then, {_amount(now)} now{unit}")
    return tuple(words)


def _pairs(baseline: Baseline, runs: Iterable[PromptRun]) -> list[_Prompt]:
    then, now = by_prompt(baseline.runs), by_prompt(runs)
    pairs = [_Prompt(name, then[name], now[name]) for name in then if name in now]
    if not pairs:
        what = f"no golden prompt of the baseline of {baseline.provider} was asked now"
        raise BaselineMalformed(what, where=baseline.provider, mend="take a new baseline: the prompts have changed")
    return pairs


def _tokens(prompts: Sequence[_Prompt]) -> list[_Sign]:
    """The same text is the same number of tokens as long as tokenizer and template are the same."""
    changed = []
    for prompt in prompts:
        then, now = ({run.prompt_tokens for run in runs} - {None} for runs in (prompt.then, prompt.now))
        if then and now and not now <= then:
            changed.append(f"{prompt.name} {_numbers(then)}, now {_numbers(now)}")
    if not changed:
        return []
    return [_Sign("tokens", f"prompt tokens differ in {len(changed)} of {len(prompts)} prompts ({changed[0]})")]


def _names(prompts: Sequence[_Prompt]) -> list[_Sign]:
    """What the provider calls itself. Several fingerprints may take turns: only one never seen, and no other, is a sign."""
    signs = []
    for by, sure in (("model", True), ("fingerprint", False)):
        then, now = ({getattr(run, by) for p in prompts for run in runs(p)} - {None, ""} for runs in (_then, _now))
        if then and now and not (now & then):
            signs.append(_Sign(by, f"the provider says {by} {', '.join(sorted(now))}, then {', '.join(sorted(then))}", sure))
    return signs


def _answers(prompts: Sequence[_Prompt], lost: float, threshold: float, chance: float, seed: int) -> list[_Sign]:
    if lost <= threshold:
        return []
    repeated = [prompt for prompt in prompts if min(len(prompt.then), len(prompt.now)) > 1]
    share = f"{lost:.0%} of the agreement of answers is gone"
    changed = [p for p in repeated if {run.output for run in p.then} != {run.output for run in p.now}]
    if all(_repeatable(prompt) for prompt in repeated):
        luck = prod(luck_of_change(len(p.then), len(p.now)) for p in changed)
        text = f"answers differ in {len(changed)} of {len(prompts)} prompts that were answered the same every time"
        if changed and luck <= chance:
            return [_Sign("answers", text)]
        return [_Sign("answers", f"{text or share}; more repeats would tell chance from change", sure=False)]
    p = energy_test([prompt.answers() for prompt in repeated], seed=seed)
    if p <= chance:
        return [_Sign("answers", f"{share} (permutation test, p = {p:.2g})")]
    text = f"{share}, which may be chance (permutation test, p = {p:.2g}); more repeats would tell chance from change"
    return [_Sign("answers", text, sure=False)]


def _repeatable(prompt: _Prompt) -> bool:
    return all(len({run.output for run in runs}) == 1 for runs in (prompt.then, prompt.now))


def _scores(prompts: Sequence[_Prompt], chance: float, seed: int) -> list[_Sign]:
    """The paired difference of mean scores; the interval alone is too narrow for a handful of right-or-wrong prompts."""
    then = [[run.score for run in p.then if run.score is not None] for p in prompts]
    now = [[run.score for run in p.now if run.score is not None] for p in prompts]
    scored = [(a, b) for a, b in zip(then, now, strict=True) if a and b]
    if len(scored) < 2:
        return []
    interval = mean_interval([float(np.mean(b) - np.mean(a)) for a, b in scored], level=1 - chance)
    if interval.low <= 0 <= interval.high:
        return []
    p = mean_test([([*a, *b], len(a)) for a, b in scored], seed=seed)
    if p > chance:
        return []
    return [
        _Sign("score", f"score {interval.value:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}] over {interval.n} prompts")
    ]


def _vectors(prompts: Sequence[_Prompt], chance: float, seed: int) -> list[_Sign]:
    """Embeddings of answers that are worded anew each time."""
    pairs = []
    for prompt in prompts:
        vectors = [run.vector for run in prompt.both]
        if all(vectors) and len({len(vector) for vector in vectors if vector}) == 1:
            pairs.append(Paired(energy_distances(np.asarray(vectors, dtype=np.float64)), len(prompt.then)))
    if not pairs or (p := energy_test(pairs, seed=seed)) > chance:
        return []
    return [_Sign("vectors", f"the answers mean something else (energy distance of embeddings, p = {p:.2g})")]


def _wordless(prompts: Sequence[_Prompt], threshold: float) -> list[_Sign]:
    """A provider that words every answer anew: nothing that it says can be less like the baseline than the baseline is.

    Embeddings tell more than words; scores only tell that the answers are as good, not that they are the same speaker's.
    """
    agreement = float(np.mean([own_agreement(prompt.answers()) for prompt in prompts]))
    if agreement > max(threshold, _LITTLE) or all(run.vector for prompt in prompts for run in prompt.both):
        return []
    text = f"answers to one prompt were the same in {agreement:.0%} of pairs of the baseline: cannot tell a change by words"
    return [_Sign("words", text, sure=False)]


def _found(signs: Sequence[_Sign], prompts: Sequence[_Prompt], lost: float, threshold: float, level: float) -> SentinelFound:
    repeats = min(len(prompt.now) for prompt in prompts)
    sure = any(sign.sure for sign in signs)
    verdict = Verdict.FAIL if sure else Verdict.INCONCLUSIVE if signs else Verdict.PASS
    calm = f"{len(prompts)} golden prompts, {repeats} repeats: the provider answers as it did"
    text = "; ".join(sign.text for sign in sorted(signs, key=lambda sign: not sign.sure)) or calm
    check = Check(SENTINEL, verdict, lost, threshold=threshold, n=len(prompts), text=text, level=level)
    return SentinelFound(tuple(sign.by for sign in signs), check, text, len(prompts), repeats)


def _then(prompt: _Prompt) -> list[PromptRun]:
    return prompt.then


def _now(prompt: _Prompt) -> list[PromptRun]:
    return prompt.now


def _numbers(values: set[int | None]) -> str:
    return " or ".join(str(value) for value in sorted(value for value in values if value is not None))


def _rows(table: object) -> Mapping[str, Mapping[str, object]]:
    """The rows of a price table; what is no row of fields stands as one field."""
    if not isinstance(table, Mapping):
        return {}
    return {str(name): row if isinstance(row, Mapping) else {"value": row} for name, row in table.items()}


def _amount(value: object) -> str:
    return "not known" if value is None else f"{value:g}" if isinstance(value, int | float) else str(value)
