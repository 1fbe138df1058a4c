"""What a contract found, for a gate (checks), for a record (JSON) and for a person (a few lines)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check, Verdict


@dataclass(frozen=True, slots=True)
class Sample:
    """A row that breaks a rule: its number in the table, counted from 0 over all files, and what stands there.

    For a rule on several columns the value is an object of them.
    """

    row: int
    value: Json


@dataclass(frozen=True, slots=True)
class Violation:
    """A rule that does not hold: by how many rows, and the first three of them."""

    rule: str
    rows: int
    samples: tuple[Sample, ...]

    def to_json(self) -> JsonObject:
        samples: list[Json] = [{"row": sample.row, "value": sample.value} for sample in self.samples]
        return {"rule": self.rule, "rows": self.rows, "samples": samples}


@dataclass(frozen=True, slots=True)
class ContractResult:
    """The check `contract` first (value: violated rules, n: rows), then one per rule; a violation per failed one."""

    checks: tuple[Check, ...]
    violations: tuple[Violation, ...]

    @property
    def check(self) -> Check:
        """The one that a policy asks for: `contract: pass`."""
        return self.checks[0]

    def to_json(self) -> JsonObject:
        return {
            "checks": [check.to_json() for check in self.checks],
            "violations": [violation.to_json() for violation in self.violations],
        }


def render_contract(result: ContractResult) -> str:
    """The verdict in a line, then two for each violated rule: what and how many rows, and three samples."""
    lines = [f"contract: {result.check.text}"]
    texts = {check.name: check.text for check in result.checks if check.verdict is Verdict.FAIL}
    for violation in result.violations:
        lines.append(f"  {violation.rule}: {texts[violation.rule]}")
        if violation.samples:
            shown = ", ".join(f"row {sample.row}: {_shown(sample.value)}" for sample in violation.samples)
            lines.append(f"    {shown}")
    return "\n".join(lines)


def _shown(value: Json) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {_shown(item)}" for name, item in value.items()) + "}"
    text = "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def json_of(value: object) -> Json:
    """A cell as JSON; what JSON has no form for (NaN, a date, a decimal) as its text."""
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(name): json_of(item) for name, item in value.items()}
    return str(value)
