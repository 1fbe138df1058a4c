"""What a model has answered, held against what its release promises: names, types, one value a row."""

from __future__ import annotations

from collections.abc import Mapping

from shipway.kernel.errors import ShipwayError
from shipway.models import Array, Signature, datatype_of


class AnswerWrong(ShipwayError):
    """The model has answered with other columns, another type or another number of rows than its signature says."""

    code = "serve.answer-wrong"


class Promise:
    """The outputs of a signature. check costs well under a microsecond for each of them."""

    def __init__(self, signature: Signature) -> None:
        self._datatypes = {column.name: column.datatype for column in signature.outputs}

    def check(self, outputs: Mapping[str, Array], rows: int) -> None:
        """Raises AnswerWrong."""
        if not isinstance(outputs, Mapping) or outputs.keys() != self._datatypes.keys():
            given = ", ".join(map(str, outputs)) if isinstance(outputs, Mapping) else type(outputs).__name__
            raise AnswerWrong(f"the model answered {given} instead of {', '.join(self._datatypes)}")
        for name, expected in self._datatypes.items():
            array = outputs[name]
            shape = getattr(array, "shape", None)
            if shape != (rows,):
                given = f"shape {list(shape)}" if shape is not None else type(array).__name__
                raise AnswerWrong(f"output {name!r}: expected {rows} rows, given {given}")
            if (found := datatype_of(array)) != expected:
                raise AnswerWrong(f"output {name!r}: expected {expected}, given {found or array.dtype}")
