"""The audit of hits: when the cache must turn itself off, as a rule with known chances to err. Counts only, no I/O."""

from __future__ import annotations

import math
from dataclasses import dataclass

from shipway.gateway._semantic_bound import evidence_above, evidence_below
from shipway.stats import clopper_pearson

ABOVE = "false hits are commoner than the stated rate"
UNPROVEN = "the audits could not show that false hits are rarer than the stated rate"
FALSE_ALARM = 0.05  # chance, over the whole life, to be called too high at a true rate of at most the limit
FALSE_PROOF = 0.05  # chance, each period, to be called low enough at a true rate of at least the limit
PERIOD = 24  # a period has this over the limit audits: 2,400 at 1 %, 480 at 5 %


@dataclass(slots=True)
class Audit:
    """Hits that were asked again. Off when the rate is shown to be above the limit, or a period ends without proof that it
    is below; a proof starts the next period, so that a rate that rises later is seen as well.

    With period j the evidence for "above" must reach j (j + 1) / FALSE_ALARM, which sums to FALSE_ALARM over all periods.
    """

    limit: float
    audited: int = 0
    wrong: int = 0
    period: int = 1
    period_audited: int = 0
    period_wrong: int = 0
    off: str | None = None

    def observe(self, *, same: bool) -> None:
        """One audited hit was right, or not."""
        self.audited += 1
        self.period_audited += 1
        self.wrong += not same
        self.period_wrong += not same
        wrong, n = self.period_wrong, self.period_audited
        if evidence_above(wrong, n, self.limit) >= self.period * (self.period + 1) / FALSE_ALARM:
            self.off = self.off or ABOVE
        elif evidence_below(wrong, n, self.limit) >= 1 / FALSE_PROOF:
            self.period, self.period_audited, self.period_wrong = self.period + 1, 0, 0
        elif n >= math.ceil(PERIOD / self.limit):
            self.off = self.off or UNPROVEN

    def upper(self) -> float:
        """95 % upper bound (Clopper-Pearson, one-sided) of the rate of false hits over the audits so far; 1.0 without any."""
        return clopper_pearson(self.wrong, self.audited, level=0.9).high if self.audited else 1.0
