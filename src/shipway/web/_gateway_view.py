"""The part of the page that a deployment of target `gateway` has for its own, in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Digest, is_digest, parse_digest
from shipway.monitor import Reading
from shipway.web._charts import Bar, Chart, make_bar, make_chart
from shipway.web._gateway_facts import EvaluationFacts, GatewayFacts, Measured, MetricFacts
from shipway.web._words import (
    ReleaseName,
    Stamp,
    amount,
    between,
    count,
    dollars,
    interval,
    is_money,
    limit,
    number,
    release_name,
    span,
    stamp,
    title_of,
    usd,
)

_ORDER = ("freshness", "cost", "sentinel")
_ROWS, _EXAMPLES = 8, 5  # rows of a table of costs, names of documents
_UNBOUNDED = ("cost_usd", "seconds")  # metrics that are no shares
_SLICES = 24
_Told = tuple[EvaluationFacts, str, MetricFacts]  # a metric, the evaluation that it is of, and the name of its row


@dataclass(frozen=True, slots=True)
class CostRow:
    """What the calls of one release or key cost; release: where the name is one."""

    name: str
    release: ReleaseName | None
    answers: str
    usd: str
    each: str
    saved: str


@dataclass(frozen=True, slots=True)
class CostTable:
    """Costs by one thing, the dearest first; more: rows that are not shown."""

    by: str
    rows: tuple[CostRow, ...]
    more: int


@dataclass(frozen=True, slots=True)
class ReadingView:
    """One monitor on the wall clock. facts: names and numbers; examples: documents; by: what gave the provider away."""

    monitor: str
    title: str
    verdict: str
    value: str
    threshold: str
    at: Stamp
    text: str
    facts: tuple[tuple[str, str], ...]
    examples: tuple[str, ...]
    by: tuple[str, ...]
    tables: tuple[CostTable, ...]
    chart: Chart | None


@dataclass(frozen=True, slots=True)
class MetricRow:
    """A metric of one release. first: of the releases that are compared, where the metric's name stands."""

    metric: str
    first: bool
    role: str
    release: ReleaseName
    value: str
    interval: str
    n: str
    bar: Bar


@dataclass(frozen=True, slots=True)
class EvaluationView:
    """One golden set over live and candidate; judges: in words, they inform only."""

    golden: str
    caption: str
    rows: tuple[MetricRow, ...]
    slices: tuple[MetricRow, ...]
    judges: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GatewayView:
    """Readings in the order people ask for them, evaluations by golden set."""

    readings: tuple[ReadingView, ...]
    evaluations: tuple[EvaluationView, ...]


def make_gateway(facts: GatewayFacts, live: Digest | None, now: datetime) -> GatewayView:
    """live: the release that is live; any other one that was evaluated is the candidate."""
    known = [name for name in _ORDER if any(reading.monitor == name for reading in facts.readings)]
    order = [*known, *(reading.monitor for reading in facts.readings if reading.monitor not in _ORDER)]
    ordered = sorted(facts.readings, key=lambda reading: order.index(reading.monitor))
    goldens = dict.fromkeys(evaluation.golden for evaluation in facts.evaluations)
    of = {golden: [one for one in facts.evaluations if one.golden == golden] for golden in goldens}
    return GatewayView(
        readings=tuple(_reading(reading, now) for reading in ordered),
        evaluations=tuple(_evaluation(golden, found, live, now) for golden, found in of.items()),
    )


def _reading(reading: Reading, now: datetime) -> ReadingView:
    check, detail = reading.check, reading.detail
    return ReadingView(
        monitor=reading.monitor,
        title=title_of(reading.monitor),
        verdict=check.verdict.value,
        value=amount(reading.monitor, check.value),
        threshold=limit(reading.monitor, check.threshold),
        at=stamp(reading.at, now),
        text=check.text,
        facts=tuple(_FACTS.get(reading.monitor, _no_facts)(detail)),
        examples=tuple(_texts(detail.get("examples")))[:_EXAMPLES],
        by=tuple(_texts(detail.get("by"))),
        tables=tuple(_cost_tables(detail)) if reading.monitor == "cost" else (),
        chart=make_chart(reading.history, check.threshold, partial(amount, reading.monitor)),
    )


def _no_facts(_detail: JsonObject) -> Iterable[tuple[str, str]]:
    return ()


def _freshness_facts(detail: JsonObject) -> Iterable[tuple[str, str]]:
    yield "index", str(detail.get("index") or "")
    for name, title in (("documents", "documents"), ("stale", "stale"), ("orphans", "gone, still served")):
        yield title, number(_number(detail.get(name)))
    oldest = _number(detail.get("oldest_seconds"))
    yield "oldest change", f"{span(oldest)} ago" if oldest is not None else "none"


