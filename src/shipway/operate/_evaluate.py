"""Golden sets asked of a release and of what is live: metrics with intervals, paired differences, a judge that informs."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from shipway.evals import (
    ComparisonEmpty,
    Evaluation,
    GoldenSet,
    Judge,
    Judged,
    Metric,
    agreement_with_scorer,
    compare_metrics,
    corrected_share,
    goldenset_object,
    interval_json,
    items_needed,
    judge_answers,
    judge_pairs,
    load_golden,
    load_goldenset,
    load_reviews,
    measure_metrics,
    pairs_of,
    pick_reviews,
    put_samples,
    queue_reviews,
    rate_reviews,
)
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.clock import instant
from shipway.kernel.digest import Descriptor, Digest
from shipway.llm import Provider
from shipway.operate._answering import provider_digest, provider_from_spec
from shipway.operate._asking import Asking, Progress, World, asking
from shipway.operate._measured import Measured, attest_check
from shipway.pipeline import Hands, Report
from shipway.release import Component
from shipway.spec import EvalSpec, NotWorseBy, Pass, PolicyRule, Spec, lower_is_better
from shipway.store import Store

EVALUATED = "evaluated"
LEVEL = 0.95
PAIRS = 12  # answers that a judge is shown side by side, twice each: it informs, and costs more than the answers do
REVIEWS = 20  # answers that are put before people at a time


@dataclass(frozen=True, slots=True)
class Evaluated:
    """A golden set's word on a release. differences: release minus live, paired; judge: as in the state `evaluated`."""

    golden: str
    release: Digest
    metrics: tuple[Metric, ...]
    differences: tuple[Metric, ...]
    against: Digest | None
    judge: JsonObject | None
    errors: int
    called: int
    measured: tuple[Measured, ...]


@dataclass(frozen=True, slots=True)
class Evaluating:
    """How golden sets are asked. level: of the intervals; rule: what the policy asks, so that the evidence says how many more
    items would decide it.
    """

    hands: Hands
    application: str
    world: World
    report: Report
    level: float = LEVEL
    rule: PolicyRule | None = None


class _Bench(NamedTuple):
    """Who judges, and what answers for the judge's name."""

    judge: Judge
    provider: Provider


@dataclass(frozen=True, slots=True)
class _Scored:
    """One golden set's answers of one release, and what the judge made of them."""

    golden: GoldenSet
    definition: Digest
    release: Digest
    evaluation: Evaluation
    judged: Judged | None

    def metrics(self, level: float) -> tuple[Metric, ...]:
        golden = self.golden
        return measure_metrics(self.evaluation, level=level, at=golden.at, scorers=golden.scorers, judged=self.judged)


def golden_sets(store: Store, spec: Spec) -> dict[str, Digest]:
    """The golden sets of the spec as objects, by evaluation. Raises GoldenMissing, GoldenMalformed."""
    return {name: store.put(_golden_object(store, spec, found)) for name, found in spec.evals.items()}


def _golden_object(store: Store, spec: Spec, found: EvalSpec) -> JsonObject:
    rows = load_golden(spec.root / found.file)
    judge = None
    if found.judge:
        model = provider_digest(provider_from_spec(spec.providers[found.judge]))
        judge = Judge(found.judge, {"temperature": 0, "max_tokens": 4}, model=model)
    return goldenset_object(store, found, rows, judge)


def evaluate_release(
    evaluating: Evaluating, release: Digest, golden: Mapping[str, Digest], *, live: Digest | None
) -> tuple[Evaluated, ...]:
    """Ask every golden set of the release, and of what is live when that is another one; all is kept as evidence.

    golden: evaluation -> digest of its golden set; live: a release that answers a prompt too, or None.
    Raises EvaluationFailed, SamplesTaken, and what opening the parts of the releases raises.
    """
    return asyncio.run(_all(evaluating, release, golden, live if live != release else None))


