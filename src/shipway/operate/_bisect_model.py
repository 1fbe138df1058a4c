"""Two releases of a model, told apart on the requests that were logged and whose outcomes are known.

What answers a row is a model, the code around it and the environment that both run in. Each is taken from one release or the
other, and asked in a process of that environment; a mixture is no release, is kept nowhere and answers nobody.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.kernel.units import Seconds
from shipway.models import Signature
from shipway.monitor import event_clock, inputs_of, window_rows
from shipway.operate._bisect import BisectImpossible, Bisection, Replayed
from shipway.operate._checks import logged_columns
from shipway.operate._parted import Contrast, Point, part_difference, point_words, points_of
from shipway.operate._serving import model_of
from shipway.pipeline import Hands, Report, open_environment, score_manifest
from shipway.release import Component, find_component, load_components, outcomes_of
from shipway.stats import Interval, auc_contrast, mean_interval, roc_auc
from shipway.store import Store

Floats = NDArray[np.float64]
MODEL, CODE, ENVIRONMENT = "model", "code", "environment"
BOTH = f"{MODEL} and {CODE}"
ROWS = 50_000
DAYS = 30
ALIKE = 1e-6  # a batch is summed in another order than a row, and the last bits differ
SCORE, VALUE = "probability", "prediction"
METRICS = {SCORE: ("auc", "brier", "log_loss"), VALUE: ("absolute_error", "squared_error")}
_AROUND = frozenset({"functions", "signature", "golden", "key", "time", "target", "step", "reference"})  # not the fit itself
_UPSTREAM = ("data", "code", "pipeline")  # what a model was made of


@dataclass(frozen=True, slots=True)
class Window:
    """Which logged rows: of a deployment, on these event days (the last 30 mature ones without), at most so many."""

    ref: str
    days: tuple[date, date] | None = None
    rows: int = ROWS


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two releases: what answers in it."""

    release: Digest
    components: tuple[Component, ...]
    manifest: JsonObject
    environment: Digest

    @property
    def signature(self) -> Signature:
        return Signature.from_json(self.manifest["signature"])

    @property
    def fit(self) -> JsonObject:
        return {name: value for name, value in self.manifest.items() if name not in _AROUND}

    @property
    def functions(self) -> JsonObject | None:
        found = self.manifest.get("functions")
        return {name: value for name, value in found.items() if name != "inputs"} if isinstance(found, Mapping) else None

    @property
    def inner(self) -> Json:
        """The columns that go into the model itself."""
        own, signature = self.manifest.get("functions"), self.manifest["signature"]
        return (
            own.get("inputs") if isinstance(own, Mapping) else signature["inputs"] if isinstance(signature, Mapping) else None
        )


def bisect_models(
    hands: Hands,
    source: Digest,
    target: Digest,
    window: Window,
    *,
    model: str | None = None,
    metric: str | None = None,
    level: float = 0.95,
    report: Report,
) -> Bisection:
    """Replay logged rows with outcomes on both releases and on every mixture of one swap.

    metric: `auc`, `brier` or `log_loss` of a probability, `absolute_error` or `squared_error` of a number; the first of its
    kind when None. Raises BisectImpossible, NotServable, and what opening environments and scoring raise.
    """
    one, other = _side(hands.store, source, model), _side(hands.store, target, model)
    score, metric = _metric(one, other, metric)
    components = _components(one, other)
    rows, facts = _rows(hands.store, one, other, window)
    _check_enough(rows, metric)
    answers, missing = _replay(hands, one, other, components, rows, score, report)
    numbers = _Numbers(metric, answers, rows["label"].to_numpy().astype(np.float64), rows["day"].cast(pl.Int32).to_numpy())
    try:
        parted = part_difference(
            components, numbers.estimate, alike=numbers.alike, missing=missing, level=level, because=_behind(one, other)
        )
    except ValueError as problem:
        raise BisectImpossible(f"{metric} cannot be told of these rows: {problem}", where=window.ref) from problem
    whole = frozenset(components)
    replayed = tuple(_replayed(rows, score, side, answers[at]) for side, at in ((one, frozenset[str]()), (other, whole)))
    return Bisection(
        source,
        target,
        metric,
        (numbers.value(frozenset()), numbers.value(whole)),
        parted,
        f"{rows.height:,} logged requests with outcomes on {rows['day'].n_unique()} days of {window.ref}",
        facts,
        tuple(found for found in replayed if found.rows),
    )


def _side(store: Store, release: Digest, name: str | None) -> _Side:
    components = load_components(store, release)
    model, environment = model_of(components, release, name), find_component(components, "environment")
    return _Side(release, components, store.get(model.digest, "model"), environment.digest)


