"""Measures a candidate: contracts of its data, its held-out evaluation, itself against live. All becomes evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl

from shipway.data import load_table, measure_contract, render_contract
from shipway.data.in_place import check_in_place
from shipway.gate import release_of
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.digest import Descriptor, Digest
from shipway.kernel.errors import ShipwayError
from shipway.kernel.units import Seconds
from shipway.models import Signature
from shipway.monitor import event_clock, inputs_of, logged_outputs, truth_of_rows, window_rows
from shipway.operate._measured import Measured, attest_check
from shipway.operate._paired import Answers, Pairs, answers_of, paired_metrics
from shipway.pipeline import MADE, Hands, Report, first_held_out_day, measure_evaluation, open_environment, score_rows
from shipway.release import Component, ReleaseMalformed, deploy_ref, find_component, load_components, outcomes_of
from shipway.spec import DeploySpec, Pass, Spec, rule_of
from shipway.stats import Interval
from shipway.store import Store

LEVEL = 0.95


class ComparisonImpossible(ShipwayError):
    """There are no rows on which the candidate and what is live can be compared."""

    code = "operate.comparison-impossible"


@dataclass(frozen=True, slots=True)
class _Live:
    """What answers now: the release, its model of the candidate's name, and when its outcomes mature."""

    ref: str
    release: Digest
    model: Digest
    outcomes: Mapping[str, Seconds]


def check_candidate(
    hands: Hands, spec: Spec, deploy: DeploySpec, release: Digest, *, days: tuple[date, date] | None, report: Report
) -> tuple[Measured, ...]:
    """Measure a release and keep the evidence; what to make of it is the gate's affair.

    days: the first and last event day for the comparison with live (the last 30 mature ones when None), on the rows that
    the live release itself answered; none before the candidate's held-out rows begin, which it may have been trained on.
    Raises ComparisonImpossible when days are named and have no such rows with mature outcomes, and what reading and scoring
    raise.
    """
    components = load_components(hands.store, release)
    level = _level(spec, deploy)
    measured = [*_contracts(hands, spec, components), *_evaluation(hands, components, level)]
    model = find_component(components, "model")
    live = _live(hands.store, deploy_ref(deploy), model)
    if live and live.model != model.digest:
        measured += _against_live(hands, components, model, live, days, level, report)
    return tuple(measured)


def _level(spec: Spec, deploy: DeploySpec) -> float:
    """The coverage of the intervals: 95 %, or more where the policy of this deployment asks for more."""
    rule = rule_of(spec.policy, deploy_ref(deploy), observed=True)
    return max([LEVEL, *(asked.level for asked in rule.require if not isinstance(asked, Pass))])


def _contracts(hands: Hands, spec: Spec, components: Iterable[Component]) -> list[Measured]:
    found = []
    for component in components:
        contract = spec.data[component.name].contract if component.kind == "data" and component.name in spec.data else None
        if contract is None:
            continue
        definition = contract.to_json()
        result = measure_contract(definition, load_table(hands.store, component.digest, name=component.name))
        check_in_place(hands.store, component.digest)
        more: dict[str, Json] = {"definition": hands.store.put(definition), "result": result.to_json()}
        detail = render_contract(result) if result.violations else ""
        found.append(attest_check(hands, component, result.check, more, detail=detail))
    return found


def _evaluation(hands: Hands, components: tuple[Component, ...], level: float) -> list[Measured]:
    model = find_component(components, "model")
    made = hands.store.state(MADE, model.digest)
    if made is None:
        return []
    scores = Descriptor.from_json(made.value["scores"])
    found = []
    for metric in measure_evaluation(hands.store, scores, level=level):
        check = _measured(metric.name, (metric.value, metric.low, metric.high), metric.n, level, "held-out reference")
        more: dict[str, Json] = {"level": level, "scores": scores.to_json(), "clusters": metric.clusters}
        found.append(attest_check(hands, model, check, more))
    return found


def _live(store: Store, ref: str, like: Component) -> _Live | None:
    """None when nothing is live, or nothing of that name: there is nothing to compare with."""
    present = store.ref(ref)
    release = release_of(store, present.digest) if present else None
    if present is None or release is None:
        return None
    components = load_components(store, release)
    try:
        model = find_component(components, "model", like.name)
    except ReleaseMalformed:
        return None
    return _Live(ref, release, model.digest, outcomes_of(store.get(present.digest, "deployment")))


