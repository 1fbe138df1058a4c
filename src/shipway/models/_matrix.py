"""All inputs of a numeric model as one matrix, which is what estimators take: no array of its own for each column.

A request of one row of twenty numbers is one array from the wire to the model. Whoever wants columns by name finds them, made
when they are asked for, so that nothing else needs to know of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import final

import numpy as np
import numpy.typing as npt

from shipway.models._columns import Array
from shipway.models._signature import DATATYPES, Signature

Reals = npt.NDArray[np.float64]


@final
class Matrix(Mapping[str, Array]):
    """The columns of a signature by name, held as float64 of shape (rows, inputs), in the signature's order.

    The signature has no text, and every value is one that its column can hold: `matrix_of` makes sure. Nobody writes to it.
    """

    __slots__ = ("array", "signature")

    def __init__(self, array: Reals, signature: Signature) -> None:
        self.array: Reals = array
        self.signature = signature

    def __getitem__(self, name: str) -> Array:
        place = self.signature.places[name]
        return self.array[:, place].astype(DATATYPES[self.signature.inputs[place].datatype])

    def __iter__(self) -> Iterator[str]:
        return iter(self.signature.places)

    def __len__(self) -> int:
        return len(self.signature.places)