def _metric(one: _Side, other: _Side, asked: str | None) -> tuple[str, str]:
    """The output that is scored, and by what."""
    if one.manifest["target"] != other.manifest["target"]:
        what = f"one release predicts {one.manifest['target']}, the other {other.manifest['target']}"
        raise BisectImpossible(what, mend="name two releases that predict the same")
    names = [{column.name for column in side.signature.outputs} for side in (one, other)]
    score = next((name for name in METRICS if all(name in found for found in names)), None)
    if score is None:
        what = "neither answers a probability of two classes nor a number that both call `prediction`"
        raise BisectImpossible(what, mend="name releases whose models answer one of the two")
    if asked is not None and asked not in METRICS[score]:
        raise BisectImpossible(f"a {score} has no metric {asked}", mend=f"--metric {' or '.join(METRICS[score])}")
    return score, asked or METRICS[score][0]


def _components(one: _Side, other: _Side) -> list[str]:
    """What differs and answers. Model and code are one where what goes from one into the other is not the same columns."""
    fits, code = one.fit != other.fit, one.functions != other.functions
    owned = [bool(side.functions and side.functions.get("class")) for side in (one, other)]
    joined = fits and code and (one.inner != other.inner or owned[0] != owned[1])
    found = [BOTH] if joined else [name for name, differs in ((MODEL, fits), (CODE, code)) if differs]
    found += [ENVIRONMENT] if one.environment != other.environment else []
    if not found:
        what = f"{short(one.release)} and {short(other.release)} have the same model, code around it and environment"
        raise BisectImpossible(what, mend=f"shipway diff {short(one.release)} {short(other.release)}")
    return found


def _behind(one: _Side, other: _Side) -> dict[str, list[str]]:
    """What a model that differs was made of and differs too."""
    held = [{(part.kind, part.name): part.digest for part in side.components} for side in (one, other)]
    names = sorted(
        key for key in held[0].keys() | held[1].keys() if key[0] in _UPSTREAM and held[0].get(key) != held[1].get(key)
    )
    found = ["/".join(part for part in key if part) for key in names]
    return {MODEL: found, BOTH: found}


