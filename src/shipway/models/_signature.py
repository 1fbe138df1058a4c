"""What goes into a model and what comes out: named columns of Open Inference datatypes, in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.errors import ShipwayError

if TYPE_CHECKING:
    from shipway.models._rows import RowMaker

DATATYPES = {
    "BOOL": "|b1", "INT8": "|i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8", "UINT8": "|u1", "UINT16": "<u2",
    "UINT32": "<u4", "UINT64": "<u8", "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "BYTES": "|O",
}  # fmt: skip
"""Open Inference Protocol v2 datatype to numpy's little-endian one. BYTES is text or nothing; FP16 has no JSON form."""


class SignatureMalformed(ShipwayError):
    """A record that should be a signature is none."""

    code = "models.signature-malformed"


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name and Open Inference datatype; raises SignatureMalformed."""

    name: str
    datatype: str

    def __post_init__(self) -> None:
        if self.datatype not in DATATYPES:
            raise SignatureMalformed(
                f"column {self.name}: {self.datatype!r} is no datatype", mend=f"one of {', '.join(DATATYPES)}"
            )

    def to_json(self) -> JsonObject:
        return {"name": self.name, "datatype": self.datatype}

    @classmethod
    def from_json(cls, record: Json) -> Column:
        """Raises SignatureMalformed."""
        if not isinstance(record, Mapping):
            raise SignatureMalformed(f"a column is an object, not {type(record).__name__}")
        name, datatype = record.get("name"), record.get("datatype")
        if not isinstance(name, str) or not isinstance(datatype, str):
            raise SignatureMalformed("a column has a name and a datatype")
        return cls(name, datatype)


@dataclass(frozen=True, slots=True)
class Signature:
    """The columns a model takes and gives. The order of the inputs is the order of the matrix it was fitted on.

    What every request asks is worked out once. places: of the inputs by name; text: the name of the first input that is text;
    real: whether every input is FP64.
    """

    inputs: tuple[Column, ...]
    outputs: tuple[Column, ...]
    places: Mapping[str, int] = field(init=False, repr=False, compare=False)
    text: str | None = field(init=False, repr=False, compare=False)
    real: bool = field(init=False, repr=False, compare=False)
    _maker: RowMaker | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        texts = (column.name for column in self.inputs if column.datatype == "BYTES")
        object.__setattr__(self, "places", {column.name: place for place, column in enumerate(self.inputs)})
        object.__setattr__(self, "text", next(texts, None))
        object.__setattr__(self, "real", all(column.datatype == "FP64" for column in self.inputs))
        object.__setattr__(self, "_maker", None)

    @property
    def maker(self) -> RowMaker:
        """Makes its columns out of plain values."""
        if self._maker is None:
            from shipway.models._rows import RowMaker

            object.__setattr__(self, "_maker", RowMaker(self))
        return cast("RowMaker", self._maker)

    def to_json(self) -> JsonObject:
        return {"inputs": [c.to_json() for c in self.inputs], "outputs": [c.to_json() for c in self.outputs]}

    @classmethod
    def from_json(cls, record: Json) -> Signature:
        """Raises SignatureMalformed, also when a name comes twice."""
        if not isinstance(record, Mapping):
            raise SignatureMalformed(f"a signature is an object, not {type(record).__name__}")
        return cls(columns_of(record.get("inputs")), columns_of(record.get("outputs")))


def columns_of(record: Json) -> tuple[Column, ...]:
    """The columns of a JSON list; raises SignatureMalformed, also when a name comes twice."""
    if not isinstance(record, Sequence) or isinstance(record, str):
        raise SignatureMalformed("the columns of a signature are a list")
    columns = tuple(Column.from_json(item) for item in record)
    names = [column.name for column in columns]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise SignatureMalformed(f"column {twice[0]} comes twice")
    return columns
