"""The value of a step as the file of a model: in which format it is, and a folder packed into one file."""

from __future__ import annotations

from functools import partial

from shipway.kernel import media
from shipway.kernel.digest import Descriptor, Digest
from shipway.models import pack_folder
from shipway.pipeline._mlflow import MLMODEL, native_file
from shipway.pipeline._model_rows import ModelDeclared, ModelRefused
from shipway.pipeline._request import RunResult
from shipway.store import TREE, Store, read_node

_FORMATS = {  # of the values that are models
    media.SKOPS: "skops", media.ONNX: "onnx", media.XGBOOST: "xgboost", media.LIGHTGBM: "lightgbm",
    media.PROGRAM: "torch",
}  # fmt: skip
_POSSIBLE = "a class of scikit-learn, xgboost or lightgbm, or onnx.ModelProto, or return a Path that ends with .onnx or .pt2"


def model_file(
    store: Store, result: RunResult, model: ModelDeclared, *, own: bool, allow_pickle: bool
) -> tuple[Descriptor, str]:
    """The file and its format. own: a class of the project makes the model of it, whatever it is.

    Raises ModelRefused for a value that is no model, and for one of MLflow that holds no file of its library's own, unless
    allow_pickle; ObjectDamaged, ObjectMissing.
    """
    output = result.output(model.step)
    folder = output.media_type == TREE
    if own:
        if output.media_type == media.SAFETENSORS:
            return output, "safetensors"
        return (_packed(store, output), "python-folder") if folder else (output, "python")
    if folder and MLMODEL in _files(store, output.digest, depth=0):
        return (_packed(store, output), "mlflow") if allow_pickle else _native(store, output, model)
    if output.media_type not in _FORMATS:
        what = f"step {model.step} is model {model.name} and does not return a model"
        raise ModelRefused(what, mend=f"annotate {model.step} as {_POSSIBLE}; or name the class of it, class: MODULE.CLASS")
    return output, _FORMATS[output.media_type]


def table_of(result: RunResult, step: str, what: str) -> Descriptor:
    """The table that a step returned. Raises ModelRefused."""
    output = result.output(step)
    if output.media_type != media.PARQUET:
        raise ModelRefused(f"step {step} is {what} and does not return a table", mend=f"annotate {step} as a table")
    return output


def _native(store: Store, folder: Descriptor, model: ModelDeclared) -> tuple[Descriptor, str]:
    files = {path: partial(store.objects.get, digest) for path, digest in _files(store, folder.digest).items()}
    if (found := native_file(files)) is not None:
        return store.put_bytes(found.data, found.media_type), found.format
    what = f"step {model.step} returns a model of MLflow that is a pickle, and loading one runs whatever its author put in it"
    allow = f"allow_pickle: true under models: {model.name}, for an author whom you trust"
    raise ModelRefused(what, mend=f"save it in its library's own format; or {allow}")


def _packed(store: Store, tree: Descriptor) -> Descriptor:
    files = {path: store.objects.get(digest) for path, digest in _files(store, tree.digest).items()}
    return store.put_bytes(pack_folder(files), media.MODEL_FOLDER)


def _files(store: Store, tree: Digest, *, depth: int = 100) -> dict[str, Digest]:
    """The files of a tree by path, down to so many folders."""
    node = read_node(store.objects.get(tree))
    found = {file.path: file.digest for file in node.files}
    if depth:
        for name, folder in node.folders.items():
            inside = _files(store, folder.digest, depth=depth - 1)
            found |= {f"{name}/{path}": digest for path, digest in inside.items()}
    return found