def _rows(store: Store, one: _Side, other: _Side, window: Window) -> tuple[pl.DataFrame, JsonObject]:
    """Mature rows with a label whose log has all that either model asks for, thinned evenly to the most that is wanted."""
    outcome, clock = str(one.manifest["target"]), event_clock(store, window.ref)
    if clock is None:
        mend = "serve it, and record what became true: shipway outcomes import"
        raise BisectImpossible("no request has been logged", where=window.ref, mend=mend)
    present = store.ref(window.ref)
    matures = (outcomes_of(store.get(present.digest, "deployment")) if present else {}).get(outcome, Seconds(0.0))
    newest = (clock - timedelta(seconds=matures)).date()
    start, end = window.days or (newest - timedelta(days=DAYS - 1), newest)
    logged = window_rows(store, window.ref, start=start, end=end, outcome=outcome, matures=matures, as_of=clock)
    wanted = {column.name for side in (one, other) for column in side.signature.inputs}
    fit = [release for release in logged["release"].unique().to_list() if wanted <= _logs(store, release)]
    kept = logged.filter(pl.col("release").is_in(fit))
    labelled = kept.drop_nulls("label")
    if labelled.is_empty():
        raise _no_rows(logged, kept, outcome, wanted, window.ref, f"{start}..{end}")
    every = -(-labelled.height // max(1, window.rows))
    rows = labelled.gather_every(every)
    facts: JsonObject = {
        "ref": window.ref,
        "outcome": outcome,
        "first": str(rows["day"].min()),
        "last": str(rows["day"].max()),
        "days": rows["day"].n_unique(),
        "logged": logged.height,
        "with_outcome": labelled.height,
        "replayed": rows.height,
    }
    return rows, facts


def _logs(store: Store, release: str) -> set[str]:
    """The inputs that a release's rows have in the log; none of a release that cannot be read any more."""
    try:
        models = [part for part in load_components(store, Digest(release)) if part.kind == "model"]
        found = [Signature.from_json(store.get(part.digest, "model")["signature"]) for part in models]
    except ShipwayError:
        return set()
    return {column.name for signature in found for column in signature.inputs}


def _no_rows(logged: pl.DataFrame, kept: pl.DataFrame, outcome: str, wanted: set[str], ref: str, days: str) -> BisectImpossible:
    if logged.is_empty():
        return BisectImpossible(f"no request was logged on {days}", where=ref, mend="name other days: --days A..B")
    if kept.is_empty():
        what = f"no release that was asked on {days} has logged all of {', '.join(sorted(wanted))}"
        return BisectImpossible(what, where=ref, mend="name days on which a release with these inputs answered: --days A..B")
    what = f"none of {kept.height:,} requests of {days} has a mature outcome `{outcome}`"
    return BisectImpossible(what, where=ref, mend="record outcomes (shipway outcomes import), or name older days: --days A..B")


def _check_enough(rows: pl.DataFrame, metric: str) -> None:
    """Errors are clustered by day, and one day says nothing of another."""
    days = rows["day"].n_unique()
    if metric == "auc":
        labels = rows["label"]
        if not labels.is_in([0.0, 1.0]).all():
            raise BisectImpossible("outcomes are not all 0 or 1, so there is no AUC", mend="--metric brier")
        days = min(rows.filter(pl.col("label") == value)["day"].n_unique() for value in (0.0, 1.0))
    if days < 2:
        of = " with outcomes of both classes" if metric == "auc" else " with outcomes"
        a_day = max(1, round(rows.height / max(1, rows["day"].n_unique())))
        more = f"{2 - days} more day{'s' if days == 0 else ''}, about {a_day * (2 - days):,} requests"
        what = f"an interval needs at least two days{of}, and there {'is' if days == 1 else 'are'} {days or 'none'}"
        raise BisectImpossible(f"{what}: {more}", mend="wait, or name more days: --days A..B")


def _replay(
    hands: Hands, one: _Side, other: _Side, components: Sequence[str], rows: pl.DataFrame, score: str, report: Report
) -> tuple[dict[Point, Floats], dict[Point, str]]:
    """Scores by point, and why a mixture has none: a model need not load in another environment, or take other columns."""
    answers: dict[Point, Floats] = {}
    missing: dict[Point, str] = {}
    points, whole = points_of(components), frozenset(components)
    for number, point in enumerate(points, 1):
        report.note(f"replay {number} of {len(points)}: {point_words(point, whole)}")
        try:
            answers[point] = _answers(hands, one, other, point, rows, score, report)
        except ShipwayError as problem:
            if point in (whole, frozenset()):
                raise
            missing[point] = f"{point_words(point, whole)}: {problem.what}"
    return answers, missing


def _answers(hands: Hands, one: _Side, other: _Side, point: Point, rows: pl.DataFrame, score: str, report: Report) -> Floats:
    def of(kind: str) -> _Side:
        return other if any(kind in name.split(" and ") for name in point) else one

    # What did not change is the same on both sides, whichever it is taken from.
    manifest = mixed(of(MODEL).manifest, of(CODE).manifest)
    python = open_environment(hands.store, of(ENVIRONMENT).environment, cache=hands.cache, report=report.note)
    signature = Signature.from_json(manifest["signature"])
    columns = logged_columns(inputs_of(rows, [column.name for column in signature.inputs]), signature)
    answers = score_manifest(hands.store, manifest, columns, python=python, cache=hands.cache, report=report)
    found: Floats = answers[score].astype(np.float64)
    if not np.isfinite(found).all():
        lost = int((~np.isfinite(found)).sum())
        raise BisectImpossible(f"{lost:,} of {rows.height:,} requests get no number as an answer", where="the replay")
    return found


def mixed(fit: JsonObject, around: JsonObject) -> JsonObject:
    """The manifest of one model with the functions of another around it, which is what is asked and what it answers."""
    kept = {name: value for name, value in fit.items() if name not in _AROUND}
    return {**kept, **{name: value for name, value in around.items() if name in _AROUND}}


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Scores by point, and the metric of them. labels, days: (n,)."""

    metric: str
    answers: Mapping[Point, Floats]
    labels: Floats
    days: NDArray[np.int32]

    def alike(self, one: Point, other: Point) -> bool:
        return bool(np.array_equal(self.answers[one], self.answers[other]))

    def estimate(self, weights: Contrast, level: float) -> Interval:
        if self.metric == "auc":
            scores = np.stack([self.answers[point] for point in weights])
            return auc_contrast(scores, list(weights.values()), self.labels, self.days, level=level)
        losses = sum((weight * self._losses(point) for point, weight in weights.items()), np.zeros(self.labels.size))
        return mean_interval(losses, self.days, level=level)

    def value(self, point: Point) -> float:
        if self.metric == "auc":
            return roc_auc(self.answers[point], self.labels)
        return float(self._losses(point).mean())

    def _losses(self, point: Point) -> Floats:
        score, label = self.answers[point], self.labels
        if self.metric == "log_loss":
            kept = np.clip(score, 1e-15, 1 - 1e-15)
            return np.asarray(-(label * np.log(kept) + (1 - label) * np.log1p(-kept)))
        return np.asarray(np.abs(score - label) if self.metric == "absolute_error" else (score - label) ** 2)


def _replayed(rows: pl.DataFrame, score: str, side: _Side, answers: Floats) -> Replayed:
    """Whether the replay answers what was answered, of the rows that this release answered itself."""
    own = rows["release"].to_numpy() == side.release
    if score not in rows.columns or not own.any():
        return Replayed(side.release, 0, 0)
    logged = rows[score].cast(pl.Float64).to_numpy()[own]
    return Replayed(side.release, int(own.sum()), int(np.isclose(logged, answers[own], rtol=0, atol=ALIKE).sum()))
