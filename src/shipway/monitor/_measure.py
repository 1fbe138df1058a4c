"""Rows of the prediction table to profiles. A column is taken out of the table once, however many days are in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from shipway.data import (
    AnswerProfile,
    NumericProfile,
    Profile,
    measure_answers,
    measure_outcomes,
    measure_predictions,
    measure_profile,
)
from shipway.monitor._hours import spans_of_hours
from shipway.monitor._tables import SCORE, WEIGHT, input_column, output_column
from shipway.monitor._weights import repeated_rows

Array = NDArray[Any]


NUMBER = "prediction"  # the output of a model that answers one number


class Measure:
    """Profiles of spans of one joined table, over the edges of one release's reference."""

    def __init__(self, reference: Profile, table: pl.DataFrame) -> None:
        self._reference, self._table = reference, table

    def features(self, span: slice) -> Profile:
        """Features and scores of every row of the span; a feature that was not logged is left out."""
        rows = self._rows(span)
        found = measure_profile(self._reference, _cut(self._features, rows), score=self._score[rows])
        known = self._reference.predictions
        if not known or self._logged is None:
            return found
        return replace(found, predictions=measure_predictions(known, self._logged[rows], classes=self._classes))

    def hours(self, span: slice) -> dict[int, Profile]:
        """As features, of each hour (UTC) with rows; the rows of the span are in the order of their hours."""
        hours = self._table["time"][span].dt.hour().to_numpy()
        return {hour: self.features(slice(span.start + at.start, span.start + at.stop)) for hour, at in spans_of_hours(hours)}

    def outcomes(self, span: slice) -> Profile:
        """Outcomes of the rows of the span that have a label."""
        rows = self._rows(span)
        known = measure_outcomes(self._reference, score=self._score[rows], label=self._label[rows])
        return replace(known, answers=self._answers(rows)) if self._reference.answers else known

    def _answers(self, rows: slice | Array) -> AnswerProfile:
        """Of the answers of a model that gives no probability; an answer that was not logged is one that is not known."""
        classes = self._classes
        if self._logged is None:
            return measure_answers(np.zeros((0, len(classes)) if classes else 0), [], classes=classes)
        return measure_answers(self._logged[rows], self._truth[rows], classes=classes)

    @property
    def _classes(self) -> tuple[str, ...]:
        return self._reference.answers.classes if self._reference.answers else ()

    @cached_property
    def _logged(self) -> Array | None:
        return logged_answers(self._table, self._reference.sources, self._classes)

    @cached_property
    def _truth(self) -> Array:
        return truth_of_rows(self._table, self._classes)

    def _rows(self, span: slice) -> slice | Array:
        """Of a log that keeps a share of the requests each row is there as often as it stands for."""
        if self._weight is None:
            return span
        found: Array = repeated_rows(self._weight[span]) + span.start
        return found

    @cached_property
    def _weight(self) -> Array | None:
        if WEIGHT not in self._table.columns:
            return None
        weight = self._table[WEIGHT].fill_null(1.0).to_numpy()
        return None if (weight == 1.0).all() else weight

    @cached_property
    def _score(self) -> Array:
        return self._table[SCORE].to_numpy() if SCORE in self._table.columns else np.full(self._table.height, np.nan)

    @cached_property
    def _label(self) -> Array:
        """A label that is neither yes nor no is none that a probability could have told."""
        label = self._table["label"]
        return label.set(~label.is_in([0.0, 1.0]), None).to_numpy()

    @cached_property
    def _features(self) -> dict[str, Array]:
        logged = {name: input_column(name) for name in self._reference.sources}
        return {name: self._feature(name, column) for name, column in logged.items() if column in self._table.columns}

    def _feature(self, name: str, column: str) -> Array:
        """As its reference was measured, numbers or words: beside another release's rows it may have become text.

        What is no number counts as missing, a number among words as an unknown word: both drift, and say so.
        """
        series = self._table[column]
        if isinstance(self._reference.columns.get(name), NumericProfile):
            return series.cast(pl.Float64, strict=False).to_numpy()
        return series.to_numpy() if series.dtype == pl.Boolean else series.cast(pl.String, strict=False).to_numpy()


def _cut(columns: dict[str, Array], rows: slice | Array) -> dict[str, Array]:
    return {name: array[rows] for name, array in columns.items()}


def logged_answers(table: pl.DataFrame, inputs: Iterable[str], classes: Sequence[str]) -> Array | None:
    """(n,) numbers or (n, classes) chances that were answered; otherwise as logged_outputs."""
    return logged_outputs(table, inputs, [f"{SCORE}_{name}" for name in classes] or [NUMBER])


def logged_outputs(table: pl.DataFrame, inputs: Iterable[str], outputs: Sequence[str]) -> Array | None:
    """(n,) of one output of the model, (n, outputs) of several, NaN where one is not known; None where one was not logged.

    inputs: names of the model's features, beside which an output may be called otherwise.
    """
    named = set(inputs)
    columns = [output_column(name, named) for name in outputs]
    if not all(column in table.columns for column in columns):
        return None
    logged = [table[column].cast(pl.Float64, strict=False).to_numpy() for column in columns]
    found: Array = np.column_stack(logged) if len(logged) > 1 else logged[0]
    return found


def truth_of_rows(table: pl.DataFrame, classes: Sequence[str]) -> Array:
    """(n,) what became true by `label`: a number, or the place of a class; NaN where it is not known."""
    found: Array = class_places(table["label"], classes) if classes else table["label"].cast(pl.Float64).to_numpy()
    return found


def class_places(truth: pl.Series, classes: Sequence[str]) -> Array:
    """(n,) which class came true, NaN where none is known: classes that are numbers by their value, words by their place.

    >>> class_places(pl.Series([2.0, 1.0]), ["1", "2"]).tolist(), class_places(pl.Series([1.0]), ["cat", "dog"]).tolist()
    ([1.0, 0.0], [1.0])
    """
    try:
        values = [float(name) for name in classes]
    except ValueError:
        return truth.cast(pl.Float64).to_numpy()
    places = pl.DataFrame({"value": values, "place": np.arange(len(values), dtype=np.float64)})
    found: Array = (
        truth.cast(pl.Float64).to_frame("value").join(places, on="value", how="left", maintain_order="left")["place"].to_numpy()
    )
    return found
