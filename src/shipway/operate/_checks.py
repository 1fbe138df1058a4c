"""Measures a candidate: contracts of its data, its held-out evaluation, itself against live. All becomes evidence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from shipway import __version__
from shipway.data import load_table, measure_contract, render_contract
from shipway.gate import attest, release_of
from shipway.kernel import media
from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.check import Check, Verdict
from shipway.kernel.clock import instant
from shipway.kernel.digest import Descriptor, Digest
from shipway.kernel.errors import ShipwayError
from shipway.models import Signature
from shipway.monitor import inputs_of, paired_comparison, watermark, window_rows
from shipway.pipeline import MADE, Hands, Report, measure_evaluation, open_environment, score_rows
from shipway.release import Component, deploy_ref, find_component, load_components
from shipway.spec import DeploySpec, Spec
from shipway.stats import Interval, mean_interval
from shipway.store import Store

LEVEL = 0.95
SCORE = "probability"


class ComparisonImpossible(ShipwayError):
    """There are no rows on which the candidate and what is live can be compared."""

    code = "operate.comparison-impossible"


@dataclass(frozen=True, slots=True)
class Measured:
    """One check as evidence: what it is about, the check, the envelope, and lines for a person (violated rows)."""

    subject: Component
    check: Check
    envelope: Digest
    against: Digest | None = None
    detail: str = ""


def check_candidate(
    hands: Hands, spec: Spec, deploy: DeploySpec, release: Digest, *, days: tuple[date, date] | None, report: Report
) -> tuple[Measured, ...]:
    """Measure a release and keep the evidence; what to make of it is the gate's affair.

    days: the first and last event day for the comparison with live (the last 30 days logged when None). Raises
    ComparisonImpossible when days are named and have no rows, and what reading and scoring raise.
    """
    components = load_components(hands.store, release)
    measured = [*_contracts(hands, spec, components), *_evaluation(hands, components)]
    model = find_component(components, "model")
    live = _live_model(hands.store, deploy_ref(deploy), model)
    if live and live.digest != model.digest:
        measured += _against_live(hands, deploy, components, model, live, days, report)
    return tuple(measured)


def _contracts(hands: Hands, spec: Spec, components: Iterable[Component]) -> list[Measured]:
    found = []
    for component in components:
        contract = spec.data[component.name].contract if component.kind == "data" and component.name in spec.data else None
        if contract is None:
            continue
        definition = contract.to_json()
        result = measure_contract(definition, load_table(hands.store, component.digest, name=component.name))
        more: dict[str, Json] = {"definition": hands.store.put(definition), "result": result.to_json()}
        detail = render_contract(result) if result.violations else ""
        found.append(_attest(hands, component, result.check, more, detail=detail))
    return found


def _evaluation(hands: Hands, components: tuple[Component, ...]) -> list[Measured]:
    model = find_component(components, "model")
    made = hands.store.state(MADE, model.digest)
    if made is None:
        return []
    scores = Descriptor.from_json(made.value["scores"])
    found = []
    for metric in measure_evaluation(hands.store, scores, level=LEVEL):
        check = Check(metric.name, Verdict.PASS, metric.value, metric.low, metric.high, n=metric.n, text="held-out reference")
        more: dict[str, Json] = {"level": LEVEL, "scores": scores.to_json(), "clusters": metric.clusters}
        found.append(_attest(hands, model, check, more))
    return found


def _live_model(store: Store, ref: str, like: Component) -> Component | None:
    present = store.ref(ref)
    release = release_of(store, present.digest) if present else None
    return find_component(load_components(store, release), "model", like.name) if release else None


def _against_live(
    hands: Hands,
    deploy: DeploySpec,
    components: tuple[Component, ...],
    model: Component,
    live: Component,
    days: tuple[date, date] | None,
    report: Report,
) -> list[Measured]:
    """The candidate on the very rows that live answered and whose outcomes are known."""
    manifest = hands.store.get(model.digest, "model")
    rows = _rows(hands.store, deploy_ref(deploy), str(manifest["target"]), days)
    if rows is None:
        return []
    signature = Signature.from_json(manifest["signature"])
    columns = _columns(inputs_of(rows, [column.name for column in signature.inputs]), signature)
    environment = find_component(components, "environment").digest
    python = open_environment(hands.store, environment, cache=hands.cache, report=report.note)
    answers = score_rows(hands.store, model.digest, columns, python=python, cache=hands.cache, report=report)
    scored = rows.with_columns(challenger=pl.Series(answers[SCORE]))
    window: JsonObject = {"first": str(rows["day"].min()), "last": str(rows["day"].max()), "rows": rows.height}
    return [
        _attest(hands, model, check, {"level": LEVEL, "against": live.digest, "window": window}, against=live.digest)
        for check in _differences(scored)
    ]


def _rows(store: Store, ref: str, outcome: str, days: tuple[date, date] | None) -> pl.DataFrame | None:
    last = watermark(store, ref)
    if days is None and last is None:
        return None
    start, end = days or (date.fromordinal((last or date.min).toordinal() - 29), last or date.min)
    rows = window_rows(store, ref, start=start, end=end, outcome=outcome).drop_nulls("label")
    if rows["day"].n_unique() > 1:
        return rows
    if days is None:
        return None
    raise ComparisonImpossible(
        f"no predictions with outcomes from {start} to {end} at {ref}",
        where=ref,
        mend="name days that were served: --days A..B",
    )


def _columns(frame: pl.DataFrame, signature: Signature) -> dict[str, np.ndarray]:
    """The logged inputs as the model's own types."""
    kinds = {column.name: column.datatype for column in signature.inputs}
    return {
        series.name: np.array(series.to_list(), dtype=object) if kinds[series.name] == "BYTES" else series.to_numpy()
        for series in frame
    }


