"""The answer to `why`: a tree of facts, each with the object that shows it. One form for refs, predictions, alerts, objects."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from shipway.kernel.canonical import JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Digest


@dataclass(frozen=True, slots=True)
class Reason:
    """One fact and what is behind it.

    kind: `ref`, `move`, `verdict`, `check`, `evidence`, `release`, `component`, `run`, `dependency`, `prediction`, ...;
    text: for a person; digest: of the object that shows it; values: the same for a program.
    """

    kind: str
    text: str
    digest: Digest | None = None
    values: JsonObject = field(default_factory=dict)
    because: tuple[Reason, ...] = ()

    def to_json(self) -> JsonObject:
        return {
            "kind": self.kind,
            "text": self.text,
            "digest": self.digest,
            "values": self.values,
            "because": [reason.to_json() for reason in self.because],
        }


def render_reason(reason: Reason, indent: str = "") -> Iterator[str]:
    """The tree as lines, two blanks a step.

    >>> list(render_reason(Reason("ref", "moved", because=(Reason("move", "by ann"),))))
    ['moved', '  by ann']
    """
    yield indent + reason.text
    for child in reason.because:
        yield from render_reason(child, indent + "  ")


def check_text(check: Check) -> str:
    """A check in one line: name, verdict, value with interval and level, threshold, n, and what was said.

    >>> check_text(Check("auc", Verdict.PASS, 0.7, 0.65, 0.75, 0.6, 900, level=0.95))
    'auc: pass, 0.7 [0.65, 0.75] at 95 %, threshold 0.6, n=900'
    """
    words = [] if check.threshold is None and check.low is not None else [str(check.verdict)]
    if check.value is not None:
        interval = "" if check.low is None or check.high is None else f" [{check.low:.4g}, {check.high:.4g}]"
        words.append(f"{check.value:.4g}{interval}" + (f" at {check.level * 100:.4g} %" if check.level and interval else ""))
    if check.threshold is not None:
        words.append(f"threshold {check.threshold:.4g}")
    if check.n is not None:
        words.append(f"n={check.n:,}")
    said = f" ({check.text})" if check.text else ""
    return f"{check.name}: {', '.join(words) or 'measured'}{said}"


def when(moment: datetime) -> str:
    """An instant as people read it, UTC to the second."""
    return f"{moment:%Y-%m-%d %H:%M:%S}"


def not_passed(checks: list[Check]) -> list[Check]:
    """The checks that stand in the way."""
    return [check for check in checks if check.verdict is not Verdict.PASS]
