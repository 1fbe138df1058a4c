"""Somebody else's predictions as the columns that a window is measured on, found by name, by type, or by what a person says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from shipway.data import Frame, is_vector
from shipway.monitor._columns import IDS, LABELS, SCORES, TIMES, ColumnUnknown, find_column
from shipway.monitor._tables import INSTANT, SCORE, WEIGHT, parse_instants

_WEIGHTS = ("sample_weight", "weight", "sampled_weight")
_CLASS_SCORES = ("probability_", "y_pred_proba_")  # before the name of a class
_ANSWERS = ("y_pred", "predicted", "prediction", "predicted_label", "predicted_class", "answer")
_CLASSES_NEEDED = 3  # two are a yes and a no
_LABEL_TIMES = ("label_time", "outcome_time", "outcome_ts", "actual_ts")
CLASS = "class."  # before the name of each class, its score
ANSWER = "answer"  # the place of the class that was answered
_WORDS = (pl.String, pl.Categorical, pl.Enum)
FEATURE = "feature."  # before the name of each feature, so that none hides a column of ours


@dataclass(frozen=True, slots=True)
class ForeignColumns:
    """Which column is what; None: there is none. features: those that are compared, without the columns left out.

    passed_over: columns that are called like one of these and hold something else, in words. classes: name and column of
    scores of each, in order; their columns are features as well. answer: the class that was answered.
    """

    id: str | None = None
    time: str | None = None
    score: str | None = None
    label: str | None = None
    label_time: str | None = None
    weight: str | None = None
    features: tuple[str, ...] = ()
    passed_over: tuple[str, ...] = ()
    classes: tuple[tuple[str, str], ...] = ()
    answer: str | None = None


def choose_columns(
    frame: Frame, said: ForeignColumns, *, ignore: Sequence[str], where: str, texts: Sequence[str] = ()
) -> ForeignColumns:
    """What a person said, completed by guesses. Features: every column of numbers, words or yes and no that is nothing else.

    texts: features of words, whatever they are called. Raises ColumnUnknown for a column that was named and is not there, or
    is something else.
    """
    schema = frame.collect_schema()
    names = schema.names()
    for name in ignore:
        find_column(names, name, (), what="what is left out", where=where)
    guesses = {"id": IDS, "time": TIMES, "score": SCORES, "label": LABELS, "label_time": _LABEL_TIMES, "weight": _WEIGHTS}
    _check_texts(schema, texts, [*ignore, *(getattr(said, what) for what in guesses)], where=where)
    free = [name for name in names if name not in {*ignore, *texts}]
    found: dict[str, str | None] = {}
    for what, names_of in guesses.items():
        given = getattr(said, what)
        found[what] = find_column(names if given else free, given, names_of, what=f"the {what}", where=where)
        free = [name for name in free if name != found[what]]
    classes = () if said.score else _find_classes(free, schema)
    answer = found["score"] if found["score"] in _ANSWERS else find_column(free, None, _ANSWERS, what="the answer", where=where)
    if classes:
        found["score"] = None
        free = [name for name in free if name != answer]
    passed_over = []
    for what in ("score", "label", "weight"):
        column = found[what]
        worded = what == "label" and classes and column is not None and schema[column] in _WORDS
        if column is not None and not (worded or schema[column].is_numeric() or schema[column] == pl.Boolean):
            if getattr(said, what):
                kind = schema[column]
                raise ColumnUnknown(f"the {what} is a number, and {column} is {kind}", where=where, mend=f"--{what} COLUMN")
            found[what] = None
            passed_over.append(f"{column} is {schema[column]}, and the {what} is a number: it is not used")
    left = {*free, *texts}
    features = tuple(name for name in names if name in left and _has_profile(schema[name]))
    whole = ForeignColumns(**found, features=features, passed_over=tuple(passed_over))  # type: ignore[arg-type]  # all of names
    return replace(whole, classes=classes, answer=answer) if classes else whole


def _check_texts(schema: pl.Schema, texts: Sequence[str], taken: Sequence[str | None], *, where: str) -> None:
    for name in texts:
        find_column(schema.names(), name, (), what="a text", where=where)
        if name in taken:
            raise ColumnUnknown(f"{name} is named as a text and as something else", where=where, mend="--text COLUMN")
        if not _has_profile(schema[name]):
            raise ColumnUnknown(f"{name} is named as a text, and it is {schema[name]}", where=where, mend="--text COLUMN")


def _find_classes(names: Sequence[str], schema: pl.Schema) -> tuple[tuple[str, str], ...]:
    """Sorted, as their places are in both tables and in the outputs of a classifier."""
    for prefix in _CLASS_SCORES:
        found = {name.removeprefix(prefix): name for name in names if name.startswith(prefix) and schema[name].is_numeric()}
        if len(found) >= _CLASSES_NEEDED:
            numbers = _as_numbers(list(found))
            order = sorted(found) if numbers is None else [name for _, name in sorted(zip(numbers, found, strict=True))]
            return tuple((name, found[name]) for name in order)
    return ()


def _as_numbers(names: Sequence[str]) -> list[float] | None:
    try:
        return [float(name) for name in names]
    except ValueError:
        return None


def classes_of(rows: pl.DataFrame | pl.LazyFrame) -> list[str]:
    """Names of the classes that a table of take_columns has, in order."""
    return [name.removeprefix(CLASS) for name in rows.collect_schema().names() if name.startswith(CLASS)]


def _place(column: str, kind: pl.DataType, classes: Sequence[str]) -> pl.Expr:
    """Of a class in their order; null for none of them. A number that is no class's name is a place."""
    numbers = _as_numbers(classes)
    if kind in _WORDS:
        return pl.col(column).cast(pl.String).replace_strict(_places(classes), default=None, return_dtype=pl.Float64)
    if numbers is None:
        place = pl.col(column).cast(pl.Float64)
        return pl.when(place.is_in([float(at) for at in range(len(classes))])).then(place)
    return pl.col(column).cast(pl.Float64).replace_strict(_places(numbers), default=None, return_dtype=pl.Float64)


