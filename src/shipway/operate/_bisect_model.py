"""Two releases of a model, told apart on the requests that were logged and whose outcomes are known.

What answers a row is a model, the code around it and the environment that both run in. Each is taken from one release or the
other, and asked in a process of that environment; a mixture is no release, is kept nowhere and answers nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Digest, short
from shipway.kernel.errors import ShipwayError
from shipway.models import Signature, served_model
from shipway.monitor import inputs_of, weights_of
from shipway.operate._bisect import BisectImpossible, Bisection, Replayed, Tell
from shipway.operate._bisect_rows import Window, check_enough, replay_rows, words_left_out
from shipway.operate._checks import logged_columns, unseen_from
from shipway.operate._parted import Contrast, Point, part_difference, point_words, points_of
from shipway.operate._serving import model_of
from shipway.pipeline import Hands, Report, open_environment, score_manifest
from shipway.release import Component, find_component, load_components
from shipway.stats import Interval, auc_contrast, mean_interval, roc_auc
from shipway.store import Store

Floats = NDArray[np.float64]
MODEL, CODE, ENVIRONMENT = "model", "code", "environment"
BOTH = f"{MODEL} and {CODE}"
ALIKE = 1e-6  # a batch is summed in another order than a row, and the last bits differ
SCORE, VALUE = "probability", "prediction"
METRICS = {SCORE: ("auc", "brier", "log_loss"), VALUE: ("absolute_error", "squared_error")}
_AROUND = frozenset({"functions", "signature", "golden", "key", "time", "target", "step", "reference"})  # not the fit itself


@dataclass(frozen=True, slots=True)
class _Side:
    """One of the two releases: what answers in it; unseen: as of unseen_from."""

    release: Digest
    components: tuple[Component, ...]
    manifest: JsonObject
    environment: Digest
    unseen: date | None

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
        own = self.manifest.get("functions")
        return own.get("inputs") if isinstance(own, Mapping) else [column.to_json() for column in self.signature.inputs]


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
    tell: Tell,
) -> Bisection:
    """Replay logged rows with outcomes on both releases and on every mixture of one swap; none from before the held-out rows of
    the later one begin, which it may have been trained on.

    metric: `auc`, `brier` or `log_loss` of a probability, `absolute_error` or `squared_error` of a number; the first of its
    kind when None; tell: hears of each replay before it begins. Raises BisectImpossible, NotServable, and what opening
    environments and scoring raise.
    """
    one, other = _side(hands.store, source, model), _side(hands.store, target, model)
    score, metric = _metric(one, other, metric)
    components = _components(one, other)
    wanted = frozenset(column.name for side in (one, other) for column in side.signature.inputs)
    unseen = max((side.unseen for side in (one, other) if side.unseen), default=None)
    rows, facts = replay_rows(hands.store, window, outcome=str(one.manifest["target"]), wanted=wanted, unseen=unseen)
    check_enough(rows, facts, metric, binary=score == SCORE)
    answers, missing = _Bench(hands, one, other, frozenset(components), rows, score, report).replay(tell)
    labels, days = rows["label"].to_numpy().astype(np.float64), rows["day"].cast(pl.Int32).to_numpy()
    numbers = _Numbers(metric, answers, labels, days, weights_of(rows))
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
        _over(rows, facts, window.ref),
        facts,
        tuple(found for found in replayed if found.rows),
    )


def _over(rows: pl.DataFrame, facts: JsonObject, ref: str) -> str:
    """The rows for people."""
    asked, stand = f"{rows.height:,} logged requests", facts["stand_for"]
    every = "" if stand == rows.height else f" (which stand for {stand:,})"
    return f"{asked}{every} with outcomes on {rows['day'].n_unique()} days of {ref}{words_left_out(facts)}"


def _side(store: Store, release: Digest, name: str | None) -> _Side:
    components = load_components(store, release)
    model, environment = model_of(components, release, name), find_component(components, "environment")
    manifest = served_model(store.get(model.digest, "model"))
    return _Side(release, components, manifest, environment.digest, unseen_from(store, model.digest))


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
    keys = sorted(key for key in held[0].keys() | held[1].keys() if held[0].get(key) != held[1].get(key))
    found = [f"data/{name}" for kind, name in keys if kind == "data"]
    found += ["code of its steps"] if any(kind == "code" for kind, _ in keys) else []
    if not found and any(kind == "pipeline" for kind, _ in keys):  # whose keys change with data and code too
        found = ["parameters"]
    return {MODEL: found, BOTH: found}


@dataclass(frozen=True, slots=True)
class _Bench:
    """What is needed to ask a mixture of two releases the rows."""

    hands: Hands
    one: _Side
    other: _Side
    whole: Point
    rows: pl.DataFrame
    score: str
    report: Report

    def replay(self, tell: Tell) -> tuple[dict[Point, Floats], dict[Point, str]]:
        """Scores by point, and why a mixture has none: a model need not load in another environment, or take other columns."""
        answers: dict[Point, Floats] = {}
        missing: dict[Point, str] = {}
        points = points_of(sorted(self.whole))
        for number, point in enumerate(points):
            words = point_words(point, self.whole)
            tell(number, len(points), words)
            try:
                answers[point] = self.ask(point)
            except ShipwayError as problem:
                if point in (self.whole, frozenset()):
                    raise
                missing[point] = f"{words}: {problem.what}"
        return answers, missing

    def ask(self, point: Point) -> Floats:
        """The scores of a mixture. Code that does not differ goes with its model, and so does what is asked."""
        fit = self._side(point, MODEL)
        manifest = mixed(fit.manifest, (self._side(point, CODE) if CODE in self.whole else fit).manifest)
        store, cache, report = self.hands.store, self.hands.cache, self.report
        python = open_environment(store, self._side(point, ENVIRONMENT).environment, cache=cache, report=report.note)
        signature = Signature.from_json(manifest["signature"])
        columns = logged_columns(inputs_of(self.rows, [column.name for column in signature.inputs]), signature)
        answers = score_manifest(store, manifest, columns, python=python, cache=cache, report=report)
        if self.score not in answers:
            raise BisectImpossible(f"it answers {', '.join(answers)}, and no {self.score}", where="the replay")
        found: Floats = answers[self.score].astype(np.float64)
        lost = int((~np.isfinite(found)).sum())
        if lost:
            raise BisectImpossible(f"{lost:,} of {found.size:,} requests get no number as an answer", where="the replay")
        return found

    def _side(self, point: Point, kind: str) -> _Side:
        """From which release a component comes."""
        return self.other if any(kind in name.split(" and ") for name in point) else self.one


def mixed(fit: JsonObject, around: JsonObject) -> JsonObject:
    """The manifest of one model with the functions of another around it, which is what is asked and what it answers."""
    kept = {name: value for name, value in fit.items() if name not in _AROUND}
    return {**kept, **{name: value for name, value in around.items() if name in _AROUND}}


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Scores by point, and the metric of them. labels, days, weights: (n,), the last None where each row stands for itself."""

    metric: str
    answers: Mapping[Point, Floats]
    labels: Floats
    days: NDArray[np.int32]
    weights: Floats | None = None

    def alike(self, one: Point, other: Point) -> bool:
        return bool(np.array_equal(self.answers[one], self.answers[other]))

    def estimate(self, weights: Contrast, level: float) -> Interval:
        if self.metric == "auc":
            scores = np.stack([self.answers[point] for point in weights])
            factors = list(weights.values())
            return auc_contrast(scores, factors, self.labels, self.days, sample_weight=self.weights, level=level)
        losses = sum((weight * self._losses(point) for point, weight in weights.items()), np.zeros(self.labels.size))
        return mean_interval(losses, self.days, sample_weight=self.weights, level=level)

    def value(self, point: Point) -> float:
        if self.metric == "auc":
            return roc_auc(self.answers[point], self.labels, sample_weight=self.weights)
        return float(np.average(self._losses(point), weights=self.weights))

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
