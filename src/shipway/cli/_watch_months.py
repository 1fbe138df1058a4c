"""What months are expected to show without their labels, in lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shipway.kernel.canonical import JsonObject

_TOLD = ("base_rate", "mae", "rmse", "accuracy", "f1", "roc_auc", "brier")  # the JSON has all


def expected_lines(months: Sequence[JsonObject]) -> Iterator[str]:
    """One a month that has an estimate or a reason why not, then what they assume."""
    assumed = []
    for month in months:
        found: Any = month["estimated"]
        if found is None:
            continue
        yield f"  {'expected':<12} {month['month']}  {_said(found)}"
        if found["assumes"] and found["assumes"] not in assumed:
            assumed.append(found["assumes"])
    yield from (f"  {text}" for text in assumed)


def _said(found: Any) -> str:
    if found.get("text"):
        return str(found["text"])
    metrics = found.get("metrics") or {name: {"estimated": found.get(name)} for name in _TOLD}
    told = [_metric(name, metrics[name]) for name in _TOLD if name in metrics and metrics[name]["estimated"] is not None]
    like = f"{found['supported']:.1%} of {found['rows']:,} rows are like rows of the reference"
    return "; ".join(part for part in (", ".join(told), like, found.get("learner")) if part)


def _metric(name: str, metric: Any) -> str:
    beside = {"in the reference": metric.get("reference"), "where labels are": metric.get("realised")}
    words = ", ".join(f"{value:,.4g} {where}" for where, value in beside.items() if value is not None)
    return f"{name} {metric['estimated']:,.4g}" + (f" ({words})" if words else "")