def _places(names: Sequence[str | float]) -> Mapping[str | float, float]:
    return {name: float(at) for at, name in enumerate(names)}


def _take_classes(columns: ForeignColumns, schema: pl.Schema) -> dict[str, pl.Expr]:
    """Scores of the classes, the place of the answer (the likeliest where no column says it), that of the label."""
    names = [name for name, _ in columns.classes]
    scores = {name: pl.col(column).cast(pl.Float64) for name, column in columns.classes}
    likeliest = pl.concat_list(score.fill_nan(None) for score in scores.values()).list.arg_max().cast(pl.Float64)
    picked = {f"{CLASS}{name}": score for name, score in scores.items()}
    picked[ANSWER] = likeliest if columns.answer is None else _place(columns.answer, schema[columns.answer], names)
    if columns.label is not None:
        picked["label"] = _place(columns.label, schema[columns.label], names)
    return picked


def take_columns(frame: Frame, columns: ForeignColumns) -> pl.LazyFrame:
    """id, time (INSTANT), SCORE, label, label_time, WEIGHT, null where there is none, and every feature as `feature.NAME`.

    Of several classes also the score of each as `class.NAME` and `answer`; label and answer are then places of classes.
    """
    schema = frame.collect_schema()
    number = {"score": SCORE, "label": "label", "weight": WEIGHT}
    picked: dict[str, pl.Expr] = {}
    for what, ours in number.items():
        name = getattr(columns, what)
        picked[ours] = pl.lit(None, pl.Float64) if name is None else pl.col(name).cast(pl.Float64)
    for what in ("time", "label_time"):
        name = getattr(columns, what)
        picked[what] = pl.lit(None, INSTANT) if name is None else _instants(name, schema[name])
    picked["id"] = pl.lit(None, pl.String) if columns.id is None else pl.col(columns.id).cast(pl.String, strict=False)
    if columns.classes:
        picked |= _take_classes(columns, schema)
    return frame.select(**picked, **{f"{FEATURE}{name}": pl.col(name) for name in columns.features})


def _has_profile(kind: pl.DataType) -> bool:
    return is_vector(kind) or kind.is_numeric() or kind in (pl.Boolean, pl.String, pl.Categorical, pl.Enum, pl.Null)


def _instants(name: str, kind: pl.DataType) -> pl.Expr:
    """A text, a date, an instant with or without a zone (then UTC), or seconds of the epoch or a 1,000th or less of them."""
    column = pl.col(name)
    if kind == pl.String:
        return column.map_batches(parse_instants, return_dtype=INSTANT)
    if isinstance(kind, pl.Datetime) and kind.time_zone is not None:
        return column.cast(INSTANT)
    if isinstance(kind, pl.Datetime) or kind == pl.Date:
        return column.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if kind.is_numeric():
        seconds = column.cast(pl.Float64)
        size = seconds.abs()
        unit = pl.when(size < 1e11).then(1e6).when(size < 1e14).then(1e3).when(size < 1e17).then(1.0).otherwise(1e-3)
        fits = (seconds * unit).abs() < 1e17  # years 1200 to 5100; beyond is no time
        return pl.when(fits).then(seconds * unit).cast(pl.Int64).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return pl.lit(None, INSTANT)


def with_outcomes(predictions: pl.LazyFrame, outcomes: pl.DataFrame, *, name: str | None, where: str) -> pl.LazyFrame:
    """Predictions of take_columns with the labels of a table of outcomes (pick_outcomes): of an id the last row wins.

    name: of the outcome, where the table has several. Labels that the predictions had go. An id that stands for several rows
    labels none of them: it would be wrong for all but one. Raises ColumnUnknown.
    """
    if "id" not in outcomes.columns:
        raise ColumnUnknown("no column could be the id of the prediction", where=where, mend="a table with a column id")
    names = outcomes["name"].unique().to_list()
    if name is None and len(names) > 1:
        mend = f"--outcome NAME, one of: {', '.join(map(str, sorted(names, key=str)[:12]))}"
        raise ColumnUnknown(f"the outcomes have {len(names)} names", where=where, mend=mend)
    if name is not None and name not in names:
        raise ColumnUnknown(f"no outcome is called {name}", where=where, mend=f"it has: {', '.join(map(str, names[:12]))}")
    kind, classes = outcomes.schema["value"], classes_of(predictions)
    if not (kind.is_numeric() or kind == pl.Boolean or (classes and kind in _WORDS)):
        raise ColumnUnknown(f"the value of an outcome is a number, not {kind}", where=where, mend="--outcomes FILE")
    time = pl.lit(None, INSTANT) if "time" not in outcomes.columns else _instants("time", outcomes.schema["time"])
    label = _place("value", kind, classes) if classes else pl.col("value").cast(pl.Float64)
    newest = (
        outcomes.lazy()
        .filter(pl.col("name") == (name if name is not None else names[0]) if names else pl.lit(value=True))
        .select(pl.col("id").cast(pl.String, strict=False), label=label, label_time=time)
        .unique("id", keep="last", maintain_order=True)
    )
    joined = predictions.drop("label", "label_time").join(newest, on="id", how="left", maintain_order="left")
    alone = pl.col("id").is_unique()
    return joined.with_columns(pl.when(alone).then(pl.col("label", "label_time")).name.keep())
