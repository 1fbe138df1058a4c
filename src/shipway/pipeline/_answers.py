"""What kind of answer a model gives, and with it the columns of its scored reference: a probability, classes, or a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import polars as pl

from shipway.models import Array
from shipway.pipeline._model_rows import ANSWER, LABEL, SCORE, ModelDeclared, ModelRefused, labels_of

_PREDICTION = "prediction"


class AnswerKind(Enum):
    """A probability of the second of two classes, one of each of more classes, or a number."""

    PROBABILITY = "probability"
    CLASSES = "classes"
    NUMBER = "number"


class Answering(NamedTuple):
    """The kind, the outputs that are measured, and the classes of a classifier in their order."""

    kind: AnswerKind
    outputs: Sequence[str]
    classes: Sequence[object] = ()


def answering_of(
    model: ModelDeclared, answers: Mapping[str, Array], classes: Sequence[object] | None, *, more: bool = False
) -> Answering:
    """What of the answers is measured. more: a function of the user's may have added others.

    Raises ModelRefused for an answer that no metric of ours measures.
    """
    names = list(answers)
    if classes is not None:
        every = [f"{ANSWER}_{name}" for name in classes]
        if _are(names, [ANSWER], more=more):
            return Answering(AnswerKind.PROBABILITY, [ANSWER], classes)
        if len(classes) > 2 and _are(names, every, more=more):
            return Answering(AnswerKind.CLASSES, every, classes)
    elif _are(names, [_PREDICTION], more=more) and answers[_PREDICTION].dtype.kind == "f":
        return Answering(AnswerKind.NUMBER, [_PREDICTION])
    raise ModelRefused(
        f"model {model.name} answers {', '.join(names)}",
        mend="this version releases classifiers that give probabilities, and models of one number",
    )


def _are(names: Sequence[str], measured: Sequence[str], *, more: bool) -> bool:
    return set(measured) <= set(names) if more else list(names) == list(measured)


def truth_of(target: pl.Series, answering: Answering) -> pl.Series:
    """The label of each row: 0 or 1, the place of its class, or the number itself. Raises ModelRefused for others."""
    if answering.kind is AnswerKind.PROBABILITY:
        return labels_of(target, answering.classes)
    if answering.kind is AnswerKind.CLASSES:
        return _places(target, answering.classes)
    numbers = target.cast(pl.Float64, strict=False) if target.dtype.is_numeric() or target.dtype == pl.Boolean else None
    if numbers is None or not numbers.is_finite().fill_null(False).all():
        raise ModelRefused(
            f"the target {target.name} holds other values than numbers in the reference",
            mend="leave rows without a known outcome out of the reference",
        )
    return numbers.alias(LABEL)


def score_columns(answers: Mapping[str, Array], answering: Answering) -> list[pl.Series]:
    """`score`, or `score_0`, `score_1`... of classes, which are called by their place."""
    if answering.kind is not AnswerKind.CLASSES:
        return [pl.Series(SCORE, answers[answering.outputs[0]])]
    return [pl.Series(f"{SCORE}_{place}", answers[name]) for place, name in enumerate(answering.outputs)]


def score_series(answers: Mapping[str, Array], kept: pl.DataFrame, model: ModelDeclared) -> list[pl.Series]:
    """The scores of another model in the columns of a scored reference. Raises ModelRefused when it answers other things."""
    if SCORE in kept.columns:
        name = next((name for name in (ANSWER, _PREDICTION) if name in answers), next(iter(answers)))
        return [pl.Series(SCORE, answers[name])]
    columns = [name for name in kept.columns if name.startswith(f"{SCORE}_")]
    outputs = [name for name in answers if name.startswith(f"{ANSWER}_")]
    if len(columns) != len(outputs):
        raise ModelRefused(f"the two models of {model.name} answer other things", mend="compare them by their golden rows")
    return [pl.Series(column, answers[name]) for column, name in zip(columns, outputs, strict=True)]


def class_scores(table: pl.DataFrame) -> npt.NDArray[np.float64] | None:
    """(rows, classes) probabilities of a scored reference; None where it is not one of classes."""
    if SCORE in table.columns:
        return None
    count = sum(name.startswith(f"{SCORE}_") and name.removeprefix(f"{SCORE}_").isdecimal() for name in table.columns)
    return np.column_stack([table[f"{SCORE}_{place}"].to_numpy().astype(np.float64) for place in range(count)])


def _places(target: pl.Series, classes: Sequence[object]) -> pl.Series:
    places = {value: place for place, value in enumerate(classes)}
    values = target.to_list()
    odd = next((value for value in values if value not in places), None)
    if odd is not None or None in values:
        known = ", ".join(repr(value) for value in classes)
        raise ModelRefused(
            f"the target {target.name} holds {odd!r} in the reference; the model knows {known}",
            mend="leave rows without a known outcome out of the reference",
        )
    return pl.Series(LABEL, [places[value] for value in values], dtype=pl.Int32)
