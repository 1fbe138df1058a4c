"""What a loaded model is to the rest of Shipway, and the three ways in which a file is none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from shipway.kernel.digest import Digest
from shipway.kernel.errors import ShipwayError
from shipway.models._columns import Array
from shipway.models._signature import Signature


class ModelDamaged(ShipwayError):
    """The model's file is not the one its manifest names."""

    code = "models.model-damaged"

    def __init__(self, file: Path, *, expected: Digest, found: Digest) -> None:
        super().__init__(f"the model file is damaged: expected {expected}, found {found}", where=str(file))
        self.file, self.expected, self.found = file, expected, found


class ModelUntrusted(ShipwayError):
    """A file that may run code or read outside its memory when it is loaded; `types` names those not on the list."""

    code = "models.model-untrusted"

    def __init__(self, what: str, *, types: Sequence[str] = (), mend: str | None = None) -> None:
        super().__init__(what, mend=mend)
        self.types = tuple(types)


class ModelUnknown(ShipwayError):
    """A format that this version does not read, or a model whose kind of answer it does not know."""

    code = "models.model-unknown"


class Predictable(Protocol):
    """A loaded model. `signature` is checked by predict, which raises InputMismatch and answers one array an output."""

    @property
    def signature(self) -> Signature: ...
    def predict(self, columns: Mapping[str, Array]) -> dict[str, Array]: ...
