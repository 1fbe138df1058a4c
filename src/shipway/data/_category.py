"""The profile of a column of words or of yes and no: exact counts of the reference's values, one count of the rest.

Of values that the reference has not the commonest are named, in a summary that adds up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from heapq import nlargest
from typing import NamedTuple, cast

from shipway.data._errors import ProfileMismatch
from shipway.kernel.canonical import JsonObject

_KEPT = 1_000  # distinct values counted one by one; beyond, a column is free text or a key
_LONGEST = 200  # characters of a value that are kept as its name
_NAMED = 256  # new values that are named


class NewValues(NamedTuple):
    """Rows by value that the reference has not, _NAMED values at most.

    Exact while `short` is 0, which it is as long as no more than _NAMED new values have come in all that was added up. Then no
    count is too high, each is too low by `short` rows at most, and a value that is not named has as many at most, which is no
    more than one row in 257 of the new ones. Source: Misra and Gries (1982); that such summaries add up, Agarwal et al. (2012).
    """

    counts: Mapping[str, int]
    short: int

    def plus(self, other: NewValues) -> NewValues:
        """The summary of both. The bound holds in any order of adding; which of the rare values are named depends on it."""
        counts = Counter(self.counts)
        counts.update(other.counts)
        return name_new(counts, short=self.short + other.short)


NOTHING_NEW = NewValues({}, 0)


def name_new(counts: Mapping[str, int], *, short: int = 0) -> NewValues:
    """The summary of exact counts, or of counts that are too low by `short` at most."""
    if len(counts) <= _NAMED:
        return NewValues(counts, short)
    cut = nlargest(_NAMED + 1, counts.values())[-1]
    return NewValues({word: rows - cut for word, rows in counts.items() if rows > cut}, short + cut)


@dataclass(frozen=True, slots=True)
class CategoryProfile:
    """n rows of words; counts of each value that the reference counts, `other` rows with any other value.

    complete: the reference counts each of its values; then `other` values are new to it, and `new` names them.
    """

    n: int
    nulls: int
    counts: Mapping[str, int]
    other: int
    complete: bool
    new: NewValues = NOTHING_NEW

    @property
    def missing(self) -> int:
        return self.nulls

    @property
    def unseen(self) -> int | None:
        """Rows with a value that the reference has not; None when the reference is not complete."""
        return self.other if self.complete else None

    def __add__(self, other: CategoryProfile) -> CategoryProfile:
        """Raises ProfileMismatch when the references differ."""
        if self.complete != other.complete:
            raise ProfileMismatch("profiles of different references do not add up", mend="measure both against one reference")
        counts = Counter(self.counts)
        counts.update(other.counts)
        rest, new = self.other + other.other, self.new.plus(other.new)
        return CategoryProfile(self.n + other.n, self.nulls + other.nulls, counts, rest, self.complete, new)

    def to_json(self) -> JsonObject:
        return {
            "type": "category",
            "n": self.n,
            "nulls": self.nulls,
            "counts": dict(self.counts),
            "other": self.other,
            "complete": self.complete,
            **({"new": {"counts": dict(self.new.counts), "short": self.new.short}} if self.new != NOTHING_NEW else {}),
        }


def category_from_json(record: JsonObject) -> CategoryProfile:
    """Raises KeyError, TypeError, ValueError on what to_json did not write."""
    n, nulls, other = (int(cast("int", record[key])) for key in ("n", "nulls", "other"))
    counts = {name: int(count) for name, count in cast("Mapping[str, int]", record["counts"]).items()}
    complete = bool(record["complete"])
    return CategoryProfile(n, nulls, counts, other, complete, _new_from_json(record, other if complete else 0))


def _new_from_json(record: JsonObject, other: int) -> NewValues:
    """Of a profile made before new values were named nothing is known but how many rows have one."""
    if (new := cast("JsonObject | None", record.get("new"))) is None:
        return NewValues({}, other)
    counts = {name: int(count) for name, count in cast("Mapping[str, int]", new["counts"]).items()}
    return NewValues(counts, int(cast("int", new["short"])))


def reference_category(words: Mapping[str, int], nulls: int) -> CategoryProfile:
    """Counts the most frequent values one by one; equal ones in the order of their names."""
    counts = _named(words)
    kept = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:_KEPT])
    rows = counts.total()
    return CategoryProfile(rows + nulls, nulls, kept, rows - sum(kept.values()), complete=len(kept) == len(counts))


def measure_category(reference: CategoryProfile, words: Mapping[str, int], nulls: int) -> CategoryProfile:
    """words: rows by value, nulls apart."""
    counts = _named(words)
    kept = {name: count for name, count in counts.items() if name in reference.counts}
    rows, new = counts.total(), NOTHING_NEW
    if reference.complete:
        new = name_new({name: count for name, count in counts.items() if name not in reference.counts})
    return CategoryProfile(rows + nulls, nulls, kept, rows - sum(kept.values()), reference.complete, new)


def _named(words: Mapping[str, int]) -> Counter[str]:
    """Long values cut, and what is no Unicode replaced, so that every name is JSON."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        counts[word[:_LONGEST].encode("utf-8", "replace").decode("utf-8")] += count
    return counts
