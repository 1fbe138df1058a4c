"""From which similarity on a hit may be given: what a family of entries has shown, and what one entry has shown itself."""

from __future__ import annotations

from dataclasses import dataclass, field

from shipway.gateway._semantic_bound import evidence_below

WINDOWS = (0.7, 0.8, 0.9)  # similarities from which on a rate is judged; each costs evidence (a union bound), so few
CHANCE = 0.05  # that any window of a family ever opens although its true rate is above the limit
MARGIN = 0.02  # an entry once found wrong at a similarity is asked anew up to this much above it
STRIKES = 2  # as many wrong answers bar an entry from hits altogether


@dataclass(slots=True)
class FamilyEvidence:
    """What the first question that came near each entry has shown, entry by entry, so that no popular one speaks for all.

    counts: for each window, wrong and all.
    """

    limit: float
    counts: list[tuple[int, int]] = field(default_factory=lambda: [(0, 0) for _ in WINDOWS])

    def observe(self, similarity: float, *, same: bool) -> None:
        """One more entry's first comparison."""
        for place, start in enumerate(WINDOWS):
            if similarity >= start:
                wrong, n = self.counts[place]
                self.counts[place] = (wrong + (not same), n + 1)

    def opens_at(self) -> float | None:
        """The lowest similarity from which on wrong answers are shown to be rarer than the limit; None while nothing is."""
        for start, (wrong, n) in zip(WINDOWS, self.counts, strict=True):
            if evidence_below(wrong, n, self.limit) >= len(WINDOWS) / CHANCE:
                return start
        return None


@dataclass(slots=True)
class EntryEvidence:
    """What was seen near one entry: comparisons, wrong ones, and the highest similarity of a wrong one."""

    seen: int = 0
    wrong: int = 0
    wrong_up_to: float = -1.0

    def observe(self, similarity: float, *, same: bool) -> None:
        """One more comparison near this entry."""
        self.seen += 1
        if not same:
            self.wrong += 1
            self.wrong_up_to = max(self.wrong_up_to, similarity)

    def allows(self, similarity: float) -> bool:
        """False where this entry has been wrong before, at about this similarity or a higher one, or too often."""
        return self.wrong < STRIKES and similarity > self.wrong_up_to + (MARGIN if self.wrong else 0.0)
