"""What another tool found, as a check: what every format has in common. The formats are in modules named after them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from shipway.kernel.check import Check, Verdict
from shipway.kernel.errors import ShipwayError

IMPORTED = "import."  # an imported check is named so: it never passes for one that was measured here
LARGEST = 32 * 2**20  # bytes; the largest honest reports are a few megabytes


class ImportRefused(ShipwayError):
    """A file of another tool that cannot count: malformed, hostile, huge, empty, or at odds with itself."""

    code = "gate.import-refused"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a number of another tool is held against: at least or at most this. Inclusive."""

    threshold: float
    higher: bool

    def verdict(self, value: float) -> Verdict:
        return Verdict.PASS if (value >= self.threshold if self.higher else value <= self.threshold) else Verdict.FAIL

    @property
    def text(self) -> str:
        return f"at {'least' if self.higher else 'most'} {self.threshold:g}"


@dataclass(frozen=True, slots=True)
class Found:
    """What a file says: a value against a threshold, the tool that measured it, and a line for people."""

    verdict: Verdict
    value: float
    threshold: float | None
    n: int | None
    text: str
    tool: str
    tool_version: str | None = None

    def check(self, name: str) -> Check:
        """As a check that a policy asks for as `import.NAME`."""
        return Check(IMPORTED + name, self.verdict, self.value, threshold=self.threshold, n=self.n, text=self.text)


def count_found(failing: Sequence[str], n: int, what: str, *, tool: str, tool_version: str | None = None) -> Found:
    """So many of `n` failed, and none may; undecided when nothing ran."""
    verdict = Verdict.FAIL if failing else Verdict.PASS if n else Verdict.INCONCLUSIVE
    named = ", ".join(name[:80] for name in failing[:3]) + (", ..." if len(failing) > 3 else "")
    text = f"{len(failing)} of {n} {what}" + (f": {named}" if failing else "")
    return Found(verdict, float(len(failing)), 0.0, n, text if n else f"no {what.split()[0]} ran", tool, tool_version)


def number_found(value: object, bound: Bound | None, what: str, *, tool: str) -> Found:
    """A number against a bound, or a yes or no by itself. Raises ImportRefused.

    A number without a bound is kept and decides nothing.
    """
    if isinstance(value, bool) and bound is None:
        return Found(Verdict.PASS if value else Verdict.FAIL, float(value), 1.0, None, f"{what} is {str(value).lower()}", tool)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        shown = f"a {type(value).__name__}" if isinstance(value, list | dict) else repr(value)[:60]
        raise ImportRefused(f"{what} is {shown}, and no number", mend="name a path that leads to a number")
    number = float(value)
    if bound is None:
        return Found(Verdict.INCONCLUSIVE, number, None, None, f"{what}, held against nothing", tool)
    return Found(bound.verdict(number), number, bound.threshold, None, f"{what} {bound.text}", tool)
