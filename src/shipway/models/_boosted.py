"""Boosted trees behind the Predictable protocol: a matrix of numbers in, one number or one for each class out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from shipway.models._columns import Array
from shipway.models._model import ModelUnknown
from shipway.models._signature import Column, Signature
from shipway.models._stack import check_inputs, stack


class BoostedModel:
    """ask: rows by `order` to (rows,) or (rows, classes); answers: what these numbers are."""

    def __init__(
        self, ask: Callable[[Array], Array], *, inputs: tuple[Column, ...], order: tuple[Column, ...], answers: Answers
    ) -> None:
        self._ask, self._order, self.classes = ask, Signature(order, ()), answers.classes
        self.signature = Signature(inputs, answers.columns)

    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """One array an output, in signature order; raises InputMismatch."""
        rows = check_inputs(columns, self.signature)
        names = [column.name for column in self.signature.outputs]
        if rows == 0:
            return {name: np.empty(0) for name in names}
        given = np.asarray(self._ask(stack(columns, self._order)), dtype=np.float64).reshape(rows, len(names))
        return {name: np.ascontiguousarray(given[:, place]) for place, name in enumerate(names)}


class Answers:
    """What a booster answers: `columns` of a signature, and the classes 0, 1, 2 of a classifier."""

    def __init__(self, columns: tuple[Column, ...], classes: list[int] | None = None) -> None:
        self.columns, self.classes = columns, classes


def prediction() -> Answers:
    return Answers((Column("prediction", "FP64"),))


def probabilities(classes: int) -> Answers:
    """Of the second of two classes, or of each of more."""
    known = list(range(classes))
    names = ["probability"] if classes == 2 else [f"probability_{name}" for name in known]
    return Answers(tuple(Column(name, "FP64") for name in names), known)


def ordered(inputs: tuple[Column, ...], names: Sequence[str], features: int, library: str) -> tuple[Column, ...]:
    """The inputs in the order of the names that the file gives its features, if any. Raises ModelUnknown."""
    given = ", ".join(column.name for column in inputs)
    if texts := [column.name for column in inputs if column.datatype == "BYTES"]:
        raise ModelUnknown(f"{library} takes numbers, and the column {texts[0]} is text", mend="encode it in the step before")
    if features != len(inputs):
        raise ModelUnknown(f"the file takes {features} features; the columns are {given}", mend="fit it on these columns")
    if not names:
        return inputs
    by_name = {column.name: column for column in inputs}
    if len(set(names)) != len(inputs) or set(names) != set(by_name):
        raise ModelUnknown(
            f"the file takes {', '.join(names)}; the columns are {given}", mend="fit it on columns of the reference's own names"
        )
    return tuple(by_name[name] for name in names)