def _against_live(
    hands: Hands,
    components: tuple[Component, ...],
    model: Component,
    live: _Live,
    days: tuple[date, date] | None,
    level: float,
    report: Report,
) -> list[Measured]:
    """The candidate on the very rows that the live release answered and whose outcomes are mature and known."""
    manifest = hands.store.get(model.digest, "model")
    signature = Signature.from_json(manifest["signature"])
    of_live = Signature.from_json(hands.store.get(live.model, "model")["signature"])
    answers, ours = answers_of(signature), answers_of(of_live)
    if answers is None or ours is None or {*answers.outputs} != {*ours.outputs}:
        report.note(f"model {model.name} is not compared with live: the two answer other things")
        return []
    rows = _rows(hands.store, live, str(manifest["target"]), days, unseen_from(hands.store, model.digest))
    if rows is None:
        return []
    columns = logged_columns(inputs_of(rows, [column.name for column in signature.inputs]), signature)
    environment = find_component(components, "environment").digest
    python = open_environment(hands.store, environment, cache=hands.cache, report=report.note)
    scored = score_rows(hands.store, model.digest, columns, python=python, cache=hands.cache, report=report)
    pairs = _pairs(rows, answers, scored, [column.name for column in of_live.inputs])
    if pairs is None:
        report.note(f"model {model.name} is not compared with live: its answers are not in the log")
        return []
    first, last = str(rows["day"].min()), str(rows["day"].max())
    window: JsonObject = {"release": live.release, "first": first, "last": last, "rows": rows.height}
    more: dict[str, Json] = {"level": level, "against": live.model, "window": window}
    found = []
    for name, difference in paired_metrics(answers, pairs, level=level).items():
        if isinstance(difference, str):
            report.note(f"{name} of model {model.name} is not compared with live: {difference}")
        else:
            found.append(attest_check(hands, model, _difference(name, difference), more, against=live.model))
    return found


def _pairs(rows: pl.DataFrame, answers: Answers, scored: Mapping[str, np.ndarray], inputs: Sequence[str]) -> Pairs | None:
    """The logged answers of live beside those of the candidate, in the order of its outputs."""
    live = logged_outputs(rows, inputs, answers.outputs)
    if live is None:
        return None
    theirs = np.column_stack([np.asarray(scored[name], dtype=np.float64) for name in answers.outputs])
    challenger = theirs if answers.classes else theirs[:, 0]
    return Pairs(challenger, live, truth_of_rows(rows, answers.classes), rows["day"].cast(pl.Int32).to_numpy())


def unseen_from(store: Store, model: Digest) -> date | None:
    """The first day of the held-out rows: what came before it may be what the model was trained on. None without times.

    On flights of which it knows three weeks of four a challenger leads by twice what it leads by on those of the next month.
    """
    made = store.state(MADE, model)
    return first_held_out_day(store, Descriptor.from_json(made.value["scores"])) if made else None


def _rows(store: Store, live: _Live, outcome: str, days: tuple[date, date] | None, unseen: date | None) -> pl.DataFrame | None:
    """The live release's own rows with mature labels; None when no days are named and fewer than two have any."""
    clock, matures = event_clock(store, live.ref), live.outcomes.get(outcome, Seconds(0.0))
    if clock is not None:
        newest = (clock - timedelta(seconds=matures)).date()
        start, end = days or (newest - timedelta(days=29), newest)
        start = max(start, unseen or start)
        rows = window_rows(store, live.ref, start=start, end=end, outcome=outcome, matures=matures, as_of=clock)
        rows = rows.filter(pl.col("release") == live.release).drop_nulls("label")
        if rows["day"].n_unique() > 1:
            return rows
    if days is None:
        return None
    since = f"; the candidate may have been trained on what is before {unseen}" if unseen and unseen > days[0] else ""
    raise ComparisonImpossible(
        f"fewer than two days with mature outcomes from {days[0]} to {days[1]} that the live release has answered{since}",
        where=live.ref,
        mend="name days that it has served: --days A..B",
    )


def logged_columns(frame: pl.DataFrame, signature: Signature) -> dict[str, np.ndarray]:
    """The logged inputs as the model's own types."""
    kinds = {column.name: column.datatype for column in signature.inputs}
    return {
        series.name: np.array(series.to_list(), dtype=object) if kinds[series.name] == "BYTES" else series.to_numpy()
        for series in frame
    }


def _difference(name: str, interval: Interval) -> Check:
    numbers = (interval.value, interval.low, interval.high)
    return _measured(name, numbers, interval.n, interval.level, f"candidate minus live, paired, {interval.clusters} days")


def _measured(name: str, numbers: tuple[float, float, float], n: int, level: float, text: str) -> Check:
    """A measurement without a threshold: what it means is the policy's to say, so it has no verdict of its own."""
    return Check(name, Verdict.INCONCLUSIVE, *numbers, n=n, text=text, level=level)
