"""How far answers that are no probability were from what became true: sums that add up, for a number and for classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from shipway.data._errors import ProfileMismatch
from shipway.data._histogram import Floats
from shipway.kernel.canonical import JsonObject

_LEAST = 1e-15  # a chance below it counts as this, so that one surprise is not endless


@dataclass(frozen=True, slots=True, eq=False)
class AnswerProfile:
    """n answers whose truth is known. classes: in their order, none of a number.

    loss: sum of absolute errors of a number, of nats of surprise of classes; squares: sum of their squares; shift: sum of
    answer minus truth, of a number; confusion: (classes, classes) rows, by what was true and what was answered.
    """

    classes: tuple[str, ...]
    n: int
    loss: float
    squares: float
    shift: float
    confusion: NDArray[np.int64]

    def __add__(self, other: AnswerProfile) -> AnswerProfile:
        """Raises ProfileMismatch when the classes differ."""
        if self.classes != other.classes:
            raise ProfileMismatch("answers of other classes do not add up", mend="measure both against one reference")
        loss, squares, shift = self.loss + other.loss, self.squares + other.squares, self.shift + other.shift
        return AnswerProfile(self.classes, self.n + other.n, loss, squares, shift, self.confusion + other.confusion)

    def to_json(self) -> JsonObject:
        sums: JsonObject = {"n": self.n, "loss": self.loss, "squares": self.squares}
        if not self.classes:
            return {**sums, "shift": self.shift}
        return {**sums, "classes": list(self.classes), "confusion": cast("Any", self.confusion.tolist())}


def answers_from_json(record: JsonObject) -> AnswerProfile:
    """The inverse of to_json. Raises KeyError, TypeError, ValueError."""
    classes = tuple(str(name) for name in cast("list[str]", record.get("classes", [])))
    confusion = np.asarray(record.get("confusion", []), dtype=np.int64).reshape(len(classes), len(classes))
    loss, squares, shift = (float(cast("float", record.get(name, 0.0))) for name in ("loss", "squares", "shift"))
    return AnswerProfile(classes, int(cast("int", record["n"])), loss, squares, shift, confusion)


def measure_answers(answers: ArrayLike, truth: ArrayLike, *, classes: Sequence[str] = ()) -> AnswerProfile:
    """The profile of answers whose truth is known, those whose truth or answer is NaN left out.

    answers: (n,) numbers, or (n, classes) chances; truth: (n,) numbers, or the place of the class. Raises ProfileMismatch.
    """
    given, true = np.asarray(answers, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if given.shape != ((true.size, len(classes)) if classes else (true.size,)):
        raise ProfileMismatch("an answer is a number, or a chance for each class, for each truth", mend="pass the same rows")
    known = np.isfinite(true) & np.isfinite(given.reshape(true.size, len(classes) or 1)).all(axis=1)
    if classes:
        known &= (true >= 0) & (true < len(classes)) & (true == np.floor(true))
    given, true = given[known], true[known]
    return _of_classes(given, true.astype(np.int64), tuple(classes)) if classes else _of_number(given - true)


def _of_number(error: Floats) -> AnswerProfile:
    loss, squares, shift = math.fsum(np.abs(error)), math.fsum(error**2), math.fsum(error)
    return AnswerProfile((), error.size, loss, squares, shift, np.zeros((0, 0), np.int64))


def _of_classes(chances: Floats, truth: NDArray[np.int64], classes: tuple[str, ...]) -> AnswerProfile:
    surprise = -np.log(np.clip(chances[np.arange(truth.size), truth], _LEAST, 1.0))
    shape = len(classes), len(classes)
    cells = np.bincount(truth * shape[1] + chances.argmax(axis=1), minlength=shape[0] * shape[1]).astype(np.int64)
    return AnswerProfile(classes, truth.size, math.fsum(surprise), math.fsum(surprise**2), 0.0, cells.reshape(shape))
