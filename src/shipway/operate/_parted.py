"""Which component moved a metric between two releases: each swapped alone, from both ends, judged on the same rows.

A point is a release that takes some components from the second and the rest from the first; a contrast weighs points. Pure:
whoever replays brings an estimate of a contrast, and nothing here knows what a component is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from shipway.stats import NEVER, Interval, rows_still_needed

Point = frozenset[str]
Contrast = Mapping[Point, float]
Estimate = Callable[[Contrast, float], Interval]
"""The contrast's value with its interval at a level. Raises ValueError where the rows tell no spread."""

MOVED, UNDECIDED, UNCHANGED, INSEPARABLE = "moved", "undecided", "unchanged", "inseparable"


@dataclass(frozen=True, slots=True)
class Swap:
    """What one component did. alone: the first release with the second's, minus the first; last: the second minus the second
    with the first's; effect: the mean of both. An end that cannot be replayed is None, and `why` says why.

    said: `moved` where the interval of the effect leaves 0 out, `undecided`, `unchanged` (the same answers at both ends), or
    `inseparable` (from neither end); because: what lies behind it in the release.
    """

    component: str
    said: str
    effect: Interval | None = None
    alone: Interval | None = None
    last: Interval | None = None
    still_needed: int | None = None
    why: str | None = None
    because: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """What two of three components do together beyond what each does. effect: with the third from the first release and with
    it from the second, the mean of both; it is the pair's Shapley interaction index (Grabisch and Roubens, 1999).

    surely: whether its interval leaves 0 out.
    """

    components: tuple[str, str]
    effect: Interval

    @property
    def surely(self) -> bool:
        return _surely(self.effect)


@dataclass(frozen=True, slots=True)
class Parted:
    """The whole difference and its parts. interaction: what no swap alone explains, total minus all that is `alone`; remainder:
    total minus all effects, which is 0 for two components; both None where there is nothing to tell apart.

    pairs: of three components that were all replayed, where interaction or remainder surely is not 0; the pairs' effects and
    the remainder add up to the interaction. level: of `total`; intervals of the parts are at `part_level`, so that all hold
    together at `level`, and so do those of the pairs.
    """

    total: Interval
    swaps: tuple[Swap, ...]
    interaction: Interval | None
    remainder: Interval | None
    level: float
    part_level: float
    pairs: tuple[Pair, ...] = ()

    @property
    def moved(self) -> tuple[Swap, ...]:
        """Those that surely moved the metric, the largest first."""
        found = (swap for swap in self.swaps if swap.said == MOVED and swap.effect)
        return tuple(sorted(found, key=lambda swap: -abs(swap.effect.value if swap.effect else 0.0)))

    @property
    def decided(self) -> bool:
        """Whether a component was found that moved the metric, or none changed an answer."""
        return bool(self.moved) or all(swap.said == UNCHANGED for swap in self.swaps)


def points_of(components: Sequence[str]) -> tuple[Point, ...]:
    """Those that are replayed: both ends, and from each every component swapped alone; each once.

    >>> [sorted(point) for point in points_of(["code", "model"])]
    [[], ['code', 'model'], ['code'], ['model']]
    """
    whole = frozenset(components)
    near = [frozenset({name}) for name in components]
    return tuple(dict.fromkeys([frozenset[str](), whole, *near, *(whole - one for one in near)]))


def point_words(point: Point, whole: Point) -> str:
    """A point for people.

    >>> point_words(frozenset({"code"}), frozenset({"code", "model", "environment"}))
    "the first release with the second's code"
    """
    if not point or point == whole:
        return "the second release" if point else "the first release"
    if len(point) == 1:
        return f"the first release with the second's {min(point)}"
    return f"the second release with the first's {min(whole - point)}"


