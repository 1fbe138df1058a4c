"""The profile of a column of words or of yes and no: exact counts of the reference's values, one count of the rest."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

from shipway.data._errors import ProfileMismatch
from shipway.kernel.canonical import JsonObject

_KEPT = 1_000  # distinct values counted one by one; beyond, a column is free text or a key
_LONGEST = 200  # characters of a value that are kept as its name


@dataclass(frozen=True, slots=True)
class CategoryProfile:
    """n rows of words; counts of each value that the reference counts, `other` rows with any other value.

    complete: the reference counts each of its values; then `other` values are new to it.
    """

    n: int
    nulls: int
    counts: Mapping[str, int]
    other: int
    complete: bool

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
        return CategoryProfile(self.n + other.n, self.nulls + other.nulls, counts, self.other + other.other, self.complete)

    def to_json(self) -> JsonObject:
        return {
            "type": "category",
            "n": self.n,
            "nulls": self.nulls,
            "counts": dict(self.counts),
            "other": self.other,
            "complete": self.complete,
        }


def category_from_json(record: JsonObject) -> CategoryProfile:
    """Raises KeyError, TypeError, ValueError on what to_json did not write."""
    n, nulls, other = (int(cast("int", record[key])) for key in ("n", "nulls", "other"))
    counts = {name: int(count) for name, count in cast("Mapping[str, int]", record["counts"]).items()}
    return CategoryProfile(n, nulls, counts, other, complete=bool(record["complete"]))


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
    rows = counts.total()
    return CategoryProfile(rows + nulls, nulls, kept, rows - sum(kept.values()), reference.complete)


def _named(words: Mapping[str, int]) -> Counter[str]:
    """Long values cut, and what is no Unicode replaced, so that every name is JSON."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        counts[word[:_LONGEST].encode("utf-8", "replace").decode("utf-8")] += count
    return counts
