"""A folder of MLflow that holds a file which Shipway reads itself: that file is the model, and nothing is unpickled."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple, cast

from shipway.kernel import media
from shipway.kernel.canonical import Json
from shipway.models import ModelUnknown, ModelUntrusted, pack_program, xgboost_json
from shipway.pipeline._model_rows import ModelRefused
from shipway.spec import SpecMalformed, parse_document

MLMODEL = "MLmodel"  # the file that says that a folder is a model of MLflow


class NativeFile(NamedTuple):
    """A model's bytes, what they are, and the format that reads them."""

    data: bytes
    media_type: str
    format: str


class _Kept(NamedTuple):
    """media_type, format: of a file with this end; read: the bytes to keep of those in the folder."""

    media_type: str
    format: str
    read: Callable[[bytes], bytes] = bytes


_KEPT = {
    ("xgboost", ".json"): _Kept(media.XGBOOST, "xgboost"),
    ("xgboost", ".ubj"): _Kept(media.XGBOOST, "xgboost", xgboost_json),
    ("lightgbm", ".lgb"): _Kept(media.LIGHTGBM, "lightgbm"),
    ("lightgbm", ".txt"): _Kept(media.LIGHTGBM, "lightgbm"),
    ("onnx", ".onnx"): _Kept(media.ONNX, "onnx"),
    ("sklearn", ".skops"): _Kept(media.SKOPS, "skops"),
    ("pytorch", ".pt2"): _Kept(media.PROGRAM, "torch", pack_program),
}


def native_file(files: Mapping[str, Callable[[], bytes]]) -> NativeFile | None:
    """The file of a library in a folder of MLflow (files by path, read when asked for); None where only MLflow can load it.

    Raises ModelRefused for a folder whose MLmodel or file is not what it says.
    """
    for flavour, said in _flavours(files[MLMODEL]()).items():
        path = _path(flavour, said)
        kept = _KEPT.get((flavour, f".{path.rpartition('.')[2]}"))
        if kept is None or path not in files:
            continue
        try:
            return NativeFile(kept.read(files[path]()), kept.media_type, kept.format)
        except (ModelUnknown, ModelUntrusted) as problem:
            raise ModelRefused(f"{path} of the model of MLflow: {problem.what}", mend=problem.mend) from problem
    return None


def _flavours(data: bytes) -> dict[str, Mapping[str, Json]]:
    """The flavours that are the whole model: where pyfunc loads something else around them, only that answers as it should."""
    try:
        flavours = parse_document(data.decode("utf-8"), path=MLMODEL).plain()
    except (SpecMalformed, UnicodeDecodeError) as problem:
        raise ModelRefused(f"the MLmodel of a model of MLflow cannot be read: {problem}") from problem
    found = cast("Mapping[str, Json]", flavours).get("flavors")
    known = {name: said for name, said in found.items() if isinstance(said, Mapping)} if isinstance(found, Mapping) else {}
    loader = known.pop("python_function", {}).get("loader_module")
    return {name: said for name, said in known.items() if loader in (None, f"mlflow.{name}")}


def _path(flavour: str, said: Mapping[str, Json]) -> str:
    if flavour == "pytorch":
        return f"{said.get('model_data')}/model.pt2"
    return str(said.get("pickled_model" if flavour == "sklearn" else "data"))
