"""From a model object and its file to something that predicts: intact bytes, a known format, trusted types only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from shipway.kernel.canonical import JsonObject
from shipway.kernel.digest import Descriptor, Digest, digest_bytes
from shipway.kernel.errors import ShipwayError
from shipway.models._columns import Array
from shipway.models._signature import Column, Signature

_PICKLES = ("pickle", "joblib", "cloudpickle")


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


def load_model(manifest: JsonObject, file: Path) -> Predictable:
    """The model of this manifest, read from this file. Raises ModelDamaged, ModelUntrusted, ModelUnknown, SignatureMalformed.

    A binary classifier answers `probability` (of its second class), one of more classes `probability_<class>` for each,
    anything else `prediction`. The digest is compared before anything in the file is looked at.
    """
    expected = Descriptor.from_json(manifest.get("file")).digest
    data = file.read_bytes()  # once: what was hashed is what is loaded
    if (found := digest_bytes(data)) != expected:
        raise ModelDamaged(file, expected=expected, found=found)
    signature = Signature.from_json(manifest.get("signature"))
    return load_bytes(str(manifest.get("format")), data, signature.inputs)


def load_bytes(format: str, data: bytes, inputs: tuple[Column, ...]) -> Predictable:
    """As load_model, for a model that has no manifest yet; its outputs are read from the model."""
    if format in _PICKLES:
        raise ModelUntrusted(
            f"a {format} file runs whatever its author put in it",
            mend="save the model with skops; a pickle loads only from an approved release that allows it",
        )
    if format != "skops":
        raise ModelUnknown(f"no model format {format!r}", mend="this version reads skops")
    from shipway.models import _skops  # scikit-learn costs a second, which only those who load a model pay

    return _skops.load_skops(data, inputs)