async def _all(
    evaluating: Evaluating, release: Digest, golden: Mapping[str, Digest], live: Digest | None
) -> tuple[Evaluated, ...]:
    found, store = [], evaluating.hands.store
    async with asking(store, evaluating.world) as asked:
        for definition in golden.values():
            bench = _bench(evaluating, load_goldenset(store, definition))
            ours = await _score(evaluating, asked, release, definition, bench)
            theirs = await _score(evaluating, asked, live, definition, bench) if live else None
            found.append(await _conclude(evaluating, asked, ours, theirs, bench))
    return tuple(found)


async def _score(evaluating: Evaluating, asked: Asking, release: Digest, definition: Digest, bench: _Bench | None) -> _Scored:
    golden, report = load_goldenset(evaluating.hands.store, definition), evaluating.report
    evaluation = await asked.score(release, golden, report)
    judged = None
    if bench:
        complete = partial(asked.say, bench.judge, bench.provider)
        progress = Progress(report, f"{golden.name}: judged")
        first = _first_samples(evaluation)  # equal answers would be judged alike: one a question is enough to inform
        with asked.judging(bench.judge, "answers") as kept:
            judged = await judge_answers(bench.judge, first, complete, concurrency=1, kept=kept, report=progress.told)
    return _Scored(golden, definition, release, evaluation, judged)


async def _conclude(
    evaluating: Evaluating, asked: Asking, ours: _Scored, theirs: _Scored | None, bench: _Bench | None
) -> Evaluated:
    """Metrics, differences, the judge's record; evidence and state are written here."""
    store, golden, level = evaluating.hands.store, ours.golden, evaluating.level
    judge = await _judge_record(evaluating, asked, ours, theirs, bench)
    leaf = put_samples(store, ours.evaluation)
    metrics, differences = ours.metrics(level), _differences(ours, theirs, level)
    keep = partial(_attest, evaluating, ours, leaf)
    measured = [keep(metric, None) for metric in metrics if metric.slice is None]
    measured += [keep(metric, theirs.release) for metric in differences if theirs and metric.slice is None]
    for scored in (ours, *([theirs] if theirs else [])):
        _keep_state(store, scored, leaf if scored is ours else None, level, judge if scored is ours else None)
    return Evaluated(
        golden=golden.name,
        release=ours.release,
        metrics=metrics,
        differences=differences,
        against=theirs.release if theirs else None,
        judge=judge,
        errors=ours.evaluation.errors,
        called=ours.evaluation.called,
        measured=tuple(measured),
    )


def _differences(ours: _Scored, theirs: _Scored | None, level: float) -> tuple[Metric, ...]:
    if theirs is None:
        return ()
    golden = ours.golden
    judged = (ours.judged, theirs.judged) if ours.judged and theirs.judged else None
    try:
        return compare_metrics(
            ours.evaluation, theirs.evaluation, level=level, at=golden.at, scorers=golden.scorers, judged=judged
        )
    except ComparisonEmpty:
        return ()


def _attest(evaluating: Evaluating, scored: _Scored, leaf: Descriptor, metric: Metric, against: Digest | None) -> Measured:
    subject = Component("release", evaluating.application, scored.release)
    name = f"{scored.golden.name}.{metric.name}"
    text = f"golden set {scored.golden.name}" if against is None else "candidate minus live, paired by item"
    needed = _needed(metric, name, evaluating.rule, paired=against is not None)
    check = replace(metric.to_check(name), text=text, still_needed=needed)
    more: dict[str, Json] = {
        "level": metric.level,
        "definition": scored.definition,
        "clusters": metric.clusters,
        "samples": leaf.to_json(),
    }
    if against is not None:
        more["against"] = against
    return attest_check(evaluating.hands, subject, check, more, against=against)


def _needed(metric: Metric, name: str, rule: PolicyRule | None, *, paired: bool) -> int | None:
    """About how many more items until what the policy asks of this metric is decided; None where it asks nothing of it."""
    for asked in rule.require if rule else ():
        if asked.name != name or isinstance(asked, Pass) or isinstance(asked, NotWorseBy) != paired:
            continue
        if isinstance(asked, NotWorseBy):
            return items_needed(metric, asked.margin if lower_is_better(name) else -asked.margin)
        return items_needed(metric, asked.threshold)
    return None


