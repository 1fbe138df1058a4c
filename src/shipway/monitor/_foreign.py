"""A window of somebody else's predictions against a reference: what a deployment's monitors say, without a release or a store.

The same profiles, the same checks and thresholds. Pages come from outcomes and broken columns; drift informs.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import NamedTuple

import polars as pl

from shipway.data import (
    Drift,
    Profile,
    is_vector,
    measure_drift,
    measure_outcomes,
    measure_profile,
    measure_score_drift,
    reference_profile,
)
from shipway.kernel.check import Check, Verdict, worst
from shipway.kernel.units import Seconds
from shipway.monitor._checks import check_base_rate, check_calibration, report_quality
from shipway.monitor._columns import collect_given
from shipway.monitor._coverage import NOTABLE, AgeShare, Bias, matures_by, measure_bias
from shipway.monitor._drifted import check_effects
from shipway.monitor._foreign_doubts import check_predictions, is_label, is_probability, why_not_judged
from shipway.monitor._foreign_estimate import ForeignEstimate, estimate_foreign
from shipway.monitor._foreign_rows import (
    WindowEmpty,
    arrival_curve,
    repeat_rows,
    repeat_values,
    rows_inside,
    with_mature,
)
from shipway.monitor._foreign_table import FEATURE
from shipway.monitor._tables import SCORE
from shipway.monitor._verdict import Finding, Severity
from shipway.monitor._window import Outcomes, outcomes_of
from shipway.spec import MonitorSpec, default_monitors

SCORE_NAME = "prediction"


class ColumnFacts(NamedTuple):
    """Features of one side only, of another type than in the reference, without any value, and with one value where the
    reference has several."""

    lost: tuple[str, ...]
    new: tuple[str, ...]
    retyped: tuple[str, ...]
    empty: tuple[str, ...]
    constant: tuple[str, ...]


class DayFacts(NamedTuple):
    """Of one day of the window; rates over the rows with a label, psi of its scores against the reference."""

    day: date
    rows: int
    labels: int
    predicted: float | None
    realised: float | None
    psi: float | None


@dataclass(frozen=True, slots=True, eq=False)
class ForeignWindow:
    """What was found. first, last: of the events, None without times; mistimed: rows of an event more than a day ahead of
    `now`, left out; untimed: rows whose time cannot be read, left out; estimated: whether `matures` comes from the curve.
    """

    first: datetime | None
    last: datetime | None
    rows: int
    weighted: int
    mature: int
    labels: int
    untimed: int
    mistimed: int
    matures: Seconds
    estimated: bool
    curve: tuple[AgeShare, ...]
    bias: Bias | None
    columns: ColumnFacts
    findings: tuple[Finding, ...]
    drifts: Mapping[str, Drift]
    days: tuple[DayFacts, ...]
    estimate: ForeignEstimate
    reference_rows: int
    reference: Profile
    current: Profile

    @property
    def verdict(self) -> Verdict:
        """The worst of what can page; nothing of the kind passes nothing."""
        loud = [finding.check.verdict for finding in self.findings if finding.severity is Severity.PAGE]
        return worst(loud) if loud else Verdict.INCONCLUSIVE


def measure_foreign(
    predictions: pl.LazyFrame,
    reference: pl.LazyFrame,
    *,
    window: Seconds,
    now: datetime,
    matures: Seconds | None = None,
    until: datetime | None = None,
    texts: Collection[str] = (),
) -> ForeignWindow:
    """The trailing window that ends with the newest event, or at `until`, against the reference.

    predictions, reference: as take_columns gives them. matures: seconds after the event from which labels count; None: as the
    arrival of labels says, else at once. texts: features that are texts, whatever they look like. Without times all rows are
    one window. Raises WindowEmpty, WeightMalformed, ProfileMismatch, DataUnreadable.
    """
    inside, untimed, mistimed = rows_inside(predictions, window, now=now, until=until)
    known = _some_rows(collect_given(reference, "the reference"), inside)
    rows, counts_at, guessed, curve = _labelled(inside, matures, now, until)
    measured, columns = repeat_rows(rows), _compare_columns(known, rows)
    held = [name for name in _features(known) if name not in {*columns.lost, *columns.retyped}]
    scored, ours, current, drifts = _profiles(known, rows, measured, held, [name for name in held if name in texts])
    outcomes, days = _days(ours, measured, rows, scored=scored)
    monitors = {name: replace_window(monitor, window) for name, monitor in default_monitors("local").items()}
    bias = measure_bias(rows.with_columns(pl.col(SCORE).fill_null(float("nan"))))
    findings = [
        *_broken(columns, check_predictions(known, rows)),
        *_performance(monitors, outcomes, why_not_judged(known, rows)),
        *_check_bias(bias),
    ]
    findings += check_effects(monitors["drift"], drifts, rows.height, current, ours)
    times = rows["time"].drop_nulls()
    return ForeignWindow(
        first=_instant(times.min()),
        last=_instant(times.max()),
        rows=rows.height,
        weighted=measured.height,
        mature=int(rows["mature"].sum()),
        labels=int(rows["label"].count()),
        untimed=untimed,
        mistimed=mistimed,
        matures=counts_at,
        estimated=guessed,
        curve=curve,
        bias=bias,
        columns=columns,
        findings=tuple(findings),
        drifts=drifts,
        days=days,
        estimate=estimate_foreign(repeat_rows(known), measured, ours, current, held),
        reference_rows=known.height,
        reference=ours,
        current=current,
    )


def _some_rows(reference: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """The reference. Raises WindowEmpty where it or the window has no rows."""
    if rows.height and reference.height:
        return reference
    what = "the reference has no rows" if rows.height else "no prediction is in the window"
    mend = "give other files" if rows.height else "a longer --window, or --until a day with predictions"
    raise WindowEmpty(what, mend=mend)


def _labelled(
    rows: pl.DataFrame, matures: Seconds | None, now: datetime, until: datetime | None
) -> tuple[pl.DataFrame, Seconds, bool, tuple[AgeShare, ...]]:
    """The rows with `mature`, the age at which labels count, whether the curve of their arrival says so, and that curve."""
    curve = arrival_curve(rows, now) if rows["label_time"].null_count() < rows.height else ()
    guessed = matures_by(curve) if matures is None else None
    counts_at = matures if matures is not None else guessed or Seconds(0.0)
    return with_mature(rows, counts_at, until or now), counts_at, guessed is not None, curve


class _Sides(NamedTuple):
    """scored: predictions are probabilities on both."""

    scored: bool
    reference: Profile
    current: Profile
    drifts: dict[str, Drift]


def _profiles(known: pl.DataFrame, rows: pl.DataFrame, measured: pl.DataFrame, held: list[str], texts: list[str]) -> _Sides:
    scored = is_probability(known[SCORE]) and is_probability(rows[SCORE])
    both = known[SCORE].count() and rows[SCORE].count()
    extra = {SCORE_NAME: SCORE} if both and not scored else {}
    label = known["label"].to_numpy() if is_label(known["label"]) else None
    score = known[SCORE].fill_null(float("nan")).to_numpy() if scored else None
    table = _table(repeat_rows(known), held, extra)
    score, label = repeat_values(known, score), repeat_values(known, label)
    reference = reference_profile(table, score=score, label=label, texts=texts)
    current = _profile(reference, measured, held, extra, scored=scored)
    drifts = dict(measure_drift(reference, current))
    if scored:
        drifts[SCORE_NAME] = measure_score_drift(reference, current)
    return _Sides(scored, reference, current, drifts)


def replace_window(monitor: MonitorSpec, window: Seconds) -> MonitorSpec:
    """The same thresholds over another window."""
    return MonitorSpec(name=monitor.name, page=monitor.page, inform=monitor.inform, window=window)


def _features(rows: pl.DataFrame) -> list[str]:
    return [name.removeprefix(FEATURE) for name in rows.columns if name.startswith(FEATURE)]


def _compare_columns(reference: pl.DataFrame, current: pl.DataFrame) -> ColumnFacts:
    then, now = _features(reference), _features(current)
    both = [name for name in then if name in now]
    kinds = {name: (reference[FEATURE + name], current[FEATURE + name]) for name in both}
    empty = [name for name, (was, is_) in kinds.items() if is_.null_count() == is_.len() and was.null_count() < was.len()]
    retyped = [name for name, (was, is_) in kinds.items() if name not in empty and _kind(was) != _kind(is_)]
    several = [name for name in both if name not in {*empty, *retyped} and not is_vector(reference.schema[FEATURE + name])]
    constant = [name for name in several if kinds[name][1].n_unique() == 1 < kinds[name][0].n_unique()]
    return ColumnFacts(
        tuple(name for name in then if name not in now),
        tuple(name for name in now if name not in then),
        *map(tuple, (retyped, empty, constant)),
    )


def _kind(column: pl.Series) -> str:
    return "numbers" if column.dtype.is_numeric() else "vectors" if is_vector(column.dtype) else "words"


def _table(rows: pl.DataFrame, names: list[str], extra: Mapping[str, str]) -> pl.DataFrame:
    features = {name: rows[FEATURE + name] for name in names}
    return pl.DataFrame({**features, **{name: rows[column] for name, column in extra.items()}})


def _profile(reference: Profile, rows: pl.DataFrame, names: list[str], extra: Mapping[str, str], *, scored: bool) -> Profile:
    table = _table(rows, names, extra)
    score = rows[SCORE].fill_null(float("nan")).to_numpy() if scored else None
    return measure_profile(reference, table, score=score)


def _days(
    reference: Profile, measured: pl.DataFrame, rows: pl.DataFrame, *, scored: bool
) -> tuple[Outcomes | None, tuple[DayFacts, ...]]:
    """Outcomes by day, None where there is no probability or no label of yes and no; and what each day looked like."""
    if not rows["time"].count():
        return None, ()
    judged = scored and is_label(rows["label"])
    found, facts = [], []
    counted = rows.group_by(pl.col("time").dt.date()).agg(pl.len(), pl.col("label").count())
    counts = {day: (height, labels) for day, height, labels in counted.rows()}
    for (key,), part in measured.group_by(pl.col("time").dt.date(), maintain_order=True):
        day, known = key, part.filter(pl.col("label").is_not_null(), pl.col(SCORE).is_not_null())
        assert isinstance(day, date)
        psi = None
        if scored:
            score = part[SCORE].fill_null(float("nan")).to_numpy()
            psi = measure_score_drift(reference, measure_profile(reference, {}, score=score)).psi
        if judged and known.height:
            found.append((day, measure_outcomes(reference, score=known[SCORE].to_numpy(), label=known["label"].to_numpy())))
        facts.append(DayFacts(day, *counts[day], _mean(known[SCORE]), _mean(known["label"]), psi))
    pairs = [(day, table) for day, profile in found if (table := profile.outcomes) is not None]
    return (outcomes_of(pairs) if judged else None), tuple(facts)


def _mean(values: pl.Series) -> float | None:
    mean = values.mean()
    return mean if isinstance(mean, float) and math.isfinite(mean) else None


def _broken(columns: ColumnFacts, predictions: list[Finding]) -> list[Finding]:
    """A lost, retyped or emptied column breaks what the model was made for; a new or constant one is worth a look.

    predictions: what is wrong with those.
    """
    words = {
        "lost": (Severity.PAGE, "is not there any more"),
        "retyped": (Severity.PAGE, "is of another type than in the reference"),
        "empty": (Severity.PAGE, "has no value"),
        "new": (Severity.INFORM, "is not in the reference"),
        "constant": (Severity.INFORM, "has one value only"),
    }
    found = [*predictions]
    for what, (severity, text) in words.items():
        for name in getattr(columns, what):
            found.append(Finding(severity, Check(f"schema.{name}", Verdict.FAIL, text=f"{name} {text}")))
    if not any(finding.severity is Severity.PAGE for finding in found):
        found.insert(0, Finding(Severity.PAGE, Check("schema", Verdict.PASS, text="every column of the reference is there")))
    return found


def _check_bias(bias: Bias | None) -> list[Finding]:
    """Whether labels are missing by chance; informs, since what is wrong is the collecting of labels and not the model."""
    if bias is None:
        return []
    unclear = Verdict.PASS if bias.high <= NOTABLE else Verdict.INCONCLUSIVE
    verdict = Verdict.FAIL if bias.notable else unclear
    text = "scores of rows with a label against those without"
    check = Check(
        "label_bias", verdict, bias.ks, bias.low, bias.high, NOTABLE, round(bias.labelled + bias.unlabelled), text=text
    )
    return [Finding(Severity.INFORM, check)]


def _performance(monitors: Mapping[str, MonitorSpec], outcomes: Outcomes | None, why_not: str) -> list[Finding]:
    """What the outcomes say; of rows that have not had the time for a label it is said that they have not."""
    if outcomes is None:
        return [Finding(Severity.PAGE, Check("outcomes", Verdict.INCONCLUSIVE, text=why_not))]
    return [
        check_calibration(monitors["calibration"], outcomes),
        check_base_rate(monitors["base_rate"], outcomes),
        *report_quality(outcomes),
    ]


def _instant(value: object) -> datetime | None:
    return value if isinstance(value, datetime) else None