def part_difference(
    components: Sequence[str],
    estimate: Estimate,
    *,
    alike: Callable[[Point, Point], bool],
    missing: Mapping[Point, str],
    level: float,
    because: Mapping[str, Sequence[str]] | None = None,
) -> Parted:
    """Total, a swap for each component, interaction and remainder.

    alike: whether two points gave the same answers; missing: why a point could not be replayed. A component is then judged from
    the end that could be. The parts' level is Bonferroni's: 1 - (1 - level) over their number. Raises ValueError as `estimate`.
    """
    whole = frozenset(components)
    steps = {name: _steps(name, whole, missing) for name in components}
    part_level = 1 - (1 - level) / max(1, sum(any(found) for found in steps.values()))
    told = _Told(lambda weights: estimate(weights, part_level), alike, missing)
    swaps = tuple(told.swap(name, whole, steps[name], tuple((because or {}).get(name, ()))) for name in components)
    ends: Contrast = {whole: 1.0, _NONE: -1.0}
    interaction = remainder = None
    if len(components) > 1 and all(first for first, _ in steps.values()):
        interaction = estimate(_less(ends, [first for first, _ in steps.values() if first]), part_level)
    if len(components) > 2 or any(swap.said == INSEPARABLE for swap in swaps):
        effects = [_mean(found) for found in steps.values() if any(found)]
        remainder = estimate(_less(ends, effects), part_level)
    left = [one for one in (interaction, remainder) if one]
    pairs = _pairs(components, estimate, level) if not missing and any(map(_surely, left)) else ()
    return Parted(estimate(ends, level), swaps, interaction, remainder, level, part_level, pairs)


_NONE: Point = frozenset()
_Steps = tuple[Contrast | None, Contrast | None]  # from the first release, and to the second


@dataclass(frozen=True, slots=True)
class _Told:
    """What judges a swap."""

    estimate: Callable[[Contrast], Interval]
    alike: Callable[[Point, Point], bool]
    missing: Mapping[Point, str]

    def swap(self, name: str, whole: Point, steps: _Steps, because: tuple[str, ...]) -> Swap:
        one = frozenset({name})
        why = self.missing.get(one) or self.missing.get(whole - one)
        if not any(steps):
            return Swap(name, INSEPARABLE, why=why, because=because)
        alone, last = (self.estimate(step) if step else None for step in steps)
        effect, needed = self.estimate(_mean(steps)), None
        same = all(self.alike(*step) for step in steps if step)
        flat = all(found is None or found.low == found.high == 0 for found in (alone, last))
        if same or flat:
            said = UNCHANGED
        elif _surely(effect):
            said = MOVED
        else:
            said, more = UNDECIDED, rows_still_needed(effect, 0.0)
            needed = more if more < NEVER else None
        return Swap(name, said, effect, alone, last, needed, why, because)


def _pairs(components: Sequence[str], estimate: Estimate, level: float) -> tuple[Pair, ...]:
    """Of three components, whose swaps from both ends are all mixtures that there are; of two the interaction is the pair's."""
    if len(components) != 3:
        return ()
    found = []
    for one, other in combinations(components, 2):
        ends = [_together(one, other, rest) for rest in (_NONE, frozenset(components) - {one, other})]
        found.append(Pair((one, other), estimate(_mean(ends), 1 - (1 - level) / 3)))
    return tuple(found)


def _together(one: str, other: str, rest: Point) -> Contrast:
    """What both do beyond the two swaps, where the rest is the second release's."""
    return {rest | {one, other}: 1.0, rest | {one}: -1.0, rest | {other}: -1.0, rest: 1.0}


def _surely(found: Interval) -> bool:
    """Whether it leaves 0 out."""
    return found.low > 0 or found.high < 0


def _steps(name: str, whole: Point, missing: Mapping[Point, str]) -> _Steps:
    one = frozenset({name})
    first: Contrast | None = None if one in missing else {one: 1.0, _NONE: -1.0}
    return first, None if whole - one in missing else {whole: 1.0, whole - one: -1.0}


def _mean(steps: Sequence[Contrast | None]) -> dict[Point, float]:
    """Of what was done at each end that could be replayed."""
    found = [step for step in steps if step]
    return _sum([(step, 1 / len(found)) for step in found])


def _less(whole: Contrast, parts: Sequence[Contrast]) -> dict[Point, float]:
    return _sum([(whole, 1.0), *((part, -1.0) for part in parts)])


def _sum(terms: Sequence[tuple[Contrast, float]]) -> dict[Point, float]:
    """Weights of equal points added; those of weight 0 stay, so that a contrast of nothing has rows."""
    found: dict[Point, float] = {}
    for contrast, factor in terms:
        for point, weight in contrast.items():
            found[point] = found.get(point, 0.0) + factor * weight
    return found
