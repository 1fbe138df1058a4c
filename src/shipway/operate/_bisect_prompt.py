"""Two releases that answer a prompt, told apart on a golden set: questions whose right answers are known.

The log of calls keeps no word of anybody, so that what was asked there cannot be asked again. A mixture is a release of its
own, which no ref names; completions are remembered for a day, so that each is paid for once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from shipway.evals import Evaluation, GoldenSet, ItemScores, item_scores, load_goldenset
from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest, short
from shipway.operate._answering import parts_of
from shipway.operate._asking import World, asking
from shipway.operate._bisect import BisectImpossible, Bisection, Tell
from shipway.operate._parted import Contrast, Point, part_difference, point_words, points_of
from shipway.pipeline import Hands, Report
from shipway.release import Component, ReleaseMalformed, load_components, put_release
from shipway.stats import Interval, mean_interval, share_interval
from shipway.store import Store

KINDS = ("prompt", "index", "provider")


def bisect_prompts(
    hands: Hands,
    source: Digest,
    target: Digest,
    golden: Digest,
    *,
    world: World,
    metric: str | None = None,
    level: float = 0.95,
    report: Report,
    tell: Tell,
) -> Bisection:
    """Ask a golden set of both releases and of every mixture of one swap.

    golden: the digest of its object; metric: as evaluations name it, the first scorer of answers when None. Raises
    BisectImpossible, EvaluationFailed, and what opening the parts of the releases raises.
    """
    store = hands.store
    one, other = (load_components(store, release) for release in (source, target))
    components = [kind for kind in KINDS if _of(one, kind) != _of(other, kind)]
    if not components:
        what = f"{short(source)} and {short(target)} have the same prompts, indexes and providers"
        raise BisectImpossible(what, mend=f"shipway diff {short(source)} {short(target)}")
    whole, asked = frozenset(components), load_goldenset(store, golden)
    releases, missing = _mixtures(store, one, other, components)
    releases |= {frozenset(): source, whole: target}
    found = asyncio.run(_ask(store, world, releases, whole, asked, report, tell))
    numbers = _Numbers.of(found, asked, metric or (asked.scorers[0] if asked.scorers else "mrr"))
    try:
        parted = part_difference(components, numbers.estimate, alike=numbers.alike, missing=missing, level=level)
    except ValueError as problem:
        what = f"{numbers.scores.metric} cannot be told of golden set {asked.name}: {problem}"
        raise BisectImpossible(what, mend="ask more questions that are not kin") from problem
    items, clusters = len(numbers.scores.clusters), len(set(numbers.scores.clusters))
    rows: JsonObject = {"golden": asked.name, "definition": golden, "items": items, "clusters": clusters}
    ends = (numbers.value(frozenset()), numbers.value(whole))
    over = f"{items:,} questions of golden set {asked.name}"
    return Bisection(source, target, numbers.scores.metric, ends, parted, over, rows)


def _of(components: tuple[Component, ...], kind: str) -> list[Component]:
    return [part for part in components if part.kind == kind]


def _mixtures(
    store: Store, one: tuple[Component, ...], other: tuple[Component, ...], components: list[str]
) -> tuple[dict[Point, Digest], dict[Point, str]]:
    """The release of each mixture, and why one cannot be: a prompt may name an index or a provider that only one has."""
    releases: dict[Point, Digest] = {}
    missing: dict[Point, str] = {}
    whole = frozenset(components)
    for point in points_of(components):
        if point in (whole, frozenset()):
            continue
        parts = [part for part in one if part.kind not in point] + [part for part in other if part.kind in point]
        release = put_release(store, parts)
        try:
            parts_of(store, release)
        except ReleaseMalformed as problem:
            missing[point] = f"{point_words(point, whole)}: {problem.what}"
        else:
            releases[point] = release
    return releases, missing


async def _ask(
    store: Store,
    world: World,
    releases: Mapping[Point, Digest],
    whole: Point,
    golden: GoldenSet,
    report: Report,
    tell: Tell,
) -> dict[Point, Evaluation]:
    found = {}
    async with asking(store, world) as asked:
        for number, (point, release) in enumerate(releases.items()):
            tell(number, len(releases), point_words(point, whole))
            found[point] = await asked.score(release, golden, report)
    return found


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Scores of the items that every point answered. order: which row of the scores is which point's."""

    scores: ItemScores
    order: tuple[Point, ...]
    texts: Mapping[Point, Mapping[tuple[str, int], str]]

    @classmethod
    def of(cls, found: Mapping[Point, Evaluation], golden: GoldenSet, metric: str) -> _Numbers:
        order = tuple(found)
        scores = item_scores([found[point] for point in order], metric, at=golden.at, scorers=golden.scorers)
        texts = {point: {key: answer.text for key, answer in one.answers.items()} for point, one in found.items()}
        return cls(scores, order, texts)

    def alike(self, one: Point, other: Point) -> bool:
        """The same texts and the same scores: what was retrieved may differ where the answers do not."""
        rows = [self.scores.values[self.order.index(point)] for point in (one, other)]
        return self.texts[one] == self.texts[other] and rows[0] == rows[1]

    def estimate(self, weights: Contrast, level: float) -> Interval:
        each = [weight * np.array(self.scores.values[self.order.index(point)]) for point, weight in weights.items()]
        values = np.sum(each, axis=0)
        if not self.scores.bounded:
            return mean_interval(values, self.scores.clusters, level=level)
        # Of shares between 0 and 1: all positive weights on rights, all negative on wrongs, and the other way round.
        reach = max(sum(abs(weight) for weight in weights.values()) / 2, 1e-9)
        return share_interval(np.clip(values, -reach, reach), self.scores.clusters, level=level, bounds=(-reach, reach))

    def value(self, point: Point) -> float:
        values = self.scores.values[self.order.index(point)]
        return sum(values) / len(values)