def _keep_state(store: Store, scored: _Scored, leaf: Descriptor | None, level: float, judge: JsonObject | None) -> None:
    """The newest word on a release, for pages; what is evidence is evidence."""
    key = f"{scored.release}/{scored.golden.name}"
    before = store.state(EVALUATED, key)
    value: JsonObject = {
        "version": 1,
        "release": scored.release,
        "golden": scored.golden.name,
        "definition": scored.definition,
        "at": instant(store.clock.now()),
        "samples": (leaf or put_samples(store, scored.evaluation)).to_json(),
        "items": len(scored.golden.rows),
        "errors": scored.evaluation.errors,
        "metrics": [metric.to_json(f"{scored.golden.name}.{metric.name}") for metric in scored.metrics(level)],
        "judge": judge or (before.value.get("judge") if before else None),
    }
    store.put_state(EVALUATED, key, value)


async def _judge_record(
    evaluating: Evaluating, asked: Asking, ours: _Scored, theirs: _Scored | None, bench: _Bench | None
) -> JsonObject | None:
    """How far the judge can be believed: agreement with the matches, and how often it turns with the order."""
    if bench is None or ours.judged is None:
        return None
    judge, level, store = bench.judge, evaluating.level, evaluating.hands.store
    first = _first_samples(ours.evaluation)
    agreement = agreement_with_scorer(first, ours.judged, level=level)
    record: dict[str, Json] = {"provider": judge.provider, "unparsable": ours.judged.unparsable, "flip_rate": None}
    record |= agreement.to_json() if agreement else {"agreement": None, "kappa": None}
    reviews = rate_reviews(first, ours.judged, golden=ours.definition, release=ours.release)
    corrected = corrected_share(load_reviews(store), reviews, level=level)
    record["corrected"] = interval_json(corrected) if corrected else None  # the judge's word, mended by what people said
    if theirs is not None:
        pairs = [pair for pair in pairs_of(first, _first_samples(theirs.evaluation)) if pair.candidate != pair.live][:PAIRS]
        progress = Progress(evaluating.report, f"{ours.golden.name}: compared")
        with asked.judging(judge, "pairs") as kept:
            complete = partial(asked.say, judge, bench.provider)
            compared = await judge_pairs(judge, pairs, complete, concurrency=1, kept=kept, report=progress.told)
        flips, preference = compared.flip_rate(level=level), compared.preference(level=level)
        record["flip_rate"] = interval_json(flips) if flips else None
        record["preference"] = interval_json(preference) if preference else None
        reviews = pick_reviews(compared, golden=ours.definition, release=ours.release, live=theirs.release)
    queue_reviews(store, reviews, limit=REVIEWS)
    return record


def _bench(evaluating: Evaluating, golden: GoldenSet) -> _Bench | None:
    """Who judges; nobody where the provider is not known, as in a deployment that follows without the spec at hand, or where
    its name stands for another model than the golden set pinned: verdicts of two judges are not one metric.
    """
    judge = golden.judge
    provider = evaluating.world.providers.get(judge.provider) if judge else None
    if judge is None or provider is None:
        return None
    model = provider_digest(provider)
    if judge.model not in (None, model):
        evaluating.report.note(f"{golden.name}: not judged, {judge.provider} is another model now than its golden set pinned")
        return None
    return _Bench(replace(judge, model=model), provider)


def _first_samples(evaluation: Evaluation) -> Evaluation:
    answers = {key: answer for key, answer in evaluation.answers.items() if key[1] == 0}
    return replace(evaluation, samples=1, answers=answers)


def load_evaluated(store: Store, release: Digest) -> tuple[JsonObject, ...]:
    """What golden sets said of a release last, by evaluation."""
    return tuple(row.value for row in store.states(EVALUATED, f"{release}/"))
