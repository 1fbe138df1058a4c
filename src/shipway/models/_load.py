"""From a model object and its file to something that predicts: intact bytes, a known format, trusted types only."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from shipway.kernel.canonical import Json, JsonObject
from shipway.kernel.digest import Descriptor, digest_bytes
from shipway.models._functions import Functions, WithFunctions, load_functions
from shipway.models._lightgbm import load_lightgbm
from shipway.models._model import ModelDamaged, ModelUnknown, ModelUntrusted, Predictable
from shipway.models._onnx import load_onnx
from shipway.models._own import OWN, OwnClass, load_own
from shipway.models._program import load_program
from shipway.models._pyfunc import load_pyfunc
from shipway.models._safetensors import load_weights
from shipway.models._signature import Column, Signature, columns_of
from shipway.models._skops import load_skops
from shipway.models._xgboost import load_xgboost

_PICKLES = ("pickle", "joblib", "cloudpickle")
_LOADERS: dict[str, Callable[[bytes, tuple[Column, ...]], Predictable]] = {
    "skops": load_skops,
    "onnx": load_onnx,
    "xgboost": load_xgboost,
    "lightgbm": load_lightgbm,
    "torch": load_program,
}


def load_model(manifest: JsonObject, file: Path, functions: Path | None = None) -> Predictable:
    """The model of this manifest, read from this file. Raises ModelDamaged, ModelUntrusted, ModelUnknown, SignatureMalformed.

    functions: the file of the modules around it, where the manifest names some; they are imported (FunctionWrong).

    A binary classifier answers `probability` (of its second class), one of more classes `probability_<class>` for each,
    anything else `prediction`. The digest is compared before anything in the file is looked at.
    """
    if (manifest.get("kind"), manifest.get("version")) != ("model", 1):
        what = f"{manifest.get('kind')} version {manifest.get('version')}"
        raise ModelUnknown(f"a model of version 1 was expected, not {what}", mend="upgrade Shipway")
    data = _intact(file, manifest.get("file"))
    signature, own, format = (
        Signature.from_json(manifest.get("signature")),
        manifest.get("functions"),
        str(manifest.get("format")),
    )
    pickle = manifest.get("allow_pickle") is True
    if not isinstance(own, Mapping):
        model = load_bytes(format, data, signature.inputs, pickle=pickle)
        return model if model.signature.outputs else WithFunctions(model, signature, Functions(None, None))
    if functions is None:
        raise ModelUnknown("the model has functions around it, and their file is not given", mend="upgrade Shipway")
    names = (str(own[name]) if own.get(name) else None for name in ("before", "after", "class"))
    loaded = load_functions(_intact(functions, own.get("source")), *names)
    inner = load_bytes(format, data, columns_of(own.get("inputs")), own=loaded.own, pickle=pickle)
    return WithFunctions(inner, signature, loaded)


def _intact(file: Path, named: Json) -> bytes:
    expected = Descriptor.from_json(named).digest
    data = file.read_bytes()  # once: what was hashed is what is loaded
    if (found := digest_bytes(data)) != expected:
        raise ModelDamaged(file, expected=expected, found=found)
    return data


def load_bytes(
    format: str, data: bytes, inputs: tuple[Column, ...], *, own: OwnClass | None = None, pickle: bool = False
) -> Predictable:
    """As load_model, for a model that has no manifest yet; its outputs are read from it, or none where only asking tells.

    own: the class of a model of the project's own; pickle: whether a file that may run code is loaded.
    """
    if format in OWN and own is not None:
        return load_own(own, data, inputs, folder=format == OWN.folder)
    if format == "safetensors" and own is not None:
        return load_weights(own, data, inputs)
    if format == "mlflow":
        if not pickle:
            raise ModelUntrusted(
                "loading an MLflow model runs whatever its author put in it", mend="allow_pickle: true, for an author you trust"
            )
        return load_pyfunc(data, inputs)
    if format in _PICKLES:
        raise ModelUntrusted(
            f"a {format} file runs whatever its author put in it",
            mend="save the model with skops; a pickle loads only from an approved release that allows it",
        )
    if format not in _LOADERS:
        raise ModelUnknown(f"no model format {format!r}", mend=f"this version reads {', '.join(_LOADERS)}")
    return _LOADERS[format](data, inputs)