def _differences(rows: pl.DataFrame) -> list[Check]:
    """Candidate minus live, paired by row, errors clustered by day: ROC AUC up is better, Brier and log loss down."""
    label, live, challenger = (rows[name].to_numpy().astype(np.float64) for name in ("label", SCORE, "challenger"))
    days = rows["day"].cast(pl.Int32).to_numpy()
    brier = mean_interval((challenger - label) ** 2 - (live - label) ** 2, days, level=LEVEL)
    loss = mean_interval(_log_loss(challenger, label) - _log_loss(live, label), days, level=LEVEL)
    auc = paired_comparison(rows, level=LEVEL)
    return [_difference(name, interval) for name, interval in (("auc", auc), ("brier", brier), ("log_loss", loss))]


def _log_loss(score: np.ndarray, label: np.ndarray) -> np.ndarray:
    kept = np.clip(score, 1e-15, 1 - 1e-15)
    return np.asarray(-(label * np.log(kept) + (1 - label) * np.log1p(-kept)))


def _difference(name: str, interval: Interval) -> Check:
    text = f"candidate minus live, paired, {interval.clusters} days"
    return Check(name, Verdict.PASS, interval.value, interval.low, interval.high, n=interval.n, text=text)


def _attest(
    hands: Hands,
    subject: Component,
    check: Check,
    more: Mapping[str, Json],
    *,
    against: Digest | None = None,
    detail: str = "",
) -> Measured:
    predicate: JsonObject = {
        "check": check.to_json(),
        "at": instant(hands.store.clock.now()),
        "by": hands.actor.name,
        "tool": {"name": "shipway", "version": __version__},
        **more,
    }
    envelope = attest(
        hands.store,
        hands.signer,
        subject=subject.digest,
        name=f"{subject.kind}/{subject.name}",
        predicate_type=media.CHECK_PREDICATE,
        predicate=predicate,
        label=check.name,
    )
    return Measured(subject, check, envelope, against, detail)