def _cost_facts(detail: JsonObject) -> Iterable[tuple[str, str]]:
    yield "window", span(_number(detail.get("window_seconds")) or 0.0)
    yield "answers", number(_number(detail.get("answers")))
    yield "per answer", usd(_number(detail.get("usd_per_answer")))
    yield "saved by caches", usd(_number(detail.get("saved_usd")))
    tokens = detail.get("tokens")
    if isinstance(tokens, dict):
        for name in ("input", "output", "cached"):
            yield f"{name} tokens", number(_number(tokens.get(name)))


def _sentinel_facts(detail: JsonObject) -> Iterable[tuple[str, str]]:
    yield "golden prompts", number(_number(detail.get("prompts")))
    yield "repeats", number(_number(detail.get("repeats")))
    baseline = str(detail.get("baseline") or "")
    yield "baseline", release_name(parse_digest(baseline)).short if is_digest(baseline) else baseline


_FACTS = {"freshness": _freshness_facts, "cost": _cost_facts, "sentinel": _sentinel_facts}


def _cost_tables(detail: JsonObject) -> Iterable[CostTable]:
    for by in ("release", "key"):
        parts = detail.get(f"by_{by}")
        if isinstance(parts, dict) and parts:
            rows = sorted(parts.items(), key=lambda item: -_part(item[1], "usd"))
            yield CostTable(by, tuple(_cost_row(name, part) for name, part in rows[:_ROWS]), max(0, len(rows) - _ROWS))


def _cost_row(name: str, part: object) -> CostRow:
    release = release_name(parse_digest(name)) if is_digest(name) else None
    answers = _part(part, "answers")
    return CostRow(
        name=name or "none",
        release=release,
        answers=number(answers),
        usd=dollars(_part(part, "usd")),
        each=dollars(_part(part, "usd") / answers) if answers else "",
        saved=dollars(_part(part, "saved_usd")),
    )


def _evaluation(golden: str, found: Sequence[EvaluationFacts], live: Digest | None, now: datetime) -> EvaluationView:
    whole = [(one, m.check.name, m) for one in found for m in one.metrics if m.slice is None]
    parts = [(one, f"{m.check.name} · {m.slice}", m) for one in found for m in one.metrics if m.slice is not None]

    def rows(metrics: Sequence[_Told]) -> tuple[MetricRow, ...]:
        names = dict.fromkeys(name for _, name, _ in metrics)
        return tuple(row for name in names for row in _metric_rows(golden, name, [m for m in metrics if m[1] == name], live))

    items = ", ".join(f"{_role(one, live)}: {count(one.items, 'item')}, {stamp(one.at, now).ago}" for one in found)
    judges = tuple(filter(None, (_judge(one, live) for one in found)))
    return EvaluationView(golden, items, rows(whole), rows(parts)[:_SLICES], judges)


def _metric_rows(golden: str, name: str, metrics: Sequence[_Told], live: Digest | None) -> Iterable[MetricRow]:
    """One metric of every release, on one scale."""
    checks = [(one, metric.check) for one, _, metric in metrics]
    title = name.removeprefix(f"{golden}.")
    bare = title.partition(" ")[0]
    ends = [check.value if check.high is None else check.high for _, check in checks]
    top = max((end for end in ends if end is not None), default=1.0) if bare in _UNBOUNDED else 1.0
    for place, (one, check) in enumerate(checks):
        if check.value is not None:
            money = is_money(bare)
            low, high = check.low, check.high
            yield MetricRow(
                metric=title,
                first=place == 0,
                role=_role(one, live),
                release=release_name(one.release),
                value=dollars(check.value) if money else number(check.value),
                interval=between(bare, low, high),
                n=f"{check.n:,}" if check.n is not None else "",
                bar=make_bar(check.value, low, high, top=top),
            )


def _role(evaluation: EvaluationFacts, live: Digest | None) -> str:
    return "live" if evaluation.release == live else "candidate"


def _judge(evaluation: EvaluationFacts, live: Digest | None) -> str:
    parts = [f"{name.replace('_', ' ')} {_measured(part)}" for name, part in evaluation.judge.items()]
    return f"{_role(evaluation, live)}: {'; '.join(parts)}" if parts else ""


def _measured(part: Measured) -> str:
    n = f" (n {part.n:,})" if part.n is not None else ""
    return " ".join(filter(None, (number(part.value), interval(part.low, part.high)))) + n


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _part(part: object, name: str) -> float:
    found: Mapping[str, object] = part if isinstance(part, dict) else {}
    return _number(found.get(name)) or 0.0


def _texts(value: object) -> Iterable[str]:
    return (str(item) for item in value) if isinstance(value, list) else ()
